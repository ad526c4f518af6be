//! The worker threads: they run units and write files.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::content::content;
use super::environments::ready;
use super::job::{Job, JobReport, UnitResult};
use super::payloads::Payloads;
use super::shared::BuildShared;
use super::stage_inputs::StageInputs;
use crate::error::{Error, Result};
use crate::plan::{Context, FileState};
use crate::stages::{FileSpec, Inputs, OutputFile};
use crate::store::{Digest, Key};
use crate::threads;
use crate::train::Control;
use crate::value::decode_tree;

/// How often a running unit writes a checkpoint.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// The loop of a worker: take a job, do it, report.
pub fn work(shared: &BuildShared, reports: &Sender<JobReport>) {
    while let Some((job, allocation)) = shared.queue.pop() {
        let answer = match job {
            Job::Unit { stage, unit, key, results, found, again, .. } => {
                let started = Instant::now();
                let (gpus, environment, began) = (allocation.gpus.clone(), OnceLock::new(), OnceLock::new());
                let inputs = StageInputs { shared, stage, unit, key, results, found, environment, began, gpus };
                let result = guarded(|| run_unit(&inputs, unit, key, again, started));
                let began = inputs.began.get().copied().unwrap_or(started);
                JobReport::Unit { stage, unit, key, result, seconds: began.elapsed().as_secs_f64() }
            }
            Job::Files { stage, units, files } => {
                let started = Instant::now();
                let result = guarded(|| make_files(shared, stage, &units, &files));
                JobReport::Files { stage, result, seconds: started.elapsed().as_secs_f64() }
            }
        };
        shared.queue.release(allocation);
        if reports.send(answer).is_err() {
            return;
        }
    }
}

/// Turn a panic in a unit into an internal error.
pub fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Error::internal(format!("a unit panicked: {}", text.unwrap_or("without a message"))))
    })
}

