//! Digests of files by size, modification time and inode, so that unchanged files are not read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Digest, Store, files, lock};
use crate::error::{Error, Result};

/// A file changed this shortly before it was hashed may change again within the same tick of the clock: not remembered.
const RACY: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    mtime_ns: u128,
    inode: u64,
    digest: String,
}

#[derive(Debug, Default)]
pub struct StatCache {
    entries: BTreeMap<PathBuf, Entry>,
    changed: bool,
}

fn identify(meta: &std::fs::Metadata) -> Entry {
    let mtime = meta.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(meta);
    #[cfg(not(unix))]
    let inode = 0;
    Entry { size: meta.len(), mtime_ns: mtime.map_or(0, |d| d.as_nanos()), inode, digest: String::new() }
}

impl Store {
    /// The digest of a file; it is read only if it changed since it was last asked for.
    pub fn file_digest(&self, path: &Path) -> Result<Digest> {
        let fail = |e: std::io::Error| Error::io("read", path, &e);
        let meta = std::fs::metadata(path).map_err(fail)?;
        let now = identify(&meta);
        let mut guard = lock(&self.stat);
        let cache = guard.get_or_insert_with(|| StatCache { entries: self.read_stat(), changed: false });
        if let Some(known) = cache.entries.get(path)
            && (known.size, known.mtime_ns, known.inode) == (now.size, now.mtime_ns, now.inode)
            && let Some(digest) = Digest::parse(&known.digest)
        {
            return Ok(digest);
        }
        let mut hasher = blake3::Hasher::new();
        let file = std::fs::File::open(path).map_err(fail)?;
        hasher.update_reader(file).map_err(fail)?;
        let digest = Digest(*hasher.finalize().as_bytes());
        let settled = meta.modified().ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > RACY);
        let entry = Entry { digest: digest.to_string(), ..now };
        let before = if settled { cache.entries.insert(path.to_path_buf(), entry) } else { cache.entries.remove(path) };
        cache.changed |= settled || before.is_some();
        Ok(digest)
    }

    fn read_stat(&self) -> BTreeMap<PathBuf, Entry> {
        let bytes = std::fs::read(self.dir.join("stat")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Keep what was learnt of files; losing it costs time only.
    pub fn save_stat(&self) {
        let guard = lock(&self.stat);
        if let Some(cache) = guard.as_ref().filter(|cache| cache.changed)
            && self.dir.join("tmp").is_dir()
            && let Ok(bytes) = serde_json::to_vec(&cache.entries)
            && let Err(error) = files::write_lightly(&self.dir.join("tmp"), &self.dir.join("stat"), &bytes)
        {
            tracing::debug!("{error}");
        }
    }
}
