//! Folders that cannot be written, full disks, closed pipes: a clear message, the right exit code, nothing lost and nothing half-written. Tests may run as root, so nothing here relies on permissions.

use std::process::{Command, Stdio};

use crate::support::{GRID, Paper, Run, finish};

const FILES: &str = "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}
  figure: {figure: {of: measures, width: 2, height: 1.5, dpi: 300, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, png]}}
";

fn yaml() -> String {
    GRID.to_string() + FILES
}

/// Run a shell script in the project; `$REPRO` is the program.
fn shell(paper: &Paper, script: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(paper.path("")).env("REPRO", env!("CARGO_BIN_EXE_repro"));
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().expect("start a shell"), script)
}

#[test]
fn a_file_named_figures_is_an_error() {
    let paper = Paper::new().yaml(&yaml());
    paper.write("figures", "a file");
    let run = paper.run("build figure --color never").code(1);
    let end = "error: figure: cannot make the folder `figures`: file exists\n\
               hint: there is a file where a folder should be; move it, then run the same command again\n\
               1 stage failed: 2 stages built, 6 models trained\n";
    assert!(run.stderr.ends_with(end), "{}", run.stderr);
    assert_eq!(paper.read("figures"), "a file");
    std::fs::remove_file(paper.path("figures")).unwrap();
    let run = paper.build("figure").ok().trained(0);
    assert_eq!(run.events_of("build-finished")[0]["ran"], 0, "even the drawn file is kept");
    assert_eq!(paper.files("figures").len(), 2);
}

#[test]
fn a_folder_with_the_name_of_a_figure_is_an_error() {
    let paper = Paper::new().yaml(&yaml());
    std::fs::create_dir_all(paper.path("figures/figure.svg/inside")).unwrap();
    let run = paper.run("build -k").code(1);
    assert!(
        run.stderr.contains("error: figure: cannot write `figures/figure.svg`: is a directory\n"),
        "{}",
        run.stderr
    );
    assert!(paper.path("figures/table.md").is_file() && paper.path("figures/figure.svg/inside").is_dir());
    let left: Vec<String> = paper.files("figures").into_keys().filter(|name| name.contains(".repro-")).collect();
    assert_eq!(left, [""; 0]);
    std::fs::remove_dir_all(paper.path("figures/figure.svg")).unwrap();
    paper.build("").ok().trained(0);
}

#[test]
fn a_file_named_cache_is_an_error() {
    let paper = Paper::new().yaml(&yaml());
    paper.write("cache", "a file");
    let run = paper.run("build --color never").code(1);
    let told = "error: cannot make the folder `cache`: file exists\n\
                hint: there is a file where a folder should be; move it, then run the same command again\n";
    assert_eq!(run.stderr.matches(told).count(), 1, "{}", run.stderr);
    assert_eq!(paper.read("cache"), "a file");
    // Commands that only read need no cache.
    paper.run("status").ok();
}

#[test]
fn a_full_disk_ends_the_build_and_the_next_one_finishes_it() {
    let paper = Paper::new().yaml(&yaml());
    // A file system of this size in a mount namespace of its own.
    let script = |size: &str, then: &str| {
        format!(
            "mkdir -p small && unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size={size} tmpfs small && {then}'"
        )
    };
    if shell(&paper, &script("64k", "true")).code != Some(0) {
        eprintln!("SKIPPED: no file system can be mounted here; files of limited size are tested all the same");
        return;
    }
    let build = "$REPRO build --color never --cache small/cache --figures small/figures; code=$?; ls -A small/figures; \
                 mount -o remount,size=20m small; $REPRO build -q --cache small/cache --figures small/figures || exit 9; \
                 ls -A small/figures small/cache/tmp; exit $code";
    let run = shell(&paper, &script("20k", build)).code(1);
    assert!(
        run.stderr.contains(
            "no space left on device\nhint: free some space, then run the same command again: finished work is kept\n"
        ),
        "{}",
        run.stderr
    );
    let before =
        run.stdout.lines().take_while(|line| !line.starts_with("small")).filter(|line| line.starts_with(".repro"));
    assert_eq!(before.count(), 0, "half-written files: {}", run.stdout);
    let end = "small/cache/tmp:\n\nsmall/figures:\nfigure.png\nfigure.svg\ntable.csv\ntable.md\n";
    assert!(run.stdout.ends_with(end), "{}", run.stdout);
}

