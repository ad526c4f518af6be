//! `diff`: the paper at a revision of git against the paper as it is, from results in the cache.

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

/// A paper that is a repository, with its first state committed.
fn committed(paper: Paper) -> Paper {
    git(&paper, &["init", "-q", "-b", "main"]);
    commit(&paper);
    paper
}

/// What `diff --json` says of a stage.
fn told(paper: &Paper, arguments: &str, stage: &str) -> Json {
    let run = paper.run(&format!("diff --json {arguments}")).ok();
    let found = run.events_of("stage-diff").into_iter().find(|event| event["stage"] == stage);
    found.unwrap_or_else(|| panic!("nothing of {stage} in {}", run.stdout))
}

fn standings(paper: &Paper, arguments: &str) -> Vec<String> {
    let events = paper.run(&format!("diff --json {arguments}")).ok().events_of("stage-diff");
    events.iter().map(|event| format!("{} {}", event["stage"], event["standing"]).replace('"', "")).collect()
}

#[test]
fn a_paper_as_it_was_committed_is_the_same() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    let before = paper.fingerprint();
    let run = paper.run("diff").ok();
    assert!(
        run.stdout.starts_with("against HEAD (") && run.stdout.ends_with("): 5 stages the same\n"),
        "{}",
        run.stdout
    );
    assert_eq!(paper.fingerprint(), before, "nothing is written");
    // Formatting is not content.
    paper.edit("lr: 1e-3", "lr: 0.001");
    assert_eq!(standings(&paper, ""), ["one same", "grid same", "measures same", "table same", "figure same"]);
}

#[test]
fn changes_are_told_by_points_values_cells_and_pictures() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    paper.edit("[0.1, 0.2, 0.5]", "[0.1, 0.2, 0.6]").build("*").ok();
    let grid = told(&paper, "", "grid");
    assert_eq!((&grid["standing"], &grid["same"], &grid["changed"]), (&json!("changed"), &json!(4), &json!(0)));
    assert_eq!(grid["shape"], json!(["probability: added 0.6; removed 0.5"]));
    let table = told(&paper, "", "table");
    assert_eq!(table["shape"], json!(["rows: added probability=0.6; removed probability=0.5"]));
    assert_eq!(table["cells"], json!([]));

    paper.edit("batch: 16", "batch: 17").build("*").ok();
    let measures = told(&paper, "", "measures");
    assert_eq!((&measures["same"], &measures["changed"]), (&json!(0), &json!(4)));
    let loss = measures["arrays"].as_array().unwrap().iter().find(|array| array["array"] == "loss").unwrap();
    let places: Vec<&Json> = loss["values"].as_array().unwrap().iter().map(|value| &value["place"]).collect();
    assert_eq!(
        places,
        ["probability=0.1 run=1", "probability=0.1 run=2", "probability=0.2 run=1", "probability=0.2 run=2"]
    );
    let cells = told(&paper, "", "table")["cells"].clone();
    assert_eq!(cells.as_array().unwrap().len(), 2);
    assert_eq!((&cells[0]["row"], &cells[0]["column"]), (&json!({"probability": "0.1"}), &json!("loss")));
    assert_ne!(cells[0]["old"]["values"], cells[0]["new"]["values"]);
    // Of the figure there is a picture, and its place is told.
    let picture = told(&paper, "", "figure")["pictures"][0]["file"].as_str().unwrap().to_string();
    assert_eq!(picture, "cache/diff/figure.png");
    assert!(std::fs::read(paper.path(&picture)).unwrap().starts_with(b"\x89PNG"));
    paper.run("diff HEAD figure --pictures seen").ok().says("both are in seen/figure.png; ");
    assert!(paper.path("seen/figure.png").exists());
    // `gc` takes pictures away: they can be made again.
    paper.run("gc --older-than 0").ok();
    assert!(!paper.path("cache/diff/figure.png").exists());
}

