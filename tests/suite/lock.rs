//! The lock file and what reads it: `check`, `status` in a fresh clone, `build --frozen`, and the exit codes for scripts.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Paper, Run, age};

/// Data, a program that reads it, a figure and a table of its numbers, and a program beside them.
const PAPER: &str = "\
repro: 1
title: Locked
stages:
  numbers: {data: numbers.csv}
  fit:
    exec:
      run: 'sh fit.sh'
      inputs: [fit.sh, numbers]
      outputs: {fit.csv: {axes: x}}
      params: {scale: 1}
  fig: {figure: {of: fit, panels: [{marks: [{points: {x: x, y: y}}]}], formats: [svg]}}
  tab: {table: {of: fit, rows: {x: [1, 2]}, columns: [y], formats: [csv]}}
  note: {exec: {run: echo hello > figures/note.txt, outputs: [figures/note.txt]}}
";

fn paper() -> Paper {
    let script = "cp numbers.csv fit.csv\n";
    Paper::new().yaml(PAPER).file("fit.sh", script).file("numbers.csv", "x,y\n1,10\n2,20\n")
}

fn built() -> Paper {
    let paper = paper();
    paper.build("").ok();
    paper
}

/// A copy of the project as git would clone it: without the cache.
fn clone(paper: &Paper) -> Paper {
    let copy = Paper::new();
    for (name, bytes) in paper.files("") {
        if !name.starts_with("cache/") {
            std::fs::create_dir_all(copy.path(&name).parent().unwrap()).unwrap();
            std::fs::write(copy.path(&name), bytes).unwrap();
        }
    }
    copy
}

