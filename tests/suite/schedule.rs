//! The order in which stages run, and what is skipped after a failure.

use crate::support::{GRID, Paper};
use repro::exec::Schedule;
use repro::graph::Graph;
use repro::spec::{Problems, read};

/// A graph of metrics `(name, input)`, and a stage `model`.
fn graph(stages: &[(&str, &str)]) -> Graph {
    let mut yaml = String::from(
        "repro: 1\nstages:\n  model: {train: {model: {moe-autoencoder: {features: 4, hidden: 2}}, data: {sparse-uniform: {probability: 0.5}}}}\n",
    );
    for (name, of) in stages {
        yaml += &format!("  {name}: {{metric: {{of: {of}, compute: [loss]}}}}\n");
    }
    let mut problems = Problems::default();
    let root = read(&yaml, &mut problems).expect("yaml");
    let graph = Graph::from_paper(&repro::spec::Paper::from_node(&root, &mut problems), &mut problems);
    graph.unwrap_or_else(|| panic!("{:?}", problems.into_errors()))
}

fn names(graph: &Graph, stages: &[usize]) -> Vec<String> {
    stages.iter().map(|&stage| graph.stages[stage].name.clone()).collect()
}

/// Stages that may start now.
fn ready(schedule: &mut Schedule, graph: &Graph) -> Vec<String> {
    let mut started = Vec::new();
    while let Some(stage) = schedule.take() {
        started.push(stage);
    }
    names(graph, &started)
}

fn done(schedule: &mut Schedule, graph: &Graph, name: &str) {
    schedule.done(graph.position(name).expect("a stage"));
}

#[test]
fn stages_are_in_the_order_of_the_file_but_after_their_inputs() {
    let graph = graph(&[("c", "b"), ("b", "model"), ("a", "model"), ("d", "c")]);
    assert_eq!(names(&graph, &graph.order), ["model", "b", "c", "a", "d"]);
}

#[test]
fn a_stage_starts_once_when_all_its_inputs_are_done() {
    let graph = graph(&[("c", "b"), ("b", "model"), ("a", "model")]);
    let all: Vec<usize> = (0..graph.stages.len()).collect();
    let mut schedule = Schedule::new(&graph, &all);
    assert_eq!(ready(&mut schedule, &graph), ["model"]);
    assert_eq!(ready(&mut schedule, &graph), [""; 0]);
    done(&mut schedule, &graph, "model");
    assert_eq!(ready(&mut schedule, &graph), ["b", "a"]);
    done(&mut schedule, &graph, "b");
    assert_eq!(ready(&mut schedule, &graph), ["c"]);
    assert!(schedule.waiting().is_empty());
}

#[test]
fn stages_that_are_not_needed_never_start() {
    let graph = graph(&[("a", "model"), ("b", "model"), ("c", "b")]);
    let mut schedule = Schedule::new(&graph, &[graph.position("b").unwrap()]);
    assert_eq!(names(&graph, &schedule.waiting()), ["model", "b"]);
    assert_eq!(ready(&mut schedule, &graph), ["model"]);
    done(&mut schedule, &graph, "model");
    assert_eq!(ready(&mut schedule, &graph), ["b"]);
}

#[test]
fn a_failure_skips_only_the_stages_that_depend_on_it() {
    let graph = graph(&[("a", "model"), ("b", "a"), ("c", "b"), ("other", "model")]);
    let all: Vec<usize> = (0..graph.stages.len()).collect();
    let mut schedule = Schedule::new(&graph, &all);
    ready(&mut schedule, &graph);
    done(&mut schedule, &graph, "model");
    assert_eq!(ready(&mut schedule, &graph), ["a", "other"]);
    let skipped = schedule.failed(graph.position("a").unwrap());
    assert_eq!(names(&graph, &skipped), ["b", "c"]);
    assert_eq!(ready(&mut schedule, &graph), [""; 0]);
    assert!(schedule.waiting().is_empty());
}

/// Two metrics that fail on the grid (`partition` needs models of two features), and one that works.
const FAILING: &str = "  cut: {metric: {of: grid, compute: [partition]}}
  cut-again: {metric: {of: grid, compute: [partition, dimensionality]}}
  fine: {metric: {of: one, compute: [loss]}}
";

#[test]
fn events_follow_the_graph() {
    let run = Paper::new().yaml(GRID).build("-j 1").ok();
    let told = run.events().into_iter().map(|event| {
        let word = |name: &str| event[name].as_str().unwrap_or_default().to_string();
        format!("{} {} {}", word("event"), word("stage"), word("unit")).trim().to_string()
    });
    let told: Vec<String> = told.filter(|line| !line.starts_with("progress")).collect();
    let expected = "\
        stage-started one|stage-started grid|unit-finished one|stage-finished one|\
        unit-finished grid probability=0.1 run=1|unit-finished grid probability=0.1 run=2|\
        unit-finished grid probability=0.2 run=1|unit-finished grid probability=0.2 run=2|\
        unit-finished grid probability=0.5 run=1|unit-finished grid probability=0.5 run=2|\
        stage-finished grid|stage-started measures|\
        unit-finished measures probability=0.1 run=1|unit-finished measures probability=0.1 run=2|\
        unit-finished measures probability=0.2 run=1|unit-finished measures probability=0.2 run=2|\
        unit-finished measures probability=0.5 run=1|unit-finished measures probability=0.5 run=2|\
        stage-finished measures|build-finished";
    // Points of equal work are trained in the axes' order.
    assert_eq!(told, expected.split('|').collect::<Vec<_>>());
}

