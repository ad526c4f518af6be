//! What programs printed: the last log of each stage.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Store;
use crate::error::{Error, Result};

impl Store {
    /// Where the log of a stage is.
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }

    /// A new, empty log at this path, open for appending. Whoever still writes to the one before, in another build, keeps that one.
    pub fn new_log(&self, path: &Path) -> Result<File> {
        self.prepare()?;
        let fail = |e: std::io::Error| Error::io("write", path, &e);
        let aside = tempfile::Builder::new().prefix(".repro-").append(true).tempfile_in(self.dir.join("tmp"));
        aside.map_err(fail)?.persist(path).map_err(|e| fail(e.error))
    }
}
