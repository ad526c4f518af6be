//! Stages that follow a sweep: a program for each of its points, or for each group of points along some axes.

use crate::support::Paper;

/// A sweep, and a program that follows it and notes each run in `runs` beside the paper.
const FOLLOWED: &str = "\
repro: 1
stages:
  train:
    sweep:
      exec:
        run: 'echo \"$REPRO_PARAM_LR $REPRO_PARAM_SEED\" > model.txt'
        outputs: [model.txt]
        params: {lr: 1, seed: 0}
      axes: {lr: [1, 2], seed: [5, 6, 7]}
  eval:
    exec:
      each: train
      run: 'cat train/model.txt >> $RUNS; read lr seed < train/model.txt; echo \"{\\\"score\\\": $((lr * seed))}\" > score.json'
      outputs: [score.json]
      env: [RUNS]
  t: {table: {of: eval, rows: [lr], columns: {score: {value: score, format: '{mean}'}}, formats: [csv]}}
";

fn paper(text: &str) -> Paper {
    let paper = Paper::new().yaml(text).unsealed();
    let runs = paper.path("runs").display().to_string();
    paper.env("RUNS", &runs)
}

fn runs(paper: &Paper) -> Vec<String> {
    let mut lines: Vec<String> = paper.read("runs").lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn a_program_runs_for_every_point_on_its_files_and_has_its_axes() {
    let paper = paper(FOLLOWED);
    paper.build("").ok();
    assert_eq!(runs(&paper), ["1 5", "1 6", "1 7", "2 5", "2 6", "2 7"]);
    assert_eq!(paper.read("figures/t.csv").lines().skip(1).collect::<Vec<_>>(), ["1,6", "2,12"]);
    assert!(paper.run("show eval").ok().stdout.contains("score  f64  lr 2 x seed 3"));
    assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 0);
}

#[test]
fn new_points_run_only_their_own_and_points_can_be_selected() {
    let paper = paper(FOLLOWED);
    paper.build("").ok();
    paper.edit("lr: [1, 2]", "lr: [1, 2, 3]").build("").ok();
    assert_eq!(runs(&paper)[6..], ["3 5", "3 6", "3 7"]);
    paper.build("--rerun eval[lr=3,seed=6]").ok();
    assert_eq!(runs(&paper).len(), 10);
    assert!(paper.run("show eval[lr=3,seed=6]").ok().stdout.contains("18"));
}

#[test]
fn a_point_of_a_follower_has_the_key_of_the_equal_program() {
    let paper = paper(FOLLOWED);
    paper.build("").ok();
    paper.edit("axes: {lr: [1, 2], seed: [5, 6, 7]}", "axes: {lr: [1], seed: [5]}").build("").ok();
    assert_eq!(runs(&paper).len(), 6);
}

#[test]
fn points_are_gathered_along_an_axis() {
    let gathered = "  mean:
    exec:
      each: train
      over: seed
      run: 'echo run >> $RUNS; cp train/points.json points.json; cat train/*/model.txt > all.txt; echo \"{\\\"n\\\": $(wc -l < all.txt)}\" > n.json; cat all.txt'
      outputs: [n.json, points.json, all.txt]
      env: [RUNS]
";
    let paper = paper(&(FOLLOWED.to_string() + gathered));
    paper.build("mean").ok();
    assert_eq!(runs(&paper).len(), 2);
    let text = paper.run("show mean").ok().stdout;
    assert!(text.contains("n  f64  lr 2  3 3"), "{text}");
    assert!(paper.read("cache/logs/mean/lr=2.log").contains("2 5\n2 6\n2 7\n"));
    // A new seed is a new input of every group; a new rate is a group of its own.
    paper.edit("lr: [1, 2]", "lr: [1, 2, 3]").build("mean").ok();
    assert_eq!(runs(&paper).len(), 3);
    paper.edit("seed: [5, 6, 7]", "seed: [5, 6, 7, 8]").build("mean").ok();
    assert_eq!(runs(&paper).len(), 6);
    // Groups with equal files run once. The same results for other seeds are another input.
    paper.edit("$REPRO_PARAM_LR $REPRO_PARAM_SEED", "same").build("mean").ok();
    let before = runs(&paper).len();
    paper.edit("seed: [5, 6, 7, 8]", "seed: [5, 6, 7, 9]").build("mean").ok();
    assert_eq!(runs(&paper).len(), before + 1);
}

#[test]
fn a_follower_may_have_axes_of_its_own_and_follow_another() {
    let more = "  sweep:
    sweep:
      exec:
        each: train
        run: 'read lr seed < train/model.txt; echo \"{\\\"y\\\": $((lr * seed * REPRO_PARAM_K))}\" > y.json'
        outputs: [y.json]
        params: {k: 1}
      axes: {k: [10, 100]}
  last: {exec: {each: eval, over: [lr, seed], run: 'cat eval/*/score.json > out.txt; echo \"{\\\"n\\\": $(wc -l < out.txt)}\" > n.json', outputs: [n.json]}}
";
    let paper = paper(&(FOLLOWED.to_string() + more));
    paper.build("sweep last").ok();
    let text = paper.run("show sweep").ok().stdout;
    assert!(text.contains("y  f64  k 2 x lr 2 x seed 3  50 to 1400"), "{text}");
    assert!(paper.run("show last").ok().stdout.contains("6"));
    assert!(paper.run("show sweep[k=100,lr=2,seed=6]").ok().stdout.contains("1200"));
}

#[test]
fn models_of_the_built_in_trainer_are_followed_too() {
    let paper = Paper::new().yaml(
        "\
repro: 1
stages:
  grid:
    sweep:
      recipe: {model: {moe-autoencoder: {features: 4, hidden: 2}}, data: {sparse-uniform: {probability: 0.3}}, batch: 16, steps: 20}
      axes: {seed: {field: seed, count: 3}}
  size: {exec: {each: grid, run: 'echo \"{\\\"bytes\\\": $(wc -c < grid.npz)}\" > size.json', outputs: [size.json]}}
",
    );
    paper.build("size").ok();
    assert!(paper.run("show size").ok().stdout.contains("bytes  f64  seed 3"));
    let one = paper.run("show grid[seed=0] --npz one.npz").ok();
    drop(one);
    let bytes = std::fs::metadata(paper.path("one.npz")).unwrap().len();
    assert!(paper.run("show size[seed=0]").ok().stdout.contains(&bytes.to_string()));
}

#[test]
fn mistakes_are_explained() {
    for (from, to, message) in [
        ("each: train", "each: trian", "there is no stage `trian`"),
        ("each: train", "over: seed", "`over` needs `each`: the stage whose points are gathered"),
        ("each: train", "each: train\n      over: sead", "`train` has no axis `sead`"),
        ("each: train", "each: train\n      inputs: [train]", "`train` is both in `each` and in `inputs`"),
        (
            "outputs: [score.json]",
            "outputs: [figures/score.json]",
            "all points of `train` would write `figures/score.json`",
        ),
        ("each: train", "each: t", "`each` needs the points of a stage, and `t` is a table"),
    ] {
        let text = FOLLOWED.replace(from, to);
        let text = if to == "each: t" {
            text.replace("of: eval", "of: train").replace("value: score", "value: x")
        } else {
            text
        };
        let error = paper(&text).run("build").code(2).stderr;
        assert!(error.contains(message) && error.contains("--> paper.yaml:"), "{error}");
    }
}
