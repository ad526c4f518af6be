//! `exec`: user programs in sandboxes.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::support::{GRID, Paper, Run, finish, wait_for};

/// A paper with these stages, each in one line or with its own indentation.
fn paper(stages: &str) -> Paper {
    Paper::new().yaml(&format!("repro: 1\nstages:\n{stages}"))
}

fn built(paper: &Paper, targets: &str) -> Vec<String> {
    paper.build(targets).ok().built()
}

/// The output of `repro show`.
fn shown(paper: &Paper, stage: &str) -> String {
    paper.run(&format!("show {stage}")).ok().stdout
}

/// Assert that no sandbox is left behind.
fn assert_no_sandboxes(paper: &Paper) {
    assert_eq!(paper.files("cache/scratch").keys().collect::<Vec<_>>(), [""; 0]);
    let folders = std::fs::read_dir(paper.path("cache/scratch")).map_or(0, |entries| entries.count());
    assert_eq!(folders, 0);
}

const TWO: &str = "  twice:
    exec:
      run: awk -F, 'NR > 1 {$2 *= 2} {print $1 \",\" $2}' data.csv > twice.csv
      inputs: [data.csv]
      outputs: [twice.csv]
  sum:
    exec:
      run: >-
        awk -F, 'NR > 1 {s += $2} END {print \"{\\\"sum\\\": \" s \"}\"}' twice/twice.csv > sum.json
      inputs: [twice]
      outputs: [sum.json]
";

fn two() -> Paper {
    paper(TWO).file("data.csv", "x,y\n1,2\n2,3\n")
}

#[test]
fn programs_read_outputs_of_programs_and_files_are_read_as_arrays() {
    let paper = two();
    assert_eq!(built(&paper, ""), ["twice", "sum"]);
    assert_eq!(shown(&paper, "twice"), "twice\n  x  f64  row 2  1 2\n  y  f64  row 2  4 6\naxes\n  row  0 to 1\n");
    assert_eq!(shown(&paper, "sum"), "sum\n  sum  f64    10\n");
    assert_no_sandboxes(&paper);
    assert_eq!(built(&paper, ""), [""; 0]);
    // Nothing is written into the project, except the lock file.
    let names: Vec<String> = paper.files("").into_keys().filter(|name| !name.starts_with("cache")).collect();
    assert_eq!(names, ["data.csv", "paper.lock", "paper.yaml"]);
}

#[test]
fn an_unchanged_result_stops_the_rebuild() {
    let paper = two();
    paper.build("").ok();
    paper.edit("print $1 \",\" $2", "print $1 \",\" $2 + 0");
    assert_eq!(built(&paper, ""), ["twice", "sum"], "the header became numbers");
    paper.edit("print $1 \",\" $2 + 0", "print $1 \",\" $2").edit("NR > 1 {$2 *= 2}", "NR >= 2 {$2 = $2 * 2}");
    assert_eq!(built(&paper, ""), ["twice"]);
}

#[test]
fn a_program_sees_only_its_declared_inputs() {
    let script = "S=$(find . -type f | sort); echo \"$S\" > seen.txt; cat params.json >> seen.txt; echo \"$A-$B-$REPRO_PARAM_LR-$REPRO_PARAM_WARM_UP\" >> seen.txt";
    let paper = paper(&format!(
        "  raw: {{data: data/*.csv}}\n  one: {{exec: {{run: echo 1 > deep/one.csv, outputs: deep/}}}}\n  see:\n    exec:\n      run: {script}\n      \
         inputs: [src, raw, one]\n      outputs: [seen.txt]\n      params: {{lr: 1e-3, warm-up: 5, layers: [1, 2]}}\n      env: [A]\n"
    ));
    let paper = paper
        .file("data/a.csv", "x\n1\n")
        .file("src/train.py", "")
        .file("src/.secret", "")
        .file("src/__pycache__/x", "");
    let paper = paper.file("undeclared.txt", "").env("A", "a").env("B", "b");
    paper.build("").ok();
    paper.edit("seen.txt; cat", "seen.txt; cp seen.txt /dev/stdout; cat").build("").ok();
    let log = paper.read("cache/logs/see.log");
    assert_eq!(log, "./data/a.csv\n./one/deep/one.csv\n./params.json\n./src/train.py\n");
    let kept = paper.files("cache");
    let text = kept.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<String>();
    assert!(
        text.contains("{\n  \"layers\": [\n    1,\n    2\n  ],\n  \"lr\": 0.001,\n  \"warm-up\": 5\n}\na--0.001-5\n")
    );
}

#[test]
fn an_undeclared_read_fails_and_the_error_names_the_file() {
    let paper = paper(
        "  fit: {exec: {run: cat train.txt lib/helper.txt > out.txt, inputs: [train.txt], outputs: [out.txt]}}\n",
    );
    paper.write("train.txt", "").write("lib/helper.txt", "");
    paper.run("build").code(1).stdout("").stderr(
        "\
         fit  failed\n\
         error: fit: `cat train.txt lib/helper.txt > out.txt` failed with exit code 1\n \
         --> paper.yaml:3:21\n  \
         |\n\
         3 |   fit: {exec: {run: cat train.txt lib/helper.txt > out.txt, inputs: [train.txt], outputs: [out.txt]}}\n  \
         |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  \
         | cat: lib/helper.txt: No such file or directory\n\
         hint: `lib/helper.txt` is in the project, but not an input: add it to `inputs` if it is read\n\
         hint: the full log is in cache/logs/fit.log\n\
         1 stage failed: 0 stages built\n",
    );
    assert_no_sandboxes(&paper);
    paper.edit("inputs: [train.txt]", "inputs: [train.txt, lib]").build("").ok();
}

