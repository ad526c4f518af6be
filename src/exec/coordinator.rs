//! The coordinator thread: starts stages whose inputs are done, queues their units, handles the reports of workers, records the outcome.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::content::find_damage;
use super::environment_places::EnvironmentStep;
use super::job::{Job, JobReport, UnitResult, UnitResults};
use super::schedule::Schedule;
use super::shared::BuildShared;
use super::{Built, Event, Failure, Observer, Options, Outcome, StageWarning, Unfinished};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{self, FileState, LastBuild, Resolved, UnitState};
use crate::stages::{Definition, Holds, Stage};
use crate::store::{Digest, Key, StageKeys, Store};
use crate::train::cuda::ComputeDevice;

/// How often the store is read again for results of other processes.
const RESCAN: Duration = Duration::from_secs(2);

/// How often progress is reported.
const REPORT: Duration = Duration::from_millis(90);

/// A stage that is being built.
struct RunningStage {
    resolved: Resolved,
    /// The digests before a forced rerun.
    before: Option<Vec<Option<Digest>>>,
    results: Vec<Option<(Key, Digest)>>,
    /// Missing units that are not done yet.
    left: usize,
    /// Units that failed.
    failed: usize,
    missing: usize,
    ran: usize,
    /// Estimated time of all missing units, and of those that are done.
    work: f64,
    worked: f64,
    /// Measured and estimated time of the units that ran from their beginning.
    measured: f64,
    estimated: f64,
    /// Measured over estimated time in its last build.
    pace: Option<f64>,
    /// When its first unit began; until then it waits for a worker.
    began: Option<Instant>,
}

impl RunningStage {
    /// The time that its units still need, in seconds on one core; `None` for a program of which none has ended.
    fn seconds_left(&self, share: f64) -> Option<f64> {
        let pace = if self.estimated > 0.0 { Some(self.measured / self.estimated) } else { self.pace };
        Some(self.work * (1.0 - share) * pace?)
    }

    /// The event that the stage has ended well.
    fn finished<'a>(&self, stage: &'a Definition, written: &'a [String], other: Option<usize>) -> Event<'a> {
        let seconds = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        Event::StageFinished { stage: &stage.name, kind: stage.stage.kind(), ran: self.ran, seconds, written, other }
    }

    /// Record that work of `seconds` has just ended.
    fn add_time(&mut self, seconds: f64) {
        let now = Instant::now();
        let start = now.checked_sub(Duration::try_from_secs_f64(seconds).unwrap_or_default()).unwrap_or(now);
        self.began = Some(self.began.map_or(start, |began| began.min(start)));
    }
}

pub struct Coordinator<'a, 'b> {
    shared: &'b BuildShared<'a>,
    options: &'b Options,
    observer: &'b mut dyn Observer,
    outcome: &'b mut Outcome,
    schedule: Schedule,
    running: HashMap<usize, RunningStage>,
    finished: HashMap<usize, (Resolved, UnitResults)>,
    /// The units that wait for each key: equal units of several stages share one run.
    claims: HashMap<Key, Vec<(usize, usize)>>,
    /// Jobs that are queued or running.
    in_flight: usize,
    /// GPUs have been given work.
    uses_gpus: bool,
    /// Whether another pass may rebuild a lost result.
    may_repeat: bool,
    lost: bool,
    rescanned: Instant,
    /// What each stage cost in its last build; read when it is first asked for.
    costs: Option<Vec<Option<f64>>>,
    reported: Instant,
    /// Index in `outcome.built` of each stage that was built, in earlier passes too.
    built: HashMap<String, usize>,
}

impl<'a, 'b> Coordinator<'a, 'b> {
    pub fn new(
        shared: &'b BuildShared<'a>,
        options: &'b Options,
        observer: &'b mut dyn Observer,
        targets: &[usize],
        outcome: &'b mut Outcome,
        may_repeat: bool,
    ) -> Self {
        let built = outcome.built.iter().enumerate().map(|(at, built)| (built.stage.clone(), at)).collect();
        Coordinator {
            shared,
            options,
            observer,
            outcome,
            schedule: Schedule::new(shared.context.graph, targets),
            running: HashMap::new(),
            finished: HashMap::new(),
            claims: HashMap::new(),
            in_flight: 0,
            uses_gpus: false,
            may_repeat,
            lost: false,
            rescanned: Instant::now(),
            costs: None,
            reported: Instant::now(),
            built,
        }
    }

