//! `watch` builds when a file is saved; `build --rerun` reruns stages that are up to date.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{GRID, Paper};
use serde_json::Value as Json;

const TWO: &str = "repro: 1
stages:
  raw: {data: 'data/*.csv'}
  count: {exec: {run: cat data/*.csv | wc -l > count.txt; echo >> ran, inputs: [raw], outputs: [count.txt]}}
  other: {exec: {run: cat other.txt > copy.txt, inputs: [other.txt], outputs: [copy.txt]}}
";

/// A running `repro watch` and its events.
struct Watching {
    child: Child,
    events: Receiver<Json>,
}

impl Watching {
    fn start(paper: &Paper, arguments: &str) -> Watching {
        let mut child = paper.command(&format!("watch --json {arguments}")).spawn().unwrap();
        let (sender, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(serde_json::from_str(&line).unwrap()))
        });
        Watching { child, events }
    }

    /// The events up to the next `watching`.
    fn round(&self) -> Vec<Json> {
        let mut round = Vec::new();
        loop {
            let event =
                self.events.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|e| panic!("{e} after {round:?}"));
            let waits = event["event"] == "watching";
            round.push(event);
            if waits {
                return round;
            }
        }
    }

    fn interrupt(mut self) -> Option<i32> {
        let kill = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        self.child.wait().unwrap().code()
    }
}

/// The stages that a round built.
fn built(round: &[Json]) -> String {
    round.iter().find(|event| event["event"] == "build-finished").unwrap()["built"].to_string()
}

#[test]
fn a_saved_file_starts_a_build() {
    let paper = Paper::new().yaml(TWO).file("data/a.csv", "x\n1\n").file("other.txt", "");
    let watching = Watching::start(&paper, "count");
    let round = watching.round();
    assert_eq!((built(&round), &round.last().unwrap()["files"]), (r#"["raw","count"]"#.into(), &2.into()));
    // An input file.
    paper.write("data/a.csv", "x\n1\n2\n");
    let round = watching.round();
    assert_eq!((&round[0]["files"], built(&round)), (&serde_json::json!(["data/a.csv"]), r#"["raw","count"]"#.into()));
    // A new file that matches the pattern.
    paper.write("data/b.csv", "x\n");
    let round = watching.round();
    assert_eq!((&round[0]["files"], &round.last().unwrap()["files"]), (&serde_json::json!(["data/b.csv"]), &3.into()));
    // The paper file, replaced as editors do: an error is reported, then fixed.
    let good = paper.read("paper.yaml");
    paper.write("new", &good.replace("wc -l", "wc -c").replace("outputs: [count.txt]", "output: [count.txt]"));
    std::fs::rename(paper.path("new"), paper.path("paper.yaml")).unwrap();
    let round = watching.round();
    assert!(round.iter().any(|event| event["message"] == "unknown key `output`"), "{round:?}");
    paper.write("paper.yaml", &good.replace("wc -l", "wc -c"));
    assert_eq!(built(&watching.round()), r#"["count"]"#);
    // A file that no target reads starts no build.
    paper.write("other.txt", "new");
    paper.write("data/b.csv", "y\n");
    assert_eq!(watching.round()[0]["files"], serde_json::json!(["data/b.csv"]));
    assert_eq!(watching.interrupt(), Some(0));
}

#[test]
fn interrupting_a_build_stops_watching() {
    let paper = Paper::new()
        .yaml("repro: 1\nstages:\n  long: {exec: {run: touch STARTED; sleep 300, outputs: [a]}}\n")
        .unsealed();
    let started = paper.path("started");
    paper.edit("STARTED", &started.display().to_string());
    let watching = Watching::start(&paper, "");
    crate::support::wait_for("the program", || started.exists());
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn rerun_reports_whether_the_results_are_the_same() {
    let paper = Paper::new().yaml(
        &(GRID.to_string()
            + "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [csv]}}\n"),
    );
    paper.build("").ok().trained(6);
    paper.run("build --rerun grid -n").ok().says("forced by --rerun").says("6 models to train");
    let run = paper.build("--rerun grid").ok().trained(6);
    let end = &run.events_of("stage-finished")[0];
    assert_eq!((&end["ran"], &end["other"], run.built()), (&6.into(), &0.into(), vec!["grid".to_string()]));
    paper
        .run("build --rerun grid")
        .ok()
        .says("grid  6 points to train again, ")
        .says("6 points trained again, the same results  ");
    paper.run("build --rerun table").ok().says("3 cells computed again, the same results, table.csv");
    assert_eq!(paper.build("").ok().built(), [""; 0]);
    paper.run("build --rerun").code(2).says("TARGET");
    paper
        .run("build --rerun grid --no-train")
        .code(1)
        .says("6 models would have to be trained")
        .says("--rerun asks for it");
    paper.run("verify table").ok();
}

#[test]
fn a_rerun_replaces_the_result() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  \
         random: {exec: {run: 'head -c 100000 /dev/urandom > big; date +%N > figures/n.txt', outputs: [big, figures/n.txt]}}\n  \
         size: {exec: {run: wc -c < random/big > size.txt, inputs: [random], outputs: [size.txt]}}\n",
    );
    paper.build("size").ok();
    let first = paper.read("figures/n.txt");
    paper.run("build --rerun random").ok().says("run again, another result, n.txt");
    let second = paper.read("figures/n.txt");
    assert_ne!(first, second);
    // The reader runs because its input has new content; its result is the same.
    assert_eq!(paper.build("size").ok().built(), ["size"]);
    assert_eq!(paper.build("size").ok().built(), [""; 0]);
    // The newest result stays in use when shards are merged and swept.
    for _ in 0..3 {
        paper.edit("> size.txt", "> size.txt; true").build("size").ok();
    }
    assert_eq!(paper.files("cache/objects").len(), 2);
    paper.run("gc --older-than 0").ok();
    assert_eq!(paper.files("cache/objects").len(), 1, "the replaced result is deleted");
    assert_eq!((paper.build("size").ok().built(), paper.read("figures/n.txt")), (vec![], second));
}
