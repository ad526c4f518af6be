//! `repro`: make for papers, with the trainer built in.
//!
//! Data flows one way: a module uses only what stands above it in this list, and `tests/architecture.rs` holds it to that.

pub mod error;
pub mod spec;
pub mod value;
pub mod exchange;
pub mod train;
pub mod metrics;
pub mod figures;
pub mod tables;
pub mod program;
pub mod stages;
pub mod graph;
pub mod key;
pub mod store;
pub mod plan;
pub mod exec;
pub mod render;
pub mod audit;
pub mod cli;
