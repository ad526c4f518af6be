//! What decides a result and what does not: a test for each row of the table in `src/key/mod.rs`, and for each promise about units.

use crate::support::{GRID, Paper, Run};

/// The metric's stages and all models built once; returns the paper.
fn built() -> Paper {
    let paper = Paper::new().yaml(GRID);
    paper.build("").ok().trained(7);
    paper
}

/// After this edit of the paper exactly these models are trained.
#[track_caller]
fn edit_trains(from: &str, to: &str, models: &[&str]) -> Run {
    let paper = built();
    let run = paper.edit(from, to).build("").ok();
    assert_eq!(run.trained_models(), models);
    run
}

/// With this text as the paper file nothing runs.
#[track_caller]
fn nothing_runs(text: &str) {
    let paper = built();
    let run = paper.rewrite(text).build("").ok().trained(0);
    assert_eq!(run.events_of("build-finished")[0]["ran"], 0);
}

const ALL: [&str; 7] = [
    "grid probability=0.1 run=1",
    "grid probability=0.1 run=2",
    "grid probability=0.2 run=1",
    "grid probability=0.2 run=2",
    "grid probability=0.5 run=1",
    "grid probability=0.5 run=2",
    "one",
];

// In the key.

#[test]
fn every_setting_of_a_recipe_is_in_the_key() {
    let settings = [
        ("features: 4", "features: 5"),
        ("hidden: 2", "hidden: 3"),
        ("experts: 2", "experts: 3"),
        ("active: 1}", "active: 2}"),
        ("active: 1}", "active: 1, load-balancing: 0.1}"),
        ("powers: 0.7", "powers: 0.8"),
        ("powers: 0.7", "powers: 0.7, first: 1"),
        ("powers: 0.7", "powers: 0.7, shuffle: 3"),
        ("powers: 0.7", "powers: 0.7, last: 2"),
        ("importance: {powers: 0.7}", "importance: [1, 0.7, 0.5, 0.3]"),
        ("optimizer: {adamw:", "init: {weights: zero}\n      optimizer: {adamw:"),
        ("optimizer: {adamw:", "init: {bias: zero}\n      optimizer: {adamw:"),
        ("optimizer: {adamw:", "init: {gate: ordered-k-hot}\n      optimizer: {adamw:"),
        ("{adamw: {lr: 1e-3, weight-decay: 0.01}}", "{adam: {lr: 1e-3}}"),
        ("lr: 1e-3", "lr: 1e-2"),
        ("weight-decay: 0.01", "weight-decay: 0.02"),
        ("weight-decay: 0.01", "weight-decay: 0.01, beta1: 0.8"),
        ("weight-decay: 0.01", "weight-decay: 0.01, beta2: 0.99"),
        ("weight-decay: 0.01", "weight-decay: 0.01, eps: 1e-7"),
        ("batch: 16", "schedule: linear\n      batch: 16"),
        ("batch: 16", "reduction: sum\n      batch: 16"),
        ("batch: 16", "stop: {drop-below: 0.2}\n      batch: 16"),
        #[cfg(feature = "reference")]
        ("batch: 16", "engine: reference\n      batch: 16"),
        ("batch: 16", "batch: 17"),
        ("steps: 20", "steps: 21"),
    ];
    let paper = built();
    for (from, to) in settings {
        let run = paper.edit(from, to).build("").ok();
        assert_eq!(run.trained_models(), ALL, "{to}");
        paper.rewrite(GRID);
    }
    // Every one of them is kept, and so is what was there before.
    paper.build("").ok().trained(0);
}

#[test]
fn the_seed_is_in_the_key() {
    // The sweep's runs count on from the recipe's seed: of 1, 2 and 2, 3 only 3 is new.
    let grid = ["grid probability=0.1 run=3", "grid probability=0.2 run=3", "grid probability=0.5 run=3", "one"];
    edit_trains("seed: 1", "seed: 2", &grid);
}

