//! Graphics cards as workers: each takes many training runs at once. What a card cannot do, or had not done when it failed, is done by the
//! other workers.

use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::worker::{Answer, Job, Made, Shop, UnitControl, guarded, keep};
use crate::error::{Error, Result};
use crate::stages;
use crate::store::Key;
use crate::threads;
use crate::train::cuda::{self, ComputeDevice, DeviceError, DeviceFailure, FinishedTasks, TrainingTask};
use crate::train::{Engine, Recipe};

/// Training is left to the processor's cores if it takes them less than this, in seconds, or has fewer runs: a card is slow to start, and slow
/// with few.
const SHORT: f64 = 2.0;
const FEW: usize = 64;

/// A run that takes a core less than this, in seconds, is begun anew after a failure.
const CHEAP: f64 = 0.5;

type Find = dyn Fn() -> std::result::Result<Vec<Arc<dyn ComputeDevice>>, Error> + Send + Sync;

/// Graphics cards that may train.
pub struct Cards {
    find: Box<Find>,
    /// They were asked for: they get all training, and what keeps them from it is an error.
    wanted: bool,
    found: OnceLock<Vec<Arc<dyn ComputeDevice>>>,
}

impl std::fmt::Debug for Cards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cards").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Cards {
    /// None: the processor trains.
    pub fn none() -> Cards {
        Cards::given(Vec::new())
    }

    /// These and no others; if there are any, they get all training.
    pub fn given(cards: Vec<Arc<dyn ComputeDevice>>) -> Cards {
        let wanted = !cards.is_empty();
        Cards { find: Box::new(|| Ok(Vec::new())), wanted, found: OnceLock::from(cards) }
    }

    /// Those that are found, once there is enough to train. An error says why one that seems to be there cannot be used.
    pub fn automatic(find: impl Fn() -> Result<Vec<Arc<dyn ComputeDevice>>> + Send + Sync + 'static) -> Cards {
        Cards { find: Box::new(find), wanted: false, found: OnceLock::new() }
    }

    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }

    /// As [`Cards::suited`] found them.
    pub(super) fn found(&self) -> &[Arc<dyn ComputeDevice>] {
        self.found.get().map_or(&[], Vec::as_slice)
    }

    /// The cards for so many runs that take the cores so many seconds. `warn` is told once what is wrong.
    pub(super) fn suited(&self, runs: usize, seconds: f64, warn: &mut dyn FnMut(String)) -> &[Arc<dyn ComputeDevice>] {
        if !self.wanted && (runs < FEW || seconds < SHORT) {
            return &[];
        }
        self.found.get_or_init(|| {
            (self.find)().unwrap_or_else(|error| {
                warn(error.message);
                Vec::new()
            })
        })
    }
}

/// A unit on a card.
struct Run {
    job: Job,
    stage: usize,
    unit: usize,
    key: Key,
    recipe: Recipe,
}

/// The life of a worker that has a card.
pub fn work_on_card(shop: &Shop, device: &dyn ComputeDevice, wanted: bool, answers: &Sender<Answer>) {
    loop {
        let jobs = shop.lane.take();
        if jobs.is_empty() {
            return;
        }
        // Not while a program of the user has it.
        let Some(taken) = shop.queue.take_card(device.number()) else { return };
        let ended = train(shop, jobs, device, answers);
        shop.queue.give_back(taken);
        let Err((fault, rest)) = ended else { continue };
        let (why, hint) = words(&fault);
        let name = device.name();
        if wanted && matches!(fault, DeviceError::Unfit { .. } | DeviceError::Kernel { .. }) {
            let mut waiting = rest;
            if matches!(fault, DeviceError::Kernel { .. }) {
                waiting.extend(shop.lane.lose_card());
            }
            for job in waiting {
                let Job::Unit { stage, unit, key, .. } = job else { continue };
                let error = Error::stage(why.clone()).hint(hint.clone());
                let _ = answers.send(Answer::Unit { stage, unit, key, result: Err(error), seconds: 0.0 });
            }
        } else {
            shop.context.store.warn(format!("{name}: {why}; the processor trains what is left"));
            let mut waiting = rest;
            if !matches!(fault, DeviceError::Unfit { .. }) {
                waiting.extend(shop.lane.lose_card());
            }
            shop.queue.push(f64::MAX, waiting);
        }
        if !matches!(fault, DeviceError::Unfit { .. }) {
            return;
        }
    }
}