#[test]
fn a_program_that_fills_the_disk_is_reported_as_such() {
    let yaml = "repro: 1\nstages:\n  big: {exec: {run: head -c 900000 /dev/zero > big.bin, outputs: [big.bin]}}\n";
    let paper = Paper::new().yaml(yaml);
    let script = |then: &str| {
        format!(
            "mkdir -p small && unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=400k tmpfs small && {then}'"
        )
    };
    if shell(&paper, &script("true")).code != Some(0) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    let build = "$REPRO build --color never --cache small/cache; code=$?; mount -o remount,size=20m small; \
                 $REPRO build -q --cache small/cache || exit 9; ls -A small/cache/scratch; exit $code";
    let run = shell(&paper, &script(build)).code(1);
    assert!(run.stderr.contains("hint: there is no space left on the disk ("), "{}", run.stderr);
    assert_eq!(run.stdout, "", "nothing is left of its folder");
}

#[test]
fn a_file_size_limit_ends_the_build_and_the_next_one_finishes_it() {
    let whole = Paper::new().yaml(&yaml());
    whole.build("").ok();
    // In blocks of 512 bytes: nothing; a shard of models; all but the large picture.
    for blocks in [0, 4, 16, 24] {
        let paper = Paper::new().yaml(&yaml());
        let run = shell(&paper, &format!("trap '' XFSZ; ulimit -f {blocks}; exec $REPRO build --color never")).code(1);
        assert!(run.stderr.contains("file too large\nhint: free some space"), "{blocks}: {}", run.stderr);
        for (name, bytes) in paper.files("figures") {
            assert_eq!(Some(&bytes), whole.files("figures").get(&name), "{name} at {blocks} blocks");
        }
        assert_eq!(paper.files("cache/tmp").into_keys().collect::<Vec<_>>(), [""; 0], "at {blocks} blocks");
        let again = paper.build("").ok();
        assert_eq!(again.warnings(), [""; 0]);
        assert_eq!(paper.files("figures"), whole.files("figures"));
    }
}

#[test]
fn a_closed_standard_output_is_no_error() {
    let yaml = GRID.replace("count: 2", "count: 2000");
    let paper = Paper::new().yaml(&yaml);
    for command in ["status", "plan", "explain measures -v", "graph", "schema", "completions bash", "--help"] {
        let run = shell(&paper, &format!("{{ $REPRO {command}; echo $? > code; }} | head -c 1 > /dev/null"));
        assert_eq!((run.stderr.as_str(), paper.read("code").as_str()), ("", "0\n"), "{command}");
    }
    // A build runs to its end even if its output is closed.
    let paper = Paper::new().yaml(GRID);
    for command in ["build --json", "build"] {
        shell(&paper, &format!("{{ sleep 0.1; $REPRO {command} 2> errors; echo $? > code; }} | true"));
        assert_eq!(paper.read("code"), "0\n", "{}", paper.read("errors"));
        paper.build("").ok().trained(0);
        std::fs::remove_dir_all(paper.path("cache")).unwrap();
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: there is no /dev/full here");
        return;
    }
    let run = shell(&Paper::new().yaml(GRID), "$REPRO status --color never > /dev/full").code(1);
    assert_eq!(
        run.stderr,
        "error: cannot write `standard output`: no space left on device\n\
         hint: free some space, then run the same command again: finished work is kept\n"
    );
}