#[test]
fn the_probability_of_the_shared_recipe_matters_only_where_no_axis_gives_it() {
    edit_trains("probability: 0.3", "probability: 0.4", &["one"]);
}

#[test]
fn a_default_is_the_same_as_its_value_written_out() {
    edit_trains("batch: 16", "schedule: constant\n      reduction: mean\n      batch: 16", &[]);
    edit_trains("batch: 16", "engine: fused\n      batch: 16", &[]);
    edit_trains("{adamw: {lr: 1e-3, weight-decay: 0.01}}", "adamw", &[]);
}

#[test]
fn the_value_that_an_axis_gives_is_in_the_key() {
    edit_trains("0.2, 0.5", "0.25, 0.5", &["grid probability=0.25 run=1", "grid probability=0.25 run=2"]);
}

#[test]
fn a_metric_is_computed_again_when_its_settings_change_and_trains_nothing() {
    let run = edit_trains(
        "compute: [loss, feature-geometry]",
        "compute: [loss, {represented-features: {least-norm: 0.4}}]",
        &[],
    );
    assert_eq!(run.built(), ["measures"]);
    assert_eq!(run.events_of("unit-finished").len(), 6);
}

#[test]
fn kinds_models_metrics_and_the_contract_carry_a_version_into_the_key() {
    use repro::metrics::Metric;
    use repro::spec::{Decode, Problems, read};
    let mut problems = Problems::default();
    for name in Metric::NAMES {
        let node = read(name, &mut problems).expect("a name is YAML");
        let metric = Metric::decode(&node, &mut problems).expect("every metric has defaults");
        assert!(metric.entry().version() >= 1, "{name}");
    }
    let (_, units) = manifests(GRID);
    for (stage, manifest) in units {
        let version = if stage == "measures" { &manifest["versions"][0] } else { &manifest["contract"] };
        assert!(version.as_u64() >= Some(1), "{stage}: {manifest}");
    }
}

/// Title, and stage and manifest of every unit of a paper.
fn manifests(yaml: &str) -> (String, Vec<(String, serde_json::Value)>) {
    use repro::graph::Graph;
    use repro::spec::{Paper, Problems, read};
    let mut problems = Problems::default();
    let root = read(yaml, &mut problems).expect("yaml");
    let graph = Graph::from_paper(&Paper::from_node(&root, &mut problems), &mut problems).expect("a good paper");
    let mut all = Vec::new();
    for (i, stage) in graph.stages.iter().enumerate() {
        for unit in 0..graph.layouts[i].units {
            let described = stage.stage.unit(unit, &graph.layouts[i], &graph.outlines(i)).expect("a unit");
            all.push((stage.name.clone(), described.manifest));
        }
    }
    (graph.title, all)
}

#[test]
fn keys_hold_neither_names_nor_paths_nor_times() {
    let (_, units) = manifests(GRID);
    assert_eq!(units.len(), 13);
    for (stage, manifest) in units {
        let text = manifest.to_string();
        for name in ["grid", "measures", "probability=", "Test", "/", "run"] {
            assert!(!text.contains(name), "{stage}: `{name}` in {text}");
        }
    }
}

// Not in the key.

#[test]
fn comments_order_and_spelling_are_not_content() {
    nothing_runs(&format!("# A comment.\n{}", GRID.replace("steps: 20", "steps: 2e1   # another")));
    nothing_runs(&GRID.replace("lr: 1e-3, weight-decay: 0.01", "weight-decay: 1e-2, lr: 0.001"));
    nothing_runs(
        &GRID.replace(
            "features: 4, hidden: 2, experts: 2, active: 1",
            "active: 1, experts: 2, hidden: 2, features: 4.0",
        ),
    );
    nothing_runs(&GRID.replace("      batch: 16\n      steps: 20\n", "      steps: 20\n      batch: 16\n"));
    let block =
        "data:\n        sparse-uniform:\n          probability: 0.30\n          importance:\n            powers: 7e-1";
    let flow = "data: {sparse-uniform: {probability: 0.3, importance: {powers: 0.7}}}";
    assert!(GRID.contains(flow));
    nothing_runs(&GRID.replace(flow, block));
    nothing_runs(&GRID.replace("title: Test", "title: Another title"));
}

