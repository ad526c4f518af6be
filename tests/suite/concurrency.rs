//! Concurrent builds in one directory all succeed, with the same bytes as a single one.

use crate::support::{GRID, Paper, finish};

const FILES: &str = "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}
  figure: {figure: {of: measures, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, png]}}
";

#[test]
fn concurrent_builds_all_succeed_with_the_bytes_of_a_single_one() {
    let yaml = GRID.replace("steps: 20", "steps: 400") + FILES;
    let alone = Paper::new().yaml(&yaml);
    alone.build("").ok();
    for _ in 0..3 {
        let paper = Paper::new().yaml(&yaml);
        let start = |arguments: &'static str| (paper.command(arguments).spawn().expect("start"), arguments);
        let builds = ["build --json -j 1", "build --json -j 2", "build --json figure", "build --json table -j 1"];
        let running: Vec<_> = builds.into_iter().map(start).collect();
        for (child, arguments) in running {
            let run = finish(child, arguments).ok();
            assert_eq!(run.warnings(), [""; 0]);
        }
        assert_eq!(paper.files("figures"), alone.files("figures"));
        assert_eq!(paper.result("grid"), alone.result("grid"));
        let run = paper.build("").ok();
        assert_eq!(run.built(), [""; 0]);
        let left: Vec<String> = paper.files("cache/tmp").into_keys().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

#[test]
fn builds_of_different_papers_share_one_cache() {
    let paper = Paper::new().yaml(GRID);
    paper.write("other.yaml", &GRID.replace("grid", "lattice").replace("0.2, 0.5", "0.2, 0.6"));
    let start = |arguments: &'static str| (paper.command(arguments).spawn().expect("start"), arguments);
    for (child, arguments) in [start("build --json"), start("build --json -f other.yaml")] {
        finish(child, arguments).ok();
    }
    paper.build("").ok().trained(0);
    paper.run("build --json -f other.yaml").ok().trained(0);
}

#[test]
fn results_of_another_process_are_used_as_soon_as_they_are_stored() {
    // The second build starts with the first point while the first build has some of them on disk.
    let yaml = GRID.replace("batch: 16", "batch: 512").replace("steps: 20", "steps: 2500")
        + "  many: {sweep: {recipe: *recipe, axes: {p: {field: data.probability, values: [0.9, 0.8, 0.7, 0.6]}, run: {field: seed, count: 5}}}}\n";
    let paper = Paper::new().yaml(&yaml);
    let first = paper.command("build many --json -j 1").spawn().expect("start");
    let second = paper.command("build many --json -j 1").spawn().expect("start");
    let (first, second) = (finish(first, "first").ok(), finish(second, "second").ok());
    let trained = first.trained_models().len() + second.trained_models().len();
    assert!((20..=40).contains(&trained), "{trained}");
    paper.build("many").ok().trained(0);
}

/// A program that takes half a second and notes that it ran.
const SLOW: &str = "\
repro: 1
stages:
  slow: {exec: {run: 'echo ran >> $RUNS; sleep 0.5; echo 1 > a.txt', outputs: [a.txt], env: [RUNS]}}
";

fn slow_paper() -> Paper {
    let paper = Paper::new().yaml(SLOW).unsealed();
    let runs = paper.path("runs").display().to_string();
    paper.env("RUNS", &runs)
}

#[test]
fn two_builds_never_run_the_same_program() {
    let paper = slow_paper();
    let start = || paper.command("build slow --json").spawn().expect("start");
    let runs: Vec<_> = [start(), start(), start()].into_iter().map(|child| finish(child, "build").ok()).collect();
    assert_eq!(paper.read("runs"), "ran\n");
    let ran = |run: &crate::support::Run| run.events_of("build-finished")[0]["ran"].as_u64().unwrap();
    assert_eq!(runs.iter().map(ran).sum::<u64>(), 1);
    let waited = runs.iter().flat_map(|run| run.warnings()).filter(|text| text.contains("another build runs `slow`"));
    assert!(waited.count() >= 1);
}

#[test]
fn a_build_takes_over_from_one_that_was_killed() {
    let paper = slow_paper();
    let mut first = paper.command("build slow --json").spawn().expect("start");
    crate::support::wait_for("the program", || paper.path("runs").exists());
    let second = paper.command("build slow --json").spawn().expect("start");
    std::thread::sleep(std::time::Duration::from_millis(100));
    first.kill().expect("kill");
    first.wait().expect("wait");
    finish(second, "build").ok();
    assert_eq!(paper.read("runs"), "ran\nran\n");
    paper.build("slow").ok();
    assert_eq!(paper.read("runs"), "ran\nran\n");
}
