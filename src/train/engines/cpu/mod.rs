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
pub mod tests;

pub use instance::{Instance, State};
pub use peak::peak;
pub use small::is_small;

use super::super::{Control, Outcome, Recipe};
use crate::error::Result;
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