#[test]
fn absolute_sandbox_paths_in_output_are_shown_relative_to_the_project() {
    let paper = paper("  fit: {exec: {run: cat $PWD/train.txt > out.txt, outputs: [out.txt]}}\n").file("train.txt", "");
    paper
        .run("build")
        .code(1)
        .says("  | cat: train.txt: No such file or directory\n")
        .says("hint: `train.txt` is in the project, but not an input: add it to `inputs` if it is read\n");
}

#[test]
fn outputs_are_all_or_nothing() {
    let paper = paper("  fit: {exec: {run: \"echo 1 > a.txt; echo 2 > b.txt; exit 3\", outputs: [a.txt, b.txt]}}\n");
    paper.run("build").code(1).says("`echo 1 > a.txt; echo 2 > b.txt; exit 3` failed with exit code 3");
    assert_eq!(paper.shards().len(), 0);
    paper.edit("exit 3", "mv b.txt b.text");
    paper.run("build").code(1).says("did not create `b.txt`").says("hint: it created `b.text`: did you mean that?");
    paper.edit("mv b.txt b.text", "mkdir x; mv b.txt x");
    paper.run("build").code(1).says("hint: it created `x/b.txt`: did you mean that?");
    paper.edit("mkdir x; mv b.txt x", "ln -sf a.txt b.txt");
    paper.run("build").code(1).says("created a symbolic link at `b.txt`");
    paper.edit("ln -sf a.txt b.txt", "rm b.txt; mkfifo b.txt");
    paper.run("build").code(1).says("created `b.txt`, which is neither a file nor a folder");
    assert_eq!(paper.shards().len(), 0);
    paper.edit("rm b.txt; mkfifo b.txt", "true").build("").ok();
    assert_no_sandboxes(&paper);
}

#[test]
fn a_symbolic_link_among_the_parents_of_an_output_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("x.txt"), "secret").unwrap();
    let script = format!("rmdir out; ln -s {} out", elsewhere.path().display());
    let paper = paper(&format!("  fit: {{exec: {{run: {script}, outputs: [out/x.txt]}}}}\n"));
    paper.run("build").code(1).says("created a symbolic link at `out/x.txt`");
    paper
        .edit("[out/x.txt]", "[out]")
        .edit("rmdir out; ", "")
        .run("build")
        .code(1)
        .says("created a symbolic link at `out`");
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("x.txt")).unwrap(), "secret");
}

#[test]
fn a_folder_output_contains_all_its_files() {
    let paper = paper(
        "  many: {exec: {run: for i in 1 2 3; do printf 'x\\n%s\\n' $i > runs/$i.csv; done, outputs: [runs]}}\n  \
         all: {exec: {run: cat many/runs/*.csv | grep -v x > all.txt, inputs: [many], outputs: [all.txt]}}\n  \
         none: {exec: {run: mkdir empty, outputs: [empty]}}\n",
    );
    paper.run("build all").code(1).says("runs/1.csv: Directory nonexistent");
    // With a slash it is there already.
    paper.edit("outputs: [runs]", "outputs: [runs/]").build("all").ok();
    paper.edit("outputs: [runs/]", "outputs: [./runs]").edit("for i in", "mkdir -p runs; for i in");
    assert_eq!(built(&paper, "all"), ["many"]);
    paper.run("build none").code(1).says("left the folder `empty` empty");
}

#[test]
fn the_key_contains_what_decides_the_result_and_nothing_else() {
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
    assert_eq!(built(&paper, ""), ["fit2"]);
    let paper = paper.env("A", "other").env("B", "b");
    paper.explain("fit2").ok().stdout("fit2 (exec) is out of date\n    env.A: changed (paper.yaml:13)\n");
    assert_eq!(built(&paper, ""), ["fit2"]);
    let made = Command::new("chmod").arg("+x").arg(paper.path("a.txt")).status().unwrap();
    assert!(made.success());
    assert_eq!(built(&paper, ""), ["fit2"], "whether a file can be run is content");
}

