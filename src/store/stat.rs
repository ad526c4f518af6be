//! Digests of files by size, times, device and inode, so that unchanged files are not read.
//!
//! The file `stat` is a line of JSON and a line with its digest: without it, a corrupt digest of a file would be trusted until the file changes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Digest, Store, files, lock};
use crate::error::{Error, Result};

/// Files are read in blocks of this size, each hashed on all cores.
const BLOCK: usize = 8 << 20;
/// Smaller blocks are hashed on one core.
const SMALL: usize = 128 << 10;

/// The stat of a file. `ctime` changes even if a program resets `mtime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FileStat {
    size: u64,
    mtime: u128,
    ctime: i128,
    pub(super) device: u64,
    inode: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct StatEntry {
    identity: FileStat,
    digest: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StatCache {
    #[serde(rename = "files")]
    entries: BTreeMap<PathBuf, StatEntry>,
    /// Versions of tools, with the digest of the program that printed them.
    #[serde(default)]
    versions: BTreeMap<String, (Option<String>, String)>,
    /// The version that each tool had when it was last run, to know the keys of earlier revisions.
    #[serde(default)]
    last: BTreeMap<String, String>,
    #[serde(skip)]
    asked: BTreeMap<String, (Option<String>, String)>,
    /// Files read by this process. They may still be racy.
    #[serde(skip)]
    fresh: BTreeMap<PathBuf, StatEntry>,
    #[serde(skip)]
    changed: bool,
}

impl FileStat {
    /// The length of [`FileStat::bytes`].
    pub(super) const BYTES: usize = 56;

    pub(super) fn new(meta: &std::fs::Metadata) -> FileStat {
        let mtime = meta.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let (ctime, device, inode) = {
            use std::os::unix::fs::MetadataExt;
            (i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()), meta.dev(), meta.ino())
        };
        FileStat { size: meta.len(), mtime: mtime.map_or(0, |d| d.as_nanos()), ctime, device, inode }
    }

    /// All fields as bytes.
    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.mtime.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.ctime.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.device.to_le_bytes());
        bytes[48..].copy_from_slice(&self.inode.to_le_bytes());
        bytes
    }

    /// The last change of content or metadata, in nanoseconds since 1970.
    pub(super) fn changed(&self) -> u128 {
        u128::try_from(self.ctime).unwrap_or(0).max(self.mtime)
    }
}

impl Store {
    /// The digest of a file. It is read only if its stat has changed.
    pub fn file_digest(&self, path: &Path) -> Result<Digest> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?;
        let identity = FileStat::new(&meta);
        let (known, fresh) = self.with_stat(|cache| (cache.entries.get(path).cloned(), cache.fresh.get(path).cloned()));
        let fresh = fresh.filter(|fresh| fresh.identity == identity && !self.is_racy(path, &identity));
        if let Some(known) = fresh.or(known).filter(|known| known.identity == identity)
            && let Some(digest) = Digest::parse(&known.digest)
        {
            self.observe_file(path, identity, digest);
            return Ok(digest);
        }
        let digest = hash_file(path)?;
        self.observe_file(path, identity, digest);
        let entry = StatEntry { identity, digest: digest.to_string() };
        self.with_stat(|cache| {
            cache.fresh.insert(path.to_path_buf(), entry);
            cache.changed |= cache.entries.remove(path).is_some();
        });
        Ok(digest)
    }

    /// Forget all digests: every file is read again.
    pub fn reread(&self) {
        self.with_stat(|cache| {
            cache.changed |= !cache.entries.is_empty();
            cache.entries.clear();
        });
    }

    /// The version of a tool. `ask` runs it, once for each digest of its program; if that is not known, once for each run.
    pub fn version(&self, tool: &str, program: Option<Digest>, ask: impl FnOnce() -> Result<String>) -> Result<String> {
        let identity = program.map(|digest| digest.to_string());
        let known = self.with_stat(|cache| cache.asked.get(tool).or_else(|| cache.versions.get(tool)).cloned());
        if let Some((_, version)) = known.filter(|(known, _)| *known == identity) {
            return Ok(version);
        }
        let version = ask()?;
        self.with_stat(|cache| {
            if cache.last.insert(tool.to_string(), version.clone()).as_ref() != Some(&version) {
                cache.changed = true;
            }
            let answer = (identity, version.clone());
            match program {
                Some(_) => {
                    cache.versions.insert(tool.to_string(), answer);
                    cache.changed = true;
                }
                None => drop(cache.asked.insert(tool.to_string(), answer)),
            }
        });
        Ok(version)
    }

    /// The version that a tool had when it was last run, by any stage.
    pub fn last_version(&self, tool: &str) -> Option<String> {
        self.with_stat(|cache| {
            cache.last.get(tool).or_else(|| cache.versions.get(tool).map(|(_, version)| version)).cloned()
        })
    }

    fn with_stat<T>(&self, act: impl FnOnce(&mut StatCache) -> T) -> T {
        let mut guard = lock(&self.stat);
        act(guard.get_or_insert_with(|| self.read_stat()))
    }

    fn read_stat(&self) -> StatCache {
        let text = std::fs::read_to_string(self.dir.join("stat")).unwrap_or_default();
        let whole = text.split_once('\n').filter(|(json, sum)| Digest::hash(json.as_bytes()).to_string() == *sum);
        whole.and_then(|(json, _)| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// Forget the digest of a file that proved wrong: it is read again.
    pub fn forget_file(&self, path: &Path) {
        self.with_stat(|cache| {
            cache.fresh.remove(path);
            cache.changed |= cache.entries.remove(path).is_some();
        });
    }

    /// Write the digests. Losing them only costs time.
    pub fn save_stat(&self) {
        let tmp = self.dir.join("tmp");
        if !tmp.is_dir() {
            return;
        }
        let mut guard = lock(&self.stat);
        let Some(cache) = guard.as_mut() else { return };
        for (path, entry) in std::mem::take(&mut cache.fresh) {
            if !self.is_racy(&path, &entry.identity) {
                cache.entries.insert(path, entry);
                cache.changed = true;
            }
        }
        if cache.changed
            && let Ok(json) = serde_json::to_string(cache)
            && let Err(error) = {
                let text = format!("{json}\n{}", Digest::hash(json.as_bytes()));
                files::write_unsynced(&tmp, &self.dir.join("stat"), text.as_bytes())
            }
        {
            tracing::debug!("{error}");
        }
    }
}

/// Read and hash a file. It is not memory-mapped: a mapped file that shrinks while it is read kills the process.
pub fn hash_file(path: &Path) -> Result<Digest> {
    let fail = |e: std::io::Error| Error::io("read", path, &e);
    let mut file = File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    // One byte more than the file, so that a single read finds the end of a small file.
    let mut block = vec![0; BLOCK.min(usize::try_from(length).unwrap_or(BLOCK).max(1023) + 1)];
    let mut hasher = blake3::Hasher::new();
    loop {
        let mut filled = 0;
        while filled < block.len() {
            match file.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(fail(e)),
            }
        }
        match filled {
            0 => return Ok(hasher.finalize().into()),
            n if n > SMALL => crate::threads::with_pool(|parallel| match parallel {
                true => drop(hasher.update_rayon(&block[..n])),
                false => drop(hasher.update(&block[..n])),
            }),
            n => drop(hasher.update(&block[..n])),
        };
    }
}
