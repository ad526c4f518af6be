//! Builds on this machine: one thread decides, `jobs` threads run units, and every finished unit goes to the store at once.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::inputs::{Shared, StageInputs};
use super::schedule::Schedule;
use super::{Event, Failure, Observer, Options, Outcome};
use crate::error::{Error, Result};
use crate::plan::{self, Context, FileState, Last, Resolved, UnitState};
use crate::stages::{Inputs, Publish};
use crate::store::{Digest, Key, Store, Writer};
use crate::train::Control;

/// How often the deciding thread looks at the clock, at Ctrl-C and at the writer.
const TICK: Duration = Duration::from_millis(100);
/// A unit that has run this long leaves a checkpoint, and another one each time this passes again.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// What a worker is asked to do.
enum Job {
    Unit {
        stage: usize,
        unit: usize,
        key: Key,
        results: Vec<Arc<Vec<(Key, Digest)>>>,
    },
    /// Make the files of a stage from its units.
    Files {
        stage: usize,
        units: Arc<Vec<(Key, Digest)>>,
        files: Vec<(crate::stages::FileSpec, FileState)>,
    },
}

/// What a worker answers.
enum Answer {
    Unit { stage: usize, unit: usize, result: Result<Option<(Key, Digest)>>, seconds: f64 },
    Files { stage: usize, result: Result<Vec<String>> },
}

struct Queue {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    changed: Condvar,
}

impl Queue {
    fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).0.extend(jobs);
        self.changed.notify_all();
    }

    /// No more jobs: drop the waiting ones and let the workers go.
    fn close(&self) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.0.clear();
        jobs.1 = true;
        self.changed.notify_all();
    }

    fn drop_waiting(&self) -> usize {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = jobs.0.len();
        jobs.0.clear();
        dropped
    }

    fn pop(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = jobs.0.pop_front() {
                return Some(job);
            }
            if jobs.1 {
                return None;
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What all threads of a build share.
struct Shop<'a> {
    context: Context<'a>,
    writer: &'a Writer<'a>,
    shared: Shared,
    queue: Queue,
    stop: AtomicBool,
    interrupted: &'static AtomicBool,
    /// Millionths of units done inside running units, by stage.
    inside: Vec<AtomicU64>,
}

/// A stage that is being built.
struct Running {
    resolved: Resolved,
    results: Vec<Option<(Key, Digest)>>,
    /// Units still to come.
    left: usize,
    ran: usize,
    total_seconds: f64,
    started: Instant,
}

/// Build the targets and all they need. Errors of stages are in the outcome; an `Err` is a failure of the build itself.
pub fn build(
    context: Context,
    targets: &[usize],
    options: &Options,
    writer: &Writer<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let stages = context.graph.stages.len();
    let shop = Shop {
        context,
        writer,
        shared: Shared::default(),
        queue: Queue { jobs: Mutex::new((VecDeque::new(), false)), changed: Condvar::new() },
        stop: AtomicBool::new(false),
        interrupted: options.interrupted,
        inside: (0..stages).map(|_| AtomicU64::new(0)).collect(),
    };
    let (answers, inbox) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut boss = Boss {
            shop: &shop,
            options,
            observer,
            schedule: Schedule::new(context.graph, targets),
            running: HashMap::new(),
            finished: HashMap::new(),
            outcome: Outcome::default(),
            in_flight: 0,
        };
        let mut threads = 0;
        let result = (|| {
            loop {
                boss.start_ready()?;
                if boss.in_flight == 0 {
                    break;
                }
                // Threads are made when there is something to run: a build with nothing to do starts none.
                while threads < options.jobs.max(1) {
                    let (shop, answers) = (&shop, answers.clone());
                    scope.spawn(move || work(shop, &answers));
                    threads += 1;
                }
                match inbox.recv_timeout(TICK) {
                    Ok(answer) => boss.answer(answer)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("all workers are gone")),
                }
                boss.tick()?;
            }
            Ok(())
        })();
        shop.stop.store(true, Ordering::Relaxed);
        shop.queue.close();
        result.map(|()| {
            boss.outcome.interrupted = options.interrupted.load(Ordering::Relaxed);
            let names = boss.schedule.waiting().into_iter().map(|stage| context.graph.stages[stage].name.clone());
            boss.outcome.skipped.extend(names);
            boss.outcome
        })
    })
}