#[test]
fn stages_of_every_kind_can_be_inputs_of_programs() {
    let stages = "  table: {table: {of: measures, rows: [probability], columns: [loss]}}\n  \
         figure: {figure: {of: measures, panels: [{marks: [{points: {x: probability, y: loss}}], where: {run: 1}}], formats: [svg]}}\n  \
         look:\n    exec:\n      run: L=$(find . -type f | sort); cp grid.npz again.npz; echo \"$L\" > list.txt; cat figures/table.csv > table.csv\n      \
         inputs: [one, grid, measures, table, figure]\n      outputs: {again.npz: , list.txt: , table.csv: {axes: probability}}\n";
    let paper = Paper::new().yaml(&(GRID.to_string() + stages));
    paper.build("look").ok();
    // Arrays come back with the axes and coordinates that they had.
    let arrays = |stage: &str| {
        let lines = paper.run(&format!("show --json {stage}")).ok().stdout;
        lines.lines().map(|line| line.replace(&format!("\"stage\":\"{stage}\""), "")).collect::<Vec<_>>()
    };
    let (grid, look) = (arrays("grid"), arrays("look"));
    assert!(grid.iter().all(|line| look.contains(line)) && grid.len() == 9, "{grid:#?}\n{look:#?}");
    assert!(
        look.iter().any(|line| line.contains("\"array\":\"loss_mean\"") && line.contains("[0.1,0.2,0.5]")),
        "{look:#?}"
    );
    paper.edit("list.txt; cat", "/dev/stdout; touch list.txt; cat").build("look").ok();
    assert_eq!(
        paper.read("cache/logs/look.log"),
        "./figures/figure.svg\n./figures/table.csv\n./figures/table.md\n./figures/table.tex\n./grid.npz\n./measures.npz\n./one.npz\n"
    );
    // A new format of the table is a new file for the program, the colour of the figure another file.
    paper.edit("points: {x: probability, y: loss}", "points: {x: probability, y: loss, color: red}");
    assert_eq!(built(&paper, "look"), ["figure", "look"]);
    // Another label is another file of the table but the same numbers.
    paper.edit("columns: [loss]", "columns: {loss: {label: Loss}}");
    assert_eq!(built(&paper, "look"), ["table", "look"]);
}

#[test]
fn figures_and_tables_read_outputs_of_programs() {
    let paper = paper(
        "  fit:\n    exec:\n      run: printf 'epoch,model,loss\\n1,a,0.5\\n2,a,0.25\\n1,b,0.75\\n2,b,0.5\\n' > history.csv\n      \
         outputs: {history.csv: {axes: [model, epoch]}}\n  \
         fig: {figure: {of: fit, panels: [{marks: [{line: {y: loss, color: {by: model}}}]}], formats: [svg]}}\n  \
         tab: {table: {of: fit, rows: {model: [a, b]}, columns: [loss], formats: [csv]}}\n",
    );
    paper.build("").ok();
    assert_eq!(paper.read("figures/tab.csv"), "model,loss_mean\r\na,0.375\r\nb,0.625\r\n");
    assert!(paper.path("figures/fig.svg").exists());
    paper
        .edit("y: loss,", "y: los,")
        .run("build")
        .code(2)
        .says("there is no array or axis `los`")
        .says("did you mean `loss`?");
    paper.edit("y: los,", "y: loss,").edit("[model, epoch]", "[modle, epoch]");
    paper.run("build").code(1).says("`fit`: `history.csv`: there is no column `modle`").says("did you mean `model`?");
}

#[test]
fn outputs_in_figures_are_published_and_restored_like_any_figure() {
    let paper = paper(
        "  plot: {exec: {run: echo picture > figures/sub/plot.pdf, outputs: [figures/sub/plot.pdf]}}\n  other: {data: x.csv}\n",
    );
    // A build without targets makes what the paper shows.
    paper.run("build").ok().says("plot  run, sub/plot.pdf");
    assert_eq!(paper.read("figures/sub/plot.pdf"), "picture\n");
    paper.write("figures/sub/plot.pdf", "edited");
    paper.run("status plot").ok().says("plot  exec  out of date    differs: sub/plot.pdf");
    let run = paper.build("").ok();
    assert_eq!((paper.read("figures/sub/plot.pdf").as_str(), run.events_of("unit-finished").len()), ("picture\n", 0));
    paper.edit("  other: {data: x.csv}\n", "  PLOT: {exec: {run: 'true', outputs: [figures/sub/Plot.pdf]}}\n");
    paper.build("").code(2).says("`PLOT` and `plot` would both write `figures/sub/Plot.pdf`");
    paper.edit("figures/sub/Plot.pdf", "figures").build("").code(2).says("list the files in `figures` one by one");
    paper.rewrite("repro: 1\nstages:\n  p: {exec: {run: 'mkdir figures/x', outputs: [figures/x]}}\n");
    paper.run("build").code(1).says("created `figures/x`, which is a folder");
}

#[test]
fn a_list_runs_without_a_shell() {
    let paper =
        paper("  fit: {exec: {run: [cp, \"a b.txt\", \"$HOME.txt\"], inputs: [a b.txt], outputs: [$HOME.txt]}}\n")
            .file("a b.txt", "1");
    paper.build("").ok();
    paper.edit("cp, ", "no-such-program, ").run("build").code(1).says("program `no-such-program` not found");
}

#[test]
fn a_script_stops_at_the_first_failing_line() {
    let paper =
        paper("  fit:\n    exec:\n      run: |\n        false\n        echo 1 > a.txt\n      outputs: [a.txt]\n");
    paper.run("build").code(1).says("its script of 2 lines failed with exit code 1");
}

#[test]
fn a_file_that_is_both_an_output_and_in_the_project_is_reported() {
    let paper = paper(
        "  prepare: {exec: {run: mkdir -p data && echo x > data/clean.csv, outputs: [data/clean.csv]}}\n  \
         use: {exec: {run: cat data/clean.csv > out.txt, inputs: [prepare], outputs: [out.txt]}}\n  \
         far: {exec: {run: cat data/clean.csv > out.txt, outputs: [out.txt]}}\n",
    )
    .file("data/clean.csv", "made by hand, long ago\n");
    paper
        .run("build use -j 1")
        .code(1)
        .says("hint: `prepare` makes `data/clean.csv`: it is at `prepare/data/clean.csv` in the sandbox\n");
    paper
        .run("build far -j 1")
        .code(1)
        .says("with that stage among the inputs, it is at `prepare/data/clean.csv` in the sandbox");
    paper
        .edit("inputs: [prepare]", "inputs: [prepare, data/clean.csv]")
        .run("build use")
        .code(2)
        .says("`data/clean.csv` is both an output of `prepare` and a file of the project\n --> paper.yaml:4:69\n");
    // The folder of the project that has the same name is another one.
    let folder = "inputs: [prepare, data]";
    paper.edit("inputs: [prepare, data/clean.csv]", folder).run("build use").ok();
    assert_eq!(shown(&paper, "use"), "use\n  out.txt  23 B\n");
}

