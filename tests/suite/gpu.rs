//! Training on GPUs, as users see it. The host CPU stands in for a GPU (REPRO_CUDA=host), running the same kernels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{GRID, Paper};
use repro::exec::{Event, Gpus, Observer, Options};
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

fn on_host(gpus: usize) -> Paper {
    Paper::new().yaml(&models()).env("REPRO_CUDA", &format!("host:{gpus}"))
}

#[test]
fn gpu_and_cpu_give_the_same_bytes_and_share_a_cache() {
    let (gpu, cpu) = (on_host(1), Paper::new().yaml(&models()));
    gpu.build("metric --device cuda").ok().trained(27);
    cpu.build("metric --device cpu").ok().trained(27);
    for stage in ["small", "mixture", "neurons", "small-loss"] {
        assert_eq!(gpu.result(stage), cpu.result(stage), "{stage}");
    }
    gpu.build("metric --device cpu").ok().trained(0);
    assert!(gpu.path("cache/kernels").is_dir() && !cpu.path("cache/kernels").exists());
}

#[test]
fn several_gpus_share_a_sweep() {
    let (two, one) = (on_host(2), on_host(1));
    two.build("metric --device cuda").ok().trained(27);
    one.build("metric --device cuda -j 1").ok().trained(27);
    assert_eq!(two.result("mixture"), one.result("mixture"));
}

#[test]
fn a_result_of_the_gpu_is_verified_on_the_cpu() {
    let paper = on_host(1);
    paper.build("small-loss --device cuda").ok();
    paper.run("verify small-loss").ok();
}

#[test]
fn few_models_are_trained_on_the_cpu_unless_the_gpu_is_requested() {
    let paper = on_host(1);
    paper.build("small").ok().trained(9);
    assert!(!paper.path("cache/kernels").exists(), "nine models of a millisecond are not worth starting a GPU");
}

#[test]
fn a_requested_gpu_that_is_missing_is_an_error_with_a_hint() {
    // No driver is found with this, or its cards are hidden.
    let paper = Paper::new().yaml(&models()).env("CUDA_VISIBLE_DEVICES", "");
    let run = paper.run("build small --device cuda").code(2);
    let text = &run.stderr;
    let known = ["no NVIDIA driver was found", "the NVIDIA driver finds no GPU"];
    assert!(known.iter().any(|why| text.starts_with(&format!("error: `--device cuda`: {why}\nhint: "))), "{text}");
    assert!(text.contains("hint: without it, models train on the CPU, with the same results\n"), "{text}");
    assert!(!paper.path("cache").exists());
    // Without a request, a missing GPU is not mentioned.
    let run = paper.run("build small --device auto").ok();
    assert!(!run.stderr.contains("GPU") && !run.stderr.contains("card"), "{}", run.stderr);
}

#[test]
fn too_little_memory_is_an_error_that_names_model_and_memory() {
    let paper = on_host(1);
    let run = paper.build("mixture small --device cuda --gpu-memory 2kB").code(1);
    let failed = run.events_of("stage-failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["stage"], "mixture");
    let message = "a model of 7/2/3, k = 2 needs 3.4 kB of memory on the host CPU, but may use only 2.0 kB";
    assert_eq!(failed[0]["message"], message);
    paper.build("small --device cuda --gpu-memory 2kB").ok();
}

/// The host device, which is lost after some launches.
struct LostDevice {
    host: HostDevice,
    left: AtomicUsize,
}
struct LostKernel<'a>(&'a LostDevice, Box<dyn DeviceKernel + 'a>);
struct LostBatch<'a>(&'a LostDevice, Box<dyn DeviceBatch + 'a>);

impl ComputeDevice for LostDevice {
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
        Ok(Box::new(LostBatch(self.0, self.1.upload(batch)?)))
    }
}

impl DeviceBatch for LostBatch<'_> {
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

/// Collects events.
#[derive(Default)]
struct CollectingObserver {
    warnings: Vec<String>,
    finished: usize,
}

