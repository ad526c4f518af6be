//! Trains small models, bit for bit the same on every machine.
//!
//! A [`Recipe`] decides the trained bytes; [`train`] runs it on one thread. Callers run many at once. It knows no cache; of the paper file it
//! knows how settings are spelled (`settings/decode.rs`), and nothing else. A [`Control`] stands for the caller during a run.
//!
//! From bottom to top, and no file imports one above it: `numerics` (vectors, random words, batches, routing), `settings`, `models`,
//! `recipe`, `engines`, and what needs all of them (`check.rs`, `estimate.rs`). The fused engine has analytic gradients; the reference engine,
//! for models that have no kernel and to test the kernels against, differentiates automatically and promises no bits. The numerics contract
//! is written in `contract.rs`.

// Nothing that users give it may make the program panic: what can fail returns an error, and what cannot is written so that the compiler
// sees it. Tests may stop where something is not as expected.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

mod contract;
mod control;
mod numerics;
mod settings;
mod models;
mod recipe;
pub mod engines;
mod check;
mod estimate;

pub use contract::CONTRACT_VERSION;
pub use control::{Control, Unattended};
pub use engines::TrainingResult;
pub use engines::cuda;
pub use models::architecture::{Architecture, Mixture, ModelShape, Parameter, TwoLayer, TwoLayerFlags};
pub use models::*;
pub use numerics::batch::Batch;
pub use numerics::distribution::InputDistribution;
pub use numerics::draws::{BatchId, RandomStream};
pub use numerics::math::ln;
pub use numerics::routing::Router;
pub use numerics::simd::Level;
pub use recipe::{Engine, Recipe, RecipeManifestText, Reduction};
pub use settings::data::{Data, Importance, ImportanceSettings, SparseUniform};
pub use settings::init::{InitSettings, Initialiser};
pub use settings::optimizer::{AdamSettings, AdamWSettings, DropAndStop, Optimizer, Schedule};
pub use settings::problem::RecipeProblem;

use repro_base::error::Result;

/// Train one model; `None` when `control` stopped it.
pub fn train(recipe: &Recipe, control: &dyn Control) -> Result<Option<TrainingResult>> {
    match recipe.engine {
        Engine::Fused => engines::cpu::train(recipe, control),
        Engine::Reference => engines::reference::train(recipe, control),
    }
}