#[test]
fn probability_and_sparsity_are_two_names_of_one_setting() {
    nothing_runs(&GRID.replace("probability: 0.3", "sparsity: 0.7"));
    nothing_runs(&GRID.replace(
        "{field: data.probability, values: [0.1, 0.2, 0.5]}",
        "{field: data.sparsity, values: [0.9, 0.8, 0.5]}",
    ));
}

#[test]
fn anchors_and_merge_keys_are_not_content() {
    let start = GRID.find("      model:").expect("the recipe");
    let recipe = GRID[start..GRID.find("  grid:").expect("the sweep")].replace("      ", "        ");
    nothing_runs(&GRID.replace("recipe: *recipe", &format!("recipe:\n{recipe}")));
    nothing_runs(&GRID.replace("recipe: *recipe", "recipe:\n        <<: *recipe\n        steps: 20"));
}

#[test]
fn names_of_stages_and_their_order_are_not_content() {
    nothing_runs(&GRID.replace("  one:", "  another:").replace("grid", "lattice").replace("measures:", "measured:"));
    let (head, stages) = GRID.split_at(GRID.find("  one:").expect("one"));
    let (one, rest) = stages.split_at(stages.find("  grid:").expect("grid"));
    let (grid, measures) = rest.split_at(rest.find("  measures:").expect("measures"));
    let grid =
        grid.replace("*recipe", &one.replace("  one:\n    train: &recipe", "").replace("\n      ", "\n        "));
    nothing_runs(&format!("{head}{measures}{grid}{}", one.replace("&recipe", "")));
}

#[test]
fn names_and_order_of_axes_are_not_content_of_points() {
    let axes = "        probability: {field: data.probability, values: [0.1, 0.2, 0.5]}\n        run: {field: seed, count: 2}\n";
    assert!(GRID.contains(axes));
    let other = "        a: {field: seed, values: [2, 1]}\n        z: {field: data.sparse-uniform.probability, values: [0.5, 0.2, 0.1]}\n";
    nothing_runs(&GRID.replace(axes, other));
}

#[test]
fn threads_vector_width_and_device_are_not_content() {
    let one = built();
    for (name, arguments) in [("portable", "-j 1"), ("avx2", "-j 3"), ("avx512", "--device cpu")] {
        let other = Paper::new().yaml(GRID).env("REPRO_CPU", name);
        other.build(arguments).ok().trained(7);
        assert_eq!(other.result("grid"), one.result("grid"), "{name} {arguments}");
        assert_eq!(other.result("measures"), one.result("measures"), "{name} {arguments}");
    }
    for arguments in ["-j 1", "-j 7", "--device cpu", "--device auto", "-k"] {
        one.build(arguments).ok().trained(0);
    }
}

#[test]
fn the_paths_of_the_paper_and_the_cache_are_not_content() {
    let paper = built();
    std::fs::create_dir(paper.path("elsewhere")).unwrap();
    std::fs::rename(paper.path("paper.yaml"), paper.path("elsewhere/other.yaml")).unwrap();
    std::fs::rename(paper.path("cache"), paper.path("elsewhere/store")).unwrap();
    paper.run("build --json -f elsewhere/other.yaml --cache elsewhere/store").ok().trained(0);
    paper.run("-C elsewhere build --json -f other.yaml --cache store").ok().trained(0);
}

// Units.

#[test]
fn a_point_of_a_sweep_is_the_equal_train_stage() {
    let paper = built();
    paper.edit("probability: 0.3", "probability: 0.2").build("one").ok().trained(0);
}

