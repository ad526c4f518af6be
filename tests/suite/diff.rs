//! `diff` compares the paper at a git revision with the paper as it is, from results in the cache.

use std::process::Command;

use crate::support::{GRID, Paper};
use serde_json::{Value as Json, json};

const SHOWN: &str = "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [csv]}}
  figure: {figure: {of: measures, panels: [{marks: [{points: {x: probability, y: loss}}], where: {run: 1}}], formats: [svg]}}
";

fn git(paper: &Paper, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(paper.path(""))
        .output()
        .expect("git");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn commit(paper: &Paper) {
    git(paper, &["add", "-A", ":!cache", ":!figures"]);
    git(paper, &["commit", "-qm", "a state"]);
}

/// A paper in a git repository with one commit.
fn committed(paper: Paper) -> Paper {
    git(&paper, &["init", "-q", "-b", "main"]);
    commit(&paper);
    paper
}

/// The `diff --json` event of a stage.
fn stage_diff(paper: &Paper, arguments: &str, stage: &str) -> Json {
    let run = paper.run(&format!("diff --json {arguments}")).ok();
    let found = run.events_of("stage-diff").into_iter().find(|event| event["stage"] == stage);
    found.unwrap_or_else(|| panic!("no event of {stage} in {}", run.stdout))
}

/// The status of every stage.
fn statuses(paper: &Paper, arguments: &str) -> Vec<String> {
    let events = paper.run(&format!("diff --json {arguments}")).ok().events_of("stage-diff");
    events.iter().map(|event| format!("{} {}", event["stage"], event["standing"]).replace('"', "")).collect()
}

#[test]
fn a_committed_paper_is_unchanged() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    let before = paper.fingerprint();
    let run = paper.run("diff").ok();
    assert!(
        run.stdout.starts_with("against HEAD (") && run.stdout.ends_with("): 5 stages unchanged\n"),
        "{}",
        run.stdout
    );
    assert_eq!(paper.fingerprint(), before, "nothing is written");
    // Formatting is not content.
    paper.edit("lr: 1e-3", "lr: 0.001");
    assert_eq!(statuses(&paper, ""), ["one same", "grid same", "measures same", "table same", "figure same"]);
}

#[test]
fn changed_points_values_cells_and_pictures_are_reported() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    paper.edit("[0.1, 0.2, 0.5]", "[0.1, 0.2, 0.6]").build("*").ok();
    let grid = stage_diff(&paper, "", "grid");
    assert_eq!((&grid["standing"], &grid["same"], &grid["changed"]), (&json!("changed"), &json!(4), &json!(0)));
    assert_eq!(grid["shape"], json!(["probability: added 0.6; removed 0.5"]));
    let table = stage_diff(&paper, "", "table");
    assert_eq!(table["shape"], json!(["rows: added probability=0.6; removed probability=0.5"]));
    assert_eq!(table["cells"], json!([]));

    paper.edit("batch: 16", "batch: 17").build("*").ok();
    let measures = stage_diff(&paper, "", "measures");
    assert_eq!((&measures["same"], &measures["changed"]), (&json!(0), &json!(4)));
    let loss = measures["arrays"].as_array().unwrap().iter().find(|array| array["array"] == "loss").unwrap();
    let places: Vec<&Json> = loss["values"].as_array().unwrap().iter().map(|value| &value["place"]).collect();
    assert_eq!(
        places,
        ["probability=0.1 run=1", "probability=0.1 run=2", "probability=0.2 run=1", "probability=0.2 run=2"]
    );
    let cells = stage_diff(&paper, "", "table")["cells"].clone();
    assert_eq!(cells.as_array().unwrap().len(), 2);
    assert_eq!((&cells[0]["row"], &cells[0]["column"]), (&json!({"probability": "0.1"}), &json!("loss")));
    assert_ne!(cells[0]["old"]["values"], cells[0]["new"]["values"]);
    // The figures are drawn side by side, and the path is printed.
    let picture = stage_diff(&paper, "", "figure")["pictures"][0]["file"].as_str().unwrap().to_string();
    assert_eq!(picture, "cache/diff/figure.png");
    assert!(std::fs::read(paper.path(&picture)).unwrap().starts_with(b"\x89PNG"));
    paper.run("diff HEAD figure --pictures seen").ok().says("side by side in seen/figure.png; ");
    assert!(paper.path("seen/figure.png").exists());
    // An earlier comparison is replaced, another file only with --force.
    paper.run("diff HEAD figure --pictures seen").ok();
    paper.write("seen/figure.png", "a photo");
    let refused = "`seen/figure.png` is there already, and it is not a comparison of repro";
    paper.run("diff HEAD figure --pictures seen").code(2).says(refused).says("replace it with --force");
    assert_eq!(paper.read("seen/figure.png"), "a photo");
    paper.run("diff HEAD figure --pictures seen --force").ok();
    assert!(std::fs::read(paper.path("seen/figure.png")).unwrap().starts_with(b"\x89PNG"));
    // `gc` deletes the pictures: `diff` draws them again.
    paper.run("gc --older-than 0").ok();
    assert!(!paper.path("cache/diff/figure.png").exists());
}

