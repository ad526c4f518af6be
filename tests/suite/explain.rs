//! `plan`, `status` and `explain`: which value changed, from what to what, in which line, and what that costs.

use crate::support::{GRID, Paper};

fn built() -> Paper {
    let paper = Paper::new().yaml(GRID);
    paper.build("").ok();
    paper
}

#[test]
fn a_changed_value_is_named_with_old_and_new_value_and_line() {
    let paper = built();
    paper.edit("powers: 0.7", "powers: 0.8").explain("one").ok().stdout(
        "\
one (train) is out of date
    data.sparse-uniform.importance.powers: 0.7 -> 0.8 (paper.yaml:7)
",
    );
}

#[test]
fn the_cause_is_found_through_all_inputs() {
    let paper = built();
    paper.edit("lr: 1e-3", "lr: 2e-3").explain("measures").ok().stdout(
        "\
measures (metric) waits for its inputs
    `grid` is out of date
grid (sweep) is out of date: 6 of 6 points are missing
    recipe.optimizer.adamw.lr: 0.001 -> 0.002 (paper.yaml:8)
    missing: probability=0.1 run=1
    missing: probability=0.1 run=2
    missing: probability=0.2 run=1
    missing: probability=0.2 run=2
    missing: probability=0.5 run=1
    missing: probability=0.5 run=2
",
    );
}

#[test]
fn a_new_value_of_an_axis_lists_the_points_it_adds() {
    let paper = built();
    paper.edit("0.2, 0.5", "0.2, 0.4, 0.5").explain("grid").ok().stdout(
        "\
grid (sweep) is out of date: 2 of 8 points are missing
    axes.probability.values: added 0.4 (paper.yaml:16)
    missing: probability=0.4 run=1
    missing: probability=0.4 run=2
",
    );
}

#[test]
fn many_missing_points_are_counted_and_listed_with_verbose() {
    let paper = built();
    paper.edit("count: 2", "count: 6");
    let run = paper.explain("grid").ok().says("    missing: probability=0.2 run=6\n    and 4 more (-v lists all)\n");
    assert_eq!(run.stdout.matches("missing: ").count(), 8);
    let all = paper.explain("grid -v").ok();
    assert_eq!(all.stdout.matches("missing: ").count(), 12);
}

#[test]
fn all_changes_are_reported() {
    let paper = built();
    paper.edit("batch: 16", "batch: 32").edit("seed: 1", "seed: 2").edit("steps: 20", "schedule: linear");
    paper.explain("one").ok().stdout(
        "\
one (train) is out of date
    batch: 16 -> 32 (paper.yaml:9)
    schedule: constant -> linear (paper.yaml:10)
    seed: 1 -> 2 (paper.yaml:11)
    steps: 20 -> 10000 (paper.yaml:6)
",
    );
}

#[test]
fn a_replaced_input_is_reported_as_one_change() {
    let paper = built();
    paper.edit("{of: grid,", "{of: one,").explain("measures").ok().stdout(
        "\
measures (metric) is out of date
    now reads one; no longer reads grid
",
    );
}

#[test]
fn an_input_with_new_content_is_a_reason() {
    let paper = built();
    paper.edit("lr: 1e-3", "lr: 2e-3").build("grid").ok();
    paper
        .explain("measures")
        .ok()
        .says("measures (metric) is out of date: 6 of 6 points are missing\n    `grid` has new content\n");
}

#[test]
fn up_to_date_stages_and_stages_that_were_never_built() {
    let paper = Paper::new().yaml(GRID);
    paper.build("grid").ok();
    paper.explain("grid").ok().stdout("grid (sweep) is up to date\n");
    paper.explain("one measures").ok().stdout(
        "\
measures (metric) is out of date: 6 of 6 points are missing
    not built yet
    missing: probability=0.1 run=1
    missing: probability=0.1 run=2
    missing: probability=0.2 run=1
    missing: probability=0.2 run=2
    missing: probability=0.5 run=1
    missing: probability=0.5 run=2
one (train) is out of date
    not built yet
",
    );
}

