//! `exec`: programs of the user, in folders of their own.
#![cfg(unix)]

mod support;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use support::{Paper, Run, finish, wait_for};

/// A paper with these stages, each in one line or with its own indentation.
fn paper(stages: &str) -> Paper {
    Paper::new().yaml(&format!("repro: 1\nstages:\n{stages}"))
}

fn built(paper: &Paper, targets: &str) -> Vec<String> {
    paper.build(targets).ok().built()
}

/// Nothing is left of programs that have ended, however they did.
fn nothing_left(paper: &Paper) {
    assert_eq!(paper.files("cache/scratch").keys().collect::<Vec<_>>(), [""; 0]);
    let folders = std::fs::read_dir(paper.path("cache/scratch")).map_or(0, |entries| entries.count());
    assert_eq!(folders, 0);
}

#[test]
fn an_undeclared_read_fails_and_names_the_file() {
    let paper = paper(
        "  fit: {exec: {run: cat train.txt lib/helper.txt > out.txt, inputs: [train.txt], outputs: [out.txt]}}\n",
    );
    paper.write("train.txt", "").write("lib/helper.txt", "");
    paper.run("build").code(1).stdout("").stderr(
        "fit  started\n\
         fit  failed\n\
         error: fit: `cat train.txt lib/helper.txt > out.txt` ended with exit code 1\n \
         --> paper.yaml:3:21\n  \
         |\n\
         3 |   fit: {exec: {run: cat train.txt lib/helper.txt > out.txt, inputs: [train.txt], outputs: [out.txt]}}\n  \
         |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  \
         | cat: lib/helper.txt: No such file or directory\n\
         hint: `lib/helper.txt` is in the project, but not an input: add it to `inputs` if it is read\n\
         hint: all that it printed is in cache/logs/fit.log\n\
         1 stage failed: 0 stages built\n",
    );
    nothing_left(&paper);
    paper.edit("inputs: [train.txt]", "inputs: [train.txt, lib]").build("").ok();
}

#[test]
fn outputs_appear_all_or_none() {
    let paper = paper("  fit: {exec: {run: \"echo 1 > a.txt; echo 2 > b.txt; exit 3\", outputs: [a.txt, b.txt]}}\n");
    paper.run("build").code(1).says("`echo 1 > a.txt; echo 2 > b.txt; exit 3` ended with exit code 3");
    assert_eq!(paper.shards().len(), 0);
    paper.edit("exit 3", "mv b.txt b.text");
    paper.run("build").code(1).says("did not make `b.txt`").says("hint: it made `b.text`: did you mean that?");
    paper.edit("mv b.txt b.text", "mkdir x; mv b.txt x");
    paper.run("build").code(1).says("hint: it made `x/b.txt`: did you mean that?");
    paper.edit("mkdir x; mv b.txt x", "ln -sf a.txt b.txt");
    paper.run("build").code(1).says("made a symbolic link at `b.txt`");
    paper.edit("ln -sf a.txt b.txt", "rm b.txt; mkfifo b.txt");
    paper.run("build").code(1).says("made `b.txt`, which is neither a file nor a folder");
    assert_eq!(paper.shards().len(), 0);
    paper.edit("rm b.txt; mkfifo b.txt", "true").build("").ok();
    nothing_left(&paper);
}

#[test]
fn a_link_on_the_way_to_an_output_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("x.txt"), "secret").unwrap();
    let script = format!("rmdir out; ln -s {} out", elsewhere.path().display());
    let paper = paper(&format!("  fit: {{exec: {{run: {script}, outputs: [out/x.txt]}}}}\n"));
    paper.run("build").code(1).says("made a symbolic link at `out/x.txt`");
    paper
        .edit("[out/x.txt]", "[out]")
        .edit("rmdir out; ", "")
        .run("build")
        .code(1)
        .says("made a symbolic link at `out`");
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("x.txt")).unwrap(), "secret");
}

#[test]
fn a_folder_is_an_output_with_all_that_is_in_it() {
    let paper = paper(
        "  many: {exec: {run: for i in 1 2 3; do printf 'x\\n%s\\n' $i > runs/$i.csv; done, outputs: [runs]}}\n  \
         all: {exec: {run: cat many/runs/*.csv | grep -v x > all.txt, inputs: [many], outputs: [all.txt]}}\n  \
         none: {exec: {run: mkdir empty, outputs: [empty]}}\n",
    );
    // The folder of an output is made by whoever makes the output.
    paper.run("build all").code(1).says("runs/1.csv: Directory nonexistent");
    paper.edit("for i in", "mkdir runs; for i in").build("all").ok();
    paper.run("build none").code(1).says("left the folder `empty` empty");
}

