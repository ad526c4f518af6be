//! Trains many models on a device: groups them by kernel, splits groups into batches that fit into its memory, and returns every result as
//! soon as it is available.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::device::{ComputeDevice, DeviceError, DeviceKernel};
use super::model_batch::ModelBatch;
use super::variant::KernelVariant;
use crate::control::Control;
use crate::engines::cpu::TrainingState;
use crate::engines::result::TrainingResult;
use crate::recipe::Recipe;

/// How long a launch should take: results, checkpoints and interruptions are handled between launches.
const LAUNCH_TIME: Duration = Duration::from_millis(100);

/// Steps of the first launch of a batch, which measures their time.
const FIRST_STEPS: u32 = 16;

/// Models of a batch, in multiples of those that run concurrently: few, so that results come early and a kill costs little.
const ROUNDS: usize = 4;

/// One model to train, and its caller.
pub struct TrainingTask<'a> {
    pub recipe: Recipe,
    pub control: &'a dyn Control,
}

/// The device could not continue. What it had finished was reported; the rest may continue from checkpoints.
#[derive(Debug)]
pub struct DeviceFailure {
    pub error: DeviceError,
    /// Checkpoints of unfinished models, by the numbers of their tasks.
    pub checkpoints: Vec<(usize, Vec<u8>)>,
}

/// Finished tasks by number, each with its result, or `None` if it was stopped.
pub type FinishedTasks = Vec<(usize, Option<TrainingResult>)>;

/// Train all tasks. `done` is called with those that finished in each launch.
pub fn train(
    device: &dyn ComputeDevice,
    tasks: &[TrainingTask],
    done: &mut dyn FnMut(FinishedTasks),
) -> Result<(), DeviceFailure> {
    let mut groups: Vec<(KernelVariant, Vec<usize>)> = Vec::new();
    let mut unfit = None;
    for (number, task) in tasks.iter().enumerate() {
        let Some(variant) = KernelVariant::for_recipe(&task.recipe) else {
            let why =
                format!("a batch of {} samples is too large for kernels, which index with 32 bits", task.recipe.batch);
            unfit = Some(DeviceError::Unfit { why, hint: "train it on the CPU".into() });
            continue;
        };
        match groups.iter_mut().find(|(other, _)| *other == variant) {
            Some((_, numbers)) => numbers.push(number),
            None => groups.push((variant, vec![number])),
        }
    }
    for (variant, numbers) in groups {
        let start = || {
            let kernel = device.load(&variant)?;
            let room = device.memory() / kernel.bytes().max(1);
            match usize::try_from(room).unwrap_or(usize::MAX).min(ROUNDS * kernel.concurrency().max(1)) {
                0 => {
                    let (needed, available) = (format_bytes(kernel.bytes()), format_bytes(device.memory()));
                    let why = format!(
                        "a model of {} needs {needed} of memory on {}, but may use only {available}",
                        variant.name(),
                        device.name()
                    );
                    Err(DeviceError::Unfit { why, hint: "raise --gpu-memory, or use --device cpu".into() })
                }
                models => Ok((kernel, models)),
            }
        };
        let (kernel, mut max_models) = match start() {
            Ok(started) => started,
            Err(error @ DeviceError::Unfit { .. }) => {
                unfit = Some(error);
                continue;
            }
            Err(error) => return Err(DeviceFailure { error, checkpoints: Vec::new() }),
        };
        let mut remaining = numbers.as_slice();
        while !remaining.is_empty() {
            // Batches of about the same size.
            let count = remaining.len().div_ceil(remaining.len().div_ceil(max_models));
            let (now, later) = remaining.split_at(count);
            match train_batch(&*kernel, tasks, now, done) {
                Err(DeviceFailure { error: DeviceError::Memory, checkpoints })
                    if checkpoints.is_empty() && count > 1 =>
                {
                    max_models = count / 2
                }
                ended => {
                    ended?;
                    remaining = later;
                }
            }
        }
    }
    unfit.map_or(Ok(()), |error| Err(DeviceFailure { error, checkpoints: Vec::new() }))
}

/// `13.1 kB`, `4.0 GB`.
fn format_bytes(bytes: u64) -> String {
    let (unit, name) =
        [(1e9, "GB"), (1e6, "MB")].into_iter().find(|(unit, _)| bytes as f64 >= *unit).unwrap_or((1e3, "kB"));
    format!("{:.1} {name}", bytes as f64 / unit)
}

/// Train one batch. If the device fails before the first launch, there are no checkpoints.
fn train_batch(
    kernel: &dyn DeviceKernel,
    tasks: &[TrainingTask],
    numbers: &[usize],
    done: &mut dyn FnMut(FinishedTasks),
) -> Result<(), DeviceFailure> {
    let start = |&number: &usize| {
        let TrainingTask { recipe, control } = &tasks[number];
        let mut state = TrainingState::new(recipe);
        if let Some(bytes) = control.checkpoint() {
            // A checkpoint of another recipe or version is ignored.
            state.restore(&bytes);
        }
        state
    };
    let mut states: Vec<TrainingState> = numbers.par_iter().map(start).collect();
    let mut reported = vec![false; states.len()];
    let mut batch = ModelBatch::from_states(states.iter(), kernel.stride());
    let mut steps = FIRST_STEPS;
    let mut advance = || {
        let mut on_device = kernel.upload(&batch)?;
        loop {
            let mut finished = FinishedTasks::new();
            for (i, &number) in numbers.iter().enumerate() {
                let TrainingTask { control, .. } = &tasks[number];
                if reported[i] {
                    continue;
                } else if batch.finished(i) {
                    finished.push((number, Some(states[i].result())));
                } else {
                    control.save(&|| states[i].save());
                    control.progress(states[i].step);
                    if !control.stop() {
                        continue;
                    }
                    finished.push((number, None));
                }
                reported[i] = true;
            }
            if !finished.is_empty() {
                done(finished);
            }
            if reported.iter().all(|&reported| reported) {
                return Ok(());
            }
            let started = Instant::now();
            on_device.advance(steps)?;
            on_device.download(&mut batch)?;
            batch.scatter(states.iter_mut());
            let faster = LAUNCH_TIME.as_secs_f64() / started.elapsed().as_secs_f64().max(1e-6);
            steps = (f64::from(steps) * faster.clamp(0.25, 8.0)).clamp(1.0, 1e6) as u32;
        }
    };
    let ended: Result<(), DeviceError> = advance();
    ended.map_err(|error| {
        let unfinished = numbers.iter().enumerate().filter(|(i, _)| !reported[*i] && states[*i].step > 0);
        DeviceFailure { error, checkpoints: unfinished.map(|(i, &number)| (number, states[i].save())).collect() }
    })
}
