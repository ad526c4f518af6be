//! A build that dies at any moment loses at most a few seconds of training, and the next one gives the same results.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::{GRID, Paper, Run, finish, wait_for};

const MODEL: &str = "model: {moe-autoencoder: {features: 20, hidden: 5, experts: 4}}, data: {sparse-uniform: {probability: 0.5}}, batch: 256";

/// The number of steps that this machine trains in about this many seconds.
fn steps(seconds: f64) -> u64 {
    static SPEED: OnceLock<f64> = OnceLock::new();
    let speed = *SPEED.get_or_init(|| {
        let yaml = format!("repro: 1\nstages:\n  one: {{train: {{{MODEL}, steps: 2000}}}}\n");
        let run = Paper::new().yaml(&yaml).build("").ok();
        2000.0 / run.events_of("unit-finished")[0]["seconds"].as_f64().expect("a number")
    });
    (speed * seconds).max(10.0) as u64
}

/// Points of about a tenth of a second each, more than any test waits for; they are trained in order.
fn sweep() -> String {
    let recipe = format!("{{{MODEL}, steps: {}}}", steps(0.1));
    format!(
        "repro: 1\nstages:\n  many: {{sweep: {{recipe: {recipe}, axes: {{run: {{field: seed, from: 1, count: 900}}}}}}}}\n"
    )
}

/// One model of several seconds.
fn long() -> String {
    format!("repro: 1\nstages:\n  long: {{train: {{{MODEL}, steps: {}}}}}\n", steps(4.5))
}

fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([name, &child.id().to_string()]).status().expect("run kill");
    assert!(done.success());
}

/// Points of a stage that the cache holds.
fn points(paper: &Paper, stage: &str) -> u64 {
    paper.run(&format!("status --json {stage}")).ok().events()[0]["done"].as_u64().expect("a number")
}

#[test]
fn a_sweep_that_is_killed_repeatedly_trains_no_stored_point_again_and_gives_the_same_bytes() {
    let paper = Paper::new().yaml(&sweep());
    for milliseconds in [20, 2900, 300, 3100] {
        let before = points(&paper, "many");
        let mut child = paper.command("build many --json -j 1").spawn().expect("start");
        let started = Instant::now();
        let stdout = child.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let finished = |line: &String| line.contains("\"unit-finished\"");
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.filter(finished).map(|_| started.elapsed()).collect::<Vec<Duration>>()
        });
        std::thread::sleep(Duration::from_millis(milliseconds));
        signal(&child, "-KILL");
        child.wait().expect("wait");
        let killed = started.elapsed();
        let finished = reader.join().expect("the reader");
        // Results are on disk two seconds after they are computed; half a second more for a busy machine.
        let safe = finished.iter().filter(|at| **at + Duration::from_millis(2500) < killed).count() as u64;
        let kept = points(&paper, "many") - before;
        assert!(
            kept >= safe && kept <= finished.len() as u64 + 1,
            "{kept} kept of {} finished, {safe} safe",
            finished.len()
        );
    }
    // A few points more, and it is done.
    let kept = points(&paper, "many") as usize;
    let all = sweep().replace("count: 900", &format!("count: {}", kept + 5));
    paper.rewrite(&all).build("many").ok().trained(5);
    let undisturbed = Paper::new().yaml(&all);
    undisturbed.build("many").ok().trained(kept + 5);
    assert_eq!(paper.result("many"), undisturbed.result("many"));
}

#[test]
fn a_build_after_a_kill_at_any_moment_succeeds() {
    let yaml = GRID.to_string()
        + "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}\n"
        + "  figure: {figure: {of: measures, panels: [{marks: [{points: {x: probability, y: loss}}], where: {run: 1}}], formats: [svg, png]}}\n";
    let undisturbed = Paper::new().yaml(&yaml);
    undisturbed.build("").ok();
    let paper = Paper::new().yaml(&yaml);
    for i in 0..24 {
        let mut child = paper.command("build -j 2").spawn().expect("start");
        std::thread::sleep(Duration::from_millis(2 * i));
        signal(&child, "-KILL");
        child.wait().expect("wait");
        let half = paper.files("figures");
        for (name, bytes) in half.iter().filter(|(name, _)| !name.contains(".repro-")) {
            assert_eq!(bytes, &undisturbed.files("figures")[name], "{name} is half-written");
        }
        if i % 4 == 3 {
            std::fs::remove_dir_all(paper.path("cache")).ok();
        }
    }
    let run = paper.build("").ok();
    assert_eq!(run.warnings(), [""; 0]);
    let whole = |paper: &Paper| {
        let mut files = paper.files("figures");
        files.retain(|name, _| !name.contains(".repro-"));
        files
    };
    assert_eq!(whole(&paper), whole(&undisturbed));
    assert_eq!(paper.result("grid"), undisturbed.result("grid"));
}

