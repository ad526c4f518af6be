//! Trains many models on a device: groups them by kernel, cuts groups into waves that fit into its memory, and hands out every result as soon as
//! it is there.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::device::{Device, Fault, Kernel};
use super::variant::Variant;
use super::wave::Wave;
use crate::train::engines::cpu::State;
use crate::train::{Control, Outcome, Recipe};

/// How long a launch should take: between launches results are handed out, checkpoints kept and interruptions heeded.
const LAUNCH: Duration = Duration::from_millis(100);

/// Steps of a wave's first launch, which measures.
const FIRST_STEPS: u32 = 16;

/// Models of a wave, in multiples of those that run at once: few, so that results come early and a kill costs little.
const ROUNDS: usize = 4;

/// One model to train, and whoever waits for it.
pub struct Task<'a> {
    pub recipe: Recipe,
    pub control: &'a dyn Control,
}

/// The device could not go on. What it had finished is told; the rest may go on from checkpoints.
#[derive(Debug)]
pub struct Broken {
    pub fault: Fault,
    /// Checkpoints of models that were under way, by the numbers of their tasks.
    pub kept: Vec<(usize, Vec<u8>)>,
}

/// Tasks that have ended, by number, each with its outcome, or `None` if it was stopped.
pub type Ended = Vec<(usize, Option<Outcome>)>;

/// Train all tasks. `done` is told of each as it ends; those that ended in one launch come together.
pub fn train(device: &dyn Device, tasks: &[Task], done: &mut dyn FnMut(Ended)) -> Result<(), Broken> {
    let mut groups: Vec<(Variant, Vec<usize>)> = Vec::new();
    let mut unfit = None;
    for (number, task) in tasks.iter().enumerate() {
        let Some(variant) = Variant::of(&task.recipe) else {
            let why = format!("a batch of {} samples has more numbers than kernels count", task.recipe.batch);
            unfit = Some(Fault::Unfit { why, hint: "train it on the CPU".into() });
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
            match usize::try_from(room).unwrap_or(usize::MAX).min(ROUNDS * kernel.width().max(1)) {
                0 => {
                    let (needed, there) = (size(kernel.bytes()), size(device.memory()));
                    let why = format!(
                        "a model of {} needs {needed} of {} and may have {there}",
                        variant.name(),
                        device.name()
                    );
                    Err(Fault::Unfit {
                        why,
                        hint: "--gpu-memory allows more; --device cpu trains it on the CPU".into(),
                    })
                }
                models => Ok((kernel, models)),
            }
        };
        let (kernel, mut most) = match start() {
            Ok(started) => started,
            Err(fault @ Fault::Unfit { .. }) => {
                unfit = Some(fault);
                continue;
            }
            Err(fault) => return Err(Broken { fault, kept: Vec::new() }),
        };
        let mut rest = numbers.as_slice();
        while !rest.is_empty() {
            // Waves of one size, none of them much smaller than the others.
            let count = rest.len().div_ceil(rest.len().div_ceil(most));
            let (now, later) = rest.split_at(count);
            match wave(&*kernel, tasks, now, done) {
                Err(Broken { fault: Fault::Memory, kept }) if kept.is_empty() && count > 1 => most = count / 2,
                ended => {
                    ended?;
                    rest = later;
                }
            }
        }
    }
    unfit.map_or(Ok(()), |fault| Err(Broken { fault, kept: Vec::new() }))
}

/// `13.1 kB`, `4.0 GB`.
fn size(bytes: u64) -> String {
    let (unit, name) =
        [(1e9, "GB"), (1e6, "MB")].into_iter().find(|(unit, _)| bytes as f64 >= *unit).unwrap_or((1e3, "kB"));
    format!("{:.1} {name}", bytes as f64 / unit)
}

/// One wave. If it breaks before its first launch, no checkpoint is kept.
fn wave(kernel: &dyn Kernel, tasks: &[Task], numbers: &[usize], done: &mut dyn FnMut(Ended)) -> Result<(), Broken> {
    let begin = |&number: &usize| {
        let Task { recipe, control } = &tasks[number];
        let mut state = State::new(recipe);
        if let Some(bytes) = control.checkpoint() {
            // A checkpoint that does not fit is not used.
            state.restore(&bytes);
        }
        state
    };
    let mut states: Vec<State> = numbers.par_iter().map(begin).collect();
    let mut told = vec![false; states.len()];
    let mut wave = Wave::of(states.iter(), kernel.stride());
    let mut steps = FIRST_STEPS;
    let mut advance = || {
        let mut run = kernel.begin(&wave)?;
        loop {
            let mut ended = Ended::new();
            for (i, &number) in numbers.iter().enumerate() {
                let Task { control, .. } = &tasks[number];
                if told[i] {
                    continue;
                } else if wave.finished(i) {
                    ended.push((number, Some(states[i].outcome())));
                } else {
                    control.save(&|| states[i].save());
                    control.progress(states[i].step);
                    if !control.stop() {
                        continue;
                    }
                    ended.push((number, None));
                }
                told[i] = true;
            }
            if !ended.is_empty() {
                done(ended);
            }
            if told.iter().all(|&told| told) {
                return Ok(());
            }
            let started = Instant::now();
            run.advance(steps)?;
            run.read(&mut wave)?;
            wave.write_to(states.iter_mut());
            let faster = LAUNCH.as_secs_f64() / started.elapsed().as_secs_f64().max(1e-6);
            steps = (f64::from(steps) * faster.clamp(0.25, 8.0)).clamp(1.0, 1e6) as u32;
        }
    };
    let ended: Result<(), Fault> = advance();
    ended.map_err(|fault| {
        let begun = numbers.iter().enumerate().filter(|(i, _)| !told[*i] && states[*i].step > 0);
        Broken { fault, kept: begun.map(|(i, &number)| (number, states[i].save())).collect() }
    })
}
