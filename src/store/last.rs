//! What was built last under a stage's name: for explanations and estimates, never to decide anything.

use std::path::PathBuf;

use super::{Store, files};
use crate::error::Result;

impl Store {
    fn last_path(&self, name: &str) -> PathBuf {
        // Stage names hold only letters, digits, `-`, `_` and `.`, and begin with a letter or digit; a suffix keeps `.` harmless.
        self.dir.join("last").join(format!("{name}.json"))
    }

    pub fn last(&self, name: &str) -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(self.last_path(name)).ok()?).ok()
    }

    pub fn set_last(&self, name: &str, value: &serde_json::Value) -> Result<()> {
        self.prepare()?;
        files::write_lightly(&self.dir.join("tmp"), &self.last_path(name), value.to_string().as_bytes())
    }
}
