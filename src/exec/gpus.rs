//! GPUs as workers: each takes many training runs at once. Work that a GPU cannot do, or did not finish before it failed, goes to the
//! CPU workers.

use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::job::{Job, JobReport, UnitResult};
use super::shared::BuildShared;
use super::worker::{LONG, UnitControl, guarded, keep};
use crate::error::{Error, Result};
use crate::stages;
use crate::store::Key;
use crate::threads;
use crate::train::cuda::{self, ComputeDevice, DeviceError, DeviceFailure, FinishedTasks, TrainingTask};
use crate::train::{Engine, Recipe};

/// The CPU trains if it takes less than this many seconds, or if there are fewer runs than this: a GPU is slow to start, and slow with
/// few runs.
const SHORT: f64 = 2.0;
const FEW: usize = 64;

/// A run that takes a core fewer seconds than this restarts from the beginning after a failure.
const CHEAP: f64 = 0.5;

type Find = dyn Fn() -> std::result::Result<Vec<Arc<dyn ComputeDevice>>, Error> + Send + Sync;

/// GPUs that may train.
pub struct Gpus {
    find: Box<Find>,
    /// The user asked for them: they get all training, and it is an error if they cannot do it.
    wanted: bool,
    found: OnceLock<Vec<Arc<dyn ComputeDevice>>>,
}

impl std::fmt::Debug for Gpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpus").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Gpus {
    /// No GPUs: the CPU trains.
    pub fn none() -> Gpus {
        Gpus::given(Vec::new())
    }

    /// Exactly these GPUs; if there are any, they get all training.
    pub fn given(gpus: Vec<Arc<dyn ComputeDevice>>) -> Gpus {
        let wanted = !gpus.is_empty();
        Gpus { find: Box::new(|| Ok(Vec::new())), wanted, found: OnceLock::from(gpus) }
    }

    /// GPUs found by `find`, called once there is enough to train. Its error says why a GPU that seems to exist cannot be used.
    pub fn automatic(find: impl Fn() -> Result<Vec<Arc<dyn ComputeDevice>>> + Send + Sync + 'static) -> Gpus {
        Gpus { find: Box::new(find), wanted: false, found: OnceLock::new() }
    }

    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }

    /// The GPUs that [`Gpus::suited`] found.
    pub(super) fn found(&self) -> &[Arc<dyn ComputeDevice>] {
        self.found.get().map_or(&[], Vec::as_slice)
    }

    /// The GPUs to use for `runs` runs that would take the CPU `seconds`. `warn` is called once if GPUs cannot be used.
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

/// A unit that trains on a GPU.
struct GpuRun {
    job: Job,
    stage: usize,
    unit: usize,
    key: Key,
    recipe: Recipe,
}

/// The loop of a worker that has a GPU.
pub fn work_on_gpu(shared: &BuildShared, device: &dyn ComputeDevice, wanted: bool, reports: &Sender<JobReport>) {
    loop {
        let jobs = shared.gpu_queue.take();
        if jobs.is_empty() {
            return;
        }
        // A program of the user may have it.
        let Some(allocation) = shared.queue.take_gpu(device.number()) else { return };
        let ended = train(shared, jobs, device, reports);
        shared.queue.release(allocation);
        let Err((fault, rest)) = ended else { continue };
        let (why, hint) = describe(&fault);
        let name = device.name();
        if wanted && matches!(fault, DeviceError::Unfit { .. } | DeviceError::Kernel { .. }) {
            let mut waiting = rest;
            if matches!(fault, DeviceError::Kernel { .. }) {
                waiting.extend(shared.gpu_queue.lose_gpu());
            }
            for job in waiting {
                let Job::Unit { stage, unit, key, .. } = job else { continue };
                let error = Error::stage(why.clone()).hint(hint.clone());
                let _ = reports.send(JobReport::Unit { stage, unit, key, result: Err(error), seconds: 0.0 });
            }
        } else {
            shared.context.store.warn(format!("{name}: {why}; the processor trains what is left"));
            let mut waiting = rest;
            if !matches!(fault, DeviceError::Unfit { .. }) {
                waiting.extend(shared.gpu_queue.lose_gpu());
            }
            shared.queue.push(f64::MAX, waiting);
        }
        if !matches!(fault, DeviceError::Unfit { .. }) {
            return;
        }
    }
}

