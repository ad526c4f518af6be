//! The GPU engine: the contract's bytes from kernels in CUDA C. Whole training runs stay on the card: random numbers, forward, backward and
//! optimizer, for hundreds of steps a launch.
//!
//! Kernels are compiled when they are needed, by NVRTC; nothing of CUDA is needed to build this crate or to run it without a card. `kernels/` is
//! also C++, which [`Host`] compiles to check the bits where there is no card.

mod card;
mod device;
mod host;
mod nvrtc;
mod train;
mod variant;
mod wave;

#[cfg(test)]
mod tests;

pub use card::{Missing, cards, visible};
pub use device::{Device, Fault, Kernel, Run};
pub use host::Host;
pub use nvrtc::compile;
pub use train::{Broken, Ended, Task, train};
pub use variant::{Source, Variant};
pub use wave::Wave;
