//! `repro accept`: old results are taken for new keys, and everything says so.

use crate::support::Paper;

const SWEEP: &str = "\
repro: 1
stages:
  train:
    sweep:
      exec: {run: 'echo run >> $RUNS; sh train.sh > n.json', inputs: [train.sh], outputs: [n.json], env: [RUNS], params: {lr: 1}}
      axes: {lr: [1, 2, 3]}
  last: {exec: {run: 'echo run >> $RUNS; cat train/*/n.json > all.txt; echo \"{\\\"n\\\": 1}\" > n.json', inputs: [train], outputs: [n.json, all.txt], env: [RUNS]}}
  t: {table: {of: train, rows: [lr], columns: {n: {value: n}}, formats: [csv]}}
";

fn paper() -> Paper {
    let paper = Paper::new().yaml(SWEEP).unsealed().file("train.sh", "echo \"{\\\"n\\\": $REPRO_PARAM_LR}\"\n");
    let runs = paper.path("runs").display().to_string();
    paper.env("RUNS", &runs)
}

fn runs(paper: &Paper) -> usize {
    paper.read("runs").lines().count()
}

#[test]
fn a_comment_in_a_script_runs_nothing_after_accept_and_the_traces_say_so() {
    let paper = paper();
    paper.build("t last").ok();
    assert_eq!(runs(&paper), 4);
    paper.write("train.sh", &format!("# three of them\n{}", paper.read("train.sh")));
    assert!(paper.plan("train").ok().stdout.contains("run 3 points"));
    let run = paper.run("accept train").ok();
    assert!(
        run.stdout.contains("train  3 results accepted, although\n    `train.sh` has new content\n"),
        "{}",
        run.stdout
    );
    assert_eq!(paper.build("t last").ok().events_of("build-finished")[0]["ran"], 0);
    assert_eq!(runs(&paper), 4);
    let text = paper.run("show train --trace").ok().stdout;
    assert!(text.contains("although `train.sh` has new content (accepted)"), "{text}");
    paper.run("accept train last").ok().says("nothing to accept");
    // An archive says so too, and a rebuild of it runs the stage.
    paper.run("export t -o paper.zip").ok();
    paper
        .run("verify paper.zip")
        .ok()
        .says("the result of train was accepted, not run again, although `train.sh` has new content");
}

#[test]
fn several_stages_are_accepted_in_their_order() {
    let paper = paper();
    paper.build("last").ok();
    paper.edit("sh train.sh > n.json", "sh ./train.sh > n.json").edit("cat train", "cat ./train");
    let run = paper.run("accept last train").ok();
    assert!(
        run.stdout.find("train  3 results").unwrap()
            < run.stdout.find("last   its").or(run.stdout.find("last  its")).unwrap()
    );
    assert_eq!(paper.build("last").ok().events_of("build-finished")[0]["ran"], 0);
    assert_eq!(runs(&paper), 4);
}

#[test]
fn what_is_not_the_same_work_is_refused() {
    let paper = paper();
    paper.run("accept train").code(2).says("`train` has never been built here");
    paper.build("t last").ok();
    paper.edit("lr: [1, 2, 3]", "lr: [1, 2, 4]");
    paper
        .run("accept train")
        .code(2)
        .says("the points of `train` are not those of its last build")
        .says("--> paper.yaml:3");
    paper
        .edit("lr: [1, 2, 4]", "lr: [1, 2, 3]")
        .edit("sh train.sh > n.json", "sh ./train.sh > n.json")
        .edit("cat train", "cat ./train");
    paper.run("accept last").code(2).says("the inputs of `last` are out of date");
    paper.run("accept t").code(2).says("`t` is a table; only results of programs can be accepted");
}