/// The stages that a check finds out of date, with the reasons as codes.
#[track_caller]
fn wrong(paper: &Paper, targets: &str) -> Vec<String> {
    let run = paper.run(&format!("check --json {targets}"));
    let found: Vec<String> = run
        .events()
        .iter()
        .filter(|event| event["state"] == "stale")
        .map(|event| {
            let codes = event["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap());
            format!("{}: {}", event["stage"].as_str().unwrap(), codes.collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(run.code, Some(i32::from(!found.is_empty())), "{}{}", run.stdout, run.stderr);
    found
}

fn states(paper: &Paper) -> Vec<String> {
    let states = paper.run("status --json").ok().events().into_iter().map(|event| event["state"].clone());
    states.map(|state| state.as_str().unwrap().to_string()).collect()
}

fn ran(run: &Run) -> u64 {
    run.events_of("build-finished")[0]["ran"].as_u64().expect("a number")
}

/// The line of a stage in the lock file.
fn line(paper: &Paper, stage: &str) -> String {
    let lock = paper.read("paper.lock");
    lock.lines().find(|line| line.starts_with(&format!("{stage} "))).unwrap_or_else(|| panic!("{lock}")).to_string()
}

#[test]
fn a_fresh_clone_is_up_to_date_by_the_lock_file_and_nothing_is_written_or_run() {
    let clone = clone(&built());
    let before = clone.fingerprint();
    clone.run("check").ok().stderr("").stdout("up to date: 5 stages, 3 files\n");
    clone.run("check fig").ok().stdout("up to date: 3 stages, 1 file\n");
    assert_eq!(states(&clone), ["locked"; 5]);
    clone.run("status --check").ok().stderr("").stdout(
        "\
numbers  data    up to date, results not here
fit      exec    up to date, results not here
fig      figure  up to date, results not here       fig.svg
tab      table   up to date, results not here  0/2  tab.csv
note     exec    up to date, results not here       note.txt
5 stages: 5 up to date, results not here
",
    );
    clone.plan("").ok().says("5 of these are up to date by paper.lock: only the results are not here");
    assert_eq!(clone.fingerprint(), before);
    // What was said is true: a build makes the same files.
    clone.build("").ok();
    let after = clone.fingerprint();
    assert!(before.iter().filter(|(name, _)| *name != "paper.yaml").all(|(name, (size, _))| after[name].0 == *size));
    clone.run("check").ok();
}

#[test]
fn every_change_is_found_with_its_reason() {
    type Change<'a> = (&'a str, &'a [&'a str], &'a dyn Fn(&Paper));
    let readers = ["fig: input-stale", "tab: input-stale"];
    let changes: [Change; 14] = [
        ("a comment", &[], &|paper| {
            paper.edit("repro: 1", "repro: 1 # one");
        }),
        ("a setting of a program", &["fit: changed", readers[0], readers[1]], &|paper| {
            paper.edit("scale: 1", "scale: 2");
        }),
        ("a setting of a figure", &["fig: changed"], &|paper| {
            paper.edit("points: {x: x, y: y}", "points: {x: x, y: y, color: red}");
        }),
        ("another format", &["fig: changed file-missing"], &|paper| {
            paper.edit("formats: [svg]", "formats: [svg, pdf]");
        }),
        ("a setting of a table", &["tab: changed"], &|paper| {
            paper.edit("rows: {x: [1, 2]}", "rows: {x: [2, 1]}");
        }),
        ("a script", &["fit: input-changed", readers[0], readers[1]], &|paper| {
            paper.write("fit.sh", "cp numbers.csv fit.csv # copied\n");
        }),
        ("data", &["numbers: input-changed", "fit: input-stale", readers[0], readers[1]], &|paper| {
            paper.write("numbers.csv", "x,y\n1,10\n2,21\n");
        }),
        ("data that is gone", &["numbers: fault", "fit: input-stale", readers[0], readers[1]], &|paper| {
            std::fs::remove_file(paper.path("numbers.csv")).unwrap();
        }),
        ("a file that is read too", &["fit: input-added", readers[0], readers[1]], &|paper| {
            paper.write("more.txt", "").edit("[fit.sh, numbers]", "[fit.sh, numbers, more.txt]");
        }),
        ("a figure that was edited", &["fig: file-edited"], &|paper| {
            let text = paper.read("figures/fig.svg").replace("<svg", "<svg ");
            paper.write("figures/fig.svg", &text);
        }),
        ("a figure that git gave other line ends", &["tab: file-line-ends"], &|paper| {
            let text = paper.read("figures/tab.csv").replace("\r\n", "\n");
            paper.write("figures/tab.csv", &text);
        }),
        ("a figure that is gone", &["note: file-missing"], &|paper| {
            std::fs::remove_file(paper.path("figures/note.txt")).unwrap();
        }),
        ("a stage that was added", &["more: not-locked"], &|paper| {
            paper.edit(
                "  note: {exec",
                "  more: {figure: {of: fit, panels: [{marks: [{points: {x: x, y: y}}]}]}}\n  note: {exec",
            );
        }),
        ("a stage that was removed", &["note: removed"], &|paper| {
            let text = paper.read("paper.yaml");
            let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("  note")).collect();
            paper.write("paper.yaml", &kept.join("\n"));
        }),
    ];
    let paper = built();
    for (what, expected, change) in changes {
        let clone = clone(&paper);
        change(&clone);
        assert_eq!(wrong(&clone, ""), expected, "{what}");
        if what != "data that is gone" {
            // A build makes all of it up to date, and says so in the lock file.
            clone.build("").ok();
            assert_eq!(wrong(&clone, ""), [""; 0], "{what}");
        }
    }
}

#[test]
fn the_reasons_name_file_and_line() {
    let clone = clone(&built());
    clone.edit("scale: 1", "scale: 2").write("figures/note.txt", "bye\n");
    clone.run("check").code(1).stderr("").stdout(
        "\
fit  out of date
    its settings have changed (paper.yaml:5)
fig  out of date
    its input `fit` is out of date
tab  out of date
    its input `fit` is out of date
note  out of date
    figures/note.txt is not the file of paper.lock
4 of 5 stages out of date: run `repro build`, and commit paper.lock with the figures
",
    );
    clone.run("check numbers").ok();
    clone.run("check figures/note.txt").code(1);
    clone.run("status --check numbers").ok();
    clone.run("status --check note").code(1);
}

#[test]
fn results_that_stay_the_same_keep_the_lines_of_their_readers() {
    let paper = built();
    let (fit, fig) = (line(&paper, "fit"), line(&paper, "fig"));
    paper.write("fit.sh", "cat numbers.csv > fit.csv\n");
    // One target: the table is not built, and it is up to date all the same.
    paper.build("fig").ok();
    assert_ne!(line(&paper, "fit"), fit);
    assert_eq!(line(&paper, "fig"), fig);
    assert_eq!(wrong(&clone(&paper), ""), [""; 0]);
}

#[test]
fn a_figure_of_other_results_than_those_of_the_lock_file_is_out_of_date() {
    let paper = built();
    paper.write("fit.sh", "sed s/20/30/ numbers.csv > fit.csv\n");
    paper.build("fig").ok();
    // The table was not rebuilt.
    assert_eq!(wrong(&clone(&paper), ""), ["tab: other-result"]);
    paper.build("").ok();
    assert_eq!(wrong(&clone(&paper), ""), [""; 0]);
}

#[test]
fn lines_taken_from_two_builds_do_not_look_right_together() {
    let mine = built();
    let theirs = built();
    theirs.write("fit.sh", "sed s/20/30/ numbers.csv > fit.csv\n");
    theirs.build("").ok();
    // A merge without a conflict: their program, my figure.
    let lock = mine.read("paper.lock").replace(&line(&mine, "fit"), &line(&theirs, "fit"));
    let merged = clone(&mine);
    merged.write("paper.lock", &lock).write("fit.sh", &theirs.read("fit.sh"));
    assert_eq!(wrong(&merged, ""), ["fig: other-result", "tab: other-result"]);
}

#[test]
fn a_build_of_some_targets_keeps_the_other_lines_and_drops_those_of_removed_stages() {
    let paper = paper();
    paper.build("note").ok();
    assert_eq!(wrong(&paper, "note"), [""; 0]);
    assert_eq!(wrong(&paper, "fig"), ["numbers: not-locked", "fit: not-locked", "fig: not-locked"]);
    let note = line(&paper, "note");
    paper.build("fig").ok();
    assert_eq!(line(&paper, "note"), note);
    let names: Vec<String> = paper
        .read("paper.lock")
        .lines()
        .filter_map(|line| line.split(" key=").next().filter(|name| line.len() > name.len()).map(str::to_string))
        .collect();
    assert_eq!(names, ["fig", "fit", "note", "numbers"]);
    paper.edit("  note: {", "  other: {").build("fig").ok();
    assert!(!paper.read("paper.lock").contains("\nnote "));
}

#[test]
fn a_failed_build_and_set_leave_the_lock_file_as_it_is() {
    let paper = built();
    let lock = paper.read("paper.lock");
    paper.build("--set scale=3").ok();
    assert_eq!(paper.read("paper.lock"), lock);
    paper.build("").ok();
    assert_eq!(paper.read("paper.lock"), lock);
    paper.write("fit.sh", "exit 1\n").edit("echo hello", "echo hallo").build("-k").code(1);
    assert_eq!(paper.read("paper.lock"), lock);
    assert!(wrong(&paper, "").contains(&"note: changed file-edited".to_string()));
}

#[test]
fn a_no_op_build_writes_nothing_and_notices_a_missing_or_edited_lock_file() {
    let paper = built();
    let lock = paper.read("paper.lock");
    let before = std::fs::metadata(paper.path("paper.lock")).unwrap().modified().unwrap();
    assert_eq!(ran(&paper.build("").ok()), 0);
    assert_eq!(std::fs::metadata(paper.path("paper.lock")).unwrap().modified().unwrap(), before);
    std::fs::remove_file(paper.path("paper.lock")).unwrap();
    assert_eq!(ran(&paper.build("").ok()), 0);
    assert_eq!(paper.read("paper.lock"), lock);
    for text in ["", "repro-lock 1\n", &lock.replace("fit.csv", "fit.cvs"), &lock.replace("key=", "key=0")] {
        paper.write("paper.lock", text);
        assert_eq!(ran(&paper.build("").ok()), 0);
        assert_eq!(paper.read("paper.lock"), lock, "after {text:?}");
    }
}

#[test]
fn a_damaged_line_is_quoted_and_the_others_are_checked() {
    let paper = built();
    let lock = paper.read("paper.lock");
    let number = lock.lines().position(|line| line.starts_with("note ")).unwrap() + 1;
    paper.write("paper.lock", &lock.replace("note key=", "note key=0"));
    paper
        .run("check")
        .code(1)
        .says("note  out of date\n    it has no valid line in paper.lock\n1 of 5 stages out of date")
        .says(&format!("error: this line is damaged: it does not match its checksum\n --> paper.lock:{number}:1\n"))
        .says("note key=0")
        .says("hint: `repro build` writes it anew; or take the file from git: `git checkout HEAD -- paper.lock`");
    let warned = paper.run("build").ok();
    assert_eq!(
        warned.stderr,
        format!(
            "warning: paper.lock:{number}: this line is damaged: it does not match its checksum; the file is written anew\n"
        )
    );
    assert_eq!(paper.read("paper.lock"), lock);
    // The truncated file of a full disk.
    paper.write("paper.lock", &lock[..lock.len() - 20]);
    paper.run("check").code(1).says("error: this line is damaged").says("tab  out of date\n");
}

#[test]
fn conflicts_other_versions_and_foreign_files_are_reported_with_a_way_out() {
    let paper = built();
    let (lock, note) = (paper.read("paper.lock"), line(&paper, "note"));
    let conflict = format!("<<<<<<< HEAD\n{note}\n=======\n{note}\n>>>>>>> branch");
    paper.write("paper.lock", &lock.replace(&note, &conflict));
    paper
        .run("check")
        .code(1)
        .says("error: `paper.lock` has a merge conflict of git\n --> paper.lock:")
        .says("hint: take either side, and run `repro build`");
    paper.run("build").ok().says("has a merge conflict of git; the file is written anew");
    assert_eq!(paper.read("paper.lock"), lock);
    // With the line ends of Windows it says the same, and is not rewritten.
    let windows = lock.replace('\n', "\r\n");
    paper.write("paper.lock", &windows);
    paper.run("check").ok();
    paper.run("build").ok().stderr("");
    assert_eq!(paper.read("paper.lock"), windows);
    // Another program's file, or a newer version's, is left alone.
    for (text, message) in [
        (
            lock.replace("repro-lock 1", "repro-lock 7"),
            "`paper.lock` is of version 7, and this program reads version 1",
        ),
        ("# poetry\n[[package]]\n".to_string(), "`paper.lock` is no lock file of repro"),
    ] {
        paper.write("paper.lock", &text);
        paper.run("check").code(1).says(&format!("error: {message}\n --> paper.lock:"));
        paper.run("build").ok().stderr(&format!("warning: {message}; it is left as it is\n"));
        assert_eq!(paper.read("paper.lock"), text);
    }
    std::fs::remove_file(paper.path("paper.lock")).unwrap();
    std::fs::create_dir(paper.path("paper.lock")).unwrap();
    paper.run("check").code(1).says("`paper.lock` is not a file");
    paper.run("build").ok().says("warning: `paper.lock` is not a file");
    std::fs::remove_dir(paper.path("paper.lock")).unwrap();
    paper.run("check").code(1).stderr(
        "error: there is no `paper.lock`\nhint: `repro build` writes it: commit it together with the figures\n",
    );
    // The lock file of another paper.
    let stages = lock.replace("\nnote ", "\nnotes ");
    assert_ne!(stages, lock);
    let other =
        Paper::new().yaml("repro: 1\nstages: {a: {exec: {run: echo 1 > figures/a.txt, outputs: [figures/a.txt]}}}\n");
    other.write("paper.lock", &lock);
    other.run("check").code(1).stdout("").stderr(
        "error: `paper.lock` is of another paper: it has no stage of paper.yaml\nhint: `repro build` writes it anew\n",
    );
    other.build("").ok();
    other.run("check").ok();
}

#[test]
fn a_read_only_project_is_built_with_one_warning() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let cache = tempfile::tempdir().unwrap();
    let paper = paper().env("REPRO_CACHE", &cache.path().join("cache").display().to_string());
    std::fs::create_dir(paper.path("figures")).unwrap();
    mode(cache.path(), 0o777);
    mode(&paper.path("figures"), 0o777);
    mode(&paper.path(""), 0o555);
    let mut command = paper.command("build --json");
    // Nothing is read-only for root.
    if std::fs::metadata(paper.path("")).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let run = command.spawn().map(|child| crate::support::finish(child, "build --json"));
    mode(&paper.path(""), 0o755);
    let run = match run {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("SKIPPED: another user may not start the program: {error}");
            return;
        }
        run => run.unwrap().ok(),
    };
    let warnings: Vec<String> = run.warnings().into_iter().filter(|text| text.contains("lock")).collect();
    assert_eq!(warnings.len(), 1, "{:?}", run.warnings());
    assert!(warnings[0].starts_with("the lock file is not up to date: cannot write `paper.lock`"), "{warnings:?}");
    assert!(paper.path("figures/note.txt").exists() && !paper.path("paper.lock").exists());
}