#[test]
fn results_missing_from_the_cache_are_a_reason() {
    let paper = built();
    for shard in paper.shards() {
        std::fs::remove_file(shard).unwrap();
    }
    paper.explain("one").ok().stdout("one (train) is out of date\n    1 result is not in the cache\n");
}

#[test]
fn a_comment_is_no_reason() {
    let paper = built();
    paper.edit("batch: 16", "batch: 16  # a comment").explain("one grid measures").ok().stdout(
        "\
measures (metric) is up to date
grid (sweep) is up to date
one (train) is up to date
",
    );
}

#[test]
fn a_plan_reports_what_would_run_and_why() {
    let paper = built();
    paper.edit("0.2, 0.5", "0.2, 0.4, 0.5").plan("-j 2").ok().stdout(
        "\
grid  train 2 of 8 points
    axes.probability.values: added 0.4 (paper.yaml:16)
measures  compute 2 of 8 points, if its inputs change
    `grid` is out of date
2 of 3 stages to build, 2 models to train: less than a second on 2 cores
",
    );
    paper.rewrite(GRID).plan("").ok().stdout("nothing to do: 3 stages are up to date\n");
}

#[test]
fn a_plan_estimates_from_the_pace_of_earlier_builds() {
    let paper = built();
    let seconds = |paper: &Paper| paper.run("plan --json one").ok().events()[0]["seconds"].as_f64().unwrap();
    let before = seconds(paper.edit("steps: 20", "steps: 2000"));
    // Pretend that the last build was four times slower: the estimate scales.
    let last: serde_json::Value = serde_json::from_str(&paper.read(&paper.last("one.json"))).unwrap();
    let slow = serde_json::json!({"manifest": last["manifest"], "inputs": last["inputs"], "pace": last["pace"].as_f64().unwrap() * 4.0});
    paper.write(&paper.last("one.json"), &slow.to_string());
    let after = seconds(&paper);
    assert!((after / before - 4.0).abs() < 1e-6, "{before} {after}");
    // An invalid record is ignored.
    for nonsense in ["", "[]", "{\"manifest\": 1, \"inputs\": [[1]], \"pace\": -3}"] {
        assert!(seconds(paper.write(&paper.last("one.json"), nonsense)) > 0.0);
    }
}

#[test]
fn plans_and_explanations_as_json() {
    let paper = built();
    paper.edit("0.2, 0.5", "0.2, 0.4, 0.5");
    let plan = paper.run("plan --json").ok().events();
    assert_eq!(
        plan.iter().map(|stage| stage["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["current", "stale", "waits"]
    );
    let reason = &plan[1]["reasons"][0];
    assert_eq!((reason["code"].as_str(), reason["field"].as_str()), (Some("changed"), Some("axes.probability.values")));
    assert_eq!(reason["new"], serde_json::json!([0.1, 0.2, 0.4, 0.5]));
    assert_eq!(reason["line"], 16);
    let explained = paper.run("explain measures --json").ok().events();
    assert_eq!(explained[1]["missing"], serde_json::json!(["probability=0.4 run=1", "probability=0.4 run=2"]));
}

#[test]
fn status_lists_every_stage() {
    let paper = built();
    paper.edit("0.2, 0.5", "0.2, 0.4, 0.5").run("status").ok().stdout(
        "\
one       train   up to date
grid      sweep   out of date  6/8
measures  metric  waiting      6/8
3 stages: 1 up to date, 1 out of date, 1 waiting
",
    );
    paper.run("status g* metric").ok().stdout(
        "\
grid      sweep   out of date  6/8
measures  metric  waiting      6/8
2 stages: 1 out of date, 1 waiting
",
    );
}

#[test]
fn read_only_commands_write_nothing() {
    let paper = Paper::new().yaml(GRID);
    let commands =
        ["plan", "status", "explain measures", "graph", "build --dry-run", "build -n one", "plan --json", "schema"];
    let before = paper.fingerprint();
    commands.iter().for_each(|command| drop(paper.run(command).ok()));
    assert_eq!(paper.fingerprint(), before);
    paper.build("").ok();
    paper.edit("steps: 20", "steps: 30");
    let before = paper.fingerprint();
    commands.iter().for_each(|command| drop(paper.run(command).ok()));
    assert_eq!(paper.fingerprint(), before);
}
