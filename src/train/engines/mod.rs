//! What trains: one module an engine.

pub mod cpu;
pub mod cuda;
pub mod reference;