/// The deciding thread.
struct Boss<'a, 'b> {
    shop: &'b Shop<'a>,
    options: &'b Options,
    observer: &'b mut dyn Observer,
    schedule: Schedule,
    running: HashMap<usize, Running>,
    finished: HashMap<usize, (Resolved, Arc<Vec<(Key, Digest)>>)>,
    outcome: Outcome,
    /// Jobs handed out and not answered.
    in_flight: usize,
}

impl Boss<'_, '_> {
    fn stopping(&self) -> bool {
        self.shop.stop.load(Ordering::Relaxed) || self.options.interrupted.load(Ordering::Relaxed)
    }

    fn name(&self, stage: usize) -> &str {
        &self.shop.context.graph.stages[stage].name
    }

    /// Start every stage whose inputs are done.
    fn start_ready(&mut self) -> Result<()> {
        while !self.stopping() {
            let Some(stage) = self.schedule.next(self.shop.context.graph) else { break };
            self.start(stage)?;
        }
        Ok(())
    }

    fn start(&mut self, stage: usize) -> Result<()> {
        let context = self.shop.context;
        let graph = context.graph;
        let inputs: Option<Vec<&Resolved>> =
            graph.inputs[stage].iter().map(|i| self.finished.get(i).map(|(resolved, _)| resolved)).collect();
        let inputs = inputs.ok_or_else(|| Error::internal("a stage was started before its inputs"))?;
        let resolved = plan::resolve(context, stage, &inputs)?;
        let kind = &graph.stages[stage].kind;
        let mut missing: Vec<(usize, Key, f64)> = Vec::new();
        let mut results = Vec::with_capacity(resolved.units.len());
        for (unit, state) in resolved.units.iter().enumerate() {
            match *state {
                UnitState::Current { key, digest } => results.push(Some((key, digest))),
                UnitState::Missing { key, seconds } => {
                    missing.push((unit, key, seconds));
                    results.push(None);
                }
                UnitState::Unknown { .. } => return Err(Error::internal("an input of a started stage has no result")),
            }
        }
        if self.options.no_train && kind.entry().trains() && !missing.is_empty() {
            let models = if missing.len() == 1 { "1 model".to_string() } else { format!("{} models", missing.len()) };
            let error = Error::stage(format!("{models} would have to be trained, and --no-train forbids it"))
                .hint(format!("`repro explain {}` says why", self.name(stage)))
                .hint("build without --no-train where training is allowed, and share the cache");
            self.fail(stage, String::new(), error);
            return Ok(());
        }
        let seconds: f64 = missing.iter().map(|(_, _, seconds)| seconds).sum();
        let (left, total) = (missing.len(), results.len());
        self.running
            .insert(stage, Running { resolved, results, left, ran: 0, total_seconds: 0.0, started: Instant::now() });
        if left == 0 {
            return self.units_done(stage);
        }
        // Long units first, so that the cores finish together.
        missing.sort_by(|a, b| b.2.total_cmp(&a.2));
        self.observer.event(&Event::StageStarted {
            stage: &graph.stages[stage].name,
            kind: kind.name(),
            units: left,
            total,
            seconds,
        });
        let results: Vec<_> = graph.inputs[stage].iter().map(|i| self.finished[i].1.clone()).collect();
        let jobs = missing.into_iter().map(|(unit, key, _)| Job::Unit { stage, unit, key, results: results.clone() });
        self.in_flight += left;
        self.shop.queue.push(jobs);
        Ok(())
    }

    fn answer(&mut self, answer: Answer) -> Result<()> {
        self.in_flight -= 1;
        match answer {
            Answer::Unit { stage, unit, result: Ok(Some(entry)), seconds } => {
                let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
                running.results[unit] = Some(entry);
                running.left -= 1;
                running.ran += 1;
                running.total_seconds += seconds;
                self.outcome.ran += 1;
                let graph = self.shop.context.graph;
                if graph.stages[stage].kind.entry().trains() {
                    self.outcome.trained += 1;
                }
                let label = graph.layouts[stage].label(unit);
                let (done, left) = (running.ran, running.left);
                self.observer.event(&Event::UnitFinished {
                    stage: &graph.stages[stage].name,
                    unit: &label,
                    seconds,
                    done,
                    units: done + left,
                });
                if left == 0 {
                    self.units_done(stage)?;
                }
            }
            // Stopped half-way; the build is ending.
            Answer::Unit { result: Ok(None), .. } => {}
            Answer::Unit { stage, unit, result: Err(error), .. } => {
                let label = self.shop.context.graph.layouts[stage].label(unit);
                self.fail(stage, label, error);
            }
            Answer::Files { stage, result: Ok(written) } => self.stage_done(stage, written)?,
            Answer::Files { stage, result: Err(error) } => self.fail(stage, String::new(), error),
        }
        Ok(())
    }

