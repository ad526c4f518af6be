//! The whole text of every complaint about a paper file or an argument: what is wrong, where, and what to do.

use crate::support::{Paper, timeless};

const MODEL: &str = "\
repro: 1
stages:
  one:
    train:
      model: {moe-autoencoder: {features: 4, hidden: 2, experts: 2, active: 1}}
      data: {sparse-uniform: {probability: 0.3}}
      batch: 16
      steps: 20
";

const SWEEP: &str = "\
repro: 1
stages:
  grid:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 4, hidden: 2}}
        data: {sparse-uniform: {probability: 0.3}}
      axes:
        p: {AXIS}
";

/// The model with one thing changed.
fn model(from: &str, to: &str) -> String {
    assert_eq!(MODEL.matches(from).count(), 1);
    MODEL.replace(from, to)
}

/// The sweep with this axis.
fn axis(body: &str) -> String {
    SWEEP.replace("AXIS", body)
}

/// The text with which this paper is refused: the same by every command, and nothing is written.
#[track_caller]
fn refusal(yaml: &str) -> String {
    let paper = Paper::new().yaml(yaml);
    let before = paper.fingerprint();
    let text = timeless(&paper.run("build").code(2).stdout("").stderr);
    paper.run("plan").code(2).stdout("").stderr(&text);
    assert_eq!(paper.fingerprint(), before);
    text
}

/// The text is a snapshot in `tests/suite/snapshots`; see CONTRIBUTING.md for how to accept another wording.
macro_rules! assert_refused {
    ($yaml:expr) => {
        insta::assert_snapshot!(refusal($yaml))
    };
}

#[test]
#[cfg(feature = "reference")]
fn a_recipe_too_large_for_the_reference_engine_is_an_error() {
    assert_refused!(
        &model("batch: 16", "batch: 1000000\n      engine: reference").replace("experts: 2", "experts: 256")
    );
}

#[test]
fn an_unknown_engine_is_an_error() {
    assert_refused!(&model("batch: 16", "engine: referense"));
}

// Names.

#[test]
fn an_unknown_key_brings_the_nearest_known_one() {
    assert_refused!(&model("batch: 16", "bacth: 16"));
}

#[test]
fn an_unknown_key_of_the_frame_brings_the_way_to_hold_anchors() {
    assert_refused!("repro: 1\nstage: {}\nstages: {}\n");
}

#[test]
fn an_unknown_kind_of_stage() {
    assert_refused!("repro: 1\nstages:\n  fig1:\n    figur: {}\n");
}

#[test]
fn an_unknown_model() {
    assert_refused!(&model("moe-autoencoder", "moe-autoencodr"));
}

#[test]
fn an_unknown_metric() {
    assert_refused!(&format!("{MODEL}{}", "  m:\n    metric: {of: one, compute: [losss]}\n"));
}

#[test]
fn an_unknown_stage() {
    assert_refused!(&format!("{MODEL}{}", "  m:\n    metric: {of: on, compute: [loss]}\n"));
}

#[test]
fn a_name_that_no_file_could_have() {
    assert_refused!("repro: 1\nstages:\n  a/b: {train: {}}\n");
}

#[test]
fn a_stage_that_stands_twice() {
    assert_refused!(&format!("{MODEL}{}", "  one:\n    train: {}\n"));
}

#[test]
fn a_key_that_stands_twice() {
    assert_refused!(&model("batch: 16", "batch: 16\n      batch: 32"));
}

#[test]
fn a_missing_setting() {
    assert_refused!(&model("      data: {sparse-uniform: {probability: 0.3}}\n", ""));
}

// Types and units.

#[test]
fn text_where_a_number_should_be() {
    assert_refused!(&model("batch: 16", "batch: many"));
}

#[test]
fn a_number_in_quotes() {
    assert_refused!(&model("probability: 0.3", "probability: \"0.3\""));
}

#[test]
fn a_number_with_a_unit() {
    assert_refused!(&model("steps: 20", "steps: 20k"));
}

#[test]
fn a_fraction_where_a_whole_number_should_be() {
    assert_refused!(&model("steps: 20", "steps: 2.5"));
}

#[test]
fn a_negative_size() {
    assert_refused!(&model("features: 4", "features: -4"));
}

#[test]
fn a_number_that_is_none() {
    assert_refused!(&model("probability: 0.3", "probability: .nan"));
}