#[test]
fn a_failed_stage_shows_its_error_and_the_skipped_stages() {
    let paper = Paper::new().yaml(&(GRID.to_string() + FAILING));
    let run = paper.run("build cut fine -j 1 --color never").code(1);
    // `fine` needs `one` only: it may end before the grid does, or after.
    let mut built: Vec<&str> = run.stdout.lines().map(|line| line.split("  ").next().unwrap()).collect();
    built.sort();
    assert_eq!(built, ["fine", "grid", "one"]);
    run.stderr(
        "\
one   1 model to train, less than a second
grid  6 points to train, less than a second
fine  1 point to compute, less than a second
cut   6 points to compute, less than a second
cut   failed
error: cut at probability=0.1 run=1: `partition` shows a model of 2 features, this one has 4
1 stage failed: 3 stages built, 7 models trained
",
    );
    // Finished work is not lost.
    paper.build("grid one fine").ok().trained(0);
}

#[test]
fn after_a_failure_nothing_starts_without_keep_going() {
    let yaml = "  bad: {metric: {of: one, compute: [partition]}}
  slow: {train: {<<: *recipe, batch: 1024, steps: 4000000}}
  late: {metric: {of: slow, compute: [loss]}}
";
    let paper = Paper::new().yaml(&(GRID.to_string() + yaml));
    paper.build("one").ok();
    let run = paper.build("bad late -j 1").code(1).trained(0);
    assert_eq!(run.built(), [""; 0]);
    let end = &run.events_of("build-finished")[0];
    assert_eq!((&end["failed"], &end["skipped"]), (&serde_json::json!(["bad"]), &serde_json::json!(["late"])));
    let run = paper.edit("4000000", "20").build("bad late -j 1 --keep-going").code(1).trained(1);
    assert_eq!(run.built(), ["slow", "late"]);
    assert_eq!(run.events_of("stage-failed")[0]["message"], "`partition` shows a model of 2 features, this one has 4");
}

#[test]
fn a_running_program_is_waited_for_when_another_stage_fails() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  bad: {exec: {run: 'sleep 0.5; false', outputs: [a.txt]}}\n  \
         long: {exec: {run: 'sleep 1.5; echo 1 > figures/a.txt', outputs: [figures/a.txt]}}\n  \
         late: {exec: {run: cp figures/a.txt b.txt, inputs: [long], outputs: [b.txt]}}\n",
    );
    let run = paper
        .run("build bad late -j 2 --color never")
        .code(1)
        .says("waiting for long, which still runs; Ctrl-C stops it");
    run.says("skipped: late").says("long  run, a.txt");
    assert!(paper.path("figures/a.txt").exists());
    assert_eq!(paper.build("late").ok().built(), ["late"]);
}

#[test]
fn keep_going_reports_every_failure() {
    let paper = Paper::new().yaml(&(GRID.to_string() + FAILING));
    let run = paper.build("-k").code(1);
    let mut failed: Vec<_> =
        run.events_of("stage-failed").iter().map(|e| e["stage"].as_str().unwrap().to_string()).collect();
    failed.sort();
    assert_eq!(failed, ["cut", "cut-again"]);
    assert_eq!(run.events_of("build-finished")[0]["exit-code"], 1);
}

#[test]
fn no_train_reports_every_stage_that_would_train() {
    let paper = Paper::new().yaml(GRID);
    paper.run("build --no-train").code(1).stdout("").stderr(
        "\
one       failed
grid      failed
error: one: 1 model would have to be trained, and --no-train forbids it
hint: `repro explain one` says why
hint: build without --no-train where that is allowed, and share the cache
error: grid: 6 models would have to be trained, and --no-train forbids it
hint: `repro explain grid` says why
hint: build without --no-train where that is allowed, and share the cache
skipped: measures
2 stages failed: 0 stages built
",
    );
    assert!(!paper.path("cache").exists());
    paper.build("grid").ok();
    // Metrics are no training.
    let run = paper.build("measures --no-train").ok();
    assert_eq!(run.built(), ["measures"]);
}

#[test]
fn the_totals_of_a_build_know_the_time_left_only_if_all_of_it_has_run_before() {
    let paper = Paper::new().yaml(
        "\
repro: 1
stages:
  one: {exec: {run: 'sleep 0.4; echo > a.txt', outputs: [a.txt]}}
  two: {exec: {run: 'sleep 0.4; echo > b.txt', inputs: [one], outputs: [b.txt]}}
",
    );
    let text = paper.plan("").ok().stdout;
    assert!(text.contains("one  run, time unknown\n"), "{text}");
    assert!(text.contains("2 of 2 stages to build: time unknown, as nothing of this has run here\n"), "{text}");
    let first = paper.build("").ok().events_of("totals");
    assert_eq!((&first[0]["done"], &first[0]["stages"], &first[0]["running"]), (&0.into(), &2.into(), &1.into()));
    assert!(first[0]["seconds"].is_null(), "{first:?}");
    let again = paper.build("--rerun one two").ok().events_of("totals");
    assert!(again[0]["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{again:?}");
    assert!(!paper.plan("").ok().stdout.contains("unknown"));
}