    /// Whether no job is queued or running.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// End the pass: record what was not tried or not finished. Returns whether a lost result is the reason.
    pub fn finish(self) -> bool {
        let graph = self.shared.context.graph;
        let mut warnings = std::mem::take(&mut *self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        // Units end in any order.
        warnings.sort_by(|a, b| (a.0, a.1.span, &a.1.message).cmp(&(b.0, b.1.span, &b.1.message)));
        warnings.dedup();
        let warning =
            |(stage, warning): (usize, Error)| StageWarning { stage: graph.stages[stage].name.clone(), warning };
        self.outcome.warnings.extend(warnings.into_iter().map(warning));
        let names = self.schedule.waiting().into_iter().map(|stage| graph.stages[stage].name.clone());
        self.outcome.skipped.extend(names);
        self.outcome.finished = self.finished.into_iter().map(|(stage, (resolved, _))| (stage, resolved)).collect();
        let mut running: Vec<_> = self.running.into_iter().collect();
        running.sort_by_key(|(stage, _)| *stage);
        self.outcome.unfinished.extend(running.into_iter().map(|(stage, running)| Unfinished {
            stage: graph.stages[stage].name.clone(),
            done: running.results.iter().flatten().count(),
            units: running.results.len(),
        }));
        self.lost
    }

    fn name(&self, stage: usize) -> &str {
        &self.shared.context.graph.stages[stage].name
    }

    fn trains(&self, stage: usize) -> bool {
        self.shared.context.graph.stages[stage].stage.kind().trains
    }

    /// Report missing files and tools before anything runs.
    pub fn check_needs(&mut self) {
        let context = self.shared.context;
        let mut any = false;
        for stage in self.schedule.waiting() {
            for error in plan::faults(context, stage) {
                any = true;
                self.failed(stage, String::new(), error);
            }
        }
        if any && !self.options.keep_going {
            self.stop();
        }
    }

    /// Start every stage whose inputs are done.
    pub fn start_ready(&mut self) -> Result<()> {
        while !self.shared.stopping() {
            let Some(stage) = self.schedule.take() else { break };
            self.start(stage)?;
        }
        Ok(())
    }

    fn start(&mut self, stage: usize) -> Result<()> {
        let context = self.shared.context;
        let graph = context.graph;
        let inputs: Option<Vec<&Resolved>> =
            graph.inputs[stage].iter().map(|i| self.finished.get(i).map(|(resolved, _)| resolved)).collect();
        let inputs = inputs.ok_or_else(|| Error::internal("a stage was started before its inputs"))?;
        let mut resolved = plan::resolve(context, stage, &inputs)?;
        let name = &graph.stages[stage].name;
        let again = self.options.again.contains(&stage)
            && resolved.units.iter().any(|unit| unit.digest().is_some())
            && !self.outcome.built.iter().any(|built| built.stage == *name);
        let before = again.then(|| resolved.units.iter().map(UnitState::digest).collect());
        let only = self.options.points.get(&stage);
        if again {
            resolved.force_rerun(context, stage, only)?;
        }
        if !resolved.faults.is_empty() {
            for error in resolved.faults {
                self.failed(stage, String::new(), error);
            }
            if !self.options.keep_going {
                self.stop();
            }
            return Ok(());
        }
        if let Some(tool) = resolved.found.unasked.first() {
            let error =
                Error::stage(format!("the version of `{tool}` is not known, and --no-run forbids to ask for it"))
                    .hint("build once without --no-run, and share the cache");
            self.fail(stage, String::new(), error, true);
            return Ok(());
        }
        let is_wanted = |unit: usize| only.is_none_or(|only| only.contains(&unit));
        let mut missing: Vec<(usize, Key, f64)> = Vec::new();
        let mut results = Vec::with_capacity(resolved.units.len());
        for (unit, state) in resolved.units.iter().enumerate() {
            match *state {
                UnitState::Cached { key, digest } => results.push(Some((key, digest))),
                UnitState::Missing { key, seconds } => {
                    missing.extend(is_wanted(unit).then_some((unit, key, seconds)));
                    results.push(None);
                }
                UnitState::Unknown { .. } => return Err(Error::internal("an input of a started stage has no result")),
            }
        }
        let slow = || LastBuild::read(context.store, name).is_some_and(|last| last.took_long());
        if let Some((what, option)) = forbidden(&*graph.stages[stage].stage, missing.len(), slow, self.options) {
            let why = if again { "--rerun asks for it".into() } else { format!("`repro explain {name}` says why") };
            let error = Error::stage(format!("{what}, and {option} forbids it"))
                .hint(why)
                .hint(format!("build without {option} where that is allowed, and share the cache"));
            // Going on wastes nothing, and everything forbidden is reported at once.
            self.fail(stage, String::new(), error, true);
            return Ok(());
        }
        let demand = graph.stages[stage].stage.demand();
        let there = self.shared.queue.gpus();
        if demand.gpus as usize > there && !missing.is_empty() {
            let gpus = if demand.gpus == 1 { "a GPU".to_string() } else { format!("{} GPUs", demand.gpus) };
            let has = if there == 0 { "none that CUDA shows".to_string() } else { format!("{there}") };
            let error = Error::stage(format!("it needs {gpus}, and this machine has {has}"))
                .hint("`gpus` is not in the key: results from another machine are up to date here with the same cache")
                .hint("where it runs without a GPU too, and to the same result, take `gpus` out");
            self.fail(stage, String::new(), error, false);
            return Ok(());
        }
        let seconds: f64 = missing.iter().map(|(_, _, seconds)| seconds).sum();
        let (count, total) = (missing.len(), results.len());
        let found = resolved.found.clone();
        self.running.insert(
            stage,
            RunningStage {
                resolved,
                before,
                results,
                left: count,
                failed: 0,
                missing: count,
                ran: 0,
                work: seconds,
                worked: 0.0,
                measured: 0.0,
                estimated: 0.0,
                pace: None,
                began: None,
            },
        );
        if count == 0 {
            return self.units_done(stage);
        }
        self.shared.writer.begin();
        if let Some(running) = self.running.get(&stage) {
            self.remember_keys(stage, &running.resolved);
        }
        let definition = &graph.stages[stage];
        let kind = definition.stage.kind();
        let pace = LastBuild::read(context.store, &definition.name).and_then(|last| last.pace);
        let pace = if kind.is_program { pace } else { Some(pace.unwrap_or(1.0)) };
        if let Some(running) = self.running.get_mut(&stage) {
            running.pace = pace;
        }
        self.observer.event(&Event::StageStarted {
            stage: &definition.name,
            kind,
            units: count,
            total,
            seconds: pace.map(|pace| seconds * pace),
            again,
        });
        // Long units first, so that the cores finish together.
        missing.sort_by(|a, b| b.2.total_cmp(&a.2));
        let results: Vec<UnitResults> = graph.inputs[stage].iter().map(|i| self.finished[i].1.clone()).collect();
        let mut jobs = Vec::new();
        for (unit, key, _) in missing {
            let claim = self.claims.entry(key).or_default();
            claim.push((stage, unit));
            if claim.len() == 1 {
                let (results, found) = (results.clone(), found.clone());
                jobs.push(Job::Unit { stage, unit, key, results, found, demand, again });
            }
        }
        self.in_flight += jobs.len();
        if !self.trains(stage) {
            // Metrics and figures are quick: they do not wait behind training.
            self.shared.queue.push(0.0, jobs);
        } else if let Err(jobs) = self.offer_to_gpus(jobs, seconds) {
            self.shared.queue.push(seconds, jobs);
        }
        Ok(())
    }

    /// Give training runs to GPUs, if there are any and it is worthwhile; otherwise return them.
    fn offer_to_gpus(&mut self, jobs: Vec<Job>, seconds: f64) -> std::result::Result<(), Vec<Job>> {
        let BuildShared { queue, gpu_queue, .. } = self.shared;
        let (options, observer) = (self.options, &mut *self.observer);
        let seconds = seconds / options.jobs.max(1) as f64;
        let gpus = options.gpus.suited(jobs.len(), seconds, &mut |why| observer.warning(&why));
        if !gpus.is_empty() && !self.uses_gpus {
            self.uses_gpus = true;
            queue.add_gpus(gpus.iter().map(|gpu| gpu.number() + 1).max().unwrap_or(0));
            gpu_queue.open(gpus.len());
        }
        gpu_queue.push(jobs)
    }

    /// The GPUs that train, once there is work for them.
    pub fn gpus(&self) -> &'b [Arc<dyn ComputeDevice>] {
        if self.uses_gpus { self.options.gpus.found() } else { &[] }
    }