#[test]
fn what_is_not_in_the_cache_is_told_with_the_commands_that_make_it() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.edit("batch: 16", "batch: 17");
    let run = paper.run("diff HEAD table").ok();
    assert!(
        run.stdout
            .contains("cannot be compared: 3 cells not in the cache as of then, 3 cells not in the cache as of now"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("): 1 stage not comparable\n"), "{}", run.stdout);
    assert!(
        run.stderr.contains("hint: `repro build table` makes the results of now that are missing\n"),
        "{}",
        run.stderr
    );
    // Follow the advice, line by line.
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
    assert_eq!(told(&paper, "HEAD table", "table")["cells"].as_array().unwrap().len(), 3);
    // Half of a sweep is compared as far as it goes.
    paper.edit("batch: 17", "batch: 16").edit("[0.1, 0.2, 0.5]", "[0.1, 0.2, 0.5, 0.7]");
    commit(&paper);
    paper.edit("batch: 16", "batch: 17").build("grid").ok();
    paper
        .run("diff HEAD grid")
        .ok()
        .says("6 of 8 points changed; cannot be compared: 2 points not in the cache as of then");
}

#[test]
fn stages_come_and_go_and_targets_are_those_of_both() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    paper.edit("  table: {table", "  table2: {table");
    assert_eq!(
        standings(&paper, ""),
        ["one same", "grid same", "measures same", "table2 added", "figure same", "table removed"]
    );
    assert_eq!(standings(&paper, "HEAD table* one"), ["one same", "table2 added", "table removed"]);
    paper.run("diff HEAD --exit-code").code(1).says("1 stage added, 1 removed");
    paper.run("diff HEAD one --exit-code").ok();
    paper.run("diff HEAD tabel").code(2).says("no stage is called `tabel`");
    // A stage of another kind.
    paper.edit("  one:\n    train: &recipe", "  one: {data: paper.yaml}\n  other:\n    train: &recipe");
    assert_eq!(told(&paper, "", "one")["shape"], json!(["was of the kind `train`"]));
}

#[test]
fn files_of_programs_and_of_the_project_are_those_of_the_revision() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  raw: {data: raw.csv}\n  loose: {data: loose.csv}\n  \
         twice: {exec: {run: 'awk 2 raw.csv > out.csv; cp loose.csv more.csv', inputs: [raw, loose], outputs: [out.csv, more.csv]}}\n",
    );
    let paper = paper.file("raw.csv", "x\n1\n2\n").file("loose.csv", "y\n1\n").file(".gitignore", "loose.csv\n");
    let paper = committed(paper);
    paper.build("*").ok();
    paper.write("raw.csv", "x\n1\n5\n");
    paper.build("*").ok();
    let raw = told(&paper, "", "raw");
    assert_eq!(raw["files"], json!(["raw.csv: other content"]));
    assert_eq!(raw["arrays"][0]["values"], json!([{"place": "row=1", "old": 2.0, "new": 5.0}]));
    let twice = told(&paper, "", "twice");
    assert_eq!(twice["files"], json!(["out.csv: other content"]));
    assert_eq!(twice["arrays"][0]["changed"], json!(1));
    // What git does not follow is taken to be as it is.
    assert_eq!(told(&paper, "", "loose")["standing"], json!("same"));
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
    let plot = told(&paper, "", "plot");
    assert_eq!(plot["pictures"][0]["file"], json!("cache/diff/plot-figures-plot.png"));
    let share = plot["pictures"][0]["differs"].as_f64().unwrap();
    assert!(share > 0.0 && share < 0.5, "{share}");
}

#[test]
fn a_change_of_settings_alone_is_told_with_its_line() {
    let paper = committed(Paper::new().yaml(&(GRID.to_string() + SHOWN)));
    paper.build("*").ok();
    paper.edit("columns: [loss]", "columns: {loss: {format: \"{mean:.1f}\"}}").build("*").ok();
    let run = paper.run("diff HEAD table").ok();
    assert!(run.stdout.contains("table.columns") && run.stdout.contains("(paper.yaml:20)"), "{}", run.stdout);
    assert!(run.stdout.contains("3 of 3 cells changed"), "{}", run.stdout);
}

#[test]
fn what_is_wrong_is_told() {
    let alone = Paper::new().yaml(GRID).env("GIT_CEILING_DIRECTORIES", "/");
    alone.run("diff").code(2).says("is not in a git repository").says("hint: ");
    let paper = committed(Paper::new().yaml(GRID));
    paper.run("diff nope").code(2).stderr("error: there is no revision `nope`\nhint: `git log --oneline` lists them\n");
    paper.run("diff grid").code(2).says("hint: `grid` is a stage: `repro diff HEAD grid`");
    paper.run("diff --output=x").code(2);
    // Errors of the old file are told in the old file.
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
