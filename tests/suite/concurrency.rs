//! Any number of builds at once in one directory: all end well, and with the same bytes as one alone.

use crate::support::{GRID, Paper, finish};

const FILES: &str = "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}
  figure: {figure: {of: measures, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, png]}}
";

#[test]
fn several_builds_at_once_all_end_well_with_the_bytes_of_one_alone() {
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
fn what_another_process_finishes_meanwhile_is_taken_over() {
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
