//! The threads that run units and make files, and what they share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Options;
use super::inputs::{Shared, StageInputs, content, lost};
use super::lane::Lane;
use super::queue::Queue;
use crate::error::{Error, Result};
use crate::plan::{Context, FileState};
use crate::stages::{Demand, FileSpec, Found, Inputs};
use crate::store::{Digest, Key, Scratch, Store, Writer};
use crate::threads;
use crate::train::{Control, cuda};
use crate::value::decode_tree;

/// A unit that has run this long leaves a checkpoint, and another one each time this passes again.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// The key and the digest of every unit of a stage.
pub type Results = Arc<Vec<(Key, Digest)>>;

/// What a worker is asked to do.
pub enum Job {
    Unit {
        stage: usize,
        unit: usize,
        key: Key,
        results: Vec<Results>,
        found: Arc<Found>,
        demand: Demand,
        /// Run it whatever the store has.
        again: bool,
    },
    /// Make the files of a stage from its units.
    Files { stage: usize, units: Results, files: Vec<(FileSpec, FileState)> },
}

impl Job {
    /// What it takes of the machine.
    pub fn demand(&self) -> Demand {
        match self {
            Job::Unit { demand, .. } => *demand,
            Job::Files { .. } => Demand { cpus: 1, memory: 0, gpus: 0 },
        }
    }
}

/// What a worker answers.
pub enum Answer {
    Unit {
        stage: usize,
        unit: usize,
        key: Key,
        result: Result<Option<Made>>,
        seconds: f64,
    },
    /// The names of the files that were written; `None` if the build ended before all were made.
    Files {
        stage: usize,
        result: Result<Option<Vec<String>>>,
        seconds: f64,
    },
}

/// A unit's result.
#[derive(Clone, Copy)]
pub struct Made {
    pub digest: Digest,
    /// Not run here: another process had made it meanwhile.
    pub found: bool,
    /// Run here from the beginning, so that its time says how long such work takes.
    pub whole: bool,
}

/// What all threads of a build share.
pub struct Shop<'a> {
    pub context: Context<'a>,
    pub writer: &'a Writer<'a>,
    pub shared: Shared,
    /// Warnings of stages, by number, until the coordinating thread takes them.
    pub warnings: Mutex<Vec<(usize, Error)>>,
    pub queue: Queue,
    pub lane: Lane,
    /// Nothing new begins, and training leaves a checkpoint and ends.
    pub stop: AtomicBool,
    /// Programs end too: there is nobody who could take their results.
    abandoned: AtomicBool,
    interrupted: &'static AtomicBool,
    /// Millionths of units done inside running units, by stage.
    pub inside: Vec<AtomicU64>,
    /// Stages of which a unit has begun.
    pub at_work: Vec<AtomicBool>,
    /// Where programs of this build run, once one does.
    scratch: OnceLock<Scratch>,
}

impl<'a> Shop<'a> {
    pub fn new(context: Context<'a>, writer: &'a Writer<'a>, options: &Options) -> Self {
        Shop {
            context,
            writer,
            shared: Shared::default(),
            warnings: Mutex::default(),
            queue: Queue::new(options.jobs, cuda::visible_gpus().len()),
            lane: Lane::default(),
            stop: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            interrupted: options.interrupted,
            inside: context.graph.stages.iter().map(|_| AtomicU64::new(0)).collect(),
            at_work: context.graph.stages.iter().map(|_| AtomicBool::new(false)).collect(),
            scratch: OnceLock::new(),
        }
    }

    /// The folder for programs of this build.
    pub fn scratch(&self) -> Result<&Scratch> {
        if let Some(scratch) = self.scratch.get() {
            return Ok(scratch);
        }
        // Of two threads that make one at once, the second's goes again.
        let made = self.context.store.scratch()?;
        Ok(self.scratch.get_or_init(|| made))
    }

    /// Whether everything should end soon.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether programs should end too, of which nothing would be left: not because another stage has failed.
    pub fn breaking_off(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) || self.interrupted.load(Ordering::Relaxed)
    }

    /// Sends the workers home when it is dropped.
    pub fn open(&self) -> Open<'_, 'a> {
        Open(self)
    }
}

pub struct Open<'b, 'a>(&'b Shop<'a>);

