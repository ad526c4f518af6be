//! Digests of files by size, times, device and inode, so that unchanged files are not read.
//!
//! In the cache they are one line of JSON and one with its digest: a wrong digest of a file would be believed for as long as the file stays.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Digest, Store, files, lock};
use crate::error::{Error, Result};

/// Files are read in pieces of this size, each hashed on all cores.
const PIECE: usize = 8 << 20;
/// Smaller pieces are not worth more than one core.
const SMALL: usize = 128 << 10;

/// What tells a file from what it was before: `ctime` sees changes that set `mtime` back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FileStat {
    size: u64,
    mtime: u128,
    ctime: i128,
    pub(super) device: u64,
    inode: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    identity: FileStat,
    digest: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StatCache {
    #[serde(rename = "files")]
    entries: BTreeMap<PathBuf, Entry>,
    /// What tools said of their version, by tool and by what tells its program from another.
    #[serde(default)]
    versions: BTreeMap<String, (Option<String>, String)>,
    #[serde(skip)]
    asked: BTreeMap<String, (Option<String>, String)>,
    /// Files that were read by this process. They may change again within the same tick of the clock.
    #[serde(skip)]
    fresh: BTreeMap<PathBuf, Entry>,
    #[serde(skip)]
    changed: bool,
}

impl FileStat {
    /// How many bytes [`FileStat::bytes`] are.
    pub(super) const BYTES: usize = 56;

    pub(super) fn new(meta: &std::fs::Metadata) -> FileStat {
        let mtime = meta.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        #[cfg(unix)]
        let (ctime, device, inode) = {
            use std::os::unix::fs::MetadataExt;
            (i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()), meta.dev(), meta.ino())
        };
        #[cfg(not(unix))]
        let (ctime, device, inode) = (0, 0, 0);
        FileStat { size: meta.len(), mtime: mtime.map_or(0, |d| d.as_nanos()), ctime, device, inode }
    }

    /// All of it, to be compared.
    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.mtime.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.ctime.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.device.to_le_bytes());
        bytes[48..].copy_from_slice(&self.inode.to_le_bytes());
        bytes
    }

    /// When it was changed last, in nanoseconds since 1970: its content, or anything else about it.
    pub(super) fn changed(&self) -> u128 {
        u128::try_from(self.ctime).unwrap_or(0).max(self.mtime)
    }
}

impl Store {
    /// The digest of a file; it is read only if it changed since it was last asked for.
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
        let digest = hash(path)?;
        self.observe_file(path, identity, digest);
        let entry = Entry { identity, digest: digest.to_string() };
        self.with_stat(|cache| {
            cache.fresh.insert(path.to_path_buf(), entry);
            cache.changed |= cache.entries.remove(path).is_some();
        });
        Ok(digest)
    }

    /// Take no file for unchanged: each is read again.
    pub fn reread(&self) {
        self.with_stat(|cache| {
            cache.changed |= !cache.entries.is_empty();
            cache.entries.clear();
        });
    }

    /// What a tool says of its version: asked once for each digest of its program; without one, once in the life of this store.
    pub fn version(&self, tool: &str, program: Option<Digest>, ask: impl FnOnce() -> Result<String>) -> Result<String> {
        let identity = program.map(|digest| digest.to_string());
        let known = self.with_stat(|cache| cache.asked.get(tool).or_else(|| cache.versions.get(tool)).cloned());
        if let Some((_, version)) = known.filter(|(known, _)| *known == identity) {
            return Ok(version);
        }
        let version = ask()?;
        self.with_stat(|cache| {
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

    fn with_stat<T>(&self, act: impl FnOnce(&mut StatCache) -> T) -> T {
        let mut guard = lock(&self.stat);
        act(guard.get_or_insert_with(|| self.read_stat()))
    }

    fn read_stat(&self) -> StatCache {
        let text = std::fs::read_to_string(self.dir.join("stat")).unwrap_or_default();
        let whole = text.split_once('\n').filter(|(json, sum)| Digest::hash(json.as_bytes()).to_string() == *sum);
        whole.and_then(|(json, _)| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// A file is not what its digest said: it is read the next time, whatever its times say.
    pub fn forget_file(&self, path: &Path) {
        self.with_stat(|cache| {
            cache.fresh.remove(path);
            cache.changed |= cache.entries.remove(path).is_some();
        });
    }

    /// Keep what was learnt of files; losing it costs time only.
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
                files::write_lightly(&tmp, &self.dir.join("stat"), text.as_bytes())
            }
        {
            tracing::debug!("{error}");
        }
    }
}

/// The digest of a file's content, read now. Files are not mapped into memory: one that shrinks meanwhile would end the program.
pub fn hash(path: &Path) -> Result<Digest> {
    let fail = |e: std::io::Error| Error::io("read", path, &e);
    let mut file = File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    // With room for one more byte, so that the end of a small file is seen by the same reading.
    let mut piece = vec![0; PIECE.min(usize::try_from(length).unwrap_or(PIECE).max(1023) + 1)];
    let mut hasher = blake3::Hasher::new();
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match file.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(fail(e)),
            }
        }
        match filled {
            0 => return Ok(hasher.finalize().into()),
            n if n > SMALL => crate::threads::with_pool(|parallel| match parallel {
                true => drop(hasher.update_rayon(&piece[..n])),
                false => drop(hasher.update(&piece[..n])),
            }),
            n => drop(hasher.update(&piece[..n])),
        };
    }
}