fn describe(fault: &DeviceError) -> (String, String) {
    match fault {
        DeviceError::Unfit { why, hint } | DeviceError::Kernel { why, hint } => (why.clone(), hint.clone()),
        DeviceError::Memory => ("no memory is left for one more model".into(), String::new()),
        DeviceError::Lost(why) => (format!("lost while it trained: {why}"), String::new()),
    }
}

/// GpuRun the jobs and report each. Errors: why the GPU stopped, and the jobs that it did not finish.
fn train(
    shared: &BuildShared,
    jobs: Vec<Job>,
    device: &dyn ComputeDevice,
    reports: &Sender<JobReport>,
) -> std::result::Result<(), (DeviceError, Vec<Job>)> {
    let report = |stage, unit, key, result, seconds| {
        // The receiver is gone when the build has ended.
        let _ = reports.send(JobReport::Unit { stage, unit, key, result, seconds });
    };
    let graph = shared.context.graph;
    // Other engines have no kernels.
    let (mut runs, mut elsewhere) = (Vec::new(), Vec::new());
    for job in jobs {
        let Job::Unit { stage, unit, key, again, .. } = job else { continue };
        if let Some(trace) = shared.context.store.trace(&key).filter(|_| !again) {
            report(stage, unit, key, Ok(Some(UnitResult { digest: trace.digest, found: true, whole: false })), 0.0);
            continue;
        }
        match graph.stages[stage].stage.training(unit, &graph.layouts[stage]) {
            Some(Ok(recipe)) if recipe.engine != Engine::Fused => elsewhere.push(job),
            Some(Ok(recipe)) => runs.push(GpuRun { job, stage, unit, key, recipe }),
            Some(Err(error)) => report(stage, unit, key, Err(error), 0.0),
            None => report(stage, unit, key, Err(Error::internal("a unit for a GPU does not train")), 0.0),
        }
    }
    shared.queue.push(f64::MAX, elsewhere);
    let controls: Vec<UnitControl> =
        runs.iter().map(|run| UnitControl::new(shared, run.stage, run.unit, run.key, run.recipe.steps)).collect();
    let tasks: Vec<TrainingTask> =
        runs.iter().zip(&controls).map(|(run, control)| TrainingTask { recipe: run.recipe.clone(), control }).collect();
    let mut left = vec![true; runs.len()];
    // The time since the last results is divided among these.
    let mut since = Instant::now();
    let mut done = |ended: FinishedTasks| {
        let took = since.elapsed().div_f64(ended.len().max(1) as f64);
        since = Instant::now();
        ended.iter().for_each(|(number, _)| left[*number] = false);
        // In parallel: encoding results must not take longer than training.
        threads::map(ended, |(number, outcome)| {
            let GpuRun { stage, unit, key, recipe, .. } = &runs[number];
            controls[number].forget_progress();
            let result = outcome.map(|outcome| {
                let payload = stages::trained(recipe, &outcome)?;
                let digest = keep(shared, *key, &payload, took, LONG)?;
                // Its time does not say how long a core would take.
                Ok(UnitResult { digest, found: false, whole: false })
            });
            report(*stage, *unit, *key, result.transpose(), took.as_secs_f64());
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
            && let Err(error) = shared.context.store.save_checkpoint(&run.key, checkpoint)
        {
            tracing::debug!("no checkpoint: {error}");
        }
    }
    controls.iter().for_each(|control| control.forget_progress());
    let rest = runs.into_iter().zip(left).filter(|(_, left)| *left).map(|(run, _)| run.job).collect();
    Err((broken.error, rest))
}
