//! Trains small models, bit for bit the same on every machine.
//!
//! A [`Recipe`] decides the trained bytes; [`train`] runs it on one thread. Callers run many at once. It knows no paper file and no cache:
//! settings are plain data, and a [`Control`] stands for whoever waits. The fused engine has analytic gradients; the reference engine, for
//! models that have no kernel and to hold the kernels to, differentiates automatically and promises no bits.
//!
//! The numerics contract is written in `contract.rs`.

mod batch;
mod check;
mod contract;
mod control;
pub mod engines;
mod init;
mod math;
mod models;
mod recipe;
mod rng;
mod routing;
mod texts;

pub use batch::{Batch, Stream};
pub use check::Fault;
pub use contract::CONTRACT_VERSION;
pub use control::{Control, Unattended};
pub use engines::cpu::inputs::Law as Inputs;
pub use engines::cuda;
pub use math::ln;
pub use models::*;
pub use recipe::*;
pub use routing::Router;
pub use texts::RecipeTexts;

use crate::error::Result;

/// What training leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The values of each of [`Recipe::parameters`], row-major.
    pub parameters: Vec<Vec<f32>>,
    /// Loss of the last batch before the last update, load-balancing term included.
    pub loss: f32,
    /// (step, loss) at about fifty steps of the run and at the last one.
    pub history: Vec<(u32, f32)>,
    /// Steps taken; fewer than asked for if the run stopped early.
    pub steps_run: u32,
}

/// Train one model; `None` when `control` stopped it.
pub fn train(recipe: &Recipe, control: &dyn Control) -> Result<Option<Outcome>> {
    match recipe.engine {
        Engine::Fused => engines::cpu::train(recipe, control),
        Engine::Reference => engines::reference::train(recipe, control),
    }
}
