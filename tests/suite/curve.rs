//! The curve that a program writes while it runs: shown beside its bar, and kept beside its log.

use crate::support::Paper;

const TRAIN: &str = "\
repro: 1
stages:
  train: {exec: {run: 'echo epoch,loss > m.csv; for i in 1 2 3; do echo $i,0.$i >> m.csv; sleep 0.6; done; FAIL; echo > o.txt', outputs: [o.txt], progress: m.csv}}
";

#[test]
fn the_last_values_are_shown_and_the_curve_is_kept() {
    let paper = Paper::new().yaml(&TRAIN.replace("FAIL", "true"));
    let run = paper.build("").ok();
    let values: Vec<_> = run
        .events_of("progress")
        .iter()
        .filter(|event| !event["values"].is_null())
        .map(|event| event["values"].clone())
        .collect();
    assert!(values.iter().any(|values| values["epoch"].as_f64() >= Some(1.0)), "{values:?}");
    assert_eq!(paper.read("cache/logs/train.jsonl").lines().last(), Some("{\"epoch\":3.0,\"loss\":0.3}"));
    // It is not part of the key.
    paper.edit(", progress: m.csv", "");
    assert_eq!(paper.build("").ok().events_of("build-finished")[0]["ran"], 0);
    // Without it, the curve of an earlier run is gone.
    paper.build("--rerun train").ok();
    assert!(!paper.path("cache/logs/train.jsonl").exists());
}

#[test]
fn the_curve_of_a_failed_run_is_kept_too() {
    let paper = Paper::new().yaml(&TRAIN.replace("FAIL", "exit 3"));
    paper.build("").code(1);
    assert_eq!(paper.read("cache/logs/train.jsonl").lines().count(), 3);
}

#[test]
fn a_file_that_cannot_be_read_as_progress_is_an_error() {
    let paper = Paper::new().yaml(&TRAIN.replace("progress: m.csv", "progress: m.txt"));
    paper.run("build").code(2).says("`m.txt` is no file of progress that can be read").says("--> paper.yaml:3");
}
