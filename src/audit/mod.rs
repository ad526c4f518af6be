//! Operations on a whole paper and its results: rebuild and compare (`verify`), compare with an earlier revision (`diff`), pack into an archive
//! (`export`), delete unneeded results (`gc`), and take old results for new keys (`accept`). It prints nothing.

mod accept;
mod archive;
mod datasets;
mod diff;
mod gc;
mod revision;
mod verify;

pub mod git;

pub use accept::{Accepted, accept};
pub use archive::{
    Archive, ArchiveError, CacheFacts, ExportSummary, Maker, PublicationInfo, ResultTrace, StageTrace, Traces, export,
    is_archive, iso_date,
};
pub use datasets::{ArrayChange, ArrayDiff, ChangedValue, ChangedValues};
pub use diff::{CellChange, DiffStatus, PictureDiff, StageDiff, diff};
pub use gc::{Garbage, GcLimits, collect, garbage};
pub use revision::Revision;
pub use verify::{Verdict, Verification, VerifiedResult, verify};
