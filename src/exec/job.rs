//! What the coordinator asks of workers, and what they report.

use std::sync::Arc;

use crate::error::Result;
use crate::plan::FileState;
use crate::stages::{Demand, FileSpec, Found};
use crate::store::Key;
use crate::value::Digest;

/// The key and the digest of every unit of a stage.
pub type UnitResults = Arc<Vec<(Key, Digest)>>;

/// What a worker is asked to do.
pub enum Job {
    Unit {
        stage: usize,
        unit: usize,
        key: Key,
        results: Vec<UnitResults>,
        found: Arc<Found>,
        demand: Demand,
        /// Run it even if the store has its result.
        again: bool,
    },
    /// Write the files of a stage from the results of its units.
    Files { stage: usize, units: UnitResults, files: Vec<(FileSpec, FileState)> },
}

impl Job {
    /// The resources it needs.
    pub fn demand(&self) -> Demand {
        match self {
            Job::Unit { demand, .. } => *demand,
            Job::Files { .. } => Demand { cpus: 1, memory: 0, gpus: 0 },
        }
    }
}

/// What a worker reports.
pub enum JobReport {
    Unit {
        stage: usize,
        unit: usize,
        key: Key,
        result: Result<Option<UnitResult>>,
        seconds: f64,
    },
    /// The names of the files that were written; `None` if the build ended before all were made.
    Files {
        stage: usize,
        result: Result<Option<Vec<String>>>,
        seconds: f64,
    },
}

/// A unit's result.
#[derive(Clone, Copy)]
pub struct UnitResult {
    pub digest: Digest,
    /// It was not run here: another process made it in the meantime.
    pub found: bool,
    /// It ran here from the beginning, so its time is a measurement.
    pub whole: bool,
}