#[test]
fn every_paper_file_has_a_lock_file_of_its_own_and_none_beside_a_pipe() {
    let paper = paper();
    paper.write("talk.yaml", PAPER).write("paper.yml", PAPER);
    paper.build("note").ok();
    paper.build("note -f talk.yaml").ok();
    paper.build("note -f paper.yml").ok();
    for name in ["paper.lock", "talk.lock", "paper.yml.lock"] {
        assert!(paper.read(name).contains("\nnote key="), "{name}");
    }
    paper.run("check note -f talk.yaml").ok();
}

#[test]
fn the_lock_file_is_no_input() {
    let paper = Paper::new()
        .yaml("repro: 1\nstages: {a: {exec: {run: ls > figures/a.txt, inputs: ['*'], outputs: [figures/a.txt]}}}\n");
    paper.build("").ok();
    assert_eq!(ran(&paper.build("").ok()), 0);
    assert!(!paper.read("figures/a.txt").contains("paper.lock"));
    paper.edit("'*'", "paper.lock");
    paper.run("build").code(1).says("`paper.lock` is written by every build, so that no stage can read it");
}

#[test]
fn variables_and_tools_are_recorded_and_compared_on_request() {
    let yaml = "repro: 1\nstages: {a: {exec: {run: echo $MOOD > figures/a.txt, outputs: [figures/a.txt], env: [MOOD], tools: [./tool]}}}\n";
    let paper = Paper::new().yaml(yaml).file("tool", "#!/bin/sh\necho tool 1.0\n").env("MOOD", "good");
    let executable = |paper: &Paper| {
        std::fs::set_permissions(paper.path("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    executable(&paper);
    paper.build("").ok();
    assert!(line(&paper, "a").contains(" tool:./tool=tool%201.0 "));
    assert!(!paper.read("paper.lock").contains("good"));
    let clone = clone(&paper).env("MOOD", "bad");
    // Without the tool, and with another value.
    std::fs::remove_file(clone.path("tool")).unwrap();
    clone.run("check").ok().stdout(
        "up to date: 1 stage, 1 file\ntaken as recorded, not compared with this machine: ./tool, MOOD (--environment compares)\n",
    );
    clone.write("tool", "#!/bin/sh\necho tool 2.0\n");
    executable(&clone);
    clone
        .run("check --environment")
        .code(1)
        .says("    the variable `MOOD` has another value here\n    ./tool: tool 1.0 -> tool 2.0\n");
    let clone = clone.env("MOOD", "good");
    clone.write("tool", "#!/bin/sh\necho tool 1.0\n");
    clone.run("check --environment").ok().stdout("up to date: 1 stage, 1 file\n");
    // A tool that is declared now was not in the key.
    clone.edit("tools: [./tool]", "tools: [./tool, sh]");
    assert_eq!(wrong(&clone, ""), ["a: input-added"]);
    clone.edit("tools: [./tool, sh]", "").edit("env: [MOOD], ", "env: [MOOD]");
    assert_eq!(wrong(&clone, ""), ["a: input-removed"]);
}

#[test]
fn a_sweep_is_one_line_and_its_points_count() {
    let paper = Paper::new().yaml(crate::support::GRID);
    paper.build("").ok();
    let lines = paper.read("paper.lock").lines().filter(|line| line.contains(" key=")).count();
    assert_eq!(lines, 3);
    let clone = clone(&paper);
    assert_eq!(wrong(&clone, ""), [""; 0]);
    clone.edit("values: [0.1, 0.2, 0.5]", "values: [0.1, 0.2, 0.6]");
    assert_eq!(wrong(&clone, ""), ["grid: changed", "measures: input-stale"]);
    // Some points are no stage that is up to date.
    let before = paper.read("paper.lock");
    paper.edit("values: [0.1, 0.2, 0.5]", "values: [0.1, 0.6, 0.7]");
    paper.run("build grid[probability=0.6]").ok();
    assert_eq!(paper.read("paper.lock"), before);
    paper.build("").ok();
    assert_eq!(wrong(&paper, ""), [""; 0]);
}

#[test]
fn git_merges_changes_of_neighbouring_stages() {
    let git = |paper: &Paper, arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]).args(arguments);
        let output = command.current_dir(paper.path("")).output().expect("git");
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    };
    let paper = built();
    paper.write(".gitignore", "cache/\n");
    git(&paper, &["init", "-q", "-b", "main"]);
    git(&paper, &["add", "-A"]);
    git(&paper, &["commit", "-qm", "one"]);
    git(&paper, &["checkout", "-qb", "other"]);
    paper.edit("points: {x: x, y: y}", "points: {x: x, y: y, color: red}").build("").ok();
    git(&paper, &["commit", "-qam", "red"]);
    git(&paper, &["checkout", "-q", "main"]);
    paper.edit("echo hello", "echo hallo").build("").ok();
    git(&paper, &["commit", "-qam", "hallo"]);
    git(&paper, &["merge", "-q", "other"]);
    assert_eq!(wrong(&paper, ""), [""; 0]);
    assert_eq!(ran(&paper.build("").ok()), 0);
}

