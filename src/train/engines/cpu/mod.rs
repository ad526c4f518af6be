//! The CPU engine: one instance a thread, no tensor framework, analytic gradients.
// Kernels index several small arrays with one counter.
#![allow(clippy::needless_range_loop)]

pub mod simd;
mod buffer;
mod layout;
pub mod problem;
pub(in crate::train) mod draws;
mod tiles;
mod small;
mod large;
mod several;
pub(in crate::train) mod inputs;
mod layers;
mod adam;
mod instance;
mod peak;
mod checkpoint;

#[cfg(test)]
pub(super) mod tests;

pub use instance::{Instance, State};
pub use peak::peak;
pub use small::is_small;

use super::super::{Batch, Control, Outcome, Recipe, Stream};
use crate::error::Result;
use inputs::Law;
use simd::Level;

/// Seconds of training between two looks at the control.
const LOOK: f64 = 1e-3;

/// Train one model at the best level of this machine.
pub fn train(recipe: &Recipe, control: &dyn Control) -> Result<Option<Outcome>> {
    train_at(Level::best(), recipe, control)
}

/// Train one model at a given level; the result is the same at all.
pub fn train_at(level: Level, recipe: &Recipe, control: &dyn Control) -> Result<Option<Outcome>> {
    let mut instance = Instance::new(recipe, level);
    if let Some(bytes) = control.checkpoint() {
        // A checkpoint that does not fit is not used.
        instance.restore(&bytes);
    }
    let look = (LOOK * f64::from(recipe.steps) / recipe.seconds()).clamp(1.0, 1e6) as u32;
    while !instance.finished() {
        control.save(&|| instance.save());
        if control.stop() {
            return Ok(None);
        }
        control.progress(instance.step_number());
        instance.steps(look);
    }
    Ok(Some(instance.outcome()))
}

/// The batch of a training step, row-major \[B, n\], for other engines: the inputs that the kernels draw, in any order of samples.
pub(in crate::train) fn rows(recipe: &Recipe, step: u32) -> Vec<f32> {
    let (samples, n) = (recipe.batch as usize, recipe.shape().features);
    if recipe.model.entry().layers().is_none()
        && let Some(rows) = small::rows(recipe, step)
    {
        return rows;
    }
    let mut batch = Batch::default();
    batch.fill_from(recipe.seed, Stream::Training, step, samples, n, Law::of(recipe));
    let mut rows = vec![0.0; samples * n];
    for (s, row) in rows.chunks_exact_mut(n).enumerate() {
        let (index, value) = batch.sample(s);
        index.iter().zip(value).for_each(|(&i, &x)| row[i as usize] = x);
    }
    rows
}
