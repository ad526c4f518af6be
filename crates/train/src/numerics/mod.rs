//! Numbers that are the same on every machine: elementary functions, random words, vectors, batches of inputs and routing.
//!
//! Nothing here knows a recipe or a model.

pub mod aligned;
pub mod batch;
pub mod distribution;
pub mod draws;
pub mod math;
pub mod rng;
pub mod routing;
pub mod simd;
