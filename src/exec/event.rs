//! The events of a build, for progress bars, log lines and JSON.

use std::path::PathBuf;

use crate::error::Error;
use crate::stages::KindInfo;

/// Something that happened in a build.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stage has `units` of `total` units to run, with an estimate of seconds on one core, unless it is a program that never ran; `again` if
    /// it is up to date and forced to rerun.
    StageStarted {
        stage: &'a str,
        kind: &'static KindInfo,
        units: usize,
        total: usize,
        seconds: Option<f64>,
        again: bool,
    },
    /// A unit succeeded. `found`: another process, or another stage of this build, made its result in the meantime.
    UnitFinished { stage: &'a str, unit: &'a str, seconds: f64, found: bool, done: usize, units: usize },
    /// An environment of programs is made, by this installer.
    EnvironmentStarted { environment: &'a str, installer: &'static str },
    /// It is made.
    EnvironmentFinished { environment: &'a str, installer: &'static str, seconds: f64 },
    /// Work done, also inside running units: in units (2.25: two points and a quarter), and as a share of the estimated time. `log` is the
    /// log of the stage's program, if it has one.
    Progress { stage: &'a str, done: f64, units: usize, share: f64, log: Option<PathBuf> },
    /// The whole build: stages that are done, up to date ones included, of all, and stages that run; the estimated seconds that are left, if
    /// they are known of all stages.
    Totals { done: usize, stages: usize, running: usize, seconds: Option<f64> },
    /// All units and files of a stage exist. `ran`: units run by this build; `other`: units of a forced rerun with a
    /// different result.
    StageFinished {
        stage: &'a str,
        kind: &'static KindInfo,
        ran: usize,
        seconds: f64,
        written: &'a [String],
        other: Option<usize>,
    },
    /// A unit has failed, and the other units of its stage still run.
    UnitFailed { stage: &'a str, unit: &'a str, error: &'a Error },
    /// A stage failed; `unit` is the one that failed last.
    StageFailed { stage: &'a str, unit: &'a str, error: &'a Error },
}

/// Receives the events of a build.
pub trait Observer {
    fn event(&mut self, event: &Event);
    /// A warning about no particular stage, such as a damaged file in the cache.
    fn warning(&mut self, text: &str);
}
