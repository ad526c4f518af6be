//! Training on graphics cards, as users see it. The processor stands in for a card (REPRO_CUDA=host), running the same kernels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{GRID, Paper};
use repro::exec::{Cards, Event, Observer, Options};
use repro::graph::Graph;
use repro::spec::{Problems, read};
use repro::store::Store;
use repro::train::cuda::{
    ComputeDevice, DeviceBatch, DeviceError, DeviceKernel, HostDevice, KernelVariant, ModelBatch,
};

/// Sweeps of a small model, a mixture and two layers.
fn models() -> String {
    let stage = |name: &str, model: &str| {
        format!(
            "  {name}:\n    sweep:\n      recipe: {{model: {model}, data: {{sparse-uniform: {{probability: 0.3}}}}, batch: 40, steps: 60, seed: 3}}\n      axes: {{run: {{field: seed, count: 9}}}}\n  {name}-loss:\n    metric: {{of: {name}, compute: [loss]}}\n"
        )
    };
    let stages = [
        stage("small", "{moe-autoencoder: {features: 2, hidden: 1, experts: 2, load-balancing: 0.01}}"),
        stage("mixture", "{moe-autoencoder: {features: 7, hidden: 2, experts: 3, active: 2}}"),
        stage("neurons", "{neurons: {features: 6, hidden: 3}}"),
    ];
    format!("repro: 1\nstages:\n{}", stages.concat())
}

fn on_host(cards: usize) -> Paper {
    Paper::new().yaml(&models()).env("REPRO_CUDA", &format!("host:{cards}"))
}

#[test]
fn a_card_gives_the_bytes_of_the_processor_and_either_serves_the_other_s_cache() {
    let (card, processor) = (on_host(1), Paper::new().yaml(&models()));
    card.build("metric --device cuda").ok().trained(27);
    processor.build("metric --device cpu").ok().trained(27);
    for stage in ["small", "mixture", "neurons", "small-loss"] {
        assert_eq!(card.result(stage), processor.result(stage), "{stage}");
    }
    card.build("metric --device cpu").ok().trained(0);
    assert!(card.path("cache/kernels").is_dir() && !processor.path("cache/kernels").exists());
}

#[test]
fn several_cards_share_a_sweep() {
    let (two, one) = (on_host(2), on_host(1));
    two.build("metric --device cuda").ok().trained(27);
    one.build("metric --device cuda -j 1").ok().trained(27);
    assert_eq!(two.result("mixture"), one.result("mixture"));
}

#[test]
fn a_result_is_verified_on_the_processor() {
    let paper = on_host(1);
    paper.build("small-loss --device cuda").ok();
    paper.run("verify small-loss").ok();
}

#[test]
fn few_models_are_left_to_the_processor_unless_a_card_is_asked_for() {
    let paper = on_host(1);
    paper.build("small").ok().trained(9);
    assert!(!paper.path("cache/kernels").exists(), "nine models of a millisecond are not worth a card");
}

#[test]
fn a_card_that_is_asked_for_and_is_not_there_is_an_error_with_the_way_out() {
    // No driver is found with this, or its cards are hidden.
    let paper = Paper::new().yaml(&models()).env("CUDA_VISIBLE_DEVICES", "");
    let run = paper.run("build small --device cuda").code(2);
    let text = &run.stderr;
    let known = ["no NVIDIA driver was found", "the NVIDIA driver finds no graphics card"];
    assert!(known.iter().any(|why| text.starts_with(&format!("error: `--device cuda`: {why}\nhint: "))), "{text}");
    assert!(text.contains("hint: without it the processor trains, to the same results\n"), "{text}");
    assert!(!paper.path("cache").exists());
    // Who did not ask is not told of what this machine does not have.
    let run = paper.run("build small --device auto").ok();
    assert!(!run.stderr.contains("card"), "{}", run.stderr);
}

#[test]
fn too_little_memory_is_an_error_that_names_model_and_memory() {
    let paper = on_host(1);
    let run = paper.build("mixture small --device cuda --gpu-memory 2kB").code(1);
    let failed = run.events_of("stage-failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["stage"], "mixture");
    let message = "a model of 7/2/3, k = 2 needs 3.4 kB of this machine's processor and may have 2.0 kB";
    assert_eq!(failed[0]["message"], message);
    paper.build("small --device cuda --gpu-memory 2kB").ok();
}

/// The host, which is lost after some launches.
struct Lost {
    host: HostDevice,
    left: AtomicUsize,
}
struct LostKernel<'a>(&'a Lost, Box<dyn DeviceKernel + 'a>);
struct LostRun<'a>(&'a Lost, Box<dyn DeviceBatch + 'a>);

impl ComputeDevice for Lost {
    fn name(&self) -> String {
        "card 0".into()
    }
    fn number(&self) -> usize {
        0
    }
    fn memory(&self) -> u64 {
        self.host.memory()
    }
    fn load(&self, variant: &KernelVariant) -> Result<Box<dyn DeviceKernel + '_>, DeviceError> {
        Ok(Box::new(LostKernel(self, self.host.load(variant)?)))
    }
}