#[test]
fn an_infinite_number() {
    assert_refused!(&model("probability: 0.3", "probability: .inf"));
}

// Values that do not fit together.

#[test]
fn more_active_experts_than_there_are() {
    assert_refused!(&model("active: 1", "active: 3"));
}

#[test]
fn features_that_k_hot_cannot_deal_evenly() {
    assert_refused!(&model(
        "experts: 2, active: 1}}\n",
        "experts: 3, active: 1}}\n      init: {gate: ordered-k-hot}\n"
    ));
}

#[test]
fn a_batch_of_nothing() {
    assert_refused!(&model("batch: 16", "batch: 0"));
}

#[test]
fn a_probability_above_one() {
    assert_refused!(&model("probability: 0.3", "probability: 2"));
}

// Axes.

#[test]
fn an_axis_on_a_field_that_the_recipe_lacks() {
    assert_refused!(&axis("field: sed, count: 3"));
}

#[test]
fn an_axis_on_a_field_deep_inside_that_the_recipe_lacks() {
    assert_refused!(&axis("field: data.densty, values: [0.1]"));
}

#[test]
fn an_axis_value_of_the_wrong_type() {
    assert_refused!(&axis("field: data.probability, values: [0.1, x]"));
}

#[test]
fn an_axis_value_that_the_recipe_cannot_have() {
    assert_refused!(&axis("field: data.probability, values: [0.1, 1.5]"));
}

#[test]
fn an_axis_without_values() {
    assert_refused!(&axis("field: data.probability, values: []"));
}

#[test]
fn an_axis_whose_range_is_empty() {
    assert_refused!(&axis("field: data.probability, from: 0.5, to: 0.1, step: 0.1"));
}

#[test]
fn an_axis_value_that_stands_twice_in_another_spelling() {
    assert_refused!(&axis("field: data.probability, values: [0.1, 1e-1]"));
}

#[test]
fn an_axis_and_a_grid_of_more_points_than_anyone_means() {
    // At once: neither is unfolded.
    assert_refused!(&axis("field: seed, count: 4000000000"));
    let axes: Vec<String> =
        ["p", "q", "r", "t"].iter().map(|name| format!("{name}: {{field: seed, count: 65536}}")).collect();
    assert_refused!(&SWEEP.replace("p: {AXIS}", &axes.join("\n        ")));
}

#[test]
fn rounding_to_more_decimals_than_a_number_has_changes_nothing() {
    let paper = Paper::new().yaml(&axis("field: data.probability, from: 0.1, to: 0.5, step: 0.2, round: 4000000000"));
    paper.run("plan").ok().says("3");
}

#[test]
fn long_axes_are_checked_in_time_by_their_length() {
    let paper = Paper::new().yaml(&axis("field: seed, count: 200000"));
    paper.run("status").ok();
    let values: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
    let twice = axis(&format!("field: seed, values: [{}, 0]", values.join(", ")));
    Paper::new().yaml(&twice).run("plan").code(2).says("duplicate value on axis `p`: the number `0`");
}

#[test]
fn of_very_many_problems_the_first_are_shown() {
    let stages: String =
        (0..2000).map(|i| format!("  s{i}: {{exec: {{run: x, outputs: [a], inputs: [../x]}}}}\n")).collect();
    let paper = Paper::new().yaml(&format!("repro: 1\nstages:\n{stages}"));
    let run = paper.run("plan").code(2);
    assert_eq!(run.stderr.matches("`../x` is outside the project").count(), 100);
    assert!(run.stderr.ends_with("\n2,000 problems in paper.yaml; the first 100 are shown\n"), "{}", run.stderr.len());
    assert_eq!(paper.run("plan --json").code(2).stdout.lines().count(), 2000);
}

#[test]
fn a_theme_that_thousands_of_figures_would_repeat() {
    let theme: String = (0..20_000).map(|i| format!("  k{i}: 1\n")).collect();
    let figures: String = (0..1000).map(|i| format!("  f{i}: {{figure: {{}}}}\n")).collect();
    let paper = Paper::new().yaml(&format!("repro: 1\ntheme:\n{theme}stages:\n{figures}"));
    paper.run("plan").code(2).says("error: a theme of 20001 values is too large for 1000 figures\n");
}

