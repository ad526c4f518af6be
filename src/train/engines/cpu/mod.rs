//! The CPU engine: one instance a thread, no tensor framework, analytic gradients.
// Kernels index several small arrays with one counter.
#![allow(clippy::needless_range_loop)]

pub mod simd;
mod buffer;
mod layout;
mod problem;
pub(in crate::train) mod draws;
mod tiles;
mod small;
mod large;
mod several;
mod inputs;
mod layers;
mod adam;
mod instance;
mod peak;
mod checkpoint;

#[cfg(test)]
mod tests;

pub use instance::Instance;
pub use peak::peak;

use super::super::{Control, Outcome, Recipe};
use crate::error::Result;
use simd::Level;

/// Steps between two looks at the control; a step takes microseconds to a few milliseconds.
const LOOK: u32 = 8;

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
    while !instance.finished() {
        if instance.step_number().is_multiple_of(LOOK) {
            control.save(&|| instance.save());
            if control.stop() {
                return Ok(None);
            }
            control.progress(instance.step_number());
        }
        instance.step();
    }
    Ok(Some(instance.outcome()))
}