#[test]
fn a_long_run_resumes_from_its_checkpoint() {
    let paper = Paper::new().yaml(&long());
    let mut child = paper.command("build").spawn().expect("start");
    let partial = paper.path("cache/partial");
    let checkpoints = || std::fs::read_dir(&partial).map_or(0, |entries| entries.count());
    wait_for("a checkpoint", || checkpoints() == 1);
    signal(&child, "-KILL");
    child.wait().expect("wait");
    assert_eq!(points(&paper, "long"), 0);
    let run = paper.build("").ok().trained(1);
    let first = run.events_of("progress")[0]["done"].as_f64().expect("a number");
    assert!(first > 0.1, "began again at {first}");
    assert_eq!(checkpoints(), 0);
    let undisturbed = Paper::new().yaml(&long());
    undisturbed.build("").ok();
    assert_eq!(paper.result("long"), undisturbed.result("long"));
}

#[test]
fn a_damaged_checkpoint_is_not_used() {
    let paper = Paper::new().yaml(&long());
    let mut child = paper.command("build").spawn().expect("start");
    let partial = paper.path("cache/partial");
    wait_for("a checkpoint", || std::fs::read_dir(&partial).map_or(0, |entries| entries.count()) == 1);
    signal(&child, "-KILL");
    child.wait().expect("wait");
    let path = std::fs::read_dir(&partial).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut child = paper.command("build --json").spawn().expect("start");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let progress = lines.find(|line| line.contains("\"progress\"")).expect("progress");
    let progress: serde_json::Value = serde_json::from_str(&progress).expect("json");
    assert!(progress["done"].as_f64().expect("a number") < 0.1, "{progress}");
    signal(&child, "-KILL");
    child.wait().expect("wait");
}

/// Start a build of the sweep, wait until the cache holds some of it, send a signal.
fn interrupted(paper: &Paper, arguments: &str, name: &str) -> Run {
    let mut child = paper.command(arguments).spawn().expect("start");
    wait_for("results on disk", || !paper.shards().is_empty() || child.try_wait().expect("wait").is_some());
    signal(&child, name);
    let started = Instant::now();
    let run = finish(child, arguments);
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?} to stop", started.elapsed());
    run
}

#[test]
fn ctrl_c_stops_at_once_and_keeps_finished_results() {
    for name in ["-INT", "-TERM"] {
        let paper = Paper::new().yaml(&sweep());
        let run = interrupted(&paper, "build many -j 1 --color never", name).code(130);
        let kept = points(&paper, "many") as usize;
        let models = if kept == 1 { "1 model".to_string() } else { format!("{kept} models") };
        let end = format!(
            "interrupted: 0 stages built, {models} trained, many has {kept} of 900\n\
             finished work is kept; run the same command again to resume\n"
        );
        assert!(run.stderr.ends_with(&end), "{}\ninstead of\n{end}", run.stderr);
        paper.edit("count: 900", &format!("count: {}", kept + 2)).build("many").ok().trained(2);
    }
}

#[test]
fn the_json_of_an_interrupted_build_lists_unfinished_stages() {
    let paper = Paper::new().yaml(&sweep());
    let run = interrupted(&paper, "build many --json -j 2", "-INT").code(130);
    let end = run.events_of("build-finished").pop().expect("the end is told");
    assert_eq!((&end["interrupted"], &end["exit-code"]), (&true.into(), &130.into()));
    assert_eq!(end["unfinished"][0]["stage"], "many");
    assert_eq!(end["unfinished"][0]["done"], points(&paper, "many"));
    assert_eq!(end["trained"], run.trained_models().len());
}

/// An observer that panics.
struct Breaks;

impl repro::exec::Observer for Breaks {
    fn event(&mut self, event: &repro::exec::Event) {
        if let repro::exec::Event::StageFinished { stage, .. } = event {
            panic!("{stage} is too much");
        }
    }
    fn warning(&mut self, _text: &str) {}
}

#[test]
fn a_panic_of_the_coordinating_thread_ends_the_build_and_keeps_finished_results() {
    use repro::graph::Graph;
    use repro::spec::{Problems, read};
    static NEVER: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let paper = Paper::new().yaml(GRID);
    let mut problems = Problems::default();
    let root = read(GRID, &mut problems).expect("yaml");
    let graph =
        Graph::from_paper(&repro::spec::Paper::from_node(&root, &mut problems), &mut problems).expect("a good paper");
    let (cache, figures, home) = (paper.path("cache"), paper.path("figures"), paper.path("."));
    let store = repro::store::Store::open(&cache).expect("a cache");
    let context = repro::plan::Context {
        graph: &graph,
        store: &store,
        publish: &repro::render::Publisher,
        figures: &figures,
        home: &home,
        lock: "paper.lock",
        otherwise: None,
        outside: repro::plan::Outside::Machine,
    };
    let options = repro::exec::Options {
        gpus: repro::exec::Gpus::none(),
        jobs: 2,
        keep_going: false,
        no_train: false,
        no_run: false,
        frozen: false,
        again: Vec::new(),
        points: Default::default(),
        interrupted: &NEVER,
    };
    let targets = [graph.position("grid").expect("grid")];
    let writer = store.writer(serde_json::Value::Null);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        repro::exec::build(context, &targets, &options, &writer, &mut Breaks)
    }));
    assert_eq!(
        ended.err().and_then(|panic| panic.downcast_ref::<String>().cloned()).as_deref(),
        Some("grid is too much")
    );
    paper.build("grid").ok().trained(0);
}
