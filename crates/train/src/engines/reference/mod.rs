//! The reference engine: every architecture as a short tensor program in binary64, differentiated automatically by dfdx. The kernels of the
//! fused engine are tested against it, and a new model can be trained before it has kernels.
//!
//! It is a hundred to several thousand times slower. Inputs and initial parameters are those of the fused engine. Its last bits may differ
//! from machine to machine, so its name is part of the key.
//!
//! Without the cargo feature `reference` it is not built, and a recipe that asks for it has a problem.

pub mod estimate;

#[cfg(feature = "reference")]
mod adam;
#[cfg(feature = "reference")]
mod checkpoint;
#[cfg(feature = "reference")]
mod graph;
#[cfg(feature = "reference")]
mod mixture;
#[cfg(feature = "reference")]
mod train;
#[cfg(feature = "reference")]
mod trainer;
#[cfg(feature = "reference")]
mod two_layer;

#[cfg(all(test, feature = "reference"))]
mod tests;

#[cfg(feature = "reference")]
pub use train::{check, train};

#[cfg(not(feature = "reference"))]
mod absent;
#[cfg(not(feature = "reference"))]
pub use absent::{check, train};
