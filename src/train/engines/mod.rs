//! What trains: one module an engine.

pub mod cpu;