#[test]
fn a_frozen_build_runs_nothing_and_lists_what_would() {
    let paper = paper();
    paper
        .run("build --frozen")
        .code(1)
        .stdout("")
        .says("error: fit: a build would run")
        .says("error: note: a build would run");
    assert!(!paper.path("cache").exists() && !paper.path("figures").exists() && !paper.path("paper.lock").exists());
    paper.build("").ok();
    paper.run("build --frozen").ok();
    // What is missing is restored from the cache.
    let figure = paper.read("figures/fig.svg");
    std::fs::remove_file(paper.path("figures/fig.svg")).unwrap();
    paper.run("build --frozen").ok();
    assert_eq!(paper.read("figures/fig.svg"), figure);
    std::fs::remove_file(paper.path("paper.lock")).unwrap();
    paper.run("build --frozen").ok();
    paper.run("check").ok();
    // What was edited is not overwritten.
    paper.write("figures/note.txt", "mine\n");
    paper.run("build --frozen").code(1).says("error: note: a build would write 1 file\n");
    assert_eq!(paper.read("figures/note.txt"), "mine\n");
    paper.build("").ok();
    let before = paper.files("figures");
    paper.edit("points: {x: x, y: y}", "points: {x: x, y: y, color: red}");
    paper.run("build --frozen").code(1).says("error: fig: a build would draw");
    assert_eq!(paper.files("figures"), before);
    // A stage that is up to date is frozen alone.
    paper.run("build --frozen tab").ok();
}

