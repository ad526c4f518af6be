//! Checkpoints of long runs: of the trainer a file, digest, then bytes, of which a damaged one is none; of programs their folders, as they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::remove::remove_folder;
use super::{Digest, Key, Store, files};
use crate::error::Result;

impl Store {
    fn partial(&self, key: &Key) -> PathBuf {
        self.dir.join("partial").join(key.to_string())
    }

    /// The last checkpoint of a unit.
    pub fn checkpoint(&self, key: &Key) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.partial(key)).ok()?;
        let (digest, payload) = bytes.split_at_checked(32)?;
        (Digest::hash(payload).0 == digest).then(|| payload.to_vec())
    }

    pub fn save_checkpoint(&self, key: &Key, payload: &[u8]) -> Result<()> {
        self.prepare()?;
        let mut bytes = Digest::hash(payload).0.to_vec();
        bytes.extend_from_slice(payload);
        files::write_via(&self.dir.join("tmp"), &self.partial(key), &bytes)
    }

    pub fn has_checkpoint(&self, key: &Key) -> bool {
        self.partial(key).exists() || self.resume_folder(key).exists()
    }

    pub fn drop_checkpoint(&self, key: &Key) {
        let _ = std::fs::remove_file(self.partial(key));
        if self.resume_folder(key).exists() {
            remove_folder(&self.resume_folder(key));
        }
    }

    /// Where the folders of checkpoints of a program are kept until it has succeeded.
    pub fn resume_folder(&self, key: &Key) -> PathBuf {
        self.dir.join("resume").join(key.to_string())
    }

    /// Delete the folders of checkpoints of programs that have a result: a build was killed before it deleted them.
    pub fn sweep_resume_folders(&self) {
        let entries = std::fs::read_dir(self.dir.join("resume")).into_iter().flatten().flatten();
        for key in entries.filter_map(|entry| Digest::parse(entry.file_name().to_str()?)).map(Key) {
            // Another build may run it again.
            if self.trace(&key).is_some() && self.claim(&key) {
                remove_folder(&self.resume_folder(&key));
                self.release(&key);
            }
        }
    }

    /// The folders of checkpoints of all programs: the key, the path, the bytes, and the time since the last change.
    pub fn resume_folders(&self) -> Vec<(String, PathBuf, u64, Duration)> {
        let entries = std::fs::read_dir(self.dir.join("resume")).into_iter().flatten().flatten();
        let known = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok().filter(|name| Digest::parse(name).is_some())?;
            let (bytes, age) = measure(&entry.path());
            Some((name, entry.path(), bytes, age))
        };
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).filter_map(known).collect()
    }
}

/// The bytes in a folder, and the time since its newest change. Links are not followed.
pub(super) fn measure(folder: &Path) -> (u64, Duration) {
    let (mut bytes, mut age) = (0, Duration::MAX);
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        let since = meta.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
        age = age.min(since);
        if meta.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            bytes += meta.len();
        }
    }
    (bytes, age)
}
