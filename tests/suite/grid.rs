//! Grids of sweeps: axes that run together, points that are left out, samples, and what figures and tables see of them.

use crate::support::Paper;

/// A program that writes the product of its two parameters. MORE stands for more settings of the sweep.
const SWEEP: &str = "\
repro: 1
stages:
  train:
    sweep:
      exec:
        run: 'echo \"{\\\"loss\\\": $((REPRO_PARAM_LR * REPRO_PARAM_WIDTH))}\" > result.json'
        outputs: [result.json]
        params: {lr: 1, width: 1, seed: 0}
      AXES
";

fn sweep(axes: &str) -> Paper {
    Paper::new().yaml(&SWEEP.replace("AXES", &axes.replace('\n', "\n      ")))
}

/// The stage with its arrays, as text.
fn show(paper: &Paper) -> String {
    paper.run("show train").ok().stdout
}

/// The complaint about a sweep.
fn refusal(axes: &str) -> String {
    sweep(axes).run("build").code(2).stderr
}

#[test]
fn axes_that_run_together_are_one_axis_with_the_values_of_the_others_along_it() {
    let paper = sweep("axes: {lr: [1, 2, 3], width: [10, 20, 30], seed: {count: 2}}\nzip: [lr, width]");
    paper.build("").ok().says("6");
    let text = show(&paper);
    assert!(text.contains("loss   f64  lr 3 x seed 2"), "{text}");
    assert!(text.contains("width  f64  lr 3           10 20 30"), "{text}");
    let text = paper.run("show train[width=20,seed=1] --json").ok().stdout;
    assert!(text.contains("40"), "{text}");
    paper.run("plan train[lr=1,width=20]").code(2).says("`train` has no point at `lr=1,width=20`");
}

#[test]
fn a_table_has_rows_for_values_along_an_axis() {
    let paper = sweep("axes: {lr: [1, 2, 3], width: [10, 20, 20]}\nzip: [lr, width]");
    let table = "  t: {table: {of: train, rows: [width], columns: {loss: {value: loss, format: '{mean} {n}'}}, formats: [csv]}}\n";
    paper.write("paper.yaml", &(paper.read("paper.yaml") + table));
    paper.build("").ok();
    assert_eq!(paper.read("figures/t.csv").lines().skip(1).collect::<Vec<_>>(), ["10,10,1", "20,50,2"]);
}

#[test]
fn points_that_are_left_out_do_not_run_and_are_nan() {
    let axes = "axes: {lr: [1, 2], width: [10, 20, 30]}";
    let paper = sweep(&format!("{axes}\nexcept: [{{lr: 2, width: [20, 30]}}]"));
    assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 4);
    let text = show(&paper);
    assert!(text.contains("loss  f64  lr 2 x width 3  10 to 30, 2 not finite"), "{text}");
    paper.run("explain train[lr=2,width=30]").code(2).says("has no point at `lr=2,width=30`");
    // The others have the results they had; taking the exception away runs the two points.
    paper.edit("except: [{lr: 2, width: [20, 30]}]", "except: []");
    assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 2);
}

#[test]
fn a_program_that_reads_a_sweep_sees_the_points_that_there_are() {
    let paper = sweep("axes: {lr: [1, 2], width: [10, 20]}\nexcept: [{lr: 1, width: 10}]");
    let reader = "  read: {exec: {run: 'cat train/points.json > figures/points.json; cat train/*/result.json > figures/all.txt', inputs: [train], outputs: [figures/points.json, figures/all.txt]}}\n";
    paper.write("paper.yaml", &(paper.read("paper.yaml") + reader));
    paper.build("").ok();
    assert_eq!(paper.read("figures/all.txt").lines().count(), 3);
    let points: serde_json::Value = serde_json::from_str(&paper.read("figures/points.json")).unwrap();
    assert_eq!(points[0]["at"], serde_json::json!({"lr": 1.0, "width": 20.0}));
    // The axes are part of the key: the same results at other places are another input.
    paper.edit("width: 10}]", "width: 20}]").build("").ok();
    let points: serde_json::Value = serde_json::from_str(&paper.read("figures/points.json")).unwrap();
    assert_eq!(points[0]["at"], serde_json::json!({"lr": 1.0, "width": 10.0}));
    assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 0);
}

