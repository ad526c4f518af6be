//! The CPU engine: one model a thread, no tensor framework, analytic gradients.
// Kernels index several small arrays with one counter.
#![allow(clippy::needless_range_loop)]

mod adam;
#[cfg(feature = "reference")]
pub(crate) mod batch_rows;
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
pub(crate) mod tests;

pub use peak::peak;
pub use trainer::Trainer;
pub use training_state::TrainingState;

use super::result::TrainingResult;
use crate::control::Control;
use crate::numerics::simd::Level;
use crate::recipe::Recipe;
use repro_base::error::Result;

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