#[test]
fn an_existing_figure_is_saved_before_a_stage_overwrites_it() {
    let paper = paper("  plot: {exec: {run: echo new > figures/a.txt, outputs: [figures/a.txt]}}\n")
        .file("figures/a.txt", "drawn by hand\n");
    let kept = "`figures/a.txt` existed before this paper wrote it; the old file was saved as `cache/replaced/a.txt`";
    paper.run("build").ok().says(kept);
    assert_eq!(
        (paper.read("figures/a.txt"), paper.read("cache/replaced/a.txt")),
        ("new\n".into(), "drawn by hand\n".into())
    );
    // From then on the file is the stage's.
    paper.write("figures/a.txt", "edited\n");
    assert_eq!(paper.run("build").ok().stderr.matches("kept").count(), 0);
    assert_eq!(paper.read("figures/a.txt"), "new\n");
}

#[test]
fn files_of_one_output_with_the_same_arrays_are_stacked_along_an_axis() {
    let paper = paper(
        "  runs: {exec: {run: 'for i in 1 2 3; do printf \"loss\\n$i\\n4\\n\" > runs/$i.csv; done', outputs: [runs/]}}\n",
    );
    paper.build("runs").ok();
    let shown = shown(&paper, "runs");
    assert!(shown.contains("loss  f64  file 3 x row 2"), "{shown}");
    assert!(shown.contains("file  runs/1.csv, runs/2.csv, runs/3.csv"), "{shown}");
}

#[test]
fn show_lists_the_files_of_a_result_without_arrays() {
    let paper = paper("  plot: {exec: {run: 'echo 1 > a.pdf; echo 22 > b.txt', outputs: [a.pdf, b.txt]}}\n");
    paper.build("plot").ok();
    assert_eq!(shown(&paper, "plot"), "plot\n  a.pdf  2 B\n  b.txt  3 B\n");
    paper.run("show plot --npz x.npz").code(2).says("plot has no arrays");
}

#[test]
fn damage_found_by_verify_is_repaired_by_the_next_build() {
    let paper = paper(
        "  big: {exec: {run: head -c 100000 /dev/zero > big.bin, outputs: [big.bin]}}\n  \
         size: {exec: {run: wc -c < big/big.bin > size.txt, inputs: [big], outputs: [size.txt]}}\n",
    );
    paper.build("size").ok();
    let object = paper.files("cache/objects").into_keys().next().expect("the file of 100 kB");
    paper.write(&object, "damaged");
    paper.run("verify --only size").code(1).says("a result of `big` is damaged").says("run `repro build big`");
    assert_eq!(paper.build("size").ok().built(), ["big"]);
    paper.run("verify --only size").ok();
}

#[test]
fn progress_shows_the_last_line_of_a_running_program() {
    let paper =
        paper("  slow:\n    exec: {run: 'echo epoch 1; echo epoch 2 of 3; sleep 2.5; touch out', outputs: [out]}\n");
    let printed = |run: &Run| {
        let told = run.events_of("progress").into_iter().map(|event| event["printed"].clone());
        told.filter(|line| !line.is_null()).collect::<Vec<_>>()
    };
    let run = paper.run("build slow --json").ok();
    assert!(printed(&run).contains(&"epoch 2 of 3".into()), "{}", run.stdout);
    // Not what an earlier run printed.
    let run = paper.edit("echo epoch 1; echo epoch 2 of 3; ", "").run("build slow --json").ok();
    assert_eq!(printed(&run), [""; 0]);
}

#[test]
fn a_timeout_kills_the_program_and_its_children() {
    let paper =
        paper("  fit: {exec: {run: sleep 300 & echo $! > PID; wait, outputs: [a], timeout: 0.3 s, params: {}}}\n")
            .unsealed();
    let pid = paper.path("pid");
    paper.edit("PID", &pid.display().to_string());
    let started = Instant::now();
    paper.run("build").code(1).says("timed out after 0.3 s (`timeout`)");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(gone(&paper));
    assert_no_sandboxes(&paper);
}

/// Whether the process whose id is in the file `pid` has ended.
fn gone(paper: &Paper) -> bool {
    let pid = paper.read("pid").trim().to_string();
    let dead = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // It may not have been reaped yet.
        Ok(stat) => stat.contains(") Z ") || stat.contains(") X "),
        Err(_) => true,
    };
    wait_for("the end of a program", dead);
    true
}

