//! What trains: one module an engine, and what engines share.

mod checkpoint_bytes;
pub mod cpu;
pub mod cuda;
mod initial_parameters;
mod kernel_class;
pub mod reference;
mod result;

pub use result::TrainingResult;