impl Observer for CollectingObserver {
    fn event(&mut self, event: &Event) {
        self.finished += usize::from(matches!(event, Event::UnitFinished { .. }));
    }
    fn warning(&mut self, text: &str) {
        self.warnings.push(text.into());
    }
}

#[test]
fn the_cpu_continues_after_a_gpu_is_lost_with_one_warning() {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let (paper, cpu) = (Paper::new().yaml(GRID), Paper::new().yaml(GRID));
    let mut problems = Problems::default();
    let root = read(GRID, &mut problems).expect("yaml");
    let graph =
        Graph::from_paper(&repro::spec::Paper::from_node(&root, &mut problems), &mut problems).expect("a good paper");
    let (cache, figures, home) = (paper.path("cache"), paper.path("figures"), paper.path("."));
    let store = Store::open(&cache).expect("a cache");
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
    // A batch takes two launches: one is done when the device is lost, and one is half-way.
    let card = LostDevice { host: HostDevice::new(&store.kernels()), left: 3.into() };
    let gpus = Gpus::given(vec![Arc::new(card)]);
    let options = Options {
        jobs: 2,
        keep_going: false,
        no_train: false,
        no_run: false,
        frozen: false,
        gpus,
        again: Vec::new(),
        points: Default::default(),
        interrupted: &NEVER,
    };
    let targets = [graph.position("measures").expect("measures")];
    let writer = store.writer(serde_json::Value::Null);
    let mut notes = CollectingObserver::default();
    let outcome = repro::exec::build(context, &targets, &options, &writer, &mut notes);
    assert!(outcome.failures.is_empty() && outcome.broken.is_none());
    let warning = "card 0: lost while it trained: an illegal address was met; the processor trains what is left";
    assert_eq!((outcome.trained, notes.finished, notes.warnings), (6, 12, vec![warning.to_string()]));
    cpu.build("measures").ok();
    assert_eq!(paper.result("grid"), cpu.result("grid"));
}

#[test]
fn programs_share_the_gpus_of_the_machine() {
    let stage = |name: &str, gpus: u32| {
        format!(
            "  {name}: {{exec: {{run: 'echo +$CUDA_VISIBLE_DEVICES >> LOG; sleep 0.2; echo -$CUDA_VISIBLE_DEVICES >> LOG; echo {name} > a', outputs: [a], gpus: {gpus}}}}}\n"
        )
    };
    let run = |gpus: u32, visible: &str| {
        let stages: String = ["a", "b", "c"].iter().map(|name| stage(name, gpus)).collect();
        let paper = Paper::new().env("CUDA_VISIBLE_DEVICES", visible);
        let log = paper.path("log").display().to_string();
        let paper = paper.yaml(&format!("repro: 1\nstages:\n{}", stages.replace("LOG", &log))).unsealed();
        paper.build("-j 4").ok();
        paper.read("log").replace('\n', " ")
    };
    assert_eq!(run(1, "7"), "+7 -7 +7 -7 +7 -7 ", "one GPU, one program at a time");
    assert_eq!(run(2, "3,GPU-5"), "+3,GPU-5 -3,GPU-5 +3,GPU-5 -3,GPU-5 +3,GPU-5 -3,GPU-5 ");
    let two = run(1, "3,5");
    let mut taken = Vec::new();
    for word in two.split_whitespace() {
        let (sign, card) = word.split_at(1);
        assert!(["3", "5"].contains(&card), "{two}");
        match sign {
            "+" => {
                assert!(!taken.contains(&card), "two programs share a GPU: {two}");
                taken.push(card);
            }
            _ => taken.retain(|held| *held != card),
        }
    }
    let none = run(0, "3");
    assert!(!none.contains('3'), "a program without GPUs sees none: {none}");
}

#[test]
fn the_number_of_gpus_is_not_part_of_a_key() {
    let text = "repro: 1\nstages:\n  a: {exec: {run: echo > a, outputs: [a], gpus: 1}}\n";
    let paper = Paper::new().env("CUDA_VISIBLE_DEVICES", "0,1").yaml(text);
    paper.build("").ok();
    paper.edit("gpus: 1", "gpus: 2");
    assert_eq!(paper.build("").ok().built(), [""; 0]);
}
