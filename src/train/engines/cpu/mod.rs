//! The CPU engine: one model a thread, no tensor framework, analytic gradients.
// Kernels index several small arrays with one counter.
#![allow(clippy::needless_range_loop)]

mod adam;
mod checkpoint;
pub mod estimate;
mod gradient_kernel;
mod mixture_buffers;
mod mixture_layout;
mod output_layer;
mod peak;
mod small;
mod small_inputs;
mod step_constants;
mod tiles;
mod top_1;
mod top_k;
mod trainer;
mod training_state;
mod training_steps;
mod two_layer;
mod two_layer_layout;

#[cfg(test)]
pub(in crate::train) mod tests;

pub use peak::peak;
pub use trainer::Trainer;
pub use training_state::TrainingState;

use super::kernel_class::KernelClass;
use super::result::TrainingResult;
use crate::error::Result;
use crate::train::control::Control;
use crate::train::numerics::draws::{BatchId, RandomStream};
use crate::train::numerics::simd::Level;
use crate::train::recipe::Recipe;

/// Seconds of training between two calls of the control.
const CONTROL_INTERVAL: f64 = 1e-3;

/// Train one model with the best vector instructions of this machine.
pub fn train(recipe: &Recipe, control: &dyn Control) -> Result<Option<TrainingResult>> {
    train_at(Level::best(), recipe, control)
}

/// Train one model with given vector instructions; the result is the same with all.
pub fn train_at(level: Level, recipe: &Recipe, control: &dyn Control) -> Result<Option<TrainingResult>> {
    let mut trainer = Trainer::new(recipe, level);
    if let Some(bytes) = control.checkpoint() {
        // A checkpoint of another recipe or version is ignored.
        trainer.restore(&bytes);
    }
    let interval = CONTROL_INTERVAL * f64::from(recipe.steps) / estimate::seconds(recipe);
    let interval = interval.clamp(1.0, 1e6) as u32;
    while !trainer.finished() {
        control.save(&|| trainer.save());
        if control.stop() {
            return Ok(None);
        }
        control.progress(trainer.steps_taken());
        trainer.train_steps(interval);
    }
    Ok(Some(trainer.result()))
}

/// The batch of a training step, row-major \[B, n\], for other engines: the inputs that the kernels draw, in any order of samples.
pub(in crate::train) fn draw_batch(recipe: &Recipe, step: u32) -> Vec<f32> {
    let (samples, n) = (recipe.batch as usize, recipe.shape().features);
    match KernelClass::for_recipe(recipe) {
        KernelClass::Small => small_inputs::draw_batch(recipe, step),
        KernelClass::Top1 | KernelClass::TopK | KernelClass::TwoLayer(_) => {
            let id = BatchId { seed: recipe.seed, stream: RandomStream::Training, step };
            let rows = recipe.distribution().draw_rows(Level::best(), id, samples, n);
            rows.x.chunks_exact(rows.stride.max(1)).take(samples).flat_map(|row| &row[..n]).copied().collect()
        }
    }
}