#[test]
fn what_decides_the_result_is_in_the_key_and_nothing_else() {
    let stage = "  fit:\n    exec:\n      run: echo $A $REPRO_PARAM_LR > out.txt\n      inputs: [a.txt, b.txt]\n      \
                 outputs: [out.txt]\n      params: {lr: 0.1}\n      env: [A]\n      tools: [./tool]\n";
    let fresh = || {
        let paper =
            paper(stage).file("a.txt", "1").file("b.txt", "2").file("tool", "#!/bin/sh\necho 1.0\n").env("A", "a");
        let made = Command::new("chmod").arg("+x").arg(paper.path("tool")).status().unwrap();
        assert!(made.success());
        assert_eq!(built(&paper, ""), ["fit"]);
        paper
    };
    let paper = fresh();
    for (from, to) in [("lr: 0.1", "lr: 0.2"), ("echo $A", "printf $A"), ("a.txt, b.txt", "a.txt")] {
        paper.edit(from, to);
        assert_eq!(built(&paper, ""), ["fit"], "{to}");
        paper.edit(to, from);
        assert_eq!(built(&paper, ""), [""; 0], "{from}");
    }
    for (from, to) in [
        ("lr: 0.1", "lr: 1e-1"),
        ("a.txt, b.txt", "b.txt, ./a.txt"),
        ("params:", "timeout: 10 min\n      cpus: 2\n      memory: 1 GB\n      params:"),
        ("outputs: [out.txt]", "outputs: {out.txt: {axes: [x]}}"),
        ("  fit:", "  # another name\n  fit2:"),
    ] {
        paper.edit(from, to);
        assert_eq!(built(&paper, ""), [""; 0], "{to}");
    }
    paper.write("b.txt", "3");
    assert_eq!(built(&paper, ""), ["fit2"]);
    paper.explain("fit2").ok();
    paper.write("tool", "#!/bin/sh\necho 1.1\n");
    paper.explain("fit2").ok().stdout("fit2 (exec) is out of date\n    tools../tool: 1.0 -> 1.1 (paper.yaml:14)\n");
    assert_eq!(built(&paper, ""), ["fit2"]);
    let paper = paper.env("A", "other").env("B", "b");
    paper.explain("fit2").ok().stdout("fit2 (exec) is out of date\n    env.A: a -> other (paper.yaml:13)\n");
    assert_eq!(built(&paper, ""), ["fit2"]);
    let made = Command::new("chmod").arg("+x").arg(paper.path("a.txt")).status().unwrap();
    assert!(made.success());
    assert_eq!(built(&paper, ""), ["fit2"], "whether a file can be run is content");
}

#[test]
fn outputs_in_figures_are_put_into_the_project_and_guarded_like_any_figure() {
    let paper = paper(
        "  plot: {exec: {run: echo picture > figures/sub/plot.pdf, outputs: [figures/sub/plot.pdf]}}\n  other: {data: x.csv}\n",
    );
    // A build without targets makes what the paper shows.
    paper.run("build").ok().says("plot  run, sub/plot.pdf");
    assert_eq!(paper.read("figures/sub/plot.pdf"), "picture\n");
    paper.write("figures/sub/plot.pdf", "edited");
    paper.run("status plot").ok().says("plot  exec  stale    (sub/plot.pdf)");
    let run = paper.build("").ok();
    assert_eq!((paper.read("figures/sub/plot.pdf").as_str(), run.events_of("unit-finished").len()), ("picture\n", 0));
    paper.edit("  other: {data: x.csv}\n", "  PLOT: {exec: {run: 'true', outputs: [figures/sub/Plot.pdf]}}\n");
    paper.build("").code(2).says("`PLOT` and `plot` would both write `figures/sub/Plot.pdf`");
    paper.edit("figures/sub/Plot.pdf", "figures").build("").code(2).says("name the files in `figures` one by one");
    paper.rewrite("repro: 1\nstages:\n  p: {exec: {run: 'mkdir figures/x', outputs: [figures/x]}}\n");
    paper.run("build").code(1).says("made `figures/x`, which is a folder");
}