#[test]
fn equal_units_of_one_build_are_trained_once() {
    let yaml = GRID.to_string()
        + "  same: {sweep: {recipe: *recipe, axes: {p: {field: data.probability, values: [0.5, 0.1, 0.3]}}}}\n";
    let run = Paper::new().yaml(&yaml).build("").ok().trained(7);
    assert_eq!(run.events_of("build-finished")[0]["trained"], 7);
}

#[test]
fn a_new_value_on_an_axis_trains_only_the_new_points() {
    let paper = built();
    let run = paper.edit("0.2, 0.5", "0.2, 0.3, 0.5").build("").ok();
    // The run with seed 1 at 0.3 is the stage `one`.
    assert_eq!(run.trained_models(), ["grid probability=0.3 run=2"]);
    assert_eq!(run.events_of("unit-finished").iter().filter(|e| e["stage"] == "measures").count(), 2);
}

#[test]
fn removing_a_value_and_restoring_it_trains_nothing() {
    let paper = built();
    paper.edit("0.1, 0.2", "0.1").build("").ok().trained(0);
    let run = paper.rewrite(GRID).build("").ok().trained(0);
    assert_eq!(run.events_of("build-finished")[0]["ran"], 0);
}

#[test]
fn a_new_axis_with_the_recipes_own_value_trains_nothing() {
    let axis = "        steps: {field: steps, values: [20]}\n        run:";
    nothing_runs(&GRID.replace("        run:", axis));
}

#[test]
fn what_reads_a_stage_runs_only_if_its_content_changed() {
    // Both optimizers leave a run of all-zero rates where it began: the stage runs, its readers need not.
    let frozen = GRID.replace("{adamw: {lr: 1e-3, weight-decay: 0.01}}", "{adam: {lr: 0}}");
    let paper = Paper::new().yaml(&frozen);
    paper.build("").ok().trained(7);
    let run = paper.edit("{adam: {lr: 0}}", "{adam: {lr: 0, eps: 1e-7}}").build("").ok().trained(7);
    assert_eq!(run.built_by_name(), ["grid", "one"]);
    assert_eq!(run.events_of("build-finished")[0]["current"], 1);
}

#[test]
fn only_what_the_targets_need_is_built() {
    let paper = Paper::new().yaml(GRID);
    let run = paper.build("measures").ok().trained(6);
    assert_eq!(run.built(), ["grid", "measures"]);
    let run = paper.build("one").ok().trained(1);
    assert_eq!(run.built(), ["one"]);
}

/// A sweep over named cases, a figure with their names, and a program that reads its arrays.
const CASES: &str = "\
repro: 1
stages:
  grid:
    sweep:
      recipe: {model: {moe-autoencoder: {features: 4, hidden: 2}}, data: {sparse-uniform: {probability: 0.3}}, batch: 8, steps: 4}
      axes: {p: {cases: {small: {data.probability: 0.1}, large: {data.probability: 0.3}}}}
  fig: {figure: {of: grid, panels: [{marks: [{points: {x: p, y: loss}}]}], formats: [svg]}}
  names: {exec: {run: 'cp grid.npz names.npz', inputs: [grid], outputs: [names.npz]}}
";

#[test]
fn the_name_of_a_case_is_in_the_key_of_what_shows_it() {
    let paper = Paper::new().yaml(CASES);
    paper.build("fig names").ok().trained(2);
    let before = paper.read("figures/fig.svg");
    assert!(before.contains("small") && !before.contains("tiny"));
    let run = paper.edit("small:", "tiny:").build("fig names").ok().trained(0);
    assert_eq!(run.events_of("build-finished")[0]["ran"], 2, "the figure and the program");
    let after = paper.read("figures/fig.svg");
    assert!(after.contains("tiny") && !after.contains("small"));
}

#[test]
fn explain_says_that_an_axis_has_changed() {
    let paper = Paper::new().yaml(CASES);
    paper.build("fig").ok();
    paper.edit("small:", "tiny:").explain("fig").ok().says("`grid` has new content");
}