    /// Handle the report of a worker.
    pub fn handle(&mut self, report: JobReport) -> Result<()> {
        self.in_flight -= 1;
        match report {
            JobReport::Unit { stage, unit, key, result, seconds } => {
                let claims = self.claims.remove(&key).unwrap_or_default();
                match result {
                    Ok(Some(made)) => {
                        if !made.found {
                            self.outcome.ran += 1;
                            self.outcome.trained += usize::from(self.trains(stage));
                        }
                        for (i, (stage, unit)) in claims.into_iter().enumerate() {
                            let made = UnitResult { found: made.found || i > 0, ..made };
                            self.unit_done(stage, unit, key, made, seconds)?;
                        }
                    }
                    // It was interrupted; the build is ending.
                    Ok(None) => {}
                    Err(error) => {
                        let first = if claims.is_empty() { vec![(stage, unit)] } else { claims };
                        first.into_iter().for_each(|(stage, unit)| self.unit_failed(stage, unit, error.clone()));
                    }
                }
            }
            // It was interrupted; the build is ending.
            JobReport::Files { result: Ok(None), .. } => {}
            JobReport::Files { stage, result: Ok(Some(written)), seconds } => {
                if let Some(running) = self.running.get_mut(&stage) {
                    running.add_time(seconds);
                }
                self.stage_done(stage, written)?;
            }
            JobReport::Files { stage, result: Err(error), .. } => self.fail(stage, String::new(), error, false),
        }
        Ok(())
    }

