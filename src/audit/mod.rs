//! A whole paper looked at from outside: run again and compared (`verify`), compared with an earlier revision (`diff`), put into an archive
//! (`export`), and rid of what nothing needs any more (`gc`). It decides and tells; it prints nothing.

mod archive;
mod compare;
mod diff;
mod gc;
mod revision;
mod verify;

pub mod git;

pub use archive::{
    About, Archive, Exported, Kept, Maker, Refused, ResultTrace, StageTrace, Traces, date, export, is_archive,
};
pub use compare::{Difference, Value, Values, What};
pub use diff::{CellChange, Picture, StageDiff, Standing, diff};
pub use gc::{Garbage, Limits, collect, garbage};
pub use revision::{Revision, Wrong};
pub use verify::{Artifact, Verdict, Verification, verify};
