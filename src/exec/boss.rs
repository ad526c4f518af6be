//! The deciding thread: starts stages whose inputs are done, hands out units, takes answers, and keeps the outcome.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::inputs::{is_lost, look_through};
use super::schedule::Schedule;
use super::worker::{Answer, Job, Made, Results, Shop};
use super::{Built, Event, Failure, Observer, Options, Outcome, StageWarning, Unfinished};
use crate::error::{Error, Result};
use crate::plan::{self, FileState, LastBuild, Resolved, UnitState};
use crate::stages::{Holds, Stage};
use crate::store::{Digest, Key, StageKeys};
use crate::train::cuda::ComputeDevice;

/// How often the results of other processes are looked for.
const RESCAN: Duration = Duration::from_secs(2);

/// How often progress is told.
const TELL: Duration = Duration::from_millis(90);

/// A stage that is being built.
struct Running {
    resolved: Resolved,
    /// What it came to before, if it runs again although it was current.
    before: Option<Vec<Option<Digest>>>,
    results: Vec<Option<(Key, Digest)>>,
    /// Units still to come, of those that were missing.
    left: usize,
    missing: usize,
    ran: usize,
    /// Estimated time of all missing units, and of those that are done.
    work: f64,
    worked: f64,
    /// Measured and estimated time of the units that ran from their beginning.
    measured: f64,
    estimated: f64,
    /// When the first of its work began; before, it waits for a worker.
    began: Option<Instant>,
}

impl Running {
    /// Work of so many seconds has just ended.
    fn took(&mut self, seconds: f64) {
        let now = Instant::now();
        let start = now.checked_sub(Duration::try_from_secs_f64(seconds).unwrap_or_default()).unwrap_or(now);
        self.began = Some(self.began.map_or(start, |began| began.min(start)));
    }
}

pub struct Boss<'a, 'b> {
    shop: &'b Shop<'a>,
    options: &'b Options,
    observer: &'b mut dyn Observer,
    outcome: &'b mut Outcome,
    schedule: Schedule,
    running: HashMap<usize, Running>,
    finished: HashMap<usize, (Resolved, Results)>,
    /// Who waits for a key that is being made: equal units of other stages share one run.
    claims: HashMap<Key, Vec<(usize, usize)>>,
    /// Jobs handed out and not answered.
    in_flight: usize,
    /// Graphics cards have been given work.
    uses_cards: bool,
    /// Whether a lost result may be made again in another pass.
    may_repeat: bool,
    lost: bool,
    rescanned: Instant,
    told: Instant,
    /// Where in the outcome the stages stand that were built, in earlier passes too.
    built: HashMap<String, usize>,
}

impl<'a, 'b> Boss<'a, 'b> {
    pub fn new(
        shop: &'b Shop<'a>,
        options: &'b Options,
        observer: &'b mut dyn Observer,
        targets: &[usize],
        outcome: &'b mut Outcome,
        may_repeat: bool,
    ) -> Self {
        let built = outcome.built.iter().enumerate().map(|(at, built)| (built.stage.clone(), at)).collect();
        Boss {
            shop,
            options,
            observer,
            outcome,
            schedule: Schedule::new(shop.context.graph, targets),
            running: HashMap::new(),
            finished: HashMap::new(),
            claims: HashMap::new(),
            in_flight: 0,
            uses_cards: false,
            may_repeat,
            lost: false,
            rescanned: Instant::now(),
            told: Instant::now(),
            built,
        }
    }

    /// Nothing runs and nothing waits for a worker.
    pub fn idle(&self) -> bool {
        self.in_flight == 0
    }

