//! (being written)
mod recipe;
pub use recipe::*;
