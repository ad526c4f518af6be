//! What all of `repro` is built on: errors, the parser of the paper file, the values that stages exchange, and readers of files.
//!
//! Data flows one way, as in the main crate: a module uses only what stands above it in this list.

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

pub mod error;
pub mod threads;
pub mod spec;
pub mod value;
pub mod exchange;
