//! Integration tests, in one binary so that the program is linked once: what users see, by commands of the real program.

mod support;

mod architecture;
mod cache;
mod cli;
mod concurrency;
mod corruption;
#[cfg(unix)]
mod crash;
mod cycles;
#[cfg(unix)]
mod data;
#[cfg(unix)]
mod diff;
mod engines;
mod errors;
#[cfg(unix)]
mod exec;
mod explain;
#[cfg(unix)]
mod export;
#[cfg(unix)]
mod filesystem;
#[cfg(unix)]
mod forgery;
#[cfg(unix)]
mod gc;
#[cfg(unix)]
mod gpu;
#[cfg(unix)]
mod hostile;
mod group;
mod invalidation;
mod latex;
mod looking;
mod marks;
#[cfg(unix)]
mod nan;
mod noop;
mod numerics;
mod paper;
#[cfg(unix)]
mod program;
mod schedule;
mod schema;
mod tables;
#[cfg(unix)]
mod verify;
#[cfg(unix)]
mod watch;
