//! Runs a plan: schedule, events, and the local executor. It does not know terminals.

mod computed;
mod content;
mod coordinator;
mod dataset_cache;
mod environment_places;
mod environments;
mod event;
mod gpu_queue;
mod gpus;
mod inputs;
mod install;
mod job;
mod job_queue;
mod local;
mod payloads;
mod sandbox;
mod schedule;
mod sealed_paths;
mod shared;
mod stage_inputs;
mod worker;

pub use computed::computed_values;
pub use content::{content, dataset};
pub use event::{Event, Observer};
pub use gpus::Gpus;
pub use local::build;
pub use schedule::Schedule;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crate::error::Error;
use crate::graph::Points;
use crate::plan::Resolved;

/// Options of a build.
#[derive(Debug)]
pub struct Options {
    /// Units that run at once.
    pub jobs: usize,
    /// After a failure, go on with stages that do not need the failed one.
    pub keep_going: bool,
    /// Fail instead of training, and instead of running a program that is `expensive` or took long.
    pub no_train: bool,
    /// Fail instead of training, fetching or running a program: only metrics, figures and tables are made.
    pub no_run: bool,
    /// Fail instead of running anything or writing a file, except that missing files are restored from the cache.
    pub frozen: bool,
    /// GPUs that train.
    pub gpus: Gpus,
    /// Stages that are rerun even if they are up to date.
    pub again: Vec<usize>,
    /// Stages of which only some units are wanted.
    pub points: Points,
    /// Set by Ctrl-C: stop as soon as possible; finished units are kept.
    pub interrupted: &'static AtomicBool,
}

/// How a build ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Units that ran.
    pub ran: usize,
    /// Models trained among them.
    pub trained: usize,
    /// Finished stages that ran a unit or wrote a file.
    pub built: Vec<Built>,
    /// Number of stages that were up to date.
    pub current: usize,
    pub failures: Vec<Failure>,
    /// Warnings of stages that ran.
    pub warnings: Vec<StageWarning>,
    /// Stages that did not start: one that they need failed, or the build ended first.
    pub skipped: Vec<String>,
    /// Stages that were running when the build ended.
    pub unfinished: Vec<Unfinished>,
    /// Stages whose results are all there and whose files are written.
    pub finished: BTreeMap<usize, Resolved>,
    pub interrupted: bool,
    /// Why the whole build could not go on: a full disk, a bug.
    pub broken: Option<Error>,
}

/// A stage that ran something or wrote a file.
#[derive(Debug)]
pub struct Built {
    pub stage: String,
    /// Files written to `figures/`.
    pub written: Vec<String>,
}

impl Outcome {
    /// All files written to `figures/`.
    pub fn written(&self) -> Vec<&str> {
        self.built.iter().flat_map(|built| &built.written).map(String::as_str).collect()
    }

    /// Whether every stage is up to date now.
    pub fn is_whole(&self) -> bool {
        let nothing = self.failures.is_empty() && self.skipped.is_empty() && self.unfinished.is_empty();
        nothing && self.broken.is_none() && !self.interrupted
    }
}

/// A stage that failed, with the name of the unit that did.
#[derive(Debug)]
pub struct Failure {
    pub stage: String,
    pub unit: String,
    pub error: Error,
}

/// A warning of a stage that ran, such as a mean over NaN.
#[derive(Debug)]
pub struct StageWarning {
    pub stage: String,
    pub warning: Error,
}

/// A stage that was running when the build ended: how many of its units are done.
#[derive(Debug)]
pub struct Unfinished {
    pub stage: String,
    pub done: usize,
    pub units: usize,
}
