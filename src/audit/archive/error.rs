//! Why an archive is rejected.

use crate::error::Error;
use crate::graph::LoadError;

#[derive(Debug)]
pub enum ArchiveError {
    /// It cannot be read, or is not an archive of repro.
    Unreadable(Error),
    /// It names another version of the program, and only that version can verify it.
    OtherVersion(String),
    /// Its files are not those of its manifest: one line for each problem.
    WrongFiles(Vec<String>),
    /// The paper file in it cannot be loaded.
    Paper(LoadError),
}

impl From<Error> for ArchiveError {
    fn from(error: Error) -> ArchiveError {
        ArchiveError::Unreadable(error)
    }
}
