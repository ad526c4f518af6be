//! What a build tells while it runs, for progress bars, log lines and machines.

use std::path::PathBuf;

use crate::error::Error;
use crate::stages::KindInfo;

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stage has units to run: how many, of how many, estimated seconds of work on one core; `again` although it was current.
    StageStarted { stage: &'a str, kind: &'static KindInfo, units: usize, total: usize, seconds: f64, again: bool },
    /// A unit ended well. `found` is true where another process, or another stage of this build, had made it meanwhile.
    UnitFinished { stage: &'a str, unit: &'a str, seconds: f64, found: bool, done: usize, units: usize },
    /// Work done, inside running units too: in units (2.25: two points and a quarter), and as a share of the stage's estimated time. `log` is
    /// where the program of the stage prints, if it has one.
    Progress { stage: &'a str, done: f64, units: usize, share: f64, log: Option<PathBuf> },
    /// All units and files of a stage are there; `ran` counts the units made by this build; of a stage that ran again, `other` those that
    /// came to another result than before.
    StageFinished {
        stage: &'a str,
        kind: &'static KindInfo,
        ran: usize,
        seconds: f64,
        written: &'a [String],
        other: Option<usize>,
    },
    /// A stage failed.
    StageFailed { stage: &'a str, unit: &'a str, error: &'a Error },
}

/// Who is told.
pub trait Observer {
    fn event(&mut self, event: &Event);
    /// A word that belongs to nobody in particular, such as a damaged file in the cache.
    fn warning(&mut self, text: &str);
}