#[test]
fn a_list_is_run_without_a_shell() {
    let paper =
        paper("  fit: {exec: {run: [cp, \"a b.txt\", \"$HOME.txt\"], inputs: [a b.txt], outputs: [$HOME.txt]}}\n")
            .file("a b.txt", "1");
    paper.build("").ok();
    paper.edit("cp, ", "no-such-program, ").run("build").code(1).says("there is no program `no-such-program`");
}

#[test]
fn a_failing_line_of_a_script_ends_it() {
    let paper =
        paper("  fit:\n    exec:\n      run: |\n        false\n        echo 1 > a.txt\n      outputs: [a.txt]\n");
    paper.run("build").code(1).says("`false` ended with exit code 1");
}

#[test]
fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
    let paper =
        paper("  fit: {exec: {run: sleep 300 & echo $! > PID; wait, outputs: [a], timeout: 0.3 s, params: {}}}\n");
    let pid = paper.path("pid");
    paper.edit("PID", &pid.display().to_string());
    let started = Instant::now();
    paper.run("build").code(1).says("did not end within its time limit of 0.3 s");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(gone(&paper));
    nothing_left(&paper);
}

/// Whether the process whose number is in the project's file `pid` is no more.
fn gone(paper: &Paper) -> bool {
    let pid = paper.read("pid").trim().to_string();
    let dead = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // Nobody may have come yet to bury it.
        Ok(stat) => stat.contains(") Z ") || stat.contains(") X "),
        Err(_) => true,
    };
    wait_for("the end of a program", dead);
    true
}

/// A program that starts another one, tells its number, and waits.
fn endless() -> Paper {
    let paper = paper("  fit: {exec: {run: sh -c 'sleep 300 & echo $! > PID; wait', outputs: [a]}}\n");
    paper
        .edit("PID", &paper.path("pid.new").display().to_string())
        .edit("; wait", &format!("; mv {0}.new {0}; wait", paper.path("pid").display()));
    paper
}

fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([name, &child.id().to_string()]).status().expect("run kill");
    assert!(done.success());
}

fn start(paper: &Paper) -> Child {
    let child = paper.command("build").spawn().expect("start");
    wait_for("the program", || paper.path("pid").exists());
    child
}

#[test]
fn ctrl_c_ends_the_program() {
    let paper = endless();
    let child = start(&paper);
    signal(&child, "-INT");
    finish(child, "build").code(130).says("interrupted: 0 stages built");
    assert!(gone(&paper));
    nothing_left(&paper);
}

#[test]
fn a_killed_build_takes_its_programs_with_it_and_the_next_one_sweeps_up() {
    let paper = endless();
    let mut child = start(&paper);
    signal(&child, "-KILL");
    child.wait().expect("wait");
    assert!(gone(&paper));
    assert!(std::fs::read_dir(paper.path("cache/scratch")).unwrap().count() > 0, "a killed program cannot sweep");
    paper.rewrite("repro: 1\nstages:\n  ok: {exec: {run: echo > a, outputs: [a]}}\n").build("").ok();
    nothing_left(&paper);
}

#[test]
fn cores_are_shared_out() {
    // Each says when it begins and ends; with two cores in all, two programs of two cores are never seen at once.
    let stage = |name: &str, cpus: u32| {
        format!(
            "  {name}: {{exec: {{run: 'echo + >> LOG; sleep 0.2; echo - >> LOG; echo {name} > a', outputs: [a], cpus: {cpus}}}}}\n"
        )
    };
    let run = |cpus: u32| -> (String, Run) {
        let stages: String = ["a", "b", "c"].iter().map(|name| stage(name, cpus)).collect();
        let paper = Paper::new();
        let log = paper.path("log").display().to_string();
        let paper = paper.yaml(&format!("repro: 1\nstages:\n{}", stages.replace("LOG", &log)));
        let run = paper.build("-j 2");
        (paper.read("log").replace('\n', ""), run)
    };
    assert_eq!(run(2).0, "+-+-+-");
    assert_eq!(run(3).0, "+-+-+-", "what asks for more than there is runs alone");
    let (log, run) = run(1);
    run.ok();
    assert!(log.starts_with("++"), "{log}");
}
