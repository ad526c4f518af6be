//! Sweeps over programs: points are units, with the keys of equal `exec` stages; their failures, logs, files and selection.

use crate::support::Paper;

/// A program of two parameters that writes numbers, and notes each run in `runs` beside the paper.
const SWEEP: &str = "\
repro: 1
stages:
  train:
    sweep:
      exec:
        run: 'echo \"$REPRO_PARAM_LR $REPRO_PARAM_SEED\" >> $RUNS; echo \"{\\\"loss\\\": $REPRO_PARAM_LR$REPRO_PARAM_SEED}\" > result.json'
        outputs: [result.json]
        env: [RUNS]
        params: {lr: 0.5, seed: 1}
      axes:
        lr: [0.5, 0.25]
        seed: {count: 2}
  table: {table: {of: train, rows: [lr], columns: {loss: {value: loss, format: '{mean:.3f} ± {std:.3f}'}}, formats: [csv]}}
";

/// The paper, with the variable that names the file of runs.
fn paper(text: &str) -> Paper {
    let paper = Paper::new().yaml(text).unsealed();
    let runs = paper.path("runs").display().to_string();
    paper.env("RUNS", &runs)
}

/// What has run, in any order.
fn runs(paper: &Paper) -> Vec<String> {
    let text = if paper.path("runs").exists() { paper.read("runs") } else { String::new() };
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn every_point_runs_once_and_tables_summarise_them() {
    let paper = paper(SWEEP);
    paper.build("").ok();
    assert_eq!(runs(&paper), ["0.25 1", "0.25 2", "0.5 1", "0.5 2"]);
    assert_eq!(paper.read("figures/table.csv").lines().nth(2).unwrap(), "0.25,0.2515,0.0007071067811865482");
    let run = paper.build("").ok();
    assert_eq!(run.events_of("build-finished")[0]["ran"], 0);
}

#[test]
fn a_new_value_runs_its_points_and_taking_it_away_and_back_runs_nothing() {
    let paper = paper(SWEEP);
    paper.build("").ok();
    paper.edit("[0.5, 0.25]", "[0.5, 0.125, 0.25]").build("").ok();
    assert_eq!(runs(&paper), ["0.125 1", "0.125 2", "0.25 1", "0.25 2", "0.5 1", "0.5 2"]);
    paper.edit("[0.5, 0.125, 0.25]", "[0.5, 0.25]").build("").ok();
    paper.edit("[0.5, 0.25]", "[0.125, 0.25, 0.5]").build("").ok();
    assert_eq!(runs(&paper).len(), 6);
}

#[test]
fn a_point_has_the_key_of_the_equal_program() {
    let paper = paper(SWEEP);
    paper.build("train").ok();
    let exec = SWEEP.replace("    sweep:\n      exec:\n", "    exec:\n").replace("        ", "      ");
    let exec = exec.split("      axes:").next().unwrap().replace("lr: 0.5, seed: 1", "lr: 0.25, seed: 2");
    paper.rewrite(&exec).build("train").ok();
    assert_eq!(runs(&paper).len(), 4, "the result of the sweep is taken");
}

#[test]
fn each_point_has_its_own_log_and_the_error_names_it() {
    let text = SWEEP
        .replace("'echo", "'echo at $REPRO_PARAM_LR; [ $REPRO_PARAM_LR$REPRO_PARAM_SEED != 0.51 ] || exit 3; echo");
    let paper = paper(&text);
    let run = paper.run("build -k train").code(1).says("train at lr=0.5 seed=1: ");
    run.says("exit code 3").says("the full log is in cache/logs/train/lr=0.5 seed=1.log").says("train has 3 of 4");
    assert_eq!(paper.read("cache/logs/train/lr=0.25 seed=2.log"), "at 0.25\n");
    assert_eq!(runs(&paper), ["0.25 1", "0.25 2", "0.5 2"]);
}

#[test]
fn after_failures_only_the_failed_points_run_again() {
    let broken = SWEEP.replace("'echo", "'[ ! -e $RUNS.broken ] || [ $REPRO_PARAM_SEED = 1 ] || exit 1; echo");
    let paper = paper(&broken);
    paper.write("runs.broken", "");
    let run = paper.run("build -k train").code(1);
    run.says("train at lr=0.25 seed=2: ").says("train at lr=0.5 seed=2: ");
    assert_eq!(runs(&paper), ["0.25 1", "0.5 1"]);
    std::fs::remove_file(paper.path("runs.broken")).unwrap();
    paper.build("").ok();
    assert_eq!(runs(&paper), ["0.25 1", "0.25 2", "0.5 1", "0.5 2"]);
}

#[test]
fn points_are_selected_by_the_values_of_axes() {
    let paper = paper(SWEEP);
    paper.run("plan train[lr=0.25]").ok().says("run 2 of 4 points");
    paper.build("train[lr=0.25,seed=2]").ok();
    assert_eq!(runs(&paper), ["0.25 2"]);
    paper.build("train[lr=0.25]").ok();
    assert_eq!(runs(&paper), ["0.25 1", "0.25 2"]);
    paper.run("build train[lr=0.25]").ok().says("nothing to do");
    paper.run("status").ok().says("2/4");
    paper.run("explain train[lr=0.5,seed=1]").ok().says("missing: lr=0.5 seed=1");
    paper.run("show train[lr=0.25,seed=2]").ok().says("0.252");
    paper.run("build --rerun train[lr=0.25,seed=1]").ok();
    assert_eq!(runs(&paper), ["0.25 1", "0.25 1", "0.25 2"]);
    // What another stage needs is built whole.
    paper.build("train[lr=0.25] table").ok();
    assert_eq!(runs(&paper).len(), 5);
}

#[test]
fn a_wrong_selection_says_what_there_is() {
    let paper = paper(SWEEP);
    paper.run("build train[lrr=1]").code(2).says("`train` has no axis `lrr`").says("did you mean `lr`?");
    paper.run("build train[lr=3]").code(2).says("axis `lr` of `train` has no value `3`");
    paper.run("build table[lr=1]").code(2).says("axis `lr` of `table` has no value `1`");
    paper.run("export -o x.zip train[lr=0.5]").code(2).says("this command takes whole stages");
}

#[test]
fn a_program_that_reads_a_sweep_finds_a_folder_for_each_point_and_a_list_of_them() {
    let text = format!(
        "{SWEEP}  all: {{exec: {{run: 'cat train/*/result.json > all.txt; cat train/points.json >> all.txt; cp all.txt figures/all.txt', inputs: [train], outputs: [figures/all.txt]}}}}\n"
    );
    let paper = paper(&text);
    paper.build("all").ok();
    let all = paper.read("figures/all.txt");
    for part in ["0.251", "0.252", "0.51", "0.52", "\"folder\": \"lr=0.25 seed=2\"", "\"seed\": 2.0"] {
        assert!(all.contains(part), "{part} in {all}");
    }
}

#[test]
fn published_files_have_the_values_of_their_point_in_the_name() {
    let text = SWEEP.replace("outputs: [result.json]", "outputs: [result.json, 'figures/{lr}-{seed}.txt']").replace(
        "> result.json'",
        "> result.json; echo $REPRO_PARAM_SEED > figures/$REPRO_PARAM_LR-$REPRO_PARAM_SEED.txt'",
    );
    let paper = paper(&text);
    paper.build("train").ok();
    assert_eq!(paper.read("figures/0.25-2.txt"), "2\n");
    let names: Vec<String> = paper.files("figures").into_keys().collect();
    assert_eq!(names, ["figures/0.25-1.txt", "figures/0.25-2.txt", "figures/0.5-1.txt", "figures/0.5-2.txt"]);
}

#[test]
fn arrays_of_different_shape_name_two_points() {
    let text = SWEEP
        .replace("\\\"loss\\\": $REPRO_PARAM_LR$REPRO_PARAM_SEED}", "\\\"loss\\\": [1, $(seq -s, $REPRO_PARAM_SEED)]}");
    let paper = paper(&text);
    paper.build("train").ok();
    paper.run("show train").ok().says("its shape is 2 at `lr=0.5 seed=1` and 3 at `lr=0.5 seed=2`");
}

#[test]
fn mistakes_are_reported_with_their_places() {
    let wrong = |from: &str, to: &str, says: &[&str]| {
        let run = paper(&SWEEP.replace(from, to)).run("build").code(2);
        says.iter().fold(run, |run, text| run.says(text));
    };
    wrong(
        "lr: [0.5, 0.25]",
        "lrr: [0.5, 0.25]",
        &["the program has no field `params.lrr` to vary", "did you mean `lr`?"],
    );
    wrong(
        "lr: [0.5, 0.25]",
        "lr: {field: cpus, values: [1, 2]}",
        &["an axis of a program sets `params.NAME` or `run`"],
    );
    wrong("lr: [0.5, 0.25]", "lr: []", &["axis `lr` is empty"]);
    wrong("lr: [0.5, 0.25]", "lr: [0.5, 0.5]", &["duplicate value on axis `lr`"]);
    wrong("axes:\n        lr: [0.5, 0.25]\n        seed: {count: 2}", "axes: {}", &["a sweep needs at least one axis"]);
    wrong(
        "[result.json]",
        "[result.json, figures/x.txt]",
        &["all points would write `figures/x.txt`", "figures/x-{lr}-{seed}.txt"],
    );
    wrong("[result.json]", "['{lrr}.json']", &["`{lrr}` in `{lrr}.json` is not an axis", "did you mean `lr`?"]);
    wrong("      exec:\n", "      recipe: {}\n      exec:\n", &["a sweep has either `recipe` or `exec`, not both"]);
}

#[test]
fn a_value_with_a_slash_or_spaces_is_one_part_of_a_path() {
    let text = SWEEP
        .replace("lr: [0.5, 0.25]", "lr: [a/b, 'c d']")
        .replace("$REPRO_PARAM_LR$REPRO_PARAM_SEED}", "$REPRO_PARAM_SEED}");
    let paper = paper(&text);
    paper.build("train").ok();
    assert!(paper.path("cache/logs/train/lr=a%2Fb seed=1.log").exists());
    assert!(paper.path("cache/logs/train/lr=c d seed=2.log").exists());
}

#[test]
fn the_examples_of_readme_and_docs_are_valid_papers() {
    let readme = include_str!("../../README.md");
    let first = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    for (name, text) in [("README.md", first), ("examples/sweep", include_str!("../../examples/sweep/paper.yaml"))] {
        let paper = Paper::new().yaml(text).file("train.py", "").file("requirements.txt", "");
        paper.plan("").ok().says("run 27 points");
        assert!(text.contains("sweep:"), "{name}");
    }
}
