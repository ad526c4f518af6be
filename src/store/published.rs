//! The files that a paper has written to `figures/`. Before the first write to a name, a file that is already there is copied to `replaced/`: it may
//! be the work of the user.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use super::files::sync_folder;
use super::{Digest, Store, lock};
use crate::error::{Error, Result};

pub(super) const NAME: &str = "published";

impl Store {
    /// Write an artifact: `name` in the folder of figures, at `path`. A file that is already there is backed up, unless this paper has written that
    /// name before or the cache holds the same content.
    pub fn publish(&self, name: &str, path: &Path, bytes: &[u8]) -> Result<()> {
        if !self.has_published(name) {
            self.back_up(path, bytes)?;
            // Before the file: after a power cut, a file without its name in the list would be taken for the user's.
            if let Err(error) = self.note_published(name) {
                // The next build checks the file once more.
                tracing::debug!("{error}");
            }
        }
        self.will_overwrite(path);
        self.write_artifact(path, bytes)
    }

    fn has_published(&self, name: &str) -> bool {
        let mut published = lock(&self.published);
        let read = || {
            let bytes = std::fs::read(self.last_build_folder().join(NAME)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).lines().map(str::to_string).collect::<HashSet<_>>()
        };
        published.get_or_insert_with(read).contains(name)
    }

    fn note_published(&self, name: &str) -> Result<()> {
        self.prepare()?;
        let folder = self.last_build_folder();
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, &e))?;
        let path = folder.join(NAME);
        let mut published = lock(&self.published);
        // In one write, because other builds may append too. The line break comes first, so that a truncated line stays a separate name.
        let written = std::fs::File::options()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("\n{name}\n").as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|e| Error::io("write", &path, &e))?;
        sync_folder(&folder);
        published.get_or_insert_default().insert(name.to_string());
        Ok(())
    }

    /// Back up the file at this path, unless it equals the new one or is in the cache.
    fn back_up(&self, path: &Path, new: &[u8]) -> Result<()> {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { return Ok(()) };
        let Ok(found) = std::fs::read(path) else { return Ok(()) };
        if found == new || self.holds(&Digest::hash(&found)) {
            return Ok(());
        }
        let folder = self.dir.join("replaced");
        let names = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}.{n}")));
        let there = |kept: &std::path::PathBuf| std::fs::read(kept).is_ok_and(|bytes| bytes == found);
        let kept = names.map(|name| folder.join(name)).find(|kept| !kept.exists() || there(kept));
        if let Some(kept) = kept {
            self.write_artifact(&kept, &found)?;
            let (path, kept) = (path.display(), kept.display());
            self.warn(format!("`{path}` existed before this paper wrote it; the old file was saved as `{kept}`"));
        }
        Ok(())
    }

    /// Whether the cache holds a result with this content.
    fn holds(&self, digest: &Digest) -> bool {
        lock(&self.fresh).values().any(|(trace, _)| trace.digest == *digest)
            || self.shards().iter().any(|shard| shard.records().any(|record| record.digest == *digest))
    }
}
