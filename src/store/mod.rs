//! The cache on disk. Its files are immutable, written to a temporary file and renamed into place: any number of processes may build at
//! once, and a kill at any moment leaves nothing to repair. It knows keys, digests and bytes; no stages, no YAML.
//!
//! ```text
//! cache/
//!   FORMAT             the version of this layout
//!   shards/<digest>    packs of records: key -> digest, with small payloads inside
//!   objects/ab/<rest>  payloads of 64 KiB and more, named by their BLAKE3 digest
//!   partial/<key>      checkpoints of long training runs
//!   resume/<key>/      folders of checkpoints of programs that have not succeeded yet
//!   environments/<id>/ environments of programs, each for one interpreter and one path of the cache
//!   kernels/           machine code of the GPU engine's kernels, named by their source
//!   projects/<id>      the paper files that use this cache
//!   last/<id>/         what the last build of each of them recorded:
//!     <name>.json      settings and inputs of a stage: for explanations only
//!     <name>.keys      the keys of a stage: `gc` of other papers keeps their results
//!     .<name>.memo     what a no-op build read: if all of that is unchanged, the next one is a no-op too
//!     published        names of files that were written to `figures/`
//!   replaced/          files that an artifact replaced when it was first written
//!   logs/<name>.log    what the program of a stage printed last, logs/<name>/<point>.log of a sweep; in logs/<id>/ if the cache is not in the paper's folder
//!   diff/              pictures of what changed, by `repro diff`
//!   scratch/repro-*/   folders of running programs, each beside its lock; those of dead processes are deleted
//!   claims             locked byte by byte: the programs that run now, so that no two builds run the same one
//!   lock               builds lock it shared, `gc` exclusively
//!   stat               digests of files by size, times and inode
//!   damaged            results found damaged or missing, until they are rebuilt
//!   tmp/               files being written
//! ```
//!
//! Anything corrupt, truncated or foreign is a cache miss with a warning, never an error.

mod checkpoint;
mod claims;
mod clock;
mod content;
mod damage;
mod environments;
mod files;
mod format;
mod keys;
mod last_build;
mod lock;
mod logs;
mod noop;
mod observed;
mod papers;
mod published;
mod remove;
mod scratch;
mod shard;
mod stat;
mod sweep;
mod temporary;
mod writer;

pub use content::content_key;
pub use environments::StoredEnvironment;
pub use files::write_file;
pub use keys::StageKeys;
pub use papers::OtherPaper;
pub use scratch::Scratch;
pub use stat::hash_file;
pub use sweep::{StoredResult, Unneeded, shared};
pub use writer::{LARGE, Provenance, Writer};

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use crate::key::Key;
pub use crate::value::Digest;

use crate::error::Result;
use shard::Shard;

/// The record of a result, without its payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    pub digest: Digest,
    /// Bytes of the payload.
    pub size: u64,
    /// When it was finished, in milliseconds since 1970.
    pub finished_ms: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// A result of this process, with its payload unless that is an object file already.
type Fresh = (Trace, Option<Arc<Vec<u8>>>);

/// A cache folder, opened.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    shards: RwLock<Vec<Arc<Shard>>>,
    /// Results of this process that are not yet in a shard.
    fresh: Mutex<HashMap<Key, Fresh>>,
    /// Results that were found damaged. They are cache misses.
    damaged: Mutex<HashSet<(Key, Digest)>>,
    /// Warnings not yet printed, and all warnings so far: none is printed twice.
    warnings: Mutex<(Vec<String>, HashSet<String>)>,
    /// Shards whose content does not match their hash.
    broken: Mutex<HashSet<PathBuf>>,
    stat: Mutex<Option<stat::StatCache>>,
    /// What was read to decide what is up to date.
    observations: Mutex<observed::Observations>,
    /// This process has created the folders of the cache.
    prepared: AtomicBool,
    /// The paper that this cache was opened for.
    paper: Option<papers::RegisteredPaper>,
    /// Files in `figures/` that this paper has written before; read when first needed.
    published: Mutex<Option<HashSet<String>>>,
    claims: claims::Claims,
    /// Folders outside of the cache whose leftover temporary files were deleted.
    swept: Mutex<HashSet<PathBuf>>,
    clocks: clock::Clocks,
    /// The cache is deleted when the command ends.
    temporary: bool,
}