fn words(fault: &DeviceError) -> (String, String) {
    match fault {
        DeviceError::Unfit { why, hint } | DeviceError::Kernel { why, hint } => (why.clone(), hint.clone()),
        DeviceError::Memory => ("no memory is left for one more model".into(), String::new()),
        DeviceError::Lost(why) => (format!("lost while it trained: {why}"), String::new()),
    }
}

/// Train what the jobs are, and answer each; what the card leaves comes back, with the reason.
fn train(
    shop: &Shop,
    jobs: Vec<Job>,
    device: &dyn ComputeDevice,
    answers: &Sender<Answer>,
) -> std::result::Result<(), (DeviceError, Vec<Job>)> {
    let answer = |stage, unit, key, result, seconds| {
        // Nobody listens any more when the build has ended.
        let _ = answers.send(Answer::Unit { stage, unit, key, result, seconds });
    };
    let graph = shop.context.graph;
    // Other engines have no kernels.
    let (mut runs, mut elsewhere) = (Vec::new(), Vec::new());
    for job in jobs {
        let Job::Unit { stage, unit, key, again, .. } = job else { continue };
        if let Some(trace) = shop.context.store.trace(&key).filter(|_| !again) {
            answer(stage, unit, key, Ok(Some(Made { digest: trace.digest, found: true, whole: false })), 0.0);
            continue;
        }
        match graph.stages[stage].stage.training(unit, &graph.layouts[stage]) {
            Some(Ok(recipe)) if recipe.engine != Engine::Fused => elsewhere.push(job),
            Some(Ok(recipe)) => runs.push(Run { job, stage, unit, key, recipe }),
            Some(Err(error)) => answer(stage, unit, key, Err(error), 0.0),
            None => answer(stage, unit, key, Err(Error::internal("a unit for a card trains nothing")), 0.0),
        }
    }
    shop.queue.push(f64::MAX, elsewhere);
    let controls: Vec<UnitControl> =
        runs.iter().map(|run| UnitControl::new(shop, run.stage, run.key, run.recipe.steps)).collect();
    let tasks: Vec<TrainingTask> =
        runs.iter().zip(&controls).map(|(run, control)| TrainingTask { recipe: run.recipe.clone(), control }).collect();
    let mut left = vec![true; runs.len()];
    // The time since the last results is shared among these.
    let mut since = Instant::now();
    let mut done = |ended: FinishedTasks| {
        let took = since.elapsed().div_f64(ended.len().max(1) as f64);
        since = Instant::now();
        ended.iter().for_each(|(number, _)| left[*number] = false);
        // Many at a time: writing them down must not take longer than training them.
        threads::map(ended, |(number, outcome)| {
            let Run { stage, unit, key, recipe, .. } = &runs[number];
            controls[number].forget_progress();
            let result = outcome.map(|outcome| {
                let payload = stages::trained(recipe, &outcome)?;
                let digest = keep(shop, *key, &payload, took)?;
                // Its time says nothing of how long a core takes.
                Ok(Made { digest, found: false, whole: false })
            });
            answer(*stage, *unit, *key, result.transpose(), took.as_secs_f64());
        });
    };
    let ended = guarded(|| Ok(cuda::train(device, &tasks, &mut done)));
    let broken = match ended {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(broken)) => broken,
        Err(bug) => DeviceFailure { error: DeviceError::Lost(bug.message), checkpoints: Vec::new() },
    };
    for (number, checkpoint) in &broken.checkpoints {
        let run = &runs[*number];
        if run.recipe.seconds() > CHEAP
            && let Err(error) = shop.context.store.save_checkpoint(&run.key, checkpoint)
        {
            tracing::debug!("no checkpoint: {error}");
        }
    }
    controls.iter().for_each(|control| control.forget_progress());
    let rest = runs.into_iter().zip(left).filter(|(_, left)| *left).map(|(run, _)| run.job).collect();
    Err((broken.error, rest))
}