#[test]
fn a_frozen_build_keeps_the_lock_file() {
    let paper = built();
    let lock = paper.read("paper.lock");
    let edited = lock.replace(&line(&paper, "note"), "");
    paper.write("paper.lock", &edited);
    paper.run("build --frozen").code(1).stderr(
        "error: a build would write `paper.lock` anew\nhint: --frozen forbids that: run `repro build` without it, and commit paper.lock with the figures\n",
    );
    assert_eq!(paper.read("paper.lock"), edited);
    paper.run("build").ok();
    assert_eq!(paper.read("paper.lock"), lock);
    paper.run("build --frozen").ok();
}

#[test]
fn plan_has_an_exit_code_on_request() {
    let paper = paper();
    paper.run("plan").ok();
    paper.run("plan --exit-code").code(1);
    paper.run("plan --exit-code --json").code(1);
    paper.build("").ok();
    paper.run("plan --exit-code").ok();
    paper.edit("scale: 1", "scale: 2");
    paper.run("plan --exit-code note").ok();
    paper.run("plan --exit-code fig").code(1);
}

#[test]
fn no_train_runs_no_expensive_program() {
    let paper = paper();
    paper.edit("params: {scale: 1}", "params: {scale: 1}\n      expensive: true");
    paper.run("build fig --no-train").code(1).says(
        "error: fit: its program is `expensive`, and --no-train forbids it\nhint: `repro explain fit` says why\n\
         hint: build without --no-train where that is allowed, and share the cache\nskipped: fig\n",
    );
    paper.build("note --no-train").ok();
    paper.build("fig").ok();
    paper.build("fig --no-train").ok();
    // It is not part of the key.
    paper.edit("\n      expensive: true", "");
    assert_eq!(ran(&paper.build("fig").ok()), 0);
    assert_eq!(wrong(&paper, "fig"), [""; 0]);
}

