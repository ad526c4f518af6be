//! `gc` deletes unneeded results and keeps needed ones.

use std::process::Command;
use std::time::Duration;

use crate::support::{GRID, Paper, Run, finish, wait_for};

fn git(paper: &Paper, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(paper.path(""))
        .output()
        .expect("git");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The numbers of `gc --json`: results deleted, kept and spared.
fn counts(run: Run) -> [u64; 3] {
    let event = run.ok().events()[0].clone();
    ["results", "results-kept", "spared"].map(|name| event[name].as_u64().unwrap())
}

#[test]
fn only_unneeded_results_are_deleted() {
    let paper = Paper::new().yaml(GRID);
    paper.build("*").ok();
    assert_eq!(counts(paper.run("gc --json --older-than 0")), [0, 13, 0]);
    // Without one value of an axis, two models and two metrics are unneeded.
    paper.edit("[0.1, 0.2, 0.5]", "[0.1, 0.2]").build("*").ok();
    paper
        .run("gc")
        .ok()
        .says("deleted 0 results, 0 B; kept 13 results")
        .says("4 of these are not needed: they are younger than 14 days (`--older-than 0` deletes them too)");
    assert_eq!(counts(paper.run("gc --json -n --older-than 0")), [4, 9, 0]);
    let before = paper.fingerprint();
    paper.run("gc -n --older-than 0").ok().says("would delete 4 results, ");
    assert_eq!(paper.fingerprint(), before);
    paper.run("gc --older-than 0").ok().says("deleted 4 results, ");
    assert_eq!(counts(paper.run("gc --json --older-than 0")), [0, 9, 0]);
    assert_eq!(paper.build("*").ok().trained(0).built(), [""; 0]);
    paper.edit("[0.1, 0.2]", "[0.1, 0.2, 0.5]").build("*").ok().trained(2);
}

#[test]
fn results_of_an_earlier_revision_can_be_kept() {
    let paper = Paper::new().yaml(GRID);
    git(&paper, &["init", "-q"]);
    git(&paper, &["add", "paper.yaml"]);
    git(&paper, &["commit", "-qm", "first"]);
    paper.build("*").ok();
    paper.edit("lr: 1e-3", "lr: 1e-2").build("*").ok().trained(7);
    assert_eq!(counts(paper.run("gc --json -n --older-than 0")), [13, 13, 0]);
    assert_eq!(counts(paper.run("gc --json --older-than 0 --keep-rev HEAD")), [0, 26, 0]);
    paper.edit("lr: 1e-2", "lr: 1e-3").build("*").ok().trained(0);
    paper.run("gc --keep-rev nope").code(2).says("unknown revision `nope`");
    paper.run("gc --keep-rev=--output=x").code(2).says("unknown revision");
    git(&paper, &["rm", "-q", "--cached", "paper.yaml"]);
    git(&paper, &["commit", "-qm", "second"]);
    paper.run("gc --keep-rev HEAD").code(2).says("`paper.yaml` is not in the revision `HEAD`");
    let alone = Paper::new().yaml(GRID).env("GIT_CEILING_DIRECTORIES", "/");
    alone.run("gc --keep-rev HEAD").code(2).says("is not in a git repository");
}

#[test]
fn a_revision_is_kept_though_its_stage_or_its_tool_is_gone() {
    let stages = "repro: 1\nstages:\n  a: {exec: {run: echo 1 > a, outputs: [a], tools: [[bin/tool, -V]]}}\n  b: {exec: {run: echo 2 > b, outputs: [b]}}\n";
    let paper = Paper::new().yaml(stages).file("bin/tool", "#!/bin/sh\necho tool 1\n");
    let tool = paper.path("bin/tool");
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    git(&paper, &["init", "-q"]);
    git(&paper, &["add", "."]);
    git(&paper, &["commit", "-qm", "first"]);
    paper.build("").ok();
    let kept = counts(paper.run("gc --json -n --older-than 0"));
    // The stage no longer uses the tool, which is uninstalled; then the stage is removed.
    std::fs::remove_file(&tool).unwrap();
    paper.edit(", tools: [[bin/tool, -V]]", "").edit("echo 1", "echo 3").build("").ok();
    let lines: String = paper
        .read("paper.yaml")
        .lines()
        .filter(|line| !line.starts_with("  a:"))
        .fold(String::new(), |all, line| all + line + "\n");
    paper.rewrite(&lines).build("").ok();
    let [_, results, _] = counts(paper.run("gc --json -n --older-than 0 --keep-rev HEAD"));
    assert_eq!(results, kept[1]);
}

const FILES: &str = "repro: 1
stages:
  big: {exec: {run: 'head -c 200000 /dev/zero > big; echo SMALL > small', outputs: [big, small]}}
  read: {exec: {run: wc -c < big/big > size.txt, inputs: [big], outputs: [size.txt]}}
";

#[test]
fn files_of_programs_are_kept_as_long_as_their_result_is_needed() {
    let paper = Paper::new().yaml(FILES);
    paper.build("").ok();
    paper.run("gc --older-than 0").ok().says("deleted 0 results");
    paper.edit("wc -c <", "wc -c -- <");
    assert_eq!(paper.build("").ok().built(), ["read"], "the large file is still there");
    // Another small file; the large one is shared by an unneeded and a needed result.
    paper.edit("echo SMALL", "echo OTHER").build("").ok();
    paper.run("gc --older-than 0").ok();
    assert_eq!(paper.files("cache/objects").len(), 1);
    paper.edit("wc -c -- <", "wc  -c <");
    assert_eq!(paper.build("").ok().built(), ["read"]);
    paper.rewrite("repro: 1\nstages:\n  none: {exec: {run: echo > a, outputs: [a]}}\n").build("").ok();
    let run = paper.run("gc --older-than 0").ok();
    assert!(run.stdout.contains("deleted 6 results and 6 other files, 202 kB; kept 2 results, "), "{}", run.stdout);
    assert_eq!(paper.files("cache/objects").len(), 0);
    // Logs and records of removed stages are deleted too.
    assert_eq!(paper.files("cache/logs").into_keys().collect::<Vec<_>>(), ["cache/logs/none.log"]);
    let notes: Vec<String> = paper.files("cache/last").into_keys().filter(|name| !name.contains("/.")).collect();
    assert_eq!(notes, [paper.last("none.json"), paper.last("none.keys")]);
}

#[test]
fn the_oldest_results_are_deleted_until_the_cache_is_small_enough() {
    let paper = Paper::new().yaml(FILES);
    paper.build("").ok();
    for size in [300_000, 400_000] {
        std::thread::sleep(Duration::from_millis(5));
        paper.rewrite(&FILES.replace("200000", &size.to_string())).build("").ok();
    }
    let sizes = || -> Vec<usize> {
        let mut sizes: Vec<usize> = paper.files("cache/objects").values().map(Vec::len).collect();
        sizes.sort();
        sizes
    };
    paper.run("gc --max-size 2MB").ok().says("deleted 0 results");
    paper.run("gc --max-size 750kB").ok().says("are not needed: the size limit leaves room for them");
    assert_eq!(sizes(), [300_000, 400_000]);
    paper.run("gc --max-size 1kB").ok().says("the needed results do not fit into 1 kB");
    assert_eq!(sizes(), [400_000]);
    assert_eq!(paper.build("").ok().built(), [""; 0]);
    paper.run("gc --max-size lots").code(2).says("a number and one of B, kB, MB, GB, TB");
}

#[test]
fn nothing_is_deleted_during_a_build() {
    let paper = Paper::new().yaml(FILES).unsealed();
    paper.edit("echo SMALL", "touch STARTED; while [ ! -e GO ]; do sleep 0.01; done; echo SMALL");
    let (started, go) = (paper.path("started"), paper.path("go"));
    paper.edit("STARTED", &started.display().to_string()).edit("GO", &go.display().to_string());
    let child = paper.command("build").spawn().unwrap();
    wait_for("the program", || started.exists());
    paper.run("gc --older-than 0").code(1).stdout("").stderr(
        "error: a build is running in `cache`\n\
         hint: wait for it to end, then run the same command again; nothing was deleted\n",
    );
    // A dry run needs no lock.
    paper.run("gc -n --older-than 0").ok();
    std::fs::write(go, "").unwrap();
    finish(child, "build").ok();
    paper.run("gc --older-than 0").ok();
    assert_eq!(paper.build("").ok().built(), [""; 0]);
    // A killed build leaves no lock behind.
    paper.edit("echo SMALL", "echo OTHER");
    std::fs::remove_file(paper.path("go")).unwrap();
    std::fs::remove_file(&started).unwrap();
    let mut child = paper.command("build").spawn().unwrap();
    wait_for("the program", || started.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    paper.run("gc --older-than 0").ok();
}

#[test]
fn nothing_is_deleted_if_the_needed_results_are_unknown() {
    let paper = Paper::new().yaml(FILES);
    paper.edit("outputs: [big, small]", "outputs: [big, small], inputs: [a.txt], tools: [./tool]");
    let tool = || {
        paper.write("tool", "#!/bin/sh\necho 1\n");
        assert!(Command::new("chmod").arg("+x").arg(paper.path("tool")).status().unwrap().success());
    };
    tool();
    paper.write("a.txt", "").build("").ok();
    for file in ["tool", "a.txt"] {
        std::fs::remove_file(paper.path(file)).unwrap();
        paper
            .run("gc --older-than 0")
            .code(1)
            .says("cannot determine what `big` needs: ")
            .says("hint: nothing was deleted");
        if file == "tool" {
            tool();
        } else {
            paper.write("a.txt", "");
        }
    }
    assert_eq!(paper.build("").ok().built(), [""; 0]);
    // Stages that are out of date are reported.
    paper.write("a.txt", "changed");
    paper.run("gc -n").ok().says("2 stages are out of date (big, read): their earlier results do not count as needed");
}

#[test]
fn a_killed_gc_has_deleted_nothing_that_is_needed() {
    let paper = Paper::new().yaml(GRID);
    paper.build("*").ok();
    for i in 0..25u64 {
        // Each time there is something to delete, in a shard with something to keep.
        paper.edit("steps: 20", "steps: 21").build("*").ok();
        paper.edit("steps: 21", "steps: 20");
        let mut child = paper.command("gc --older-than 0").spawn().unwrap();
        std::thread::sleep(Duration::from_micros(400 * i));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(paper.build("*").ok().trained(0).built(), [""; 0], "killed after {} us", 400 * i);
    }
    paper.run("gc --older-than 0").ok();
    assert_eq!(counts(paper.run("gc -n --json --older-than 0")), [0, 13, 0]);
    assert_eq!(paper.files("cache/tmp").len(), 0);
}

#[test]
fn without_a_cache_there_is_nothing_to_do() {
    let paper = Paper::new().yaml(GRID);
    paper.run("gc").ok().says("deleted 0 results");
    assert!(!paper.path("cache").exists());
}