impl Drop for Open<'_, '_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        self.0.abandoned.store(true, Ordering::Relaxed);
        self.0.queue.close();
        self.0.lane.close();
    }
}

/// The life of a worker: take a job, do it, answer.
pub fn work(shop: &Shop, answers: &Sender<Answer>) {
    while let Some((job, taken)) = shop.queue.pop() {
        let answer = match job {
            Job::Unit { stage, unit, key, results, found, again, .. } => {
                let started = Instant::now();
                let inputs = StageInputs { shop, stage, results, found, cards: taken.cards.clone() };
                let result = guarded(|| run_unit(&inputs, unit, key, again, started));
                Answer::Unit { stage, unit, key, result, seconds: started.elapsed().as_secs_f64() }
            }
            Job::Files { stage, units, files } => {
                let started = Instant::now();
                let result = guarded(|| make_files(shop, stage, &units, &files));
                Answer::Files { stage, result, seconds: started.elapsed().as_secs_f64() }
            }
        };
        shop.queue.give_back(taken);
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// A panic in a unit is a bug, and it is told as one instead of ending the build without a word.
pub fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Error::internal(format!("a unit panicked: {}", text.unwrap_or("without a message"))))
    })
}

fn run_unit(inputs: &StageInputs, unit: usize, key: Key, again: bool, started: Instant) -> Result<Option<Made>> {
    let StageInputs { shop, stage, .. } = *inputs;
    let Context { graph, store, .. } = shop.context;
    if shop.stopping() {
        return Ok(None);
    }
    if let Some(trace) = store.trace(&key).filter(|_| !again) {
        return Ok(Some(Made { digest: trace.digest, found: true, whole: false }));
    }
    let kind = &graph.stages[stage].stage;
    let layout = &graph.layouts[stage];
    let outlines = graph.outlines(stage);
    let control = UnitControl::new(shop, stage, key, kind.steps(unit, layout));
    let payload = kind.run(unit, layout, &outlines, inputs as &dyn Inputs, &control);
    control.forget_progress();
    let Some(payload) = payload? else { return Ok(None) };
    let digest = keep(shop, key, &payload, started.elapsed())?;
    Ok(Some(Made { digest, found: false, whole: !control.resumed.into_inner() }))
}

/// Work that took this long is on disk as soon as it is done.
const LONG: Duration = Duration::from_secs(1);

/// Hand a result to the writer; its checkpoint goes.
pub fn keep(shop: &Shop, key: Key, payload: &[u8], took: Duration) -> Result<Digest> {
    let store = shop.context.store;
    let digest = shop.writer.put(key, payload, u64::try_from(took.as_micros()).unwrap_or(u64::MAX))?;
    let checkpoint = store.has_checkpoint(&key);
    if checkpoint || took >= LONG {
        shop.writer.flush()?;
    }
    if checkpoint {
        // Not before its result is on disk.
        store.drop_checkpoint(&key);
    }
    Ok(digest)
}

/// What a running unit can ask and tell.
pub struct UnitControl<'a, 'b> {
    shop: &'b Shop<'a>,
    stage: usize,
    key: Key,
    /// It runs a program of the user, which leaves nothing half-way.
    program: bool,
    steps: u32,
    /// Millionths of the unit already counted in `inside`.
    told: AtomicU64,
    saved: Mutex<Instant>,
    resumed: AtomicBool,
}

impl<'a, 'b> UnitControl<'a, 'b> {
    pub fn new(shop: &'b Shop<'a>, stage: usize, key: Key, steps: u32) -> Self {
        shop.at_work[stage].store(true, Ordering::Relaxed);
        UnitControl {
            shop,
            stage,
            key,
            program: shop.context.graph.stages[stage].stage.kind().is_program,
            steps: steps.max(1),
            told: AtomicU64::new(0),
            saved: Mutex::new(Instant::now()),
            resumed: AtomicBool::new(false),
        }
    }