/// A program that starts a child, writes its process id to `pid`, and waits.
fn endless() -> Paper {
    let paper = paper("  fit: {exec: {run: sh -c 'sleep 300 & echo $! > PID; wait', outputs: [a]}}\n").unsealed();
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
fn ctrl_c_terminates_the_program() {
    let paper = endless();
    let child = start(&paper);
    signal(&child, "-INT");
    finish(child, "build").code(130).says("interrupted: 0 stages built");
    assert!(gone(&paper));
    assert_no_sandboxes(&paper);
}

#[test]
fn a_second_ctrl_c_kills_everything_at_once() {
    let paper = paper(
        "  done: {exec: {run: echo 1 > a, outputs: [a]}}\n  deaf: {exec: {run: \"trap 'touch ASKED' TERM; echo $$ > PID; while true; do sleep 0.05; done\", inputs: [done], outputs: [b]}}\n",
    )
    .unsealed();
    let (asked, pid) = (paper.path("asked"), paper.path("pid"));
    paper.edit("ASKED", &asked.display().to_string()).edit("PID", &pid.display().to_string());
    let child = start(&paper);
    wait_for("the program", || pid.exists());
    signal(&child, "-INT");
    wait_for("the first Ctrl-C", || asked.exists());
    signal(&child, "-INT");
    let run = finish(child, "build").code(130);
    // It did not wait for the program: then it would have printed a summary.
    assert!(!run.stderr.contains("interrupted: "), "{}", run.stderr);
    assert!(
        run.stderr.ends_with("\nstopped at once: of finished work, at most the last two seconds are lost\n"),
        "{}",
        run.stderr
    );
    assert!(gone(&paper));
    // The cache is intact, and the next build deletes what is left behind.
    paper.edit("while true; do sleep 0.05; done", "echo 2 > b");
    assert_eq!(paper.build("").ok().built().pop().as_deref(), Some("deaf"));
    assert_no_sandboxes(&paper);
}

#[test]
fn a_killed_build_kills_its_programs_and_the_next_one_cleans_up() {
    let paper = endless();
    let mut child = start(&paper);
    signal(&child, "-KILL");
    child.wait().expect("wait");
    assert!(gone(&paper));
    assert!(std::fs::read_dir(paper.path("cache/scratch")).unwrap().count() > 0, "a killed build cannot clean up");
    paper.rewrite("repro: 1\nstages:\n  ok: {exec: {run: echo > a, outputs: [a]}}\n").build("").ok();
    assert_no_sandboxes(&paper);
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_build_kills_daemons() {
    let paper = endless();
    paper.edit("sleep 300 &", "setsid sleep 300 &");
    let mut child = start(&paper);
    signal(&child, "-KILL");
    child.wait().expect("wait");
    assert!(gone(&paper));
}

#[test]
fn programs_share_the_cores() {
    // Each logs its start and end. With two cores, two programs of two cores never run at the same time.
    let stage = |name: &str, cpus: u32| {
        format!(
            "  {name}: {{exec: {{run: 'echo + >> LOG; sleep 0.2; echo - >> LOG; echo {name} > a', outputs: [a], cpus: {cpus}}}}}\n"
        )
    };
    let run = |cpus: u32| -> (String, Run) {
        let stages: String = ["a", "b", "c"].iter().map(|name| stage(name, cpus)).collect();
        let paper = Paper::new();
        let log = paper.path("log").display().to_string();
        let paper = paper.yaml(&format!("repro: 1\nstages:\n{}", stages.replace("LOG", &log))).unsealed();
        let run = paper.build("-j 2");
        (paper.read("log").replace('\n', ""), run)
    };
    assert_eq!(run(2).0, "+-+-+-");
    assert_eq!(run(3).0, "+-+-+-", "a program that needs more cores than there are runs alone");
    let (log, run) = run(1);
    run.ok();
    assert!(log.starts_with("++"), "{log}");
}

#[test]
fn programs_share_the_gpus_and_none_is_used_twice() {
    let stage = |name: &str, gpus: u32| {
        format!(
            "  {name}: {{exec: {{run: 'mkdir LOCKS/$CUDA_VISIBLE_DEVICES; sleep 0.1; rmdir LOCKS/*; echo \"$CUDA_VISIBLE_DEVICES\" > out.txt', outputs: [out.txt], gpus: {gpus}, params: {{n: {name}}}}}}}\n"
        )
    };
    let two =
        paper(&(stage("a", 1) + &stage("b", 1) + &stage("c", 2))).env("CUDA_VISIBLE_DEVICES", "3,GPU-5").unsealed();
    std::fs::create_dir(two.path("locks")).unwrap();
    let locks = two.path("locks").display().to_string();
    let text = two.read("paper.yaml").replace(
        "mkdir LOCKS/$CUDA_VISIBLE_DEVICES; sleep 0.1; rmdir LOCKS/*",
        &format!("mkdir {locks}/$CUDA_VISIBLE_DEVICES; sleep 0.1; rmdir {locks}/$CUDA_VISIBLE_DEVICES"),
    );
    // `mkdir` fails where another program has the same GPU at the same time.
    two.rewrite(&text).build("-j 4 --keep-going").ok();
    let cache: String = two.files("cache").values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert!(cache.contains("3,GPU-5\n"));
    // Without `gpus` a program sees none. `gpus` is not part of the key.
    let text = text.replace("gpus: 2", "gpus: 1");
    assert_eq!(two.rewrite(&text).build("").ok().built(), [""; 0]);
    let none = paper("  a: {exec: {run: 'test -z \"$CUDA_VISIBLE_DEVICES\"; echo > out', outputs: [out]}}\n");
    none.env("CUDA_VISIBLE_DEVICES", "0,1").build("").ok();
    let few = paper("  a: {exec: {run: echo > out, outputs: [out], gpus: 3}}\n").env("CUDA_VISIBLE_DEVICES", "0");
    few.run("build").code(1).says("error: a: it needs 3 GPUs, and this machine has 1").says("take `gpus` out");
}

#[test]
fn a_damaged_or_lost_file_is_rebuilt_when_it_is_needed() {
    let paper = two();
    paper.build("").ok();
    let large = "  large: {exec: {run: head -c 300000 /dev/zero > zeros, outputs: [zeros]}}\n  \
         count: {exec: {run: wc -c < large/zeros > count.txt, inputs: [large], outputs: [count.txt]}}\n";
    paper.rewrite(&format!("repro: 1\nstages:\n{large}")).build("").ok();
    let object = paper.files("cache/objects").into_keys().next().expect("a large file");
    paper.write(&object, "damaged");
    // Nothing needs it, so nothing is rebuilt; then it is needed.
    assert_eq!(built(&paper, ""), [""; 0]);
    paper.edit("wc -c <", "wc -c -- <");
    assert_eq!(built(&paper, ""), ["large", "count"]);
    std::fs::remove_file(paper.path(&object)).unwrap();
    paper.edit("wc -c -- <", "wc  -c <");
    assert_eq!(built(&paper, ""), ["large", "count"]);
}

#[test]
fn a_file_that_changes_during_the_build_is_an_error() {
    let paper = paper(
        "  first: {exec: {run: echo changed > FILE; sleep 0.1; echo > a, outputs: [a]}}\n  \
         second: {exec: {run: cp b.txt c, inputs: [b.txt, first], outputs: [c]}}\n  raw: {data: b.txt}\n  \
         third: {exec: {run: cp b.txt c, inputs: [raw, first], outputs: [c]}}\n",
    )
    .unsealed();
    paper.edit("FILE", &paper.path("b.txt").display().to_string()).write("b.txt", "first");
    paper.run("build third").code(1).says("third: `b.txt` was changed while the build ran");
    // The two run side by side.
    let mut built = built(&paper, "third second");
    built.sort();
    assert_eq!(built, ["raw", "second", "third"]);
}

#[test]
fn concurrent_builds_give_the_same_result() {
    let paper = two();
    let children: Vec<Child> = (0..4).map(|_| paper.command("build --json").spawn().unwrap()).collect();
    for child in children {
        finish(child, "build").ok();
    }
    assert_no_sandboxes(&paper);
    assert_eq!(shown(&paper, "sum"), "sum\n  sum  f64    10\n");
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_locations() {
    let wrong = paper(
        "  fit:\n    exec:\n      run: []\n      inputs: [../x]\n      outputs: [/tmp/x, '*.csv', a, a/b]\n      env: ['A B']\n      timeout: soon\n",
    );
    let run = wrong.run("build").code(2);
    for text in [
        "the command is empty",
        "`/tmp/x` is not a path inside the project",
        "`*.csv` is a pattern; list outputs one by one",
        "expected a time such as `90 s`, `10 min` or `2 h`, found the text `soon`",
    ] {
        assert!(run.stderr.contains(text), "{text} in\n{}", run.stderr);
    }
    for (settings, text) in [
        ("run: x, outputs: []", "`outputs` is empty"),
        ("run: x", "`outputs` is missing here"),
        ("run: x, outputs: [a], inputs: [../x]", "`../x` is outside the project"),
        ("run: x, outputs: [a, a/b]", "outputs `a` and `a/b` overlap"),
        ("run: x, outputs: [src/a], inputs: [src]", "input `src` and output `src/a` overlap"),
        ("run: x, outputs: [params.json]", "`params.json` holds the parameters"),
        (
            "run: x, outputs: [a], params: {a-b: 1, a_b: 2}",
            "the parameters `a-b` and `a_b` set the same environment variable, REPRO_PARAM_A_B",
        ),
        ("run: x, outputs: [a], env: ['A=1']", "`A=1` is not a valid name of an environment variable"),
        ("run: x, outputs: [one], inputs: [one]", "the input `one` is at `one`, which overlaps the output `one`"),
        ("run: x, outputs: [a], memory: 4 apples", "expected an amount of memory"),
        ("run: x, outputs: [a], cpus: 0", "expected a whole number of at least 1"),
        ("run: x, outputs: [fit], inputs: [fit]", "dependency cycle: fit -> fit"),
    ] {
        let stages = format!("  one: {{exec: {{run: 'true', outputs: [y]}}}}\n  fit: {{exec: {{{settings}}}}}\n");
        paper(&stages).run("build").code(2).says(text);
    }
    paper("  one: {data: a.csv}\n  fit: {exec: {run: x, outputs: [a], inputs: [oen]}}\n")
        .run("build fit")
        .code(1)
        .says("error: fit: there is no stage and no file `oen`\n --> paper.yaml:4:47\n")
        .says("hint: did you mean `one`?");
    paper("  fit: {exec: {run: x, outputs: [a], tools: [no-such-tool]}}\n")
        .run("build")
        .code(1)
        .says("tool `no-such-tool` not found");
}

#[test]
fn missing_files_are_reported_before_anything_runs() {
    let paper = paper(
        "  slow: {exec: {run: touch STARTED; sleep 9; echo > a, outputs: [a]}}\n  \
         b: {exec: {run: x, inputs: [slow, no.py, nor.csv], outputs: [a], tools: [no-such-tool]}}\n",
    );
    paper.edit("STARTED", &paper.path("started").display().to_string());
    let run = paper.run("build").code(1);
    assert_eq!(run.stderr.matches("error: b: ").count(), 3, "{}", run.stderr);
    assert!(run.stderr.contains("1 stage failed") && !paper.path("started").exists());
}

/// The code blocks of a page that follow the name of a file or a command: "`train.py`:", "`repro show fig1`:".
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut name = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.extend(name.take().map(|name| (name, text.join("\n") + "\n")));
        } else if !line.is_empty() {
            let quoted = line.strip_suffix("`:").and_then(|line| line.rsplit('`').next());
            name = quoted.map(str::to_string);
        }
    }
    blocks
}