#[test]
fn missing_results_are_reported_with_the_commands_that_compute_them() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.edit("batch: 16", "batch: 17");
    let run = paper.run("diff HEAD table").ok();
    assert!(
        run.stdout.contains("cannot be compared: 3 old cells are not in the cache, 3 new cells are not in the cache"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("): 1 stage not comparable\n"), "{}", run.stdout);
    assert!(run.stderr.contains("hint: `repro build table` computes the missing new results\n"), "{}", run.stderr);
    // Run the suggested commands.
    let commands: Vec<&str> = run.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 3, "{}", run.stderr);
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_repro")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    for command in commands {
        let done = Command::new("sh").args(["-ec", command]).env("PATH", &path).current_dir(paper.path("")).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
    paper.build("table").ok();
    assert_eq!(stage_diff(&paper, "HEAD table", "table")["cells"].as_array().unwrap().len(), 3);
    // A partly built sweep is compared as far as possible.
    paper.edit("batch: 17", "batch: 16").edit("[0.1, 0.2, 0.5]", "[0.1, 0.2, 0.5, 0.7]");
    commit(&paper);
    paper.edit("batch: 16", "batch: 17").build("grid").ok();
    paper
        .run("diff HEAD grid")
        .ok()
        .says("6 of 8 points changed; cannot be compared: 2 old points are not in the cache");
}

#[test]
fn added_and_removed_stages_are_reported_and_targets_of_both_revisions_work() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    paper.edit("  table: {table", "  table2: {table");
    assert_eq!(
        statuses(&paper, ""),
        ["one same", "grid same", "measures same", "table2 added", "figure same", "table removed"]
    );
    assert_eq!(statuses(&paper, "HEAD table* one"), ["one same", "table2 added", "table removed"]);
    paper.run("diff HEAD --exit-code").code(1).says("1 stage added, 1 removed");
    paper.run("diff HEAD one --exit-code").ok();
    paper.run("diff HEAD tabel").code(2).says("no stage is called `tabel`");
    // A stage of another kind.
    paper.edit("  one:\n    train: &recipe", "  one: {data: paper.yaml}\n  other:\n    train: &recipe");
    assert_eq!(stage_diff(&paper, "", "one")["shape"], json!(["the kind was `train`"]));
}

#[test]
fn files_are_compared_with_those_of_the_revision() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  raw: {data: raw.csv}\n  loose: {data: loose.csv}\n  \
         twice: {exec: {run: 'awk 2 raw.csv > out.csv; cp loose.csv more.csv', inputs: [raw, loose], outputs: [out.csv, more.csv]}}\n",
    );
    let paper = paper.file("raw.csv", "x\n1\n2\n").file("loose.csv", "y\n1\n").file(".gitignore", "loose.csv\n");
    let paper = committed(paper);
    paper.build("*").ok();
    paper.write("raw.csv", "x\n1\n5\n");
    paper.build("*").ok();
    let raw = stage_diff(&paper, "", "raw");
    assert_eq!(raw["files"], json!(["raw.csv: content differs"]));
    assert_eq!(raw["arrays"][0]["values"], json!([{"place": "row=1", "old": 2.0, "new": 5.0}]));
    let twice = stage_diff(&paper, "", "twice");
    assert_eq!(twice["files"], json!(["out.csv: content differs"]));
    assert_eq!(twice["arrays"][0]["changed"], json!(1));
    // Untracked files count as unchanged.
    assert_eq!(stage_diff(&paper, "", "loose")["standing"], json!("same"));
}

#[test]
fn pictures_of_programs_are_compared_too() {
    let paper = Paper::new().yaml(&format!(
        "{GRID}{}  plot: {{exec: {{run: cp figures/figure.png figures/plot.png, inputs: [figure], outputs: [figures/plot.png]}}}}\n",
        SHOWN.replace("formats: [svg]", "formats: [png]")
    ));
    let paper = committed(paper);
    paper.build("").ok();
    paper.edit("batch: 16", "batch: 17").build("").ok();
    let plot = stage_diff(&paper, "", "plot");
    assert_eq!(plot["pictures"][0]["file"], json!("cache/diff/plot-figures-plot.png"));
    let share = plot["pictures"][0]["differs"].as_f64().unwrap();
    assert!(share > 0.0 && share < 0.5, "{share}");
}

#[test]
fn a_changed_setting_is_reported_with_its_line() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    paper.edit("columns: [loss]", "columns: {loss: {format: \"{mean:.1f}\"}}").build("*").ok();
    let run = paper.run("diff HEAD table").ok();
    assert!(run.stdout.contains("table.columns") && run.stdout.contains("(paper.yaml:20)"), "{}", run.stdout);
    assert!(run.stdout.contains("3 of 3 cells changed"), "{}", run.stdout);
}

#[test]
fn errors_are_reported() {
    let alone = Paper::new().yaml(GRID).env("GIT_CEILING_DIRECTORIES", "/");
    alone.run("diff").code(2).says("is not in a git repository").says("hint: ");
    let paper = committed(Paper::new().yaml(GRID));
    paper.run("diff nope").code(2).stderr("error: unknown revision `nope`\nhint: `git log --oneline` lists commits\n");
    paper.run("diff grid").code(2).says("hint: `grid` is a stage: `repro diff HEAD grid`");
    paper.run("diff --output=x").code(2);
    // Errors in the old paper file refer to that file.
    let good = paper.read("paper.yaml");
    paper.edit("steps: 20", "stepps: 20");
    commit(&paper);
    paper.rewrite(&good);
    paper
        .run("diff")
        .code(2)
        .says("unknown key `stepps`")
        .says("--> HEAD:paper.yaml:10:7")
        .says("1 problem in HEAD:paper.yaml");
    git(&paper, &["rm", "-q", "--cached", "paper.yaml"]);
    git(&paper, &["commit", "-qm", "without"]);
    paper.run("diff").code(2).says("`paper.yaml` is not in the revision `HEAD`");
    paper.run("diff HEAD~2").ok();
}