#[test]
fn a_sample_draws_points_from_ranges_and_a_larger_one_runs_only_its_new_points() {
    let axes =
        "axes: {lr: {from: 1, to: 1000, round: 0}, width: {from: 1, to: 100, scale: log, round: 0}, seed: [1, 2]}";
    for method in ["random", "sobol"] {
        let paper = sweep(&format!("{axes}\nsample: {{count: 4, seed: 3, method: {method}}}"));
        assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 8);
        let text = show(&paper);
        assert!(text.contains("loss   f64  sample 4 x seed 2"), "{text}");
        assert!(text.contains("lr     f64  sample 4"), "{text}");
        paper.edit("count: 4", "count: 6");
        assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 4);
        paper.edit("seed: 3", "seed: 4");
        assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 12);
    }
}

#[test]
fn built_in_sweeps_are_sampled_too_and_drawn_over_what_was_drawn() {
    let paper = Paper::new().yaml(
        "\
repro: 1
stages:
  grid:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 4, hidden: 2}}
        data: {sparse-uniform: {probability: 0.3}}
        batch: 16
        steps: 20
      axes:
        lr: {field: optimizer.lr, from: 0.001, to: 0.1, scale: log}
        p: {field: data.probability, values: [0.1, 0.3]}
      sample: {count: 3, axes: [lr, p], method: sobol}
  fig: {figure: {of: grid, formats: [svg], panels: [{x: {scale: log}, marks: [{points: {x: lr, y: loss}}]}]}}
",
    );
    paper.build("").ok().trained(3);
    assert!(paper.path("figures/fig.svg").exists());
    let text = paper.run("show grid").ok().stdout;
    assert!(text.contains("p "), "{text}");
}

#[test]
fn settings_that_do_not_fit_together_are_explained() {
    let lr = "axes: {lr: [1, 2, 3], width: [10, 20]}";
    for (axes, message) in [
        (
            format!("{lr}\nzip: [lr, width]"),
            "axes that run together need equally many values: `lr` has 3, `width` has 2",
        ),
        (format!("{lr}\nzip: [lr, widht]"), "there is no axis `widht`\n"),
        (format!("{lr}\nzip: [lr]"), "a group of axes that run together needs at least two"),
        (format!("{lr}\nexcept: [{{lr: 4}}]"), "axis `lr` has no value `4`"),
        (format!("{lr}\nexcept: [{{rl: 1}}]"), "there is no axis `rl`\n"),
        (format!("{lr}\nexcept: [{{lr: [1, 2, 3]}}]"), "`except` leaves no points"),
        (format!("{lr}\nsample: {{count: 3}}"), "there is nothing to sample: no axis is a range"),
        ("axes: {lr: {from: 1, to: 2}}".into(), "hint: or draw points from it: `sample: {count: 50}` beside `axes`"),
        (
            "axes: {lr: {from: 2, to: 2}}\nsample: {count: 3}".into(),
            "the range of `lr` is empty: `from` must be less than `to`",
        ),
        ("axes: {lr: {from: 1, to: 2}}\nsample: {count: 0}".into(), "this sample is empty: `count` is 0"),
        (
            "axes: {lr: {from: 0, to: 2, scale: log}}\nsample: {count: 1}".into(),
            "a logarithmic range needs `from` and `to` above 0",
        ),
        (
            "axes: {lr: [1, 1], width: [1, 2]}\nzip: [lr, width]".into(),
            "of axes that run together, the first needs distinct values",
        ),
        (
            "axes: {lr: [1, 2], rate: {field: params.lr, values: [3]}}".into(),
            "the axes `lr` and `rate` both set `params.lr`",
        ),
    ] {
        let text = refusal(&axes);
        assert!(text.contains(message), "{axes}: {text}");
        assert!(text.contains("--> paper.yaml:"), "{axes}: {text}");
    }
}

