//! What the last build recorded of each stage, by name: for explanations and estimates only (see `plan/last_build.rs`).

use std::path::{Path, PathBuf};

use super::{Store, files};
use crate::error::{Error, Result};

impl Store {
    /// The folder of the records of this paper; `last/` itself if no paper is known.
    pub(super) fn last_build_folder(&self) -> PathBuf {
        let last = self.dir.join("last");
        self.paper.as_ref().map_or_else(|| last.clone(), |project| last.join(&project.id))
    }

    pub fn last_build(&self, name: &str) -> Option<serde_json::Value> {
        // Stage names hold letters, digits, `-`, `_` and `.`, and begin with a letter or digit: they are safe as file names.
        let file = format!("{name}.json");
        let read = |folder: &Path| serde_json::from_slice(&std::fs::read(folder.join(&file)).ok()?).ok();
        // In older caches all papers shared one folder.
        read(&self.last_build_folder()).or_else(|| read(&self.dir.join("last")))
    }

    pub fn set_last_build(&self, name: &str, value: &serde_json::Value) -> Result<()> {
        self.write_last_build(&format!("{name}.json"), value.to_string().as_bytes())
    }

    /// Write a file into the folder of this paper.
    pub(super) fn write_last_build(&self, file: &str, bytes: &[u8]) -> Result<()> {
        self.prepare()?;
        let folder = self.last_build_folder();
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, &e))?;
        files::write_unsynced(&self.dir.join("tmp"), &folder.join(file), bytes)
    }
}