/// Whether there is a Python with numpy.
fn numpy() -> bool {
    let run = Command::new("python3").args(["-c", "import numpy"]).stderr(std::process::Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

#[test]
fn the_examples_in_docs_programs_work_as_shown() {
    let page = include_str!("../../docs/programs.md");
    let part = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from).expect("a heading");
        blocks(rest.split_once(to).expect("the next heading").0)
    };
    let paper = Paper::new();
    let awk = part("## An example", "## In Python");
    assert_eq!(awk.len(), 5);
    for (name, text) in awk {
        match name.strip_prefix("repro ") {
            None => drop(paper.write(&name, &text)),
            Some(command) => {
                paper.build("").ok();
                if command.starts_with("explain") {
                    paper.edit("rate: 0.1", "rate: 0.2");
                }
                paper.run(command).ok().stdout(&text);
            }
        }
    }
    assert!(paper.path("figures/fig1.pdf").exists());
    let python = part("## In Python", "## `data`");
    assert_eq!(python.len(), 3);
    if !numpy() {
        return;
    }
    for (name, text) in python {
        match name.strip_prefix("repro ") {
            None => drop(paper.write(&name, &text)),
            Some(command) => {
                paper.build("").ok();
                // The last digits of a matrix product are not the same on every machine.
                let start =
                    |text: &str| -> Vec<String> { text.lines().map(|line| line.chars().take(30).collect()).collect() };
                assert_eq!(start(&paper.run(command).ok().stdout), start(&text));
            }
        }
    }
    assert_eq!(built(&paper, ""), [""; 0]);
}

