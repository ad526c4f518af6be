//! Results on disk: immutable files, written aside and renamed into place, so that any number of processes may build at once and a
//! kill at any moment leaves nothing to repair. It knows keys, digests and bytes; no stages, no YAML.
//!
//! ```text
//! cache/
//!   FORMAT             the version of this layout
//!   shards/<digest>    packs of records: key -> digest, with small payloads inside
//!   objects/ab/<rest>  payloads of 64 KiB and more, named by their BLAKE3 digest
//!   partial/<key>      checkpoints of long training runs
//!   kernels/           machine code of the GPU engine's kernels, named by their source: made again where it is missing
//!   projects/<id>      the paper files that use this cache
//!   last/<id>/         what each of them built last:
//!     <name>.json      settings and inputs of a stage: for explanations only
//!     <name>.keys      the results of a stage: what `gc` of other papers keeps
//!     <name>.memo      keys and digests of a large stage: good while its settings, inputs and shards are the same
//!     .<name>.memo     what a build looked at that found nothing to do: good while all of that is the same
//!     published        names of files that were written to `figures/`
//!   replaced/          files that stood where artifacts were to be written for the first time
//!   logs/<name>.log    what the program of a stage printed last; in logs/<id>/ where the cache is not in the paper's folder
//!   diff/              pictures of what changed, by `repro diff`
//!   scratch/repro-*/   folders of running programs, each beside its lock; those of dead processes are swept away
//!   lock               shared by builds, so that `gc` deletes nothing under them; the kernel frees it
//!   stat               which file had which digest at which size, time and inode
//!   damaged            results that were found damaged or gone, until they are made again
//!   tmp/               files being written
//! ```
//!
//! Whatever is corrupt, truncated or foreign is a miss with a warning: never used, never an error.

mod checkpoint;
mod clock;
mod content;
mod damage;
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
pub use files::write_file;
pub use keys::StageKeys;
pub use papers::OtherPaper;
pub use scratch::Scratch;
pub use stat::hash as hash_file;
pub use sweep::{Stored, Unwanted, shared};
pub use writer::{LARGE, Provenance, Writer};

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use crate::key::Key;
pub use crate::value::Digest;

use crate::error::Result;
use shard::Shard;

/// What the store knows of a result without reading it.
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

/// A result of this process and its payload, if that is not a file of its own already.
type Fresh = (Trace, Option<Arc<Vec<u8>>>);

/// A cache folder, opened.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    shards: RwLock<Vec<Arc<Shard>>>,
    /// Results of this process that are not in a shard yet.
    fresh: Mutex<HashMap<Key, Fresh>>,
    /// Results that turned out to be damaged: misses from now on.
    damaged: Mutex<HashSet<(Key, Digest)>>,
    /// Warnings that wait to be told, and all that ever were: none is told twice.
    warnings: Mutex<(Vec<String>, HashSet<String>)>,
    /// Shards whose content is not what their hash says.
    broken: Mutex<HashSet<PathBuf>>,
    stat: Mutex<Option<stat::StatCache>>,
    /// What was read to decide what is up to date.
    observations: Mutex<observed::Observations>,
    /// The folders of the cache were made by this process.
    prepared: AtomicBool,
    /// The paper that this cache was opened for.
    paper: Option<papers::RegisteredPaper>,
    /// Files in `figures/` that this paper has written before, once they were asked for.
    published: Mutex<Option<HashSet<String>>>,
    /// Folders outside of the cache in which leftovers of killed processes were deleted.
    swept: Mutex<HashSet<PathBuf>>,
    clocks: clock::Clocks,
}

/// The lock's content even after a panic elsewhere: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Open a cache folder, which need not exist: nothing is created before something is written. A cache of a newer version is refused, and
    /// so is a folder with other files.
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
            swept: Mutex::default(),
            clocks: clock::Clocks::default(),
        };
        store.rescan();
        Ok(store)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of compiled kernels.
    pub fn kernels(&self) -> PathBuf {
        self.dir.join("kernels")
    }

    /// Whether there is a cache in its folder by now.
    pub fn exists(&self) -> bool {
        format::check(&self.dir).unwrap_or(false)
    }

    /// Make the folders of the cache, once, and register the paper.
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
                Err(shard::Fault::Gone) => {}
                Err(shard::Fault::Unreadable(why)) => self.warn(format!("{}: {why}", path.display())),
                Err(shard::Fault::Damaged(why)) => {
                    self.warn(format!("{}: {why}; its results are made again", path.display()));
                    lock(&self.broken).insert(path);
                }
            }
        }
        // The newest record of a key is the first found, so that what replaced a damaged one wins.
        found.sort_by_key(|shard| std::cmp::Reverse(shard.newest_ms()));
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is stored under a key; `None` is a miss.
    pub fn trace(&self, key: &Key) -> Option<Trace> {
        if let Some((trace, _)) = lock(&self.fresh).get(key) {
            return Some(*trace);
        }
        let damaged = lock(&self.damaged);
        self.newest(key, |trace| damaged.is_empty() || !damaged.contains(&(*key, trace.digest)))
    }

    /// The newest record of a key in the shards, of those that are wanted: a unit may have run again.
    fn newest(&self, key: &Key, wanted: impl Fn(&Trace) -> bool) -> Option<Trace> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let mut newest: Option<Trace> = None;
        for shard in shards.iter() {
            // Shards stand newest first: what follows holds nothing newer.
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

    /// The payload of a key with this digest, checked; `None` (and a warning, and a miss from now on) if it is damaged or gone.
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
            self.warn(format!("the stored result {} is damaged or gone; it is made again", digest.short()));
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

    /// A payload that is a file of its own, checked.
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

    /// A writer of results; `provenance` (who, when, which version) is kept beside them and decides nothing.
    pub fn writer<'a>(&'a self, provenance: impl Into<Provenance<'a>>) -> Writer<'a> {
        Writer::new(self, provenance.into())
    }

    /// Who made a stored result; `None` for one that is not on disk yet.
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