    /// All units of a stage have results: make its files, or be done.
    fn units_done(&mut self, stage: usize) -> Result<()> {
        let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
        let units: Option<Vec<(Key, Digest)>> = running.results.iter().copied().collect();
        let units = units.ok_or_else(|| Error::internal("a finished stage lacks a result"))?;
        running.resolved.units = units.iter().map(|&(key, digest)| UnitState::Current { key, digest }).collect();
        running.resolved.files = plan::files(self.shop.context, &running.resolved)?;
        let pairs = running.resolved.specs.iter().cloned().zip(running.resolved.files.iter().cloned());
        let files: Vec<_> = pairs.filter(|(_, state)| *state != FileState::Current).collect();
        if files.is_empty() {
            return self.stage_done(stage, Vec::new());
        }
        self.in_flight += 1;
        self.shop.queue.push([Job::Files { stage, units: Arc::new(units), files }]);
        Ok(())
    }

    fn stage_done(&mut self, stage: usize, written: Vec<String>) -> Result<()> {
        let Some(running) = self.running.remove(&stage) else { return Ok(()) };
        let context = self.shop.context;
        let graph = context.graph;
        let definition = &graph.stages[stage];
        if running.ran == 0 && written.is_empty() {
            self.outcome.current += 1;
        } else {
            self.observer.event(&Event::StageFinished {
                stage: &definition.name,
                kind: definition.kind.name(),
                ran: running.ran,
                seconds: running.started.elapsed().as_secs_f64(),
                written: &written,
            });
        }
        let inputs = graph.inputs[stage].iter().filter_map(|i| {
            let digests = self.finished.get(i)?.0.digests()?;
            Some((graph.stages[*i].name.clone(), plan::stage_digest(&digests).to_string()))
        });
        let before = Last::read(context.store, &definition.name).and_then(|last| last.seconds_a_unit);
        let seconds_a_unit = if running.ran > 0 { Some(running.total_seconds / running.ran as f64) } else { before };
        let last = Last { manifest: definition.kind.entry().manifest(), inputs: inputs.collect(), seconds_a_unit };
        last.write(context.store, &definition.name);
        self.outcome.written.extend(written);
        let units = running.results.iter().copied().flatten().collect();
        self.finished.insert(stage, (running.resolved, Arc::new(units)));
        self.schedule.done(stage);
        self.shop.shared.clear();
        Ok(())
    }

    fn fail(&mut self, stage: usize, unit: String, error: Error) {
        let graph = self.shop.context.graph;
        // One failure a stage is told; the other units of it are not awaited.
        let first =
            self.running.remove(&stage).is_some() || self.outcome.failures.iter().all(|f| f.stage != self.name(stage));
        if !first {
            return;
        }
        self.observer.event(&Event::StageFailed {
            stage: &graph.stages[stage].name,
            unit: &unit,
            message: &error.message,
        });
        self.outcome.failures.push(Failure { stage: self.name(stage).to_string(), unit, error });
        let skipped = self.schedule.failed(graph, stage);
        self.outcome.skipped.extend(skipped.into_iter().map(|stage| graph.stages[stage].name.clone()));
        if !self.options.keep_going {
            self.shop.stop.store(true, Ordering::Relaxed);
            self.in_flight -= self.shop.queue.drop_waiting();
        }
    }

    /// Look after the clock: flush finished units, tell progress, heed Ctrl-C.
    fn tick(&mut self) -> Result<()> {
        self.shop.writer.tick()?;
        for warning in self.shop.context.store.take_warnings() {
            self.observer.warning(&warning);
        }
        if self.options.interrupted.load(Ordering::Relaxed) {
            self.in_flight -= self.shop.queue.drop_waiting();
        }
        for (&stage, running) in &self.running {
            if running.left > 0 {
                let inside = self.shop.inside[stage].load(Ordering::Relaxed) as f64 / 1e6;
                self.observer.event(&Event::Progress {
                    stage: &self.shop.context.graph.stages[stage].name,
                    done: running.ran as f64 + inside,
                    units: running.ran + running.left,
                });
            }
        }
        Ok(())
    }
}