#[test]
fn no_train_runs_no_program_that_took_over_a_minute() {
    let paper = built();
    let record = paper.last("fit.json");
    let mut last: serde_json::Value = serde_json::from_str(&paper.read(&record)).unwrap();
    assert!(last["pace"].as_f64().is_some_and(|seconds| seconds < 60.0));
    paper.edit("scale: 1", "scale: 2");
    last["pace"] = serde_json::json!(61.0);
    paper.write(&record, &last.to_string());
    paper
        .run("build fig --no-train")
        .code(1)
        .says("error: fit: its program took over a minute the last time, and --no-train forbids it\n");
    last["pace"] = serde_json::json!(59.0);
    paper.write(&record, &last.to_string());
    paper.build("fig --no-train").ok();
}

#[test]
fn a_sweep_of_an_expensive_program_is_one_too() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  runs:\n    sweep:\n      exec: {run: 'echo \"a\\n$REPRO_PARAM_LR\" > o.csv', outputs: [o.csv], params: {lr: 1}, expensive: true}\n      axes: {lr: [1, 2]}\n",
    );
    paper.run("build --no-train").code(1).says("its program is `expensive`, and --no-train forbids it");
    paper.build("").ok();
    paper.build("--no-train").ok();
}

#[test]
fn an_old_lock_file_is_compared_by_stat_once_it_is_not_racy() {
    let paper = built();
    for name in ["paper.lock", "fit.sh", "numbers.csv"] {
        age(&paper.path(name));
    }
    paper.build("").ok();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    paper.build("").ok();
    let before = paper.fingerprint();
    assert_eq!(ran(&paper.build("").ok()), 0);
    assert_eq!(paper.fingerprint(), before);
}