    fn unit_done(&mut self, stage: usize, unit: usize, key: Key, made: UnitResult, seconds: f64) -> Result<()> {
        // The stage has failed meanwhile.
        let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
        running.add_time(seconds);
        let estimate = match running.resolved.units.get(unit) {
            Some(UnitState::Missing { seconds, .. }) => *seconds,
            _ => 0.0,
        };
        running.worked += estimate;
        running.results[unit] = Some((key, made.digest));
        running.left -= 1;
        if !made.found {
            running.ran += 1;
            if made.whole {
                running.measured += seconds;
                running.estimated += estimate;
            }
        }
        let (left, failed, missing) = (running.left, running.failed, running.missing);
        let graph = self.shared.context.graph;
        self.observer.event(&Event::UnitFinished {
            stage: &graph.stages[stage].name,
            unit: &graph.layouts[stage].label(unit),
            seconds,
            found: made.found,
            done: missing - left,
            units: missing,
        });
        match (left, failed) {
            (0, 0) => self.units_done(stage),
            (0, _) => {
                self.stage_failed(stage);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A unit has failed. With `--keep-going` the other units of its stage still run.
    fn unit_failed(&mut self, stage: usize, unit: usize, error: Error) {
        let graph = self.shared.context.graph;
        let label = graph.layouts[stage].label(unit);
        let going_on = self.options.keep_going && error.kind != ErrorKind::Lost;
        let Some(running) = self.running.get_mut(&stage).filter(|running| going_on && running.left > 1) else {
            if !going_on || !self.running.contains_key(&stage) {
                return self.fail(stage, label, error, false);
            }
            self.forget_failed(stage);
            return self.failed(stage, label, error);
        };
        running.left -= 1;
        running.failed += 1;
        let name = graph.stages[stage].name.clone();
        self.observer.event(&Event::UnitFailed { stage: &name, unit: &label, error: &error });
        self.outcome.failures.push(Failure { stage: name, unit: label, error });
    }

    /// A stage has failed, and none of its units runs any more: record how many have results.
    fn forget_failed(&mut self, stage: usize) {
        let Some(running) = self.running.remove(&stage) else { return };
        let done = running.results.iter().flatten().count();
        let (stage, units) = (self.name(stage).to_string(), running.results.len());
        if units > 1 {
            self.outcome.unfinished.push(Unfinished { stage, done, units });
        }
    }

    /// The last unit of a stage has ended well, after others had failed.
    fn stage_failed(&mut self, stage: usize) {
        self.forget_failed(stage);
        let name = &self.shared.context.graph.stages[stage].name;
        let Some(failure) = self.outcome.failures.iter().rfind(|failure| failure.stage == *name) else { return };
        let (unit, error) = (failure.unit.clone(), failure.error.clone());
        self.skip_readers(stage, &unit, &error);
    }

    /// All units of a stage have results: write its files, or finish it.
    fn units_done(&mut self, stage: usize) -> Result<()> {
        let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
        if self.options.points.contains_key(&stage) && running.results.iter().any(Option::is_none) {
            self.points_done(stage);
            return Ok(());
        }
        let units: Option<Vec<(Key, Digest)>> = running.results.iter().copied().collect();
        let units = units.ok_or_else(|| Error::internal("a finished stage lacks a result"))?;
        if running.missing > 0 {
            running.resolved.units = units.iter().map(|&(key, digest)| UnitState::Cached { key, digest }).collect();
            running.resolved.files = plan::files(self.shared.context, &running.resolved)?;
        }
        if running.before.is_some() {
            running.resolved.files.iter_mut().for_each(FileState::force_rerun);
        }
        let pairs = running.resolved.specs.iter().cloned().zip(running.resolved.files.iter().cloned());
        let files: Vec<_> = pairs.filter(|(_, state)| !state.is_up_to_date()).collect();
        if files.is_empty() {
            return self.stage_done(stage, Vec::new());
        }
        let other = |(_, state): &(_, FileState)| !matches!(state, FileState::Stored { edited: false, .. });
        if let Some((spec, _)) = files.iter().find(|file| self.options.frozen && other(file)) {
            let error = Error::stage(format!("`{}` would have to be written, and --frozen forbids it", spec.name));
            self.fail(stage, String::new(), error, true);
            return Ok(());
        }
        self.in_flight += 1;
        self.shared.queue.push(0.0, [Job::Files { stage, units: Arc::new(units), files }]);
        Ok(())
    }

    /// The wanted points of a stage have results, and others have none: its files are not made, and nothing that is built reads it.
    fn points_done(&mut self, stage: usize) {
        let Some(running) = self.running.remove(&stage) else { return };
        let definition = &self.shared.context.graph.stages[stage];
        if running.missing > 0 {
            self.observer.event(&running.finished(definition, &[], None));
        }
        if running.ran > 0 {
            self.outcome.built.push(Built { stage: definition.name.clone(), written: Vec::new() });
        } else {
            self.outcome.current += 1;
        }
        self.schedule.done(stage);
    }

    fn stage_done(&mut self, stage: usize, written: Vec<String>) -> Result<()> {
        let Some(mut running) = self.running.remove(&stage) else { return Ok(()) };
        let context = self.shared.context;
        if !written.is_empty() {
            // Their digests are known now; readers ask for them.
            running.resolved.files = plan::files(context, &running.resolved)?;
        }
        let graph = context.graph;
        let definition = &graph.stages[stage];
        let other = running.before.as_ref().map(|before| {
            let after = running.results.iter().map(|result| result.map(|(_, digest)| digest));
            before.iter().zip(after).filter(|(before, after)| before.is_some() && *before != after).count()
        });
        if running.missing > 0 || !written.is_empty() {
            self.observer.event(&running.finished(definition, &written, other));
        }
        let known = self.built.get(&definition.name).and_then(|at| self.outcome.built.get_mut(*at));
        match known {
            // In an earlier pass.
            Some(built) => built.written.extend(written),
            None if running.ran > 0 || !written.is_empty() => {
                self.built.insert(definition.name.clone(), self.outcome.built.len());
                self.outcome.built.push(Built { stage: definition.name.clone(), written });
            }
            None => self.outcome.current += 1,
        }
        let inputs = graph.inputs[stage].iter().filter_map(|i| {
            let digests = self.finished.get(i)?.0.digests()?;
            Some((graph.stages[*i].name.clone(), plan::input_digest(&graph.layouts[*i], &digests).to_string()))
        });
        let found = &running.resolved.found;
        let files = found.sources.iter().map(|(name, digest)| (name.clone(), digest.to_string()));
        let before = LastBuild::read(context.store, &definition.name);
        let pace = if running.estimated > 0.0 { Some(running.measured / running.estimated) } else { None };
        let pace = pace.or(before.as_ref().and_then(|last| last.pace));
        let manifest = running.resolved.manifest(&*definition.stage);
        let layout = plan::layout_digest(&graph.layouts[stage]);
        let seconds = match running.ran {
            0 => before.as_ref().and_then(|last| last.seconds),
            _ => Some(seconds_of(context.store, &running.resolved)),
        };
        let used = self.shared.usage.lock().unwrap_or_else(PoisonError::into_inner).remove(&stage);
        let peak_memory = used.map(|used| used.peak_memory).or(before.as_ref().and_then(|last| last.peak_memory));
        let cpu_seconds = used.map(|used| used.cpu_micros as f64 / 1e6);
        let cpu_seconds = cpu_seconds.or(before.as_ref().and_then(|last| last.cpu_seconds));
        let inputs = inputs.chain(files).collect();
        let last = LastBuild { manifest, inputs, pace, seconds, peak_memory, cpu_seconds, layout };
        if before.as_ref() != Some(&last) {
            last.write(context.store, &definition.name);
        }
        self.remember_keys(stage, &running.resolved);
        let units = running.results.iter().copied().flatten().collect();
        self.finished.insert(stage, (running.resolved, Arc::new(units)));
        self.schedule.done(stage);
        self.shared.datasets.clear_stacked();
        Ok(())
    }

    /// Record which results of a stage this paper needs, so that `gc` of another paper with the same cache keeps them.
    fn remember_keys(&self, stage: usize, resolved: &Resolved) {
        let context = self.shared.context;
        let definition = &context.graph.stages[stage];
        let units = resolved.units.iter().filter_map(UnitState::key);
        let keys = units.chain(resolved.files.iter().filter_map(FileState::key)).collect();
        let lists_files = definition.stage.holds().is_files();
        // If this cannot be written, results cannot either, and that is an error.
        if let Err(error) = context.store.set_keys(&definition.name, &StageKeys { lists_files, keys }) {
            tracing::debug!("{error}");
        }
    }

    /// Fail a stage. Its running units are not awaited.
    fn fail(&mut self, stage: usize, unit: String, error: Error, go_on: bool) {
        self.running.remove(&stage);
        if error.kind == ErrorKind::Lost && self.may_repeat {
            if !self.lost {
                self.lost = true;
                self.stop();
                // Damage seldom comes alone; what is found now is rebuilt in the same pass.
                let context = self.shared.context;
                let inputs = context.graph.inputs[stage].iter().filter_map(|i| Some((*i, &self.finished.get(i)?.1)));
                inputs.for_each(|(input, results)| find_damage(context, input, results));
            }
            return;
        }
        // Of many failed units of a stage, the first is reported.
        let name = self.name(stage);
        if !self.outcome.failures.iter().any(|failure| failure.stage == name) {
            self.failed(stage, unit, error);
        }
        if !self.options.keep_going && !go_on {
            self.stop();
        }
    }

    /// Report a failure; the stages that need this one are skipped.
    fn failed(&mut self, stage: usize, unit: String, error: Error) {
        self.skip_readers(stage, &unit, &error);
        self.outcome.failures.push(Failure { stage: self.name(stage).to_string(), unit, error });
    }

    /// A stage has failed: skip the stages that need it. `unit` failed last.
    fn skip_readers(&mut self, stage: usize, unit: &str, error: &Error) {
        let graph = self.shared.context.graph;
        let skipped = self.schedule.failed(stage);
        self.outcome.skipped.extend(skipped.into_iter().map(|stage| graph.stages[stage].name.clone()));
        self.observer.event(&Event::StageFailed { stage: &graph.stages[stage].name, unit, error });
    }

    /// Start nothing new. Training ends with a checkpoint; programs are awaited, since they have no checkpoints.
    fn stop(&mut self) {
        if self.shared.stop.swap(true, Ordering::Relaxed) {
            return;
        }
        self.clear_waiting();
        let stages = &self.shared.context.graph.stages;
        let program = |stage: &usize| {
            stages[*stage].stage.kind().is_program && self.shared.started[*stage].load(Ordering::Relaxed)
        };
        let mut running: Vec<usize> = self.running.keys().copied().filter(program).collect();
        running.sort_unstable();
        if !running.is_empty() && !self.lost {
            let names: Vec<&str> = running.iter().map(|&stage| stages[stage].name.as_str()).collect();
            let them = if names.len() == 1 {
                "which still runs; Ctrl-C stops it"
            } else {
                "which still run; Ctrl-C stops them"
            };
            self.observer.warning(&format!("waiting for {}, {them}", names.join(", ")));
        }
    }

    fn clear_waiting(&mut self) {
        self.in_flight -= self.shared.queue.clear_waiting() + self.shared.gpu_queue.clear_waiting();
    }

    /// The time that stages which have not started took in their last build, in seconds on one core; `None` if a program among them never ran.
    /// The others are quick.
    fn waiting_seconds(&mut self) -> Option<f64> {
        let context = self.shared.context;
        let costs = self.costs.get_or_insert_with(|| {
            let cost = |stage: &Definition| {
                let kind = stage.stage.kind();
                let last = LastBuild::read(context.store, &stage.name).and_then(|last| last.seconds);
                if kind.is_program || kind.trains { last } else { Some(last.unwrap_or(0.0)) }
            };
            context.graph.stages.iter().map(cost).collect()
        });
        self.schedule.waiting().into_iter().map(|stage| costs[stage]).sum()
    }

    /// Periodic work: flush finished units, report progress, react to Ctrl-C.
    pub fn tick(&mut self) -> Result<()> {
        self.shared.writer.tick()?;
        for warning in self.shared.context.store.take_warnings() {
            self.observer.warning(&warning);
        }
        for step in self.shared.environments.take_steps() {
            self.observer.event(&match &step {
                EnvironmentStep::Started { name, installer } => {
                    Event::EnvironmentStarted { environment: name, installer }
                }
                EnvironmentStep::Finished { name, installer, seconds } => {
                    Event::EnvironmentFinished { environment: name, installer, seconds: *seconds }
                }
            });
        }
        if self.shared.cancelled() {
            self.clear_waiting();
        }
        if self.rescanned.elapsed() >= RESCAN {
            self.shared.context.store.rescan();
            self.rescanned = Instant::now();
        }
        // Thousands of stages may be running, and thousands of reports come in a second.
        if self.reported.elapsed() < REPORT {
            return Ok(());
        }
        self.reported = Instant::now();
        let mut left = self.waiting_seconds();
        let mut begun = 0;
        for (&stage, running) in &self.running {
            let inside = self.shared.inside[stage].load(Ordering::Relaxed) as f64 / 1e6;
            // Most of them wait for a worker and have no progress.
            if running.left > 0 && self.shared.started[stage].load(Ordering::Relaxed) {
                let done = (running.missing - running.left) as f64 + inside;
                // Running units count as average ones of those that are left.
                let inside_work = inside * (running.work - running.worked) / running.left as f64;
                let share = (running.worked + inside_work) / running.work;
                let definition = &self.shared.context.graph.stages[stage];
                let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { done / running.missing as f64 };
                left = left.and_then(|left| Some(left + running.seconds_left(share)?));
                begun += 1;
                let log = || self.shared.log_path(stage, self.shared.latest[stage].load(Ordering::Relaxed));
                self.observer.event(&Event::Progress {
                    stage: &definition.name,
                    log: definition.stage.kind().is_program.then(log),
                    done,
                    units: running.missing,
                    share,
                });
            } else if running.left > 0 {
                left = left.and_then(|left| Some(left + running.seconds_left(0.0)?));
            }
        }
        let stages = self.schedule.stage_count();
        if begun > 0 && stages > 1 {
            let seconds = left.map(|left| left / self.options.jobs.max(1) as f64);
            self.observer.event(&Event::Totals { done: self.finished.len(), stages, running: begun, seconds });
        }
        Ok(())
    }
}

/// How long all units of a stage took, in seconds on one core.
fn seconds_of(store: &Store, resolved: &Resolved) -> f64 {
    let traces = resolved.units.iter().filter_map(|unit| store.trace(&unit.key()?));
    traces.map(|trace| trace.micros as f64 / 1e6).sum()
}

/// The work that missing units of a stage need and an option forbids, with that option.
fn forbidden(
    stage: &dyn Stage,
    missing: usize,
    slow: impl Fn() -> bool,
    options: &Options,
) -> Option<(String, &'static str)> {
    let kind = stage.kind();
    let models = || {
        let models = if missing == 1 { "1 model".to_string() } else { format!("{missing} models") };
        format!("{models} would have to be trained")
    };
    if missing == 0 {
        None
    } else if options.frozen {
        Some(("it would have to run".into(), "--frozen"))
    } else if kind.trains && (options.no_train || options.no_run) {
        Some((models(), if options.no_train { "--no-train" } else { "--no-run" }))
    } else if options.no_train && stage.is_expensive() {
        Some(("its program is `expensive`".into(), "--no-train"))
    } else if options.no_train && kind.is_program && slow() {
        Some(("its program took over a minute the last time".into(), "--no-train"))
    } else if !options.no_run {
        None
    } else if kind.is_program {
        Some(("its program would have to run".into(), "--no-run"))
    } else if stage.source().is_some() && stage.holds() == Holds::Files {
        Some(("its file would have to be fetched".into(), "--no-run"))
    } else {
        None
    }
}
