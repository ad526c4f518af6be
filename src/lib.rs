//! `repro`: make for papers, with the trainer built in.
//!
//! Data flows one way: a module uses only what stands above it in this list, and `tests/suite/architecture.rs` holds it to that.

#![cfg(unix)]
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

pub use repro_base::{error, exchange, record, spec, threads, union, value};
pub use repro_train as train;

pub mod metrics;
pub mod markup;
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
