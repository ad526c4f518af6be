//! Any text as a paper file: told what is wrong with it, or planned and drawn; never a panic, never without end.
#![no_main]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use clap::Parser;
use libfuzzer_sys::fuzz_target;
use repro::cli::{Arguments, Console, PaperSource, text as told};
use repro::graph::{LoadError, load};
use repro::plan::{Context, Outside, plan};
use repro::render::Publisher;
use repro::spec::canonical;
use repro::stages::Published;
use repro::store::Store;
use repro::value::{Array, Axis, Dataset};

/// More units than this are not planned: it takes time, as it should.
const UNITS: usize = 10_000;

/// Arrays of the names that the seeds speak of.
fn data() -> Arc<Dataset> {
    static DATA: OnceLock<Arc<Dataset>> = OnceLock::new();
    let make = || {
        let axes = vec![Axis::numbers("density", vec![0.1, 0.2, 0.5]), Axis::index("feature", 4)];
        let values = (0..12).map(|i| f64::from(i) - 3.5).collect();
        let array = Array::f64(axes.clone(), values).expect("shapes agree");
        let mut data = Dataset::default();
        for name in ["loss", "feature-norm", "polysemanticity", "partition", "x", "y"] {
            data.insert(name, array.clone());
        }
        Arc::new(data)
    };
    DATA.get_or_init(make).clone()
}

fn console() -> &'static Console {
    static CONSOLE: OnceLock<Console> = OnceLock::new();
    CONSOLE.get_or_init(|| Console::new(&Arguments::parse_from(["repro", "schema", "--color", "always"]).global))
}

fuzz_target!(|paper: &str| {
    let graph = match load("paper.yaml", paper) {
        Ok(graph) => graph,
        Err(LoadError::Unreadable(error)) => panic!("nothing is read: {}", error.message),
        Err(LoadError::Invalid { file, text, errors }) => {
            assert!(!errors.is_empty(), "a paper was refused without a word");
            let source = PaperSource { file, text };
            for error in errors {
                told("error", &error, Some(&source), console());
            }
            return;
        }
    };
    let home = Path::new("/proc/self/fdinfo");
    let store = Store::open(&home.join("cache")).expect("nothing is there");
    let context =
        Context { graph: &graph, store: &store, publish: &Publisher, figures: home, home, otherwise: None, outside: Outside::LastBuild, lock: "paper.lock" };
    for stage in &graph.stages {
        canonical(&stage.stage.manifest(), &mut String::new());
        if let Published::Figure(figure) = stage.stage.publishes() {
            let _ = figure.draw(&|_| Some(data()), &mut |_| ());
        }
    }
    if graph.layouts.iter().all(|layout| layout.units <= UNITS) {
        let targets = graph.targets(&[]).expect("no word, no wrong word");
        let _ = plan(context, &targets);
    }
});