fn run_unit(inputs: &StageInputs, unit: usize, key: Key, again: bool, started: Instant) -> Result<Option<UnitResult>> {
    let StageInputs { shared, stage, .. } = *inputs;
    let Context { graph, store, .. } = shared.context;
    if shared.stopping() {
        return Ok(None);
    }
    if let Some(trace) = store.trace(&key).filter(|_| !again) {
        return Ok(Some(UnitResult { digest: trace.digest, found: true, whole: false }));
    }
    let kind = &graph.stages[stage].stage;
    let layout = &graph.layouts[stage];
    let outlines = graph.outlines(stage);
    let control = UnitControl::new(shared, stage, unit, key, kind.steps(unit, layout));
    if kind.kind().is_program {
        match claim(inputs, key, again, &control) {
            Claim::Ours => {}
            Claim::Stopped => return Ok(None),
            Claim::Made(digest) => return Ok(Some(UnitResult { digest, found: true, whole: false })),
        }
    }
    let payload = match enter_environment(inputs) {
        Ok(true) => kind.run(unit, layout, &outlines, inputs as &dyn Inputs, &control),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    let started = inputs.began.get().copied().unwrap_or(started);
    control.forget_progress();
    let long = if kind.kind().is_program { LONG_PROGRAM } else { LONG };
    let keep = |payload: Vec<u8>| keep(shared, key, &payload, started.elapsed(), long);
    let kept = payload.and_then(|payload| payload.map(keep).transpose());
    let Ok(Some(digest)) = kept else {
        store.release(&key);
        return kept.map(|_| None);
    };
    // The claim is released once the result is on disk, where other builds find it.
    Ok(Some(UnitResult { digest, found: false, whole: !control.resumed.into_inner() }))
}

/// Make the environment of a program, if it has one and it is not there; false if the build ended first.
fn enter_environment(inputs: &StageInputs) -> Result<bool> {
    let StageInputs { shared, stage, found, .. } = inputs;
    let declared = shared.context.graph.stages[*stage].environment.as_deref();
    let Some((declared, found)) = declared.zip(found.environment.as_ref()) else { return Ok(true) };
    let Some(folder) = ready(shared, declared, found)? else { return Ok(false) };
    Ok(inputs.environment.set(folder).is_ok() && inputs.began.set(Instant::now()).is_ok())
}

/// How often a build that waits for another one looks.
const CLAIM_PAUSE: Duration = Duration::from_millis(50);

/// Whether a program may run here.
enum Claim {
    /// It may: no other build runs it.
    Ours,
    /// Another build has made the result.
    Made(Digest),
    /// This build ended first.
    Stopped,
}

/// Claim a unit; waits for another build that runs it.
fn claim(inputs: &StageInputs, key: Key, again: bool, control: &UnitControl) -> Claim {
    let Context { graph, store, .. } = inputs.shared.context;
    let mut waiting = false;
    while !store.claim(&key) {
        if control.stop() {
            return Claim::Stopped;
        }
        if !std::mem::replace(&mut waiting, true) {
            let name = &graph.stages[inputs.stage].name;
            let label = graph.layouts[inputs.stage].label(inputs.unit);
            let at = if label.is_empty() { label } else { format!(" at {label}") };
            store.warn(format!("another build runs `{name}`{at}: waiting for its result (Ctrl-C stops waiting)"));
        }
        std::thread::sleep(CLAIM_PAUSE);
    }
    // What the other build has made, or one that ended just before.
    store.rescan();
    match store.trace(&key).filter(|_| !again) {
        Some(trace) => {
            store.release(&key);
            Claim::Made(trace.digest)
        }
        None => Claim::Ours,
    }
}

/// The result of a unit that took this long is flushed to disk at once, so that a kill does not cost it.
pub const LONG: Duration = Duration::from_secs(1);
/// The same for programs, which begin anew.
const LONG_PROGRAM: Duration = Duration::from_millis(100);

/// Store a result, then delete its checkpoint. What took at least as long as `long` is flushed at once.
pub fn keep(shared: &BuildShared, key: Key, payload: &[u8], took: Duration, long: Duration) -> Result<Digest> {
    let store = shared.context.store;
    let digest = shared.writer.put(key, payload, u64::try_from(took.as_micros()).unwrap_or(u64::MAX))?;
    let checkpoint = store.has_checkpoint(&key);
    if checkpoint || took >= long {
        shared.writer.flush()?;
    }
    if checkpoint {
        // Only once its result is on disk.
        store.drop_checkpoint(&key);
    }
    Ok(digest)
}

/// The control of a running unit: stop, progress, checkpoints.
pub struct UnitControl<'a, 'b> {
    shared: &'b BuildShared<'a>,
    stage: usize,
    key: Key,
    /// It runs a program of the user, which has no checkpoints.
    program: bool,
    steps: u32,
    /// Millionths of the unit already counted in `inside`.
    told: AtomicU64,
    saved: Mutex<Instant>,
    resumed: AtomicBool,
}

impl<'a, 'b> UnitControl<'a, 'b> {
    pub fn new(shared: &'b BuildShared<'a>, stage: usize, unit: usize, key: Key, steps: u32) -> Self {
        shared.started[stage].store(true, Ordering::Relaxed);
        shared.latest[stage].store(unit, Ordering::Relaxed);
        UnitControl {
            shared,
            stage,
            key,
            program: shared.context.graph.stages[stage].stage.kind().is_program,
            steps: steps.max(1),
            told: AtomicU64::new(0),
            saved: Mutex::new(Instant::now()),
            resumed: AtomicBool::new(false),
        }
    }

    pub fn forget_progress(&self) {
        self.shared.inside[self.stage].fetch_sub(self.told.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Control for UnitControl<'_, '_> {
    fn stop(&self) -> bool {
        if self.program { self.shared.cancelled() } else { self.shared.stopping() }
    }

    fn progress(&self, steps_done: u32) {
        let now = u64::from(steps_done) * 1_000_000 / u64::from(self.steps);
        let before = self.told.swap(now, Ordering::Relaxed);
        self.shared.inside[self.stage].fetch_add(now.saturating_sub(before), Ordering::Relaxed);
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        let found = self.shared.context.store.checkpoint(&self.key);
        self.resumed.store(found.is_some(), Ordering::Relaxed);
        found
    }

    fn save(&self, bytes: &dyn Fn() -> Vec<u8>) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.elapsed() >= CHECKPOINT || self.stop() && saved.elapsed() >= CHECKPOINT / 4 {
            // Without a checkpoint a crash costs time, nothing else.
            if let Err(error) = self.shared.context.store.save_checkpoint(&self.key, &bytes()) {
                tracing::debug!("no checkpoint: {error}");
            }
            *saved = Instant::now();
        }
    }
}

/// Write the missing files of a stage in parallel; returns their names, or `None` if the build ended in the meantime.
fn make_files(
    shared: &BuildShared,
    stage: usize,
    units: &[(Key, Digest)],
    files: &[(FileSpec, FileState)],
) -> Result<Option<Vec<String>>> {
    let payloads = Payloads::new(shared.context.store, units, files);
    let made = threads::map(files, |(spec, state)| make_file(shared, stage, units, &payloads, spec, state));
    let made: Vec<Done> = made.into_iter().collect::<Result<_>>()?;
    let written = |done| match done {
        Done::Written(name) => Some(Some(name)),
        Done::UpToDate => Some(None),
        Done::Stopped => None,
    };
    let written: Option<Vec<Option<String>>> = made.into_iter().map(written).collect();
    Ok(written.map(|names| names.into_iter().flatten().collect()))
}

/// The outcome for one file.
enum Done {
    Written(String),
    UpToDate,
    /// The build ended first.
    Stopped,
}

fn make_file(
    shared: &BuildShared,
    stage: usize,
    units: &[(Key, Digest)],
    payloads: &Payloads,
    spec: &FileSpec,
    state: &FileState,
) -> Result<Done> {
    let Context { graph, store, publish, figures, .. } = shared.context;
    let (key, stored) = match state {
        FileState::UpToDate { .. } | FileState::Unknown => return Ok(Done::UpToDate),
        FileState::Stored { key, digest, .. } => (key, store.load(key, digest)),
        FileState::Missing(key) => (key, None),
    };
    let bytes = match stored {
        Some(bytes) => bytes,
        None => {
            let payloads = payloads.take()?;
            let started = Instant::now();
            let bytes = match &spec.output {
                Some(file) => output(shared.context, stage, units, &payloads, file)?,
                None => {
                    let stop = || shared.cancelled();
                    match publish.render(&graph.stages[stage], spec, payloads, &key.to_string(), &stop)? {
                        Some(bytes) => bytes,
                        None => return Ok(Done::Stopped),
                    }
                }
            };
            shared.writer.put(*key, &bytes, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))?;
            bytes
        }
    };
    let path = figures.join(&spec.name);
    let link = Path::new(&spec.name).ancestors().skip(1).map(|folder| figures.join(folder));
    // `figures` itself may be a link: that is the user's choice.
    if let Some(link) = link.filter(|folder| folder != figures).find(|folder| folder.is_symlink()) {
        let error = Error::stage(format!("`{}` is a link: it may lead out of the project", link.display()));
        return Err(error.hint("make it a folder, or give the output another name"));
    }
    store.publish(&spec.name, &path, &bytes)?;
    Ok(Done::Written(spec.name.clone()))
}

/// A file that a program made.
fn output(
    context: Context,
    stage: usize,
    units: &[(Key, Digest)],
    payloads: &[Vec<u8>],
    output: &OutputFile,
) -> Result<Vec<u8>> {
    let tree = payloads.get(output.unit).and_then(|payload| decode_tree(payload));
    let file = tree.as_ref().and_then(|tree| tree.get(&output.path));
    let (Some(file), Some(unit)) = (file, units.get(output.unit)) else {
        return Err(Error::internal(format!("the result of a program lacks `{}`", output.path)));
    };
    content(context, stage, *unit, file)
}