#[test]
fn points_that_another_stage_makes_are_never_called_up_to_date_without_its_result() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  split: {exec: {run: \"printf 'fold\\n1\\n2\\n' > s.csv\", outputs: [s.csv]}}\n  runs:\n    sweep:\n      \
         exec: {run: 'echo $REPRO_PARAM_FOLD > figures/{fold}.txt', outputs: ['figures/{fold}.txt'], params: {fold: 0}}\n      \
         axes: {fold: {values: {of: split, array: fold}}}\n",
    );
    paper.edit("> figures/{fold}.txt", "> figures/$REPRO_PARAM_FOLD.txt");
    paper.run("build --frozen").code(1).says("split: a build would run");
    paper.run("plan --exit-code").code(1);
    paper.run("status --check").code(1);
    paper.build("").ok();
    paper.run("plan --exit-code").ok();
    paper.run("status --check").ok();
    paper.run("build --frozen").ok();
    assert_eq!(wrong(&paper, ""), [""; 0]);
    let lock = paper.read("paper.lock");
    assert!(lock.contains("\nruns key=") && lock.contains("\nsplit key="), "{lock}");
    let clone = clone(&paper);
    assert_eq!(wrong(&clone, ""), ["runs: pending"]);
    clone.run("check").code(1).says("its points are not known: the results of `split` are not here");
    // A build of what makes the points keeps the line of what waits for them.
    clone.build("split").ok();
    assert_eq!(clone.read("paper.lock"), lock);
    assert_eq!(wrong(&clone, ""), [""; 0]);
}