#[test]
fn thousands_of_names_are_looked_through_in_time_by_their_number() {
    let names = |letter: char| (0..20_000).map(|i| format!("{letter}{i}")).collect::<Vec<_>>().join(", ");
    let (inputs, outputs) = (names('b'), names('a'));
    let stage = format!("  e: {{exec: {{run: x, inputs: [{inputs}], outputs: [{outputs}, a7/b]}}}}\n");
    let run = Paper::new().yaml(&format!("repro: 1\nstages:\n{stage}")).run("plan").code(2);
    assert_eq!(run.says("error: outputs `a7` and `a7/b` overlap\n").stderr.matches("error").count(), 1);
    let circle: String = (0..20_000)
        .map(|i| format!("  e{i}: {{exec: {{run: x, inputs: [e{}], outputs: [a]}}}}\n", (i + 1) % 20_000))
        .collect();
    let run = Paper::new().yaml(&format!("repro: 1\nstages:\n{circle}")).run("plan").code(2);
    run.says("error: dependency cycle: e0 -> e1 -> e2");
}

#[test]
fn a_table_of_more_rows_than_anyone_reads() {
    let table = "  m: {metric: {of: grid, compute: [loss]}}\n  t: {table: {of: m, rows: [p], columns: [loss]}}\n";
    assert_refused!(&(axis("field: seed, count: 20000") + table));
    Paper::new().yaml(&(axis("field: seed, count: 10000") + table)).run("plan").ok();
}

#[test]
fn long_texts_are_shown_in_part() {
    let run = Paper::new().yaml(&model("steps: 20", &format!("steps: {}", "x".repeat(10_000)))).run("plan").code(2);
    assert!(run.stderr.contains(&format!("found the text `{}...`\n", "x".repeat(80))) && run.stderr.len() < 1000);
}

#[test]
fn a_sweep_without_axes() {
    assert_refused!(&SWEEP.replace("axes:\n        p: {AXIS}", "axes: {}"));
}

#[test]
fn a_choice_along_an_axis_that_is_not_there() {
    assert_refused!(
        &(axis("field: seed, count: 2") + "  m:\n    metric: {of: grid, best: {over: rn}, compute: [loss]}\n")
    );
}

// Stages among themselves.

#[test]
fn a_cycle_is_told_with_its_whole_path() {
    assert_refused!(
        "repro: 1\nstages:\n  a:\n    metric: {of: b, compute: [loss]}\n  b:\n    metric: {of: c, compute: [loss]}\n  c:\n    metric: {of: a, compute: [loss]}\n"
    );
}

#[test]
fn a_stage_that_reads_itself() {
    assert_refused!("repro: 1\nstages:\n  a:\n    metric: {of: a, compute: [loss]}\n");
}

#[test]
fn a_stage_without_a_kind() {
    assert_refused!("repro: 1\nstages:\n  a:\n");
}

#[test]
fn a_stage_of_two_kinds() {
    assert_refused!("repro: 1\nstages:\n  a: {train: {}, sweep: {}}\n");
}

#[test]
fn an_array_that_is_computed_twice() {
    assert_refused!(&format!("{MODEL}{}", "  m:\n    metric: {of: one, compute: [loss, loss]}\n"));
}

// The frame.

#[test]
fn an_empty_file() {
    assert_refused!("");
}

#[test]
fn a_file_that_is_a_list() {
    assert_refused!("- a\n");
}

#[test]
fn a_file_without_stages() {
    assert_refused!("repro: 1\n");
}

#[test]
fn a_file_without_a_version() {
    assert_refused!("stages: {}\n");
}

#[test]
fn a_file_of_a_newer_version() {
    assert_refused!("repro: 2\nstages: {}\n");
}

#[test]
fn an_unclosed_bracket() {
    assert_refused!("repro: 1\nstages:\n  a: [1, 2\n");
}

#[test]
fn a_tab_for_indentation() {
    assert_refused!("repro: 1\nstages:\n\ta: 1\n");
}

#[test]
fn an_alias_without_an_anchor() {
    assert_refused!("repro: 1\nstages:\n  a: *b\n");
}

// Many at once, and everything around the paper file.

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let yaml = model("active: 1", "active: x").replace("batch", "bacth")
        + "  m:\n    metric: {of: on, compute: [loss]}\n"
        + "  n:\n    metrc: {}\n";
    assert_refused!(&yaml);
}

