//! Integration tests, in one binary so that the program is linked once: what users see, by commands of the real program.

mod support;

mod architecture;
mod cache;
mod cli;
mod concurrency;
mod corruption;
mod crash;
mod cycles;
mod data;
mod diff;
mod engines;
mod errors;
mod exec;
mod explain;
mod export;
mod filesystem;
mod forgery;
mod gc;
mod gpu;
mod hostile;
mod group;
mod invalidation;
mod latex;
mod looking;
mod marks;
mod nan;
mod noop;
mod numerics;
mod paper;
mod program;
mod schedule;
mod schema;
mod tables;
mod verify;
mod watch;