impl DeviceKernel for LostKernel<'_> {
    fn concurrency(&self) -> usize {
        1
    }
    fn bytes(&self) -> u64 {
        self.1.bytes()
    }
    fn stride(&self) -> usize {
        self.1.stride()
    }
    fn upload(&self, batch: &ModelBatch) -> Result<Box<dyn DeviceBatch + '_>, DeviceError> {
        Ok(Box::new(LostRun(self.0, self.1.upload(batch)?)))
    }
}

impl DeviceBatch for LostRun<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), DeviceError> {
        match self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.1.advance(steps),
            Err(_) => Err(DeviceError::Lost("an illegal address was met".into())),
        }
    }
    fn download(&mut self, batch: &mut ModelBatch) -> Result<(), DeviceError> {
        self.1.download(batch)
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    finished: usize,
}

impl Observer for Notes {
    fn event(&mut self, event: &Event) {
        self.finished += usize::from(matches!(event, Event::UnitFinished { .. }));
    }
    fn warning(&mut self, text: &str) {
        self.warnings.push(text.into());
    }
}

#[test]
fn after_a_card_is_lost_in_a_sweep_the_processor_goes_on_and_says_so_once() {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let (paper, processor) = (Paper::new().yaml(GRID), Paper::new().yaml(GRID));
    let mut problems = Problems::default();
    let root = read(GRID, &mut problems).expect("yaml");
    let graph = Graph::of(&repro::spec::Paper::of(&root, &mut problems), &mut problems).expect("a good paper");
    let (cache, figures, home) = (paper.path("cache"), paper.path("figures"), paper.path("."));
    let store = Store::open(&cache).expect("a cache");
    let context = repro::plan::Context {
        graph: &graph,
        store: &store,
        publish: &repro::render::Publisher,
        figures: &figures,
        home: &home,
        otherwise: None,
        outside: repro::plan::Outside::Machine,
    };
    // A wave takes two launches: one is done when it is lost, and one is half-way.
    let card = Lost { host: HostDevice::new(&store.kernels()), left: 3.into() };
    let cards = Cards::given(vec![Arc::new(card)]);
    let options = Options {
        jobs: 2,
        keep_going: false,
        no_train: false,
        no_run: false,
        cards,
        again: Vec::new(),
        interrupted: &NEVER,
    };
    let targets = [graph.position("measures").expect("measures")];
    let writer = store.writer(serde_json::Value::Null);
    let mut notes = Notes::default();
    let outcome = repro::exec::build(context, &targets, &options, &writer, &mut notes);
    assert!(outcome.failures.is_empty() && outcome.broken.is_none());
    let warning = "card 0: lost while it trained: an illegal address was met; the processor trains what is left";
    assert_eq!((outcome.trained, notes.finished, notes.warnings), (6, 12, vec![warning.to_string()]));
    processor.build("measures").ok();
    assert_eq!(paper.result("grid"), processor.result("grid"));
}

#[test]
fn programs_share_out_the_cards_of_the_machine() {
    let stage = |name: &str, gpus: u32| {
        format!(
            "  {name}: {{exec: {{run: 'echo +$CUDA_VISIBLE_DEVICES >> LOG; sleep 0.2; echo -$CUDA_VISIBLE_DEVICES >> LOG; echo {name} > a', outputs: [a], gpus: {gpus}}}}}\n"
        )
    };
    let run = |gpus: u32, visible: &str| {
        let stages: String = ["a", "b", "c"].iter().map(|name| stage(name, gpus)).collect();
        let paper = Paper::new().env("CUDA_VISIBLE_DEVICES", visible);
        let log = paper.path("log").display().to_string();
        let paper = paper.yaml(&format!("repro: 1\nstages:\n{}", stages.replace("LOG", &log)));
        paper.build("-j 4").ok();
        paper.read("log").replace('\n', " ")
    };
    assert_eq!(run(1, "7"), "+7 -7 +7 -7 +7 -7 ", "one card, one program at a time");
    assert_eq!(run(2, "3,GPU-5"), "+3,GPU-5 -3,GPU-5 +3,GPU-5 -3,GPU-5 +3,GPU-5 -3,GPU-5 ");
    let two = run(1, "3,5");
    let mut taken = Vec::new();
    for word in two.split_whitespace() {
        let (sign, card) = word.split_at(1);
        assert!(["3", "5"].contains(&card), "{two}");
        match sign {
            "+" => {
                assert!(!taken.contains(&card), "a card is with two programs: {two}");
                taken.push(card);
            }
            _ => taken.retain(|held| *held != card),
        }
    }
    let none = run(0, "3");
    assert!(!none.contains('3'), "who asks for none sees none: {none}");
}

#[test]
fn the_number_of_cards_is_no_part_of_a_key() {
    let text = "repro: 1\nstages:\n  a: {exec: {run: echo > a, outputs: [a], gpus: 1}}\n";
    let paper = Paper::new().env("CUDA_VISIBLE_DEVICES", "0,1").yaml(text);
    paper.build("").ok();
    paper.edit("gpus: 1", "gpus: 2");
    assert_eq!(paper.build("").ok().built(), [""; 0]);
}
