//! The commands of `repro`, and the only code that prints. One file per command, and shared helpers.
//!
//! Results go to standard output, progress, warnings and errors to standard error. Commands return an exit code or [`Trouble`].

mod args;
mod bug;
mod console;
mod diagnostics;
mod frozen;
mod interrupt;
mod jobs;
mod lock_file;
mod open;
mod narrow;
mod picture;
mod progress;
mod project;
mod provenance;
mod replace;
mod verify_archive;
mod verify_report;
mod words;

pub mod accept;
pub mod build;
pub mod check;
pub mod compare;
pub mod completions;
pub mod diff;
pub mod explain;
pub mod export;
pub mod gc;
pub mod graph;
pub mod init;
pub mod plan;
pub mod schema;
pub mod show;
pub mod status;
pub mod verify;
pub mod watch;

pub use crate::program::init as init_programs;
pub use args::{Arguments, Command, Global};
pub use bug::caught;
pub use console::Console;
pub use diagnostics::{PaperSource, Trouble, report, text};
pub use project::{Project, Unchecked, enter};
