//! Axes whose values another stage makes.

use crate::support::Paper;

const FOLDS: &str = "\
repro: 1
stages:
  split: {exec: {run: 'cat folds.txt > folds.csv', inputs: [folds.txt], outputs: [folds.csv]}}
  train:
    sweep:
      exec: {run: 'echo $REPRO_PARAM_FOLD >> $RUNS; echo \"{\\\"y\\\": $REPRO_PARAM_FOLD$REPRO_PARAM_FOLD}\" > y.json', outputs: [y.json], env: [RUNS], params: {fold: 0}}
      axes: {fold: {values: {of: split, array: fold}}}
  t: {table: {of: train, rows: [fold], columns: {y: {value: y}}, formats: [csv]}}
  other: {exec: {run: 'echo > o.txt', outputs: [o.txt]}}
";

fn paper(text: &str) -> Paper {
    let paper = Paper::new().yaml(text).unsealed().file("folds.txt", "sample,fold\n1,3\n2,1\n3,3\n");
    let runs = paper.path("runs").display().to_string();
    paper.env("RUNS", &runs)
}

#[test]
fn points_are_run_when_the_stage_that_makes_them_has_run() {
    let paper = paper(FOLDS);
    let plan = paper.plan("").ok().stdout;
    assert!(plan.contains("split  run, time unknown"), "{plan}");
    assert!(
        plan.contains(
            "train  its points are known when `split` has run\nt  reads `train`, whose points are not known yet\n"
        ),
        "{plan}"
    );
    assert!(paper.run("status").ok().stdout.contains("train  its points are known when `split` has run"));
    paper
        .run("show train")
        .code(2)
        .says("`train` is not known yet: `split` makes the points")
        .says("run `repro build split`");
    paper.build("t").ok();
    assert_eq!(paper.read("figures/t.csv").lines().skip(1).collect::<Vec<_>>(), ["3,33", "1,11"]);
    assert_eq!(paper.build("t").ok().events_of("build-finished")[0]["ran"], 0);
    assert!(paper.run("show train").ok().stdout.contains("y  f64  fold 2  33 11"));
    paper.run("gc").ok();
}

#[test]
fn new_data_runs_only_the_points_that_are_new() {
    let paper = paper(FOLDS);
    paper.build("t").ok();
    paper.write("folds.txt", "sample,fold\n1,1\n2,4\n");
    // Until it has run again, its points are not known.
    paper.run("gc").code(1).says("cannot determine what `train` needs: its points are not known");
    assert!(paper.plan("").ok().stdout.contains("train  its points are known when `split` has run"));
    paper.build("").ok();
    assert_eq!(paper.read("figures/t.csv").lines().skip(1).collect::<Vec<_>>(), ["1,11", "4,44"]);
    let mut runs: Vec<String> = paper.read("runs").lines().map(str::to_string).collect();
    runs.sort();
    assert_eq!(runs, ["1", "3", "4"]);
    // Other stages do not need it.
    paper.write("folds.txt", "sample,fold\n1,9\n");
    paper.build("other").ok();
    assert!(!paper.read("runs").contains('9'));
}

#[test]
fn what_cannot_be_an_axis_is_explained() {
    for (from, to, message) in [
        ("of: split", "of: spilt", "there is no stage `spilt`"),
        ("array: fold", "array: folds", "`split` has no array or axis `folds`"),
        ("of: split", "of: t", "`train` waits for values of `t`, which waits for `train`"),
    ] {
        let paper = paper(&FOLDS.replace(from, to));
        let error = paper.run("build").code(2).stderr;
        assert!(error.contains(message) && error.contains("--> paper.yaml:"), "{error}");
    }
    let failing = paper(&FOLDS.replace("cat folds.txt > folds.csv", "exit 1"));
    failing.build("").code(1);
    let archive = paper(FOLDS);
    archive.build("").ok();
    archive.run("export").code(2).says("`split` makes the points of another stage");
}
