//! The differences of one stage between two revisions.

use super::super::datasets::ArrayDiff;
use crate::error::Error;
use crate::plan::Reason;
use crate::stages::{Definition, Holds, KindInfo};
use crate::value::Cell;

/// How a stage compares with the stage of the same name at the other revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffStatus {
    Same,
    Changed,
    Added,
    Removed,
    /// No difference was found, but not all results are in the cache.
    Unknown,
}

/// The differences of one stage.
#[derive(Debug)]
pub struct StageDiff {
    pub name: String,
    pub kind: &'static KindInfo,
    pub holds: Holds,
    pub status: DiffStatus,
    /// The settings that changed. The results may still be the same.
    pub settings: Vec<Reason>,
    /// The values of axes, the rows and the columns that were added and removed.
    pub shape: Vec<String>,
    /// The number of units with equal results.
    pub same: usize,
    /// The number of units with different results.
    pub changed: usize,
    /// The number of units whose old and whose new result is not in the cache.
    pub uncached: [usize; 2],
    /// Why the old and the new keys cannot be computed: a file or a tool is missing.
    pub faults: [Option<Error>; 2],
    /// The differences in the numbers of changed units, by array.
    pub arrays: Vec<ArrayDiff>,
    /// The cells of a table whose text or numbers changed.
    pub cells: Vec<CellChange>,
    /// The files of a program or of the project that changed: `model.npz: content differs`.
    pub files: Vec<String>,
    /// The pictures that changed, old and new side by side.
    pub pictures: Vec<PictureDiff>,
}

/// A cell that is in both tables and changed.
#[derive(Clone, Debug, PartialEq)]
pub struct CellChange {
    /// The names and coordinates of its row.
    pub row: Vec<(String, String)>,
    pub column: String,
    pub old: Cell,
    pub new: Cell,
}

/// The old and the new picture in one.
#[derive(Debug)]
pub struct PictureDiff {
    /// `fig1`, or the file of a program without its extension.
    pub name: String,
    pub png: Vec<u8>,
    /// The fraction of pixels that differ, if both have the same size.
    pub share: Option<f64>,
}

impl StageDiff {
    pub(super) fn new(stage: &Definition, status: DiffStatus) -> StageDiff {
        StageDiff {
            name: stage.name.clone(),
            kind: stage.stage.kind(),
            holds: stage.stage.holds(),
            status,
            settings: Vec::new(),
            shape: Vec::new(),
            same: 0,
            changed: 0,
            uncached: [0; 2],
            faults: [None, None],
            arrays: Vec::new(),
            cells: Vec::new(),
            files: Vec::new(),
            pictures: Vec::new(),
        }
    }

    /// Set the status from the differences.
    pub(super) fn update_status(&mut self) {
        let incomplete = self.uncached != [0; 2] || self.faults.iter().any(Option::is_some);
        self.status = match self.changed > 0 || !self.shape.is_empty() || !self.cells.is_empty() {
            true => DiffStatus::Changed,
            false if incomplete => DiffStatus::Unknown,
            false => DiffStatus::Same,
        };
    }
}