    pub fn forget_progress(&self) {
        self.shop.inside[self.stage].fetch_sub(self.told.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Control for UnitControl<'_, '_> {
    fn stop(&self) -> bool {
        if self.program { self.shop.breaking_off() } else { self.shop.stopping() }
    }

    fn progress(&self, steps_done: u32) {
        let now = u64::from(steps_done) * 1_000_000 / u64::from(self.steps);
        let before = self.told.swap(now, Ordering::Relaxed);
        self.shop.inside[self.stage].fetch_add(now.saturating_sub(before), Ordering::Relaxed);
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        let found = self.shop.context.store.checkpoint(&self.key);
        self.resumed.store(found.is_some(), Ordering::Relaxed);
        found
    }

    fn save(&self, bytes: &dyn Fn() -> Vec<u8>) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.elapsed() >= CHECKPOINT || self.stop() && saved.elapsed() >= CHECKPOINT / 4 {
            // A checkpoint that cannot be written costs time after a crash, nothing else.
            if let Err(error) = self.shop.context.store.save_checkpoint(&self.key, &bytes()) {
                tracing::debug!("no checkpoint: {error}");
            }
            *saved = Instant::now();
        }
    }
}

/// Make what is missing, all formats of a figure at once; returns the names of the files written, or `None` if the build ended meanwhile.
fn make_files(
    shop: &Shop,
    stage: usize,
    units: &[(Key, Digest)],
    files: &[(FileSpec, FileState)],
) -> Result<Option<Vec<String>>> {
    let payloads = OnceLock::new();
    let made = threads::map(files, |(spec, state)| make_file(shop, stage, units, &payloads, spec, state));
    let made: Vec<Done> = made.into_iter().collect::<Result<_>>()?;
    let written = |done| match done {
        Done::Written(name) => Some(Some(name)),
        Done::UpToDate => Some(None),
        Done::Stopped => None,
    };
    let written: Option<Vec<Option<String>>> = made.into_iter().map(written).collect();
    Ok(written.map(|names| names.into_iter().flatten().collect()))
}

/// What became of one file.
enum Done {
    Written(String),
    UpToDate,
    /// The build ended before it was made.
    Stopped,
}

fn make_file(
    shop: &Shop,
    stage: usize,
    units: &[(Key, Digest)],
    payloads: &OnceLock<Result<Vec<Vec<u8>>>>,
    spec: &FileSpec,
    state: &FileState,
) -> Result<Done> {
    let Context { graph, store, publish, figures, .. } = shop.context;
    let (key, stored) = match state {
        FileState::UpToDate { .. } | FileState::Unknown => return Ok(Done::UpToDate),
        FileState::Stored { key, digest } => (key, store.load(key, digest)),
        FileState::Missing(key) => (key, None),
    };
    let bytes = match stored {
        Some(bytes) => bytes,
        None => {
            let payloads = payloads.get_or_init(|| load_all(store, units)).as_ref().map_err(Error::clone)?;
            let started = Instant::now();
            let bytes = match &spec.output {
                Some(path) => output(shop.context, stage, units, payloads, path)?,
                None => {
                    let stop = || shop.breaking_off();
                    match publish.render(&graph.stages[stage], spec, payloads, &key.to_string(), &stop)? {
                        Some(bytes) => bytes,
                        None => return Ok(Done::Stopped),
                    }
                }
            };
            shop.writer.put(*key, &bytes, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))?;
            bytes
        }
    };
    let path = figures.join(&spec.name);
    let link = Path::new(&spec.name).ancestors().skip(1).map(|folder| figures.join(folder));
    // The folder of figures itself may be a link: that is the user's choice of where it lies.
    if let Some(link) = link.filter(|folder| folder != figures).find(|folder| folder.is_symlink()) {
        let error =
            Error::stage(format!("`{}` is a link: what is put there may lie outside of the project", link.display()));
        return Err(error.hint("make it a folder, or give the output another name"));
    }
    store.publish(&spec.name, &path, &bytes)?;
    Ok(Done::Written(spec.name.clone()))
}

fn load_all(store: &Store, units: &[(Key, Digest)]) -> Result<Vec<Vec<u8>>> {
    units.iter().map(|(key, digest)| store.load(key, digest).ok_or_else(lost)).collect()
}

/// A file that a program made.
fn output(
    context: Context,
    stage: usize,
    units: &[(Key, Digest)],
    payloads: &[Vec<u8>],
    path: &str,
) -> Result<Vec<u8>> {
    let tree = payloads.first().and_then(|payload| decode_tree(payload));
    let file = tree.as_ref().and_then(|tree| tree.get(path));
    let (Some(file), Some(unit)) = (file, units.first()) else {
        return Err(Error::internal(format!("the result of a program lacks `{path}`")));
    };
    content(context, stage, *unit, file)
}
