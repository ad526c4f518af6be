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
        loop {
            let _ = std::fs::remove_file(path);
            match File::options().append(true).create_new(true).open(path) {
                // Another build of the same stage was quicker.
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists && path.is_file() => {}
                opened => return opened.map_err(|e| Error::io("write", path, &e)),
            }
        }
    }
}
