//! Files that stood where artifacts are about to be written for the first time: somebody made them, and they are not thrown away.

use std::path::Path;

use super::Store;
use crate::error::Result;

impl Store {
    /// Keep what is at this path, unless it is what will be written there.
    pub fn set_aside(&self, path: &Path, new: &[u8]) -> Result<()> {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { return Ok(()) };
        let Ok(found) = std::fs::read(path) else { return Ok(()) };
        if found == new {
            return Ok(());
        }
        let folder = self.dir.join("replaced");
        let names = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}.{n}")));
        let there = |kept: &std::path::PathBuf| std::fs::read(kept).is_ok_and(|bytes| bytes == found);
        let kept = names.map(|name| folder.join(name)).find(|kept| !kept.exists() || there(kept));
        if let Some(kept) = kept {
            self.write_artifact(&kept, &found)?;
            let (path, kept) = (path.display(), kept.display());
            self.warn(format!("`{path}` was there before this paper made it: that file is kept as `{kept}`"));
        }
        Ok(())
    }
}