#[test]
fn a_problem_in_an_anchor_is_told_once_where_it_is_written() {
    let yaml = "\
repro: 1
x-recipe: &recipe
  model: {moe-autoencoder: {features: 4, hidden: 2}}
  data: {sparse-uniform: {probability: 7}}
stages:
  a: {train: *recipe}
  b: {train: {<<: *recipe, seed: 2}}
";
    assert_refused!(yaml);
}

#[test]
fn carets_stand_below_wide_letters() {
    assert_refused!("repro: 1\ntitle: x\nstages: {}\n\"\u{8ad6}\u{6587}\": 1\n");
}

#[test]
fn a_yaml_bomb_is_refused_at_once() {
    let mut text = String::from("repro: 1\nstages: {}\nx-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        text += &format!("x-{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
    }
    let started = std::time::Instant::now();
    Paper::new().yaml(&text).run("build").code(2).says("error: the paper file expands to more than 400000 values\n");
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn a_missing_paper_file() {
    let paper = Paper::new();
    paper.run("build").code(2).stdout("").stderr(
        "error: there is no paper file `paper.yaml`\n\
         hint: `repro init` writes one; `-f FILE` or `-C DIR` name one elsewhere\n",
    );
    paper.write("paper.yaml", MODEL);
    std::fs::create_dir_all(paper.path("text/chapters")).unwrap();
    paper.run("-C text/chapters build").code(2).stderr(
        "error: there is no paper file `paper.yaml`\n\
         hint: there is one above: `repro -C ../..`\n",
    );
    paper
        .run("-C nowhere build")
        .code(2)
        .stderr("error: cannot enter the folder `nowhere`: no such file or directory\n");
}

#[test]
fn a_paper_file_that_is_not_text() {
    let paper = Paper::new();
    std::fs::write(paper.path("paper.yaml"), b"repro: 1\ntitle: \xff\xfe\n").unwrap();
    paper.run("build").code(2).stderr(
        "error: `paper.yaml` is not UTF-8 text: line 2 has other bytes\n\
         hint: save it as UTF-8\n",
    );
    std::fs::remove_file(paper.path("paper.yaml")).unwrap();
    std::fs::create_dir(paper.path("paper.yaml")).unwrap();
    paper.run("build").code(2).stderr("error: cannot read `paper.yaml`: is a directory\n");
}

#[test]
fn targets_that_are_not_there() {
    let paper = Paper::new().yaml(MODEL);
    paper.run("build oen banana table").code(2).stdout("").stderr(
        "\
error: no stage is called `oen`
hint: did you mean `one`?

error: no stage is called `banana`
hint: `repro status` lists all stages

error: this paper has no stage of the kind `table`
",
    );
    assert!(!paper.path("cache").exists());
}

#[test]
fn problems_for_machines_are_objects() {
    let run = Paper::new().yaml(&model("batch: 16", "bacth: 16")).run("build --json").code(2).stderr("");
    let expected = serde_json::json!({
        "event": "error", "message": "unknown key `bacth`", "hints": ["did you mean `batch`?"],
        "file": "paper.yaml", "line": 7, "column": 7, "length": 5,
    });
    assert_eq!(run.events(), [expected]);
}

#[test]
fn an_unknown_model_is_told_which_there_are_and_where_others_go() {
    let yaml = crate::support::GRID.replace("moe-autoencoder: {features", "tanh-autoencoder: {features");
    let run = Paper::new().yaml(&yaml).run("build");
    for words in [
        "unknown model `tanh-autoencoder`",
        "the models are `moe-autoencoder`, `linear-bottleneck`, `neurons` or `absolute-value`",
        "in an `exec` stage",
    ] {
        assert!(run.stderr.contains(words), "without `{words}`:\n{}", run.stderr);
    }
}

#[test]
fn a_reduction_without_its_axis_says_how_it_is_written() {
    let text = "repro: 1\nstages:\n  a: {data: a.csv}\n  fig: {figure: {of: a, panels: [{marks: [{line: {y: {value: x, reduce: mean}}}]}]}}\n";
    let paper = crate::support::Paper::new().yaml(text).file("a.csv", "x\n1\n");
    paper.run("build").code(2).says("hint: `mean` needs more: write `{mean: ...}`");
}
