//! Long runs: folders of checkpoints that outlive a failed attempt, and retries.

use crate::support::{Paper, wait_for};

/// A program that needs three attempts: each leaves a checkpoint.
const LONG: &str = "\
repro: 1
stages:
  long:
    exec:
      run: 'n=$(ls state/ck | wc -l); touch state/ck/$n; echo attempt $n; [ $n -ge 2 ] || exit 7; ls state/ck > figures/done.txt'
      outputs: [figures/done.txt]
      resume: [state/ck/]
";

fn kept(paper: &Paper) -> usize {
    std::fs::read_dir(paper.path("cache/resume")).map_or(0, |entries| entries.count())
}

#[test]
fn an_attempt_continues_with_the_checkpoints_of_the_one_before() {
    let paper = Paper::new().yaml(LONG);
    paper.run("build long").code(1).says("failed with exit code 7");
    assert_eq!(kept(&paper), 1);
    paper
        .run("build long")
        .code(1)
        .says("it continued with the checkpoints of an earlier attempt; to begin anew, delete `cache/resume/");
    paper.run("build long").ok();
    assert_eq!(paper.read("figures/done.txt"), "0\n1\n2\n");
    assert_eq!(kept(&paper), 0, "gone when the program has succeeded");
}

#[test]
fn retries_start_the_program_again_and_the_log_says_why() {
    let paper = Paper::new().yaml(&format!("{LONG}      retries: 2\n"));
    paper.run("build long").ok();
    assert_eq!(
        paper.read("cache/logs/long.log"),
        "attempt 0\n[repro: attempt 1 of 3 failed with exit code 7; trying again]\n\
         attempt 1\n[repro: attempt 2 of 3 failed with exit code 7; trying again]\nattempt 2\n"
    );
    let one = Paper::new().yaml(&format!("{LONG}      retries: 1\n"));
    one.run("build long").code(1).says("failed with exit code 7");
}

#[test]
fn retries_and_resume_are_not_in_the_key() {
    let text = LONG.replace("-ge 2", "-ge 0");
    let paper = Paper::new().yaml(&text);
    paper.build("long").ok();
    let run = paper
        .rewrite(&text.replace("      resume: [state/ck/]\n", "      resume: [state/ck/, other]\n      retries: 3\n"))
        .build("long")
        .ok();
    assert_eq!(run.events_of("build-finished")[0]["ran"], 0);
}

#[test]
fn checkpoints_survive_a_kill_of_repro() {
    let text = LONG.replace("[ $n -ge 2 ] || exit 7", "[ $n -ge 1 ] || sleep 60");
    let paper = Paper::new().yaml(&text);
    let mut build = paper.command("build long").spawn().expect("start");
    wait_for("the first checkpoint", || {
        kept(&paper) == 1
            && paper.path("cache/logs/long.log").exists()
            && paper.read("cache/logs/long.log").contains("attempt 0")
    });
    build.kill().expect("kill");
    build.wait().expect("wait");
    paper.run("build long").ok();
    assert_eq!(paper.read("figures/done.txt"), "0\n1\n");
}

#[test]
fn gc_deletes_checkpoints_that_nothing_needs_and_keeps_others() {
    let paper = Paper::new().yaml(LONG);
    paper.run("build long").code(1);
    paper.run("gc --older-than 0").ok();
    assert_eq!(kept(&paper), 1, "the program has not succeeded yet");
    paper.edit("echo attempt", "echo try").run("gc --older-than 0").ok();
    assert_eq!(kept(&paper), 0);
}

#[test]
fn a_folder_of_checkpoints_is_no_output() {
    let paper = Paper::new()
        .yaml(&LONG.replace("outputs: [figures/done.txt]", "outputs: [figures/done.txt, state/ck/last.pt]"));
    paper.run("build").code(2).says("`state/ck` is both in `resume` and an output");
}