/// All blocks of a page in one language.
fn fenced<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_steps_in_docs_python_lead_to_the_example() {
    let page = include_str!("../../docs/python.md");
    let example = include_str!("../../examples/scikit-learn/paper.yaml");
    let yaml = fenced(page, "yaml");
    let whole = yaml[0].replace("      run: python3 train.py\n", yaml[1]) + yaml[2] + "\n" + yaml[3];
    assert_eq!(whole, example);
    let paper = Paper::new().yaml(example).file("train.py", include_str!("../../examples/scikit-learn/train.py"));
    paper.run("graph").ok();
    let python = Command::new("python3").arg("--version").output().is_ok_and(|run| run.status.success());
    if !python {
        eprintln!("Python is not installed: the error of the first build was not checked");
        return;
    }
    let run = paper.rewrite(yaml[0]).run("build").code(1);
    // Some Pythons print their absolute path.
    let named = |line: &str| match line.split_once("python3: can't") {
        Some((_, rest)) => format!("  | python3: can't{rest}"),
        None => line.to_string(),
    };
    // On a slow machine its start is reported too.
    let told: Vec<String> = run.stderr.lines().filter(|line| !line.ends_with("started")).map(named).collect();
    assert_eq!(told, fenced(page, "text")[0].lines().collect::<Vec<_>>());
}

/// A program with a tool that appends to `marks` whenever it runs.
fn with_tool() -> Paper {
    let stage = "  fit: {exec: {run: echo 1 > out.csv, outputs: [out.csv, figures/fit.txt], tools: [./tool]}}\n";
    let stage = stage.replace("echo 1 > out.csv", "\"echo x > out.csv; echo 1 > figures/fit.txt\"");
    let paper = paper(&stage).file("tool", "#!/bin/sh\ndate >> marks\necho 1.0\n");
    assert!(Command::new("chmod").arg("+x").arg(paper.path("tool")).status().unwrap().success());
    paper
}

#[test]
fn read_only_commands_run_no_tools() {
    let paper = with_tool();
    // A version that no build has asked for is reported as unknown.
    let unknown = "the version of `./tool` is not known: only a build runs it";
    paper.plan("").ok().says(unknown);
    paper.explain("fit").ok().says(unknown);
    paper.run("build -n").ok().says(unknown);
    paper.run("status").ok().says("out of date");
    paper.run("show fit").code(1);
    paper.run("gc -n").code(1).says("no build has recorded the version of `./tool`").says("nothing was deleted");
    assert!(!paper.path("marks").exists());
    assert_eq!(built(&paper, ""), ["fit"]);
    std::fs::remove_file(paper.path("marks")).unwrap();
    paper.plan("").ok().says("nothing to do");
    paper.run("status").ok().says("1 up to date");
    for command in ["explain fit", "show fit", "show fit --trace", "build -n", "gc -n", "gc", "export", "compare fit"] {
        paper.run(command);
        assert!(!paper.path("marks").exists(), "{command}");
    }
    assert!(paper.path("paper.zip").exists());
    paper.run("verify").ok();
    assert!(paper.path("marks").exists());
}