#[test]
fn published_files_may_be_named_by_values_that_tell_the_points_apart() {
    let paper = sweep("axes: {lr: [1, 2], width: [10, 20]}\nzip: [lr, width]");
    paper.edit("> result.json'", "> result.json; cp result.json figures/$REPRO_PARAM_WIDTH.json'");
    paper.edit("outputs: [result.json]", "outputs: [result.json, 'figures/{width}.json']");
    paper.build("").ok();
    assert!(paper.path("figures/10.json").exists() && paper.path("figures/20.json").exists());
    paper.edit("width: [10, 20]", "width: [10, 10]");
    paper.build("").code(2).says("all points would write `figures/{width}.json`");
}

#[test]
fn a_value_can_be_tried_from_the_command_line() {
    let paper = sweep("axes: {lr: [1, 2], width: [10, 20]}");
    let table = "  t: {table: {of: train, rows: [lr, width], columns: {loss: {value: loss}}, formats: [csv]}}\n";
    paper.write("paper.yaml", &(paper.read("paper.yaml") + table));
    paper.build("").ok();
    let before = paper.read("figures/t.csv");
    // The axis takes this value alone; the points of the other axis run with it.
    let run = paper.run("build --set params.lr=7").ok();
    assert!(run.stderr.contains("built with `--set`"), "{}", run.stderr);
    assert_eq!(paper.read("figures/t.csv").lines().skip(1).collect::<Vec<_>>(), ["7,10,70", "7,20,140"]);
    // Cached like any other, and a value of the grid runs nothing.
    assert_eq!(paper.build("--set lr=7").ok().events_of("build-finished")[0]["ran"], 0);
    assert!(paper.plan("--set train.params.lr=2 train").ok().stdout.contains("up to date"));
    paper.build("").ok();
    assert_eq!(paper.read("figures/t.csv"), before);
    // Points that are left out are those of the values in the file.
    let axes = "axes: {lr: [1, 2], width: [10, 20]}";
    paper.edit(axes, &format!("{axes}\n      except: [{{lr: 1, width: 10}}]")).plan("--set lr=7 train").ok();
    paper.edit("\n      except: [{lr: 1, width: 10}]", "");
    paper.build("--set train.axes.width=[30] --set train.params.lr=1").ok();
    assert_eq!(paper.read("figures/t.csv").lines().skip(1).collect::<Vec<_>>(), ["1,30,30"]);
}

#[test]
fn a_setting_that_cannot_be_set_is_explained() {
    let paper = sweep("axes: {lr: [1, 2], size: {cases: {small: {params.width: 1}, large: {params.width: 9}}}}");
    for (set, message) in [
        ("lr", "`--set lr`: there is no `=`"),
        ("train.params.lrr=1", "`--set train.params.lrr=1`: there is no field `lrr` here\nhint: did you mean `lr`?"),
        ("trian.params.lr=1", "`--set trian.params.lr=1`: "),
        ("train.timeout=soon", "`--set train.timeout=soon`: expected"),
        ("params.width=1", "`--set params.width=1`: the cases of the axis `size` set `params.width`"),
        ("params.lr=[", "`--set params.lr=[`: "),
    ] {
        let text = paper.run(&format!("plan --set {set}")).code(2).stderr;
        assert!(text.contains(message), "{set}: {text}");
    }
}

#[test]
fn settings_of_built_in_models_can_be_set_whether_an_axis_varies_them_or_not() {
    let paper = Paper::new().yaml(
        "\
repro: 1
stages:
  grid:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 4, hidden: 2}}
        data: {sparse-uniform: {probability: 0.3}}
        batch: 16
        steps: 20
      axes:
        p: {field: data.sparse-uniform.probability, values: [0.1, 0.3]}
  one: {train: {model: {moe-autoencoder: {features: 4, hidden: 2}}, data: {sparse-uniform: {probability: 0.3}}, batch: 16, steps: 20}}
",
    );
    paper.build("grid one").ok().trained(2);
    paper.build("grid one --set batch=8").ok().trained(2);
    // With kinds or without.
    paper.build("grid --set data.probability=0.5").ok().trained(1);
    paper.build("one --set one.optimizer.lr=0.3 --set one.steps=10").ok().trained(1);
    assert!(paper.run("show grid --set data.probability=0.5").ok().stdout.contains("0.5"));
}