    /// The end of the pass: list what was not tried or not finished. True if a lost result is the reason.
    pub fn close(self) -> bool {
        let graph = self.shop.context.graph;
        let mut warnings = std::mem::take(&mut *self.shop.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        // The order in which units happen to end says nothing.
        warnings.sort_by(|a, b| (a.0, a.1.span, &a.1.message).cmp(&(b.0, b.1.span, &b.1.message)));
        warnings.dedup();
        let warning =
            |(stage, warning): (usize, Error)| StageWarning { stage: graph.stages[stage].name.clone(), warning };
        self.outcome.warnings.extend(warnings.into_iter().map(warning));
        let names = self.schedule.waiting().into_iter().map(|stage| graph.stages[stage].name.clone());
        self.outcome.skipped.extend(names);
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
        &self.shop.context.graph.stages[stage].name
    }

    fn trains(&self, stage: usize) -> bool {
        self.shop.context.graph.stages[stage].stage.kind().trains
    }

    /// Files and tools that are missing are told before anything runs.
    pub fn check_needs(&mut self) {
        let context = self.shop.context;
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
        while !self.shop.stopping() {
            let Some(stage) = self.schedule.take() else { break };
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
        let mut resolved = plan::resolve(context, stage, &inputs)?;
        let name = &graph.stages[stage].name;
        let again = self.options.again.contains(&stage)
            && resolved.units.iter().any(|unit| unit.digest().is_some())
            && !self.outcome.built.iter().any(|built| built.stage == *name);
        let before = again.then(|| resolved.units.iter().map(UnitState::digest).collect());
        if again {
            resolved.force_rerun(context, stage)?;
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
        let mut missing: Vec<(usize, Key, f64)> = Vec::new();
        let mut results = Vec::with_capacity(resolved.units.len());
        for (unit, state) in resolved.units.iter().enumerate() {
            match *state {
                UnitState::Cached { key, digest } => results.push(Some((key, digest))),
                UnitState::Missing { key, seconds } => {
                    missing.push((unit, key, seconds));
                    results.push(None);
                }
                UnitState::Unknown { .. } => return Err(Error::internal("an input of a started stage has no result")),
            }
        }
        if let Some((what, option)) = forbidden(&*graph.stages[stage].stage, missing.len(), self.options) {
            let why = if again { "--rerun asks for it".into() } else { format!("`repro explain {name}` says why") };
            let error = Error::stage(format!("{what}, and {option} forbids it"))
                .hint(why)
                .hint(format!("build without {option} where that is allowed, and share the cache"));
            // Nothing is wasted by going on, and all that is forbidden is told at once.
            self.fail(stage, String::new(), error, true);
            return Ok(());
        }
        let demand = graph.stages[stage].stage.demand();
        let there = self.shop.queue.cards();
        if demand.gpus as usize > there && !missing.is_empty() {
            let gpus = if demand.gpus == 1 { "a GPU".to_string() } else { format!("{} GPUs", demand.gpus) };
            let has = if there == 0 { "none that CUDA shows".to_string() } else { format!("{there}") };
            let error = Error::stage(format!("it needs {gpus}, and this machine has {has}"))
                .hint("`gpus` is no part of the key: what was made elsewhere is current here with the same cache")
                .hint("where it runs without a GPU too, and to the same result, take `gpus` out");
            self.fail(stage, String::new(), error, false);
            return Ok(());
        }
        let seconds: f64 = missing.iter().map(|(_, _, seconds)| seconds).sum();
        let (count, total) = (missing.len(), results.len());
        let found = resolved.found.clone();
        self.running.insert(
            stage,
            Running {
                resolved,
                before,
                results,
                left: count,
                missing: count,
                ran: 0,
                work: seconds,
                worked: 0.0,
                measured: 0.0,
                estimated: 0.0,
                began: None,
            },
        );
        if count == 0 {
            return self.units_done(stage);
        }
        self.shop.writer.begin();
        if let Some(running) = self.running.get(&stage) {
            self.remember_keys(stage, &running.resolved);
        }
        let definition = &graph.stages[stage];
        let pace = LastBuild::read(context.store, &definition.name).and_then(|last| last.pace).unwrap_or(1.0);
        self.observer.event(&Event::StageStarted {
            stage: &definition.name,
            kind: definition.stage.kind(),
            units: count,
            total,
            seconds: seconds * pace,
            again,
        });
        // Long units first, so that the cores finish together.
        missing.sort_by(|a, b| b.2.total_cmp(&a.2));
        let results: Vec<Results> = graph.inputs[stage].iter().map(|i| self.finished[i].1.clone()).collect();
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
            // Metrics and figures are quick: what is ready to be seen does not wait for training.
            self.shop.queue.push(0.0, jobs);
        } else if let Err(jobs) = self.offer_to_cards(jobs, seconds) {
            self.shop.queue.push(seconds, jobs);
        }
        Ok(())
    }

    /// Give training runs to graphics cards, if there are any and it is worth it; else they come back.
    fn offer_to_cards(&mut self, jobs: Vec<Job>, seconds: f64) -> std::result::Result<(), Vec<Job>> {
        let Shop { queue, lane, .. } = self.shop;
        let (options, observer) = (self.options, &mut *self.observer);
        let seconds = seconds / options.jobs.max(1) as f64;
        let cards = options.cards.suited(jobs.len(), seconds, &mut |why| observer.warning(&why));
        if !cards.is_empty() && !self.uses_cards {
            self.uses_cards = true;
            queue.know_cards(cards.iter().map(|card| card.number() + 1).max().unwrap_or(0));
            lane.open(cards.len());
        }
        lane.push(jobs)
    }

    /// The graphics cards that train, once there is something for them.
    pub fn cards(&self) -> &'b [Arc<dyn ComputeDevice>] {
        if self.uses_cards { self.options.cards.found() } else { &[] }
    }

    pub fn answer(&mut self, answer: Answer) -> Result<()> {
        self.in_flight -= 1;
        match answer {
            Answer::Unit { stage, unit, key, result, seconds } => {
                let claims = self.claims.remove(&key).unwrap_or_default();
                match result {
                    Ok(Some(made)) => {
                        if !made.found {
                            self.outcome.ran += 1;
                            self.outcome.trained += usize::from(self.trains(stage));
                        }
                        for (i, (stage, unit)) in claims.into_iter().enumerate() {
                            let made = Made { found: made.found || i > 0, ..made };
                            self.unit_done(stage, unit, key, made, seconds)?;
                        }
                    }
                    // Stopped half-way; the build is ending.
                    Ok(None) => {}
                    Err(error) => {
                        let graph = self.shop.context.graph;
                        self.fail(stage, graph.layouts[stage].label(unit), error.clone(), false);
                        for (stage, unit) in claims.into_iter().skip(1) {
                            self.fail(stage, graph.layouts[stage].label(unit), error.clone(), false);
                        }
                    }
                }
            }
            // Stopped half-way; the build is ending.
            Answer::Files { result: Ok(None), .. } => {}
            Answer::Files { stage, result: Ok(Some(written)), seconds } => {
                if let Some(running) = self.running.get_mut(&stage) {
                    running.took(seconds);
                }
                self.stage_done(stage, written)?;
            }
            Answer::Files { stage, result: Err(error), .. } => self.fail(stage, String::new(), error, false),
        }
        Ok(())
    }

    fn unit_done(&mut self, stage: usize, unit: usize, key: Key, made: Made, seconds: f64) -> Result<()> {
        // A stage that has failed meanwhile is not told of any more.
        let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
        running.took(seconds);
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
        let (left, missing) = (running.left, running.missing);
        let graph = self.shop.context.graph;
        self.observer.event(&Event::UnitFinished {
            stage: &graph.stages[stage].name,
            unit: &graph.layouts[stage].label(unit),
            seconds,
            found: made.found,
            done: missing - left,
            units: missing,
        });
        if left == 0 { self.units_done(stage) } else { Ok(()) }
    }

    /// All units of a stage have results: make its files, or be done.
    fn units_done(&mut self, stage: usize) -> Result<()> {
        let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
        let units: Option<Vec<(Key, Digest)>> = running.results.iter().copied().collect();
        let units = units.ok_or_else(|| Error::internal("a finished stage lacks a result"))?;
        if running.missing > 0 {
            running.resolved.units = units.iter().map(|&(key, digest)| UnitState::Cached { key, digest }).collect();
            running.resolved.files = plan::files(self.shop.context, &running.resolved)?;
        }
        if running.before.is_some() {
            running.resolved.files.iter_mut().for_each(FileState::force_rerun);
        }
        let pairs = running.resolved.specs.iter().cloned().zip(running.resolved.files.iter().cloned());
        let files: Vec<_> = pairs.filter(|(_, state)| !state.is_up_to_date()).collect();
        if files.is_empty() {
            return self.stage_done(stage, Vec::new());
        }
        self.in_flight += 1;
        self.shop.queue.push(0.0, [Job::Files { stage, units: Arc::new(units), files }]);
        Ok(())
    }

    fn stage_done(&mut self, stage: usize, written: Vec<String>) -> Result<()> {
        let Some(mut running) = self.running.remove(&stage) else { return Ok(()) };
        let context = self.shop.context;
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
            self.observer.event(&Event::StageFinished {
                stage: &definition.name,
                kind: definition.stage.kind(),
                ran: running.ran,
                seconds: running.began.map_or(0.0, |began| began.elapsed().as_secs_f64()),
                written: &written,
                other,
            });
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
            Some((graph.stages[*i].name.clone(), plan::stage_digest(&digests).to_string()))
        });
        let found = &running.resolved.found;
        let files = found.sources.iter().map(|(name, digest)| (name.clone(), digest.to_string()));
        let before = LastBuild::read(context.store, &definition.name);
        let pace = if running.estimated > 0.0 { Some(running.measured / running.estimated) } else { None };
        let pace = pace.or(before.as_ref().and_then(|last| last.pace));
        let manifest = running.resolved.manifest(&*definition.stage);
        let last = LastBuild { manifest, inputs: inputs.chain(files).collect(), pace };
        if before.as_ref() != Some(&last) {
            last.write(context.store, &definition.name);
        }
        self.remember_keys(stage, &running.resolved);
        let units = running.results.iter().copied().flatten().collect();
        self.finished.insert(stage, (running.resolved, Arc::new(units)));
        self.schedule.done(stage);
        self.shop.shared.clear();
        Ok(())
    }

    /// Write down which results this paper needs of a stage: `gc` of another paper with the same cache keeps them.
    fn remember_keys(&self, stage: usize, resolved: &Resolved) {
        let context = self.shop.context;
        let definition = &context.graph.stages[stage];
        let units = resolved.units.iter().filter_map(UnitState::key);
        let keys = units.chain(resolved.files.iter().filter_map(FileState::key)).collect();
        let lists_files = definition.stage.holds().is_files();
        // Where it cannot be written, results cannot either, and that is told.
        if let Err(error) = context.store.set_keys(&definition.name, &StageKeys { lists_files, keys }) {
            tracing::debug!("{error}");
        }
    }

    /// A stage cannot be made. Units of it that are under way are not awaited.
    fn fail(&mut self, stage: usize, unit: String, error: Error, go_on: bool) {
        self.running.remove(&stage);
        if is_lost(&error) && self.may_repeat {
            if !self.lost {
                self.lost = true;
                self.stop();
                // Damage seldom comes alone, and what is found now is made again in the same pass.
                let context = self.shop.context;
                let inputs = context.graph.inputs[stage].iter().filter_map(|i| Some((*i, &self.finished.get(i)?.1)));
                inputs.for_each(|(input, results)| look_through(context, input, results));
            }
            return;
        }
        // One failure of many units of a stage is told.
        let name = self.name(stage);
        if !self.outcome.failures.iter().any(|failure| failure.stage == name) {
            self.failed(stage, unit, error);
        }
        if !self.options.keep_going && !go_on {
            self.stop();
        }
    }

    /// Tell a failure; what needs the stage is skipped.
    fn failed(&mut self, stage: usize, unit: String, error: Error) {
        let graph = self.shop.context.graph;
        let skipped = self.schedule.failed(stage);
        self.outcome.skipped.extend(skipped.into_iter().map(|stage| graph.stages[stage].name.clone()));
        self.observer.event(&Event::StageFailed { stage: &graph.stages[stage].name, unit: &unit, error: &error });
        self.outcome.failures.push(Failure { stage: graph.stages[stage].name.clone(), unit, error });
    }

    /// Begin nothing new. Training ends with a checkpoint; programs are awaited, or their work would be for nothing.
    fn stop(&mut self) {
        if self.shop.stop.swap(true, Ordering::Relaxed) {
            return;
        }
        self.drop_waiting();
        let stages = &self.shop.context.graph.stages;
        let program =
            |stage: &usize| stages[*stage].stage.kind().is_program && self.shop.at_work[*stage].load(Ordering::Relaxed);
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

    fn drop_waiting(&mut self) {
        self.in_flight -= self.shop.queue.drop_waiting() + self.shop.lane.drop_waiting();
    }

    /// Look after the clock: flush finished units, tell progress, heed Ctrl-C.
    pub fn tick(&mut self) -> Result<()> {
        self.shop.writer.tick()?;
        for warning in self.shop.context.store.take_warnings() {
            self.observer.warning(&warning);
        }
        if self.shop.breaking_off() {
            self.drop_waiting();
        }
        if self.rescanned.elapsed() >= RESCAN {
            self.shop.context.store.rescan();
            self.rescanned = Instant::now();
        }
        // Thousands of stages may be under way, and thousands of answers come in a second.
        if self.told.elapsed() < TELL {
            return Ok(());
        }
        self.told = Instant::now();
        for (&stage, running) in &self.running {
            let inside = self.shop.inside[stage].load(Ordering::Relaxed) as f64 / 1e6;
            // Most of them wait for a worker, and nothing can be said of those.
            if running.left > 0 && self.shop.at_work[stage].load(Ordering::Relaxed) {
                let done = (running.missing - running.left) as f64 + inside;
                // Running units are taken for average ones of those that are left.
                let inside_work = inside * (running.work - running.worked) / running.left as f64;
                let share = (running.worked + inside_work) / running.work;
                let definition = &self.shop.context.graph.stages[stage];
                let log = || self.shop.context.store.log_path(&definition.name);
                self.observer.event(&Event::Progress {
                    stage: &definition.name,
                    log: definition.stage.kind().is_program.then(log),
                    done,
                    units: running.missing,
                    share: if share.is_finite() { share.clamp(0.0, 1.0) } else { done / running.missing as f64 },
                });
            }
        }
        Ok(())
    }
}

/// What would have to be done for the missing units of a stage, and the option that forbids it.
fn forbidden(stage: &dyn Stage, missing: usize, options: &Options) -> Option<(String, &'static str)> {
    let kind = stage.kind();
    let models = || {
        let models = if missing == 1 { "1 model".to_string() } else { format!("{missing} models") };
        format!("{models} would have to be trained")
    };
    if missing == 0 {
        None
    } else if kind.trains && (options.no_train || options.no_run) {
        Some((models(), if options.no_train { "--no-train" } else { "--no-run" }))
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