#[test]
fn no_run_draws_figures_and_runs_no_programs() {
    let stages = "  fit: {exec: {run: \"echo 'x,y\\n1,2' > o.csv\", outputs: [o.csv], tools: [./tool]}}\n  \
                  look: {data: look.csv}\n  \
                  far: {data: {url: 'file:///no/such/file', digest: 'blake3:0000000000000000000000000000000000000000000000000000000000000000'}}\n  \
                  figure: {figure: {of: fit, panels: [{marks: [{points: {x: x, y: y}}]}]}}\n  \
                  seen: {figure: {of: look, panels: [{marks: [{points: {x: x, y: y}}]}]}}\n";
    let paper = paper(stages).file("tool", "#!/bin/sh\ndate >> marks\necho 1.0\n").file("look.csv", "x,y\n1,2\n");
    assert!(Command::new("chmod").arg("+x").arg(paper.path("tool")).status().unwrap().success());
    paper
        .run("build -k --no-run")
        .code(1)
        .says("fit: the version of `./tool` is not known, and --no-run forbids to ask for it");
    assert!(!paper.path("marks").exists() && paper.path("figures/seen.svg").exists());
    paper.build("fit").ok();
    std::fs::remove_file(paper.path("marks")).unwrap();
    paper.run("build figure seen --no-run").ok();
    assert!(paper.path("figures/figure.svg").exists() && !paper.path("marks").exists());
    paper.edit("1,2'", "1,3'");
    paper.run("build figure --no-run").code(1).says("fit: its program would have to run, and --no-run forbids it");
    paper.run("build far --no-run").code(1).says("far: its file would have to be fetched, and --no-run forbids it");
}

#[test]
fn suspicious_settings_are_warnings_with_locations() {
    let paper = paper(
        "  fit: {exec: {run: echo 1 > a, outputs: [a],\n    cpus: 4000,\n    memory: 4,\n    env: [NO_SUCH_VARIABLE_HERE],\n    timeout: 50}}\n",
    );
    let run = paper.build("").ok();
    let warnings = run.warnings();
    let expected = [
        (4, "fit: `cpus` is 4000"),
        (5, "fit: `memory` is 4 bytes"),
        (6, "NO_SUCH_VARIABLE_HERE"),
        (7, "fit: `timeout` is 50 seconds: write a unit, such as `10 min`"),
    ];
    for (line, words) in expected {
        let told = |text: &String| text.contains(words) && text.ends_with(&format!("(paper.yaml:{line})"));
        assert!(warnings.iter().any(told), "{words}: {warnings:?}");
    }
    paper.edit("timeout: 50", "timeout: 50 s");
    assert_eq!(paper.build("--rerun fit").ok().warnings().len(), 3);
    paper.edit("    memory: 4,\n", "    memory: 900 TB,\n").build("--rerun fit").ok().says("`memory` is 900000.0 GB");
}

#[test]
fn a_published_file_is_a_target() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  doc: {exec: {run: echo 1 > figures/main.pdf, outputs: [figures/main.pdf]}}\n  other: {exec: {run: 'false', outputs: [x]}}\n",
    );
    paper.run("build figures/main.pdf").ok();
    assert_eq!(paper.read("figures/main.pdf"), "1\n");
    paper.run("build main.pdf").ok().says("nothing to do");
    paper.run("build figures/mian.pdf").code(2).says("no stage is called `figures/mian.pdf`");
}

#[test]
fn a_missing_output_lists_what_the_program_created_instead() {
    let paper = Paper::new()
        .yaml("repro: 1\nstages:\n  a: {exec: {run: 'mkdir runs; echo 1 > runs/x.csv; echo 2 > y.csv', inputs: [in.txt], outputs: [result.json]}}\n")
        .file("in.txt", "");
    let run = paper.run("build").code(1).says("did not create `result.json`");
    run.says("hint: it created `runs/x.csv`, `y.csv`: list its outputs by these names");
}

#[test]
fn memory_and_cpu_time_of_a_program_are_measured() {
    let paper = Paper::new().yaml(
        "\
repro: 1
stages:
  big: {exec: {run: 'x=$(head -c 40000000 /dev/zero | tr \"\\0\" x); echo ${#x} > n.txt', outputs: [n.txt], memory: 2 MB}}
  dead: {exec: {run: 'kill -9 $$', outputs: [n.txt]}}
",
    );
    let run = paper.build("big").ok();
    assert!(
        run.warnings().iter().any(|text| text.contains("of memory, more than its `memory` of 0.0 GB")),
        "{}",
        run.stdout
    );
    let record: serde_json::Value = serde_json::from_str(&paper.read(&paper.last("big.json"))).unwrap();
    assert!(record["peak-memory"].as_u64() > Some(40_000_000), "{record}");
    assert!(record["cpu-seconds"].as_f64() > Some(0.001), "{record}");
    let text = paper.run("show big --trace").ok().stdout;
    assert!(text.contains("used    ") && text.contains(" MB of memory when it last ran"), "{text}");
    let text = paper.run("build dead").code(1).stderr;
    assert!(text.contains("hint: its largest process had 0.0 GB of "), "{text}");
}