/// The life of a worker: take a job, do it, answer.
fn work(shop: &Shop, answers: &Sender<Answer>) {
    while let Some(job) = shop.queue.pop() {
        let answer = match job {
            Job::Unit { stage, unit, key, results } => {
                let started = Instant::now();
                let result = guarded(|| run_unit(shop, stage, unit, key, results, started));
                Answer::Unit { stage, unit, result, seconds: started.elapsed().as_secs_f64() }
            }
            Job::Files { stage, units, files } => {
                Answer::Files { stage, result: guarded(|| make_files(shop, stage, &units, &files)) }
            }
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// A panic in a unit is a bug, and it is told as one instead of ending the build without a word.
fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Error::internal(format!("a unit panicked: {}", text.unwrap_or("without a message"))))
    })
}

fn run_unit(
    shop: &Shop,
    stage: usize,
    unit: usize,
    key: Key,
    results: Vec<Arc<Vec<(Key, Digest)>>>,
    started: Instant,
) -> Result<Option<(Key, Digest)>> {
    let Context { graph, store, .. } = shop.context;
    let kind = graph.stages[stage].kind.entry();
    let layout = &graph.layouts[stage];
    let outlines = graph.outlines(stage);
    let inputs = StageInputs { graph, store, shared: &shop.shared, stage, results };
    let steps = kind.steps(unit, layout).max(1);
    let control = UnitControl { shop, stage, key, steps, told: AtomicU64::new(0), saved: Mutex::new(Instant::now()) };
    let payload = kind.run(unit, layout, &outlines, &inputs as &dyn Inputs, &control);
    control.forget_progress();
    match payload? {
        Some(payload) => {
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let digest = shop.writer.put(key, &payload, micros)?;
            store.drop_checkpoint(&key);
            Ok(Some((key, digest)))
        }
        None => Ok(None),
    }
}

/// What a running unit can ask and tell.
struct UnitControl<'a, 'b> {
    shop: &'b Shop<'a>,
    stage: usize,
    key: Key,
    steps: u32,
    /// Millionths of the unit already counted in `inside`.
    told: AtomicU64,
    saved: Mutex<Instant>,
}

impl UnitControl<'_, '_> {
    fn forget_progress(&self) {
        self.shop.inside[self.stage].fetch_sub(self.told.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Control for UnitControl<'_, '_> {
    fn stop(&self) -> bool {
        self.shop.stop.load(Ordering::Relaxed) || self.shop.interrupted.load(Ordering::Relaxed)
    }

    fn progress(&self, steps_done: u32) {
        let now = u64::from(steps_done) * 1_000_000 / u64::from(self.steps);
        let before = self.told.swap(now, Ordering::Relaxed);
        self.shop.inside[self.stage].fetch_add(now.saturating_sub(before), Ordering::Relaxed);
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        self.shop.context.store.checkpoint(&self.key)
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

fn make_files(
    shop: &Shop,
    stage: usize,
    units: &[(Key, Digest)],
    files: &[(crate::stages::FileSpec, FileState)],
) -> Result<Vec<String>> {
    let Context { graph, store, publish, figures } = shop.context;
    let mut payloads: Option<Vec<Vec<u8>>> = None;
    let mut written = Vec::new();
    for (spec, state) in files {
        let (key, stored) = match state {
            FileState::Current | FileState::Unknown => continue,
            FileState::Stored(key) => (key, store.trace(key).and_then(|trace| store.load(key, &trace.digest))),
            FileState::Missing(key) => (key, None),
        };
        let bytes = match stored {
            Some(bytes) => bytes,
            None => {
                let payloads = match &mut payloads {
                    Some(payloads) => payloads,
                    None => payloads.insert(load_all(store, units)?),
                };
                let started = Instant::now();
                let bytes = publish_file(publish, &graph.stages[stage], spec, payloads, key)?;
                shop.writer.put(*key, &bytes, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))?;
                bytes
            }
        };
        crate::store::write_file(&figures.join(&spec.name), &bytes)?;
        written.push(spec.name.clone());
    }
    Ok(written)
}

fn publish_file(
    publish: &dyn Publish,
    stage: &crate::stages::Definition,
    spec: &crate::stages::FileSpec,
    payloads: &[Vec<u8>],
    key: &Key,
) -> Result<Vec<u8>> {
    publish.render(stage, spec, payloads, &key.to_string())
}

fn load_all(store: &Store, units: &[(Key, Digest)]) -> Result<Vec<Vec<u8>>> {
    let lost = || Error::stage(super::inputs::LOST).hint("run the same command again: what is missing is made again");
    units.iter().map(|(key, digest)| store.load(key, digest).ok_or_else(lost)).collect()
}
