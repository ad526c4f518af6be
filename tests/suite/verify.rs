//! `verify` rebuilds in an empty cache and compares bit for bit.

use crate::support::{GRID, Paper};

const SHOWN: &str = "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [csv]}}
  figure: {figure: {of: measures, panels: [{marks: [{points: {x: probability, y: loss}}], where: {run: 1}}], formats: [svg]}}
";

/// A nondeterministic program between deterministic ones.
const PROGRAMS: &str = "repro: 1
stages:
  raw: {data: raw.csv}
  fixed: {exec: {run: cp raw.csv fixed.csv, inputs: [raw], outputs: [fixed.csv]}}
  random:
    exec:
      run: printf 'x,y\\n1,2\\n3,' > random.csv; date +%N >> random.csv; cp random.csv figures/random.txt
      inputs: [fixed]
      outputs: [random.csv, figures/random.txt]
  after: {exec: {run: wc -l < random/random.csv > after.txt, inputs: [random], outputs: [after.txt]}}
";

fn programs() -> Paper {
    let paper = Paper::new().yaml(PROGRAMS).file("raw.csv", "x\n1\n");
    paper.build("raw fixed random after").ok();
    paper
}

#[test]
fn reproducible_results_are_verified() {
    let paper = Paper::new().yaml(&(GRID.to_string() + SHOWN));
    paper.build("").ok();
    let before = paper.fingerprint();
    paper.run("verify").ok().stdout(
        "grid      6 points same\nmeasures  6 points same\ntable     3 cells same, table.csv same\n\
         figure    same, figure.svg same\nverified: 18 results are the same\n",
    );
    // Existing files are untouched, and no scratch folder is left; only the lock is new.
    let mut after = paper.fingerprint();
    after.retain(|name, _| before.contains_key(name));
    assert_eq!(after, before);
    assert_eq!(paper.files("cache/scratch").len(), 0);
}

#[test]
fn without_a_cache_the_files_in_figures_are_compared() {
    let paper = Paper::new().yaml(&(GRID.to_string() + SHOWN));
    paper.run("verify grid").code(1).says("nothing to compare with");
    paper.build("table").ok();
    std::fs::remove_dir_all(paper.path("cache")).unwrap();
    paper.run("verify table").ok().stdout(
        "grid      6 points new\nmeasures  6 points new\ntable     3 cells new, table.csv same\n\
         verified: 1 result is the same, 15 results have nothing to compare with\n",
    );
    let edited = paper.read("figures/table.csv").replace('0', "1");
    paper.write("figures/table.csv", &edited);
    paper.run("verify table").code(1).says("table.csv differs");
    std::fs::remove_file(paper.path("figures/table.csv")).unwrap();
    paper.run("verify table").code(1).says("table.csv missing").says("not verified: 1 result differs or is missing");
    assert!(!paper.path("figures/table.csv").exists(), "only a build writes to figures/");
}

#[test]
fn the_first_nondeterministic_stage_is_named() {
    let paper = programs();
    let run = paper.run("verify after").code(1);
    let shown = crate::support::timeless(&run.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[..3],
        ["fixed   same", "random  differs, random.txt differs", "    figures/random.txt: content differs"]
    );
    assert_eq!(lines[3], "    random.csv: content differs");
    assert!(lines[4].starts_with("    y: 1 of 2 values differ, by at most "), "{shown}");
    // `after` only counts lines, so its result is the same.
    let end = [
        "after   same",
        "not verified: 2 results differ or are missing, 2 results are the same",
        "first nondeterministic stage: `random` (same inputs, different result); other differences follow from this",
    ];
    assert_eq!(lines[5..], end);
    let run = paper.run("verify random --json").code(1);
    let verdicts = run.events_of("verdict");
    assert_eq!(verdicts.len(), 3);
    assert_eq!((&verdicts[0]["stage"], &verdicts[0]["verdict"]), (&"fixed".into(), &"same".into()));
    assert_eq!((&verdicts[1]["from-same-inputs"], verdicts[2].get("from-same-inputs")), (&true.into(), None));
    assert_eq!((&verdicts[2]["file"], &verdicts[2]["verdict"]), (&"random.txt".into(), &"differs".into()));
    assert!(verdicts[1]["differences"].as_array().unwrap().len() >= 3);
    let end = &run.events_of("verify-finished")[0];
    assert_eq!((&end["same"], &end["differs"], &end["exit-code"]), (&1.into(), &2.into(), &1.into()));
}

#[test]
fn only_rebuilds_the_targets_on_inputs_from_the_cache() {
    let paper = programs();
    // `random` does not run again, so `after` reads the same file as before.
    let run = paper.run("verify after --only").ok();
    assert_eq!(run.stdout, "after  same\nverified: 1 result is the same\n");
    assert!(!run.stderr.contains("random  started"), "{}", run.stderr);
    paper.edit("cp raw.csv fixed.csv,", "cp raw.csv fixed.csv && true,");
    paper.run("verify random --only").code(1).says("`fixed` is not in the cache");
}

#[test]
fn a_failing_stage_is_not_verified() {
    let paper = programs();
    paper.edit("wc -l <", "exit 3; wc -l <");
    paper
        .run("verify after")
        .code(1)
        .says("error: after: `exit 3; wc -l < random/random.csv > after.txt` failed with exit code 3");
    assert_eq!(paper.files("cache/scratch").len(), 0);
}
