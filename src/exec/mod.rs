//! Runs what a plan calls for: schedule, events, and the local executor. It knows neither terminals nor file formats.

mod boss;
mod cards;
mod event;
mod inputs;
mod lane;
mod local;
mod queue;
mod schedule;
mod worker;
mod workplace;

pub use cards::Cards;
pub use event::{Event, Observer};
pub use inputs::{content, dataset};
pub use local::build;
pub use schedule::Schedule;

use std::sync::atomic::AtomicBool;

use crate::error::Error;

/// How to build.
#[derive(Debug)]
pub struct Options {
    /// Units that run at once.
    pub jobs: usize,
    /// After a failure, go on with what does not need the failed stage.
    pub keep_going: bool,
    /// Fail instead of training.
    pub no_train: bool,
    /// Fail instead of training, fetching or running a program: only metrics, figures and tables are made.
    pub no_run: bool,
    /// Graphics cards that train.
    pub cards: Cards,
    /// Stages that run again although they are current.
    pub again: Vec<usize>,
    /// Set from outside (Ctrl-C): stop as soon as possible; finished units are kept.
    pub interrupted: &'static AtomicBool,
}

/// How a build ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Units that ran.
    pub ran: usize,
    /// Models trained among them.
    pub trained: usize,
    /// Stages that ran something or wrote a file, and are done.
    pub built: Vec<Built>,
    /// Stages that were current.
    pub current: usize,
    pub failures: Vec<Failure>,
    /// What stages that ran warn of.
    pub warnings: Vec<StageWarning>,
    /// Stages not tried: something they need failed, or the build ended before.
    pub skipped: Vec<String>,
    /// Stages that were under way when the build ended.
    pub unfinished: Vec<Unfinished>,
    pub interrupted: bool,
    /// Why the build as a whole could not go on: a full disk, a bug.
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

    /// Every stage was current, or is now.
    pub fn is_whole(&self) -> bool {
        let nothing = self.failures.is_empty() && self.skipped.is_empty() && self.unfinished.is_empty();
        nothing && self.broken.is_none() && !self.interrupted
    }
}

/// A stage that failed, with the unit if one is to blame.
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

/// A stage that was under way when the build ended: the units it has, of how many.
#[derive(Debug)]
pub struct Unfinished {
    pub stage: String,
    pub done: usize,
    pub units: usize,
}