/// Lock a mutex even after a panic elsewhere: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Open a cache folder. It need not exist: nothing is created before the first write. Errors: the cache is of a newer version, or the folder
    /// holds other files.
    pub fn open(dir: &Path) -> Result<Store> {
        format::check(dir)?;
        let store = Store {
            dir: dir.to_path_buf(),
            shards: RwLock::new(Vec::new()),
            fresh: Mutex::default(),
            damaged: Mutex::new(damage::read(dir)),
            warnings: Mutex::default(),
            broken: Mutex::default(),
            stat: Mutex::default(),
            observations: Mutex::default(),
            prepared: AtomicBool::new(false),
            paper: None,
            published: Mutex::default(),
            claims: claims::Claims::default(),
            swept: Mutex::default(),
            clocks: clock::Clocks::default(),
            temporary: false,
        };
        store.rescan();
        Ok(store)
    }

    /// Mark the cache as one that is deleted when the command ends, so that error messages do not refer to files in it.
    pub fn temporary(mut self) -> Store {
        self.temporary = true;
        self
    }

    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of compiled kernels.
    pub fn kernels(&self) -> PathBuf {
        self.dir.join("kernels")
    }

    /// Whether the folder holds a cache.
    pub fn exists(&self) -> bool {
        format::check(&self.dir).unwrap_or(false)
    }

    /// Create the folders of the cache, once, and register the paper.
    fn prepare(&self) -> Result<()> {
        if !self.prepared.load(Ordering::Relaxed) {
            writer::prepare(&self.dir)?;
            self.register()?;
            self.prepared.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Read the list of shards again: other processes write and merge them.
    pub(crate) fn rescan(&self) {
        let mut found = Vec::new();
        let known: HashMap<PathBuf, Arc<Shard>> = {
            let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
            shards.iter().map(|shard| (shard.path.clone(), shard.clone())).collect()
        };
        let Ok(entries) = std::fs::read_dir(self.dir.join("shards")) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if let Some(shard) = known.get(&path) {
                found.push(shard.clone());
                continue;
            }
            match Shard::open(&path) {
                Ok(shard) => found.push(Arc::new(shard)),
                // Merged away by another process between listing and opening.
                Err(shard::ShardError::Gone) => {}
                Err(shard::ShardError::Unreadable(why)) => self.warn(format!("{}: {why}", path.display())),
                Err(shard::ShardError::Damaged(why)) => {
                    self.warn(format!("{}: {why}; its results will be rebuilt", path.display()));
                    lock(&self.broken).insert(path);
                }
            }
        }
        // Newest first, so that a rebuilt result is found before the damaged one.
        found.sort_by_key(|shard| std::cmp::Reverse(shard.newest_ms()));
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The record of a key; `None` is a miss.
    pub fn trace(&self, key: &Key) -> Option<Trace> {
        if let Some((trace, _)) = lock(&self.fresh).get(key) {
            return Some(*trace);
        }
        let damaged = lock(&self.damaged);
        self.newest(key, |trace| damaged.is_empty() || !damaged.contains(&(*key, trace.digest)))
    }

    /// The newest record of a key that passes `wanted`: a unit may have run several times.
    fn newest(&self, key: &Key, wanted: impl Fn(&Trace) -> bool) -> Option<Trace> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let mut newest: Option<Trace> = None;
        for shard in shards.iter() {
            // Shards are sorted newest first.
            if newest.is_some_and(|newest| shard.newest_ms() <= newest.finished_ms) {
                break;
            }
            let found = shard.find(key).map(|record| record.trace()).filter(&wanted);
            newest = match (newest, found) {
                (Some(newest), Some(found)) if found.finished_ms <= newest.finished_ms => Some(newest),
                (newest, found) => found.or(newest),
            };
        }
        newest
    }

    /// Read and verify the payload of a key. If it is damaged or missing: `None`, a warning, and a cache miss from now on.
    pub fn load(&self, key: &Key, digest: &Digest) -> Option<Vec<u8>> {
        let fresh = lock(&self.fresh).get(key).filter(|(trace, _)| trace.digest == *digest).cloned();
        match fresh {
            Some((_, Some(payload))) => return Some(payload.to_vec()),
            Some((_, None)) => {
                if let Some(bytes) = self.read_object(digest) {
                    return Some(bytes);
                }
            }
            None => {}
        }
        if let Some(bytes) = self.read_payload(key, digest) {
            return Some(bytes);
        }
        // Another process may have merged the shard away meanwhile.
        self.rescan();
        let bytes = self.read_payload(key, digest);
        if bytes.is_none() {
            self.found_damaged(*key, *digest);
            self.warn(format!("the stored result {} is damaged or missing; it will be rebuilt", digest.short()));
        }
        bytes
    }

    fn read_payload(&self, key: &Key, digest: &Digest) -> Option<Vec<u8>> {
        for shard in self.shards() {
            let Some(record) = shard.find(key).filter(|record| record.digest == *digest) else { continue };
            let bytes = if record.external {
                self.read_object(digest)
            } else {
                shard.payload(&record).filter(|bytes| Digest::hash(bytes) == *digest)
            };
            if let Some(bytes) = bytes {
                return Some(bytes);
            }
        }
        None
    }

    /// Read and verify an object file.
    fn read_object(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = std::fs::read(files::object_path(&self.dir, digest)).ok()?;
        (Digest::hash(&bytes) == *digest).then_some(bytes)
    }

    pub(crate) fn warn(&self, text: String) {
        let mut warnings = lock(&self.warnings);
        if warnings.1.len() < 20 && warnings.1.insert(text.clone()) {
            warnings.0.push(text);
        }
    }

    /// Warnings since the last call.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.warnings).0)
    }

    /// A writer of results. `provenance` (who, when, which version) is stored with them and is not part of any key.
    pub fn writer<'a>(&'a self, provenance: impl Into<Provenance<'a>>) -> Writer<'a> {
        Writer::new(self, provenance.into())
    }

    /// The provenance of a stored result; `None` if it is not on disk yet.
    pub fn provenance(&self, key: &Key, digest: &Digest) -> Option<serde_json::Value> {
        let found = |shard: &Arc<Shard>| {
            let record = shard.find(key).filter(|record| record.digest == *digest)?;
            shard.provenances().into_iter().nth(usize::from(record.provenance))
        };
        self.shards().iter().find_map(found)
    }
}

#[cfg(test)]
mod tests;
