//! The whole text of every complaint about a paper file or an argument: what is wrong, where, and what to do.

use crate::support::Paper;

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

/// This paper is refused with exactly this text, whatever the command, and nothing is written.
#[track_caller]
fn wrong(yaml: &str, text: &str) {
    let paper = Paper::new().yaml(yaml);
    let before = paper.fingerprint();
    paper.run("build").code(2).stdout("").stderr(text);
    paper.run("plan").code(2).stdout("").stderr(text);
    assert_eq!(paper.fingerprint(), before);
}

#[test]
#[cfg(feature = "reference")]
fn a_recipe_too_large_for_the_reference_engine_is_an_error() {
    wrong(
        &model("batch: 16", "batch: 1000000\n      engine: reference").replace("experts: 2", "experts: 256"),
        r#"error: the reference engine computes all experts for the whole batch, which takes about 77 GiB here; its limit is 8 GiB
 --> paper.yaml:8:15
  |
8 |       engine: reference
  |               ^^^^^^^^^
hint: lower `batch`, or leave `engine` out

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unknown_engine_is_an_error() {
    wrong(
        &model("batch: 16", "engine: referense"),
        r#"error: unknown engine `referense`
 --> paper.yaml:7:15
  |
7 |       engine: referense
  |               ^^^^^^^^^
hint: did you mean `reference`?

1 problem in paper.yaml
"#,
    );
}

// Names.

#[test]
fn an_unknown_key_brings_the_nearest_known_one() {
    wrong(
        &model("batch: 16", "bacth: 16"),
        r#"error: unknown key `bacth`
 --> paper.yaml:7:7
  |
7 |       bacth: 16
  |       ^^^^^
hint: did you mean `batch`?

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unknown_key_of_the_frame_brings_the_way_to_hold_anchors() {
    wrong(
        "repro: 1\nstage: {}\nstages: {}\n",
        r#"error: unknown key `stage`
 --> paper.yaml:2:1
  |
2 | stage: {}
  | ^^^^^
hint: did you mean `stages`?
hint: keys that begin with `x-` are free, for anchors

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unknown_kind_of_stage() {
    wrong(
        "repro: 1\nstages:\n  fig1:\n    figur: {}\n",
        r#"error: unknown kind of stage `figur`
 --> paper.yaml:4:5
  |
4 |     figur: {}
  |     ^^^^^
hint: did you mean `figure`?

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unknown_model() {
    wrong(
        &model("moe-autoencoder", "moe-autoencodr"),
        r#"error: unknown model `moe-autoencodr`
 --> paper.yaml:5:15
  |
5 |       model: {moe-autoencodr: {features: 4, hidden: 2, experts: 2, active: 1}}
  |               ^^^^^^^^^^^^^^
hint: did you mean `moe-autoencoder`?
hint: the models are `moe-autoencoder`, `linear-bottleneck`, `neurons` or `absolute-value`
hint: another model is a program of your own: train it in a stage of the kind `exec`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unknown_metric() {
    wrong(
        &format!("{MODEL}{}", "  m:\n    metric: {of: one, compute: [losss]}\n"),
        r#"error: unknown metric `losss`
  --> paper.yaml:10:33
   |
10 |     metric: {of: one, compute: [losss]}
   |                                 ^^^^^
hint: did you mean `loss`?

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unknown_stage() {
    wrong(
        &format!("{MODEL}{}", "  m:\n    metric: {of: on, compute: [loss]}\n"),
        r#"error: there is no stage `on`
  --> paper.yaml:10:18
   |
10 |     metric: {of: on, compute: [loss]}
   |                  ^^
hint: did you mean `one`?

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_name_that_no_file_could_have() {
    wrong(
        "repro: 1\nstages:\n  a/b: {train: {}}\n",
        r#"error: `a/b` cannot be a stage's name
 --> paper.yaml:3:3
  |
3 |   a/b: {train: {}}
  |   ^^^
hint: names begin with a letter or digit and hold letters, digits, `-`, `_` and `.`: files are named after them

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_stage_that_stands_twice() {
    wrong(
        &format!("{MODEL}{}", "  one:\n    train: {}\n"),
        r#"error: `one` stands twice in the same mapping
 --> paper.yaml:9:3
  |
9 |   one:
  |   ^^^
hint: the first is in line 3; rename or remove one of them

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_key_that_stands_twice() {
    wrong(
        &model("batch: 16", "batch: 16\n      batch: 32"),
        r#"error: `batch` stands twice in the same mapping
 --> paper.yaml:8:7
  |
8 |       batch: 32
  |       ^^^^^
hint: the first is in line 7; rename or remove one of them

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_missing_setting() {
    wrong(
        &model("      data: {sparse-uniform: {probability: 0.3}}\n", ""),
        r#"error: `data` is missing here: `sparse-uniform`
 --> paper.yaml:5:7
  |
5 |       model: {moe-autoencoder: {features: 4, hidden: 2, experts: 2, active: 1}}
  |       ^

1 problem in paper.yaml
"#,
    );
}

// Types and units.

#[test]
fn text_where_a_number_should_be() {
    wrong(
        &model("batch: 16", "batch: many"),
        r#"error: expected a whole number, found the text `many`
 --> paper.yaml:7:14
  |
7 |       batch: many
  |              ^^^^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_number_in_quotes() {
    wrong(
        &model("probability: 0.3", "probability: \"0.3\""),
        r#"error: expected a number, found the text `0.3`
 --> paper.yaml:6:44
  |
6 |       data: {sparse-uniform: {probability: "0.3"}}
  |                                            ^^^^^
hint: remove the quotes

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_number_with_a_unit() {
    wrong(
        &model("steps: 20", "steps: 20k"),
        r#"error: expected a whole number, found the text `20k`
 --> paper.yaml:8:14
  |
8 |       steps: 20k
  |              ^^^
hint: write the number alone: without unit, suffix or separators

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_fraction_where_a_whole_number_should_be() {
    wrong(
        &model("steps: 20", "steps: 2.5"),
        r#"error: expected a whole number, found `2.5`
 --> paper.yaml:8:14
  |
8 |       steps: 2.5
  |              ^^^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_negative_size() {
    wrong(
        &model("features: 4", "features: -4"),
        r#"error: expected a whole number of at least 0, found `-4`
 --> paper.yaml:5:43
  |
5 |       model: {moe-autoencoder: {features: -4, hidden: 2, experts: 2, active: 1}}
  |                                           ^^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_number_that_is_none() {
    wrong(
        &model("probability: 0.3", "probability: .nan"),
        r#"error: expected a finite number, found `NaN`
 --> paper.yaml:6:44
  |
6 |       data: {sparse-uniform: {probability: .nan}}
  |                                            ^^^^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_infinite_number() {
    wrong(
        &model("probability: 0.3", "probability: .inf"),
        r#"error: expected a finite number, found `inf`
 --> paper.yaml:6:44
  |
6 |       data: {sparse-uniform: {probability: .inf}}
  |                                            ^^^^

1 problem in paper.yaml
"#,
    );
}

// Values that do not fit together.

#[test]
fn more_active_experts_than_there_are() {
    wrong(
        &model("active: 1", "active: 3"),
        r#"error: 3 active experts, but there are only 2
 --> paper.yaml:5:77
  |
5 |       model: {moe-autoencoder: {features: 4, hidden: 2, experts: 2, active: 3}}
  |                                                                             ^
hint: `active` is at most `experts`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn features_that_k_hot_cannot_deal_evenly() {
    wrong(
        &model("experts: 2, active: 1}}\n", "experts: 3, active: 1}}\n      init: {gate: ordered-k-hot}\n"),
        r#"error: 4 features cannot be cut into 3 equal groups
 --> paper.yaml:6:20
  |
6 |       init: {gate: ordered-k-hot}
  |                    ^^^^^^^^^^^^^
hint: k-hot gives every expert equally many features; choose `features` as a multiple of `experts`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_batch_of_nothing() {
    wrong(
        &model("batch: 16", "batch: 0"),
        r#"error: a batch holds 1 to 1048576 samples, this is 0
 --> paper.yaml:7:14
  |
7 |       batch: 0
  |              ^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_probability_above_one() {
    wrong(
        &model("probability: 0.3", "probability: 2"),
        r#"error: a feature's probability lies above 0 and up to 1, this is 2
 --> paper.yaml:6:44
  |
6 |       data: {sparse-uniform: {probability: 2}}
  |                                            ^

1 problem in paper.yaml
"#,
    );
}

// Axes.

#[test]
fn an_axis_on_a_field_that_the_recipe_lacks() {
    wrong(
        &axis("field: sed, count: 3"),
        r#"error: the recipe has no field `sed` to vary
 --> paper.yaml:9:20
  |
9 |         p: {field: sed, count: 3}
  |                    ^^^
hint: did you mean `seed`?

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_on_a_field_deep_inside_that_the_recipe_lacks() {
    wrong(
        &axis("field: data.densty, values: [0.1]"),
        r#"error: the recipe has no field `data.densty` to vary
 --> paper.yaml:9:20
  |
9 |         p: {field: data.densty, values: [0.1]}
  |                    ^^^^^^^^^^^
hint: known here: `probability`, `sparsity`, `importance`, `signed`, `correlated-pairs` or `anticorrelated-pairs`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_value_of_the_wrong_type() {
    wrong(
        &axis("field: data.probability, values: [0.1, x]"),
        r#"error: expected a number, found the text `x`
 --> paper.yaml:9:52
  |
9 |         p: {field: data.probability, values: [0.1, x]}
  |                                                    ^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_value_that_the_recipe_cannot_have() {
    wrong(
        &axis("field: data.probability, values: [0.1, 1.5]"),
        r#"error: at p=1.5: a feature's probability lies above 0 and up to 1, this is 1.5
 --> paper.yaml:9:52
  |
9 |         p: {field: data.probability, values: [0.1, 1.5]}
  |                                                    ^^^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_without_values() {
    wrong(
        &axis("field: data.probability, values: []"),
        r#"error: axis `p` is empty: it has no values
 --> paper.yaml:9:12
  |
9 |         p: {field: data.probability, values: []}
  |            ^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_whose_range_is_empty() {
    wrong(
        &axis("field: data.probability, from: 0.5, to: 0.1, step: 0.1"),
        r#"error: this range is empty: `step` does not lead from `from` to `to`
 --> paper.yaml:9:12
  |
9 |         p: {field: data.probability, from: 0.5, to: 0.1, step: 0.1}
  |            ^
hint: write `values: [..]`, `from`/`to`/`step`, `from`/`to`/`count`, or `count`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_value_that_stands_twice_in_another_spelling() {
    wrong(
        &axis("field: data.probability, values: [0.1, 1e-1]"),
        r#"error: the number `0.1` stands twice on axis `p`
 --> paper.yaml:9:52
  |
9 |         p: {field: data.probability, values: [0.1, 1e-1]}
  |                                                    ^^^^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_axis_and_a_grid_of_more_points_than_anyone_means() {
    // At once: neither is unfolded.
    wrong(
        &axis("field: seed, count: 4000000000"),
        r#"error: this range has 4000000000 values; one axis has at most 1000000
 --> paper.yaml:9:12
  |
9 |         p: {field: seed, count: 4000000000}
  |            ^
hint: write `values: [..]`, `from`/`to`/`step`, `from`/`to`/`count`, or `count`

1 problem in paper.yaml
"#,
    );
    let axes: Vec<String> =
        ["p", "q", "r", "t"].iter().map(|name| format!("{name}: {{field: seed, count: 65536}}")).collect();
    wrong(
        &SWEEP.replace("p: {AXIS}", &axes.join("\n        ")),
        r#"error: this grid of 65536 p x 65536 q x 65536 r x 65536 t has more than 10000000 points
 --> paper.yaml:9:9
  |
9 |         p: {field: seed, count: 65536}
  |         ^

1 problem in paper.yaml
"#,
    );
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
    Paper::new().yaml(&twice).run("plan").code(2).says("the number `0` stands twice on axis `p`");
}

#[test]
fn of_very_many_problems_the_first_are_shown() {
    let stages: String =
        (0..2000).map(|i| format!("  s{i}: {{exec: {{run: x, outputs: [a], inputs: [../x]}}}}\n")).collect();
    let paper = Paper::new().yaml(&format!("repro: 1\nstages:\n{stages}"));
    let run = paper.run("plan").code(2);
    assert_eq!(run.stderr.matches("`../x` leaves the project").count(), 100);
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
    assert_eq!(run.says("error: `a7` and `a7/b` are one output\n").stderr.matches("error").count(), 1);
    let circle: String = (0..20_000)
        .map(|i| format!("  e{i}: {{exec: {{run: x, inputs: [e{}], outputs: [a]}}}}\n", (i + 1) % 20_000))
        .collect();
    let run = Paper::new().yaml(&format!("repro: 1\nstages:\n{circle}")).run("plan").code(2);
    run.says("error: stages depend on each other in a circle: e0 -> e1 -> e2");
}

#[test]
fn a_table_of_more_rows_than_anyone_reads() {
    let table = "  m: {metric: {of: grid, compute: [loss]}}\n  t: {table: {of: m, rows: [p], columns: [loss]}}\n";
    wrong(
        &(axis("field: seed, count: 20000") + table),
        r#"error: this table would have more than 10000 rows: 20000
  --> paper.yaml:11:29
   |
11 |   t: {table: {of: m, rows: [p], columns: [loss]}}
   |                             ^
hint: list the values that have rows: `rows: {AXIS: [1, 2]}`

1 problem in paper.yaml
"#,
    );
    Paper::new().yaml(&(axis("field: seed, count: 10000") + table)).run("plan").ok();
}

#[test]
fn long_texts_are_shown_in_part() {
    let run = Paper::new().yaml(&model("steps: 20", &format!("steps: {}", "x".repeat(10_000)))).run("plan").code(2);
    assert!(run.stderr.contains(&format!("found the text `{}...`\n", "x".repeat(80))) && run.stderr.len() < 1000);
}

#[test]
fn a_sweep_without_axes() {
    wrong(
        &SWEEP.replace("axes:\n        p: {AXIS}", "axes: {}"),
        r#"error: a sweep needs at least one axis
 --> paper.yaml:8:13
  |
8 |       axes: {}
  |             ^
hint: for a single model, use the kind `train`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_choice_along_an_axis_that_is_not_there() {
    wrong(
        &(axis("field: seed, count: 2") + "  m:\n    metric: {of: grid, best: {over: rn}, compute: [loss]}\n"),
        r#"error: there is no axis `rn` to choose from
  --> paper.yaml:11:37
   |
11 |     metric: {of: grid, best: {over: rn}, compute: [loss]}
   |                                     ^^
hint: did you mean `p`?

1 problem in paper.yaml
"#,
    );
}

// Stages among themselves.

#[test]
fn a_cycle_is_told_with_its_whole_path() {
    wrong(
        "repro: 1\nstages:\n  a:\n    metric: {of: b, compute: [loss]}\n  b:\n    metric: {of: c, compute: [loss]}\n  c:\n    metric: {of: a, compute: [loss]}\n",
        r#"error: stages depend on each other in a circle: a -> b -> c -> a
 --> paper.yaml:3:3
  |
3 |   a:
  |   ^
hint: a -> b means that a reads b; take one of these names out

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_stage_that_reads_itself() {
    wrong(
        "repro: 1\nstages:\n  a:\n    metric: {of: a, compute: [loss]}\n",
        r#"error: stages depend on each other in a circle: a -> a
 --> paper.yaml:3:3
  |
3 |   a:
  |   ^
hint: a -> b means that a reads b; take one of these names out

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_stage_without_a_kind() {
    wrong(
        "repro: 1\nstages:\n  a:\n",
        r#"error: stage `a` needs a kind and its settings, found nothing
 --> paper.yaml:3:4
  |
3 |   a:
  |    ^
hint: write it as `a: {train: ...}`, or `data`, `exec`, `sweep`, `metric`, `figure`, `table`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_stage_of_two_kinds() {
    wrong(
        "repro: 1\nstages:\n  a: {train: {}, sweep: {}}\n",
        r#"error: stage `a` has 2 keys (train, sweep); it needs exactly one, its kind
 --> paper.yaml:3:3
  |
3 |   a: {train: {}, sweep: {}}
  |   ^
hint: write it as `a: {train: ...}`, or `data`, `exec`, `sweep`, `metric`, `figure`, `table`

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_array_that_is_computed_twice() {
    wrong(
        &format!("{MODEL}{}", "  m:\n    metric: {of: one, compute: [loss, loss]}\n"),
        r#"error: the array `loss` is computed twice here
  --> paper.yaml:10:39
   |
10 |     metric: {of: one, compute: [loss, loss]}
   |                                       ^^^^
hint: put one of the two metrics into a stage of its own

1 problem in paper.yaml
"#,
    );
}

// The frame.

#[test]
fn an_empty_file() {
    wrong(
        "",
        r#"error: a paper file is a mapping with `repro`, `title` and `stages`, found nothing
 --> paper.yaml:1:1
hint: `repro init` writes one to start from

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_file_that_is_a_list() {
    wrong(
        "- a\n",
        r#"error: a paper file is a mapping with `repro`, `title` and `stages`, found a list
 --> paper.yaml:1:1
  |
1 | - a
  | ^
hint: `repro init` writes one to start from

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_file_without_stages() {
    wrong(
        "repro: 1\n",
        r#"error: `stages` is missing: the named stages of the paper
 --> paper.yaml:1:1
  |
1 | repro: 1
  | ^
hint: `repro init` shows some

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_file_without_a_version() {
    wrong(
        "stages: {}\n",
        r#"error: `repro` is missing: the version of the paper file's language
 --> paper.yaml:1:1
  |
1 | stages: {}
  | ^
hint: add `repro: 1` at the top

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_file_of_a_newer_version() {
    wrong(
        "repro: 2\nstages: {}\n",
        r#"error: this program reads paper files of version 1, this one is the number `2`
 --> paper.yaml:1:8
  |
1 | repro: 2
  |        ^
hint: write `repro: 1`, or use a newer repro

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_unclosed_bracket() {
    wrong(
        "repro: 1\nstages:\n  a: [1, 2\n",
        r#"error: this is not valid YAML: unclosed bracket '['
 --> paper.yaml:3:6
  |
3 |   a: [1, 2
  |      ^

1 problem in paper.yaml
"#,
    );
}

#[test]
fn a_tab_for_indentation() {
    wrong(
        "repro: 1\nstages:\n\ta: 1\n",
        r#"error: this is not valid YAML: tabs disallowed within this context (block indentation)
 --> paper.yaml:3:2
  |
3 |  a: 1
  |  ^
hint: indent with spaces

1 problem in paper.yaml
"#,
    );
}

#[test]
fn an_alias_without_an_anchor() {
    wrong(
        "repro: 1\nstages:\n  a: *b\n",
        r#"error: this is not valid YAML: alias references unknown anchor
 --> paper.yaml:3:6
  |
3 |   a: *b
  |      ^

1 problem in paper.yaml
"#,
    );
}

// Many at once, and everything around the paper file.

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let yaml = model("active: 1", "active: x").replace("batch", "bacth")
        + "  m:\n    metric: {of: on, compute: [loss]}\n"
        + "  n:\n    metrc: {}\n";
    wrong(
        &yaml,
        "\
error: expected a whole number, found the text `x`
 --> paper.yaml:5:77
  |
5 |       model: {moe-autoencoder: {features: 4, hidden: 2, experts: 2, active: x}}
  |                                                                             ^

error: unknown key `bacth`
 --> paper.yaml:7:7
  |
7 |       bacth: 16
  |       ^^^^^
hint: did you mean `batch`?

error: there is no stage `on`
  --> paper.yaml:10:18
   |
10 |     metric: {of: on, compute: [loss]}
   |                  ^^
hint: did you mean `one`?

error: unknown kind of stage `metrc`
  --> paper.yaml:12:5
   |
12 |     metrc: {}
   |     ^^^^^
hint: did you mean `metric`?

4 problems in paper.yaml
",
    );
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
    wrong(
        yaml,
        "\
error: a feature's probability lies above 0 and up to 1, this is 7
 --> paper.yaml:4:40
  |
4 |   data: {sparse-uniform: {probability: 7}}
  |                                        ^

1 problem in paper.yaml
",
    );
}

#[test]
fn carets_stand_below_wide_letters() {
    wrong(
        "repro: 1\ntitle: x\nstages: {}\n\"\u{8ad6}\u{6587}\": 1\n",
        "\
error: unknown key `\u{8ad6}\u{6587}`
 --> paper.yaml:4:1
  |
4 | \"\u{8ad6}\u{6587}\": 1
  | ^^^^^^
hint: known here: `repro`, `title`, `theme` or `stages`
hint: keys that begin with `x-` are free, for anchors

1 problem in paper.yaml
",
    );
}

#[test]
fn a_yaml_bomb_is_refused_at_once() {
    let mut text = String::from("repro: 1\nstages: {}\nx-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        text += &format!("x-{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
    }
    let started = std::time::Instant::now();
    Paper::new().yaml(&text).run("build").code(2).says("error: the paper file unfolds to more than 400000 values\n");
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
        "stage of the kind `exec`",
    ] {
        assert!(run.stderr.contains(words), "without `{words}`:\n{}", run.stderr);
    }
}
