//! Writes finished results to disk: every two seconds, and merged into few shards at the end.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;

use super::shard::{Provenances, Record, Shard, assemble};
use super::{Digest, Key, Store, Trace, files, format, lock, temporary};
use crate::error::{Error, Result};

/// Payloads of at least this size become object files.
pub const LARGE: u64 = 64 << 10;
/// The time between writes: a crash loses at most the results of this time.
const FLUSH: Duration = Duration::from_secs(2);
/// With more shards than this, the small ones are merged.
const MANY: usize = 64;
/// Shards below this size are small.
const SMALL: u64 = 8 << 20;
/// The largest merged shard, which bounds the memory of merging.
const MERGED: u64 = 32 << 20;

/// Accepts results from many threads.
#[derive(Debug)]
pub struct Writer<'a> {
    pub(super) store: &'a Store,
    provenance: Provenance<'a>,
    state: Mutex<WriterState>,
}

/// Who, when and from which revision; computed when the first result is written.
pub struct Provenance<'a> {
    known: OnceLock<Json>,
    ask: Box<dyn Fn() -> Json + Send + Sync + 'a>,
}

impl<'a> Provenance<'a> {
    pub fn lazy(ask: impl Fn() -> Json + Send + Sync + 'a) -> Provenance<'a> {
        Provenance { known: OnceLock::new(), ask: Box::new(ask) }
    }

    fn get(&self) -> &Json {
        self.known.get_or_init(&self.ask)
    }
}

impl From<Json> for Provenance<'_> {
    fn from(known: Json) -> Self {
        Provenance { known: OnceLock::from(known), ask: Box::new(|| Json::Null) }
    }
}

impl std::fmt::Debug for Provenance<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.known)
    }
}

#[derive(Debug)]
struct WriterState {
    flushed: Instant,
    /// Shards of this writer, to be merged at the end.
    mine: Vec<PathBuf>,
    prepared: bool,
    /// The shared lock, which keeps `gc` away while this writer lives.
    shared: Option<std::fs::File>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a Store, provenance: Provenance<'a>) -> Writer<'a> {
        let state =
            WriterState { flushed: Instant::now(), mine: Vec::new(), prepared: false, shared: store.lock_shared() };
        // `gc` may have deleted results before the lock was taken.
        store.rescan();
        Writer { store, provenance, state: Mutex::new(state) }
    }

    /// Store a finished result. It is visible at once, and on disk within two seconds if [`Writer::tick`] is called.
    pub fn put(&self, key: Key, payload: &[u8], micros: u64) -> Result<Digest> {
        let digest = Digest::hash(payload);
        let large = payload.len() as u64 >= LARGE;
        if large {
            self.prepare()?;
            let path = files::object_path(&self.store.dir, &digest);
            let right = std::fs::read(&path).is_ok_and(|bytes| Digest::hash(&bytes) == digest);
            if !right {
                self.store.write_artifact(&path, payload)?;
            }
        }
        let payload_kept = if large { None } else { Some(Arc::new(payload.to_vec())) };
        self.remember(key, digest, payload.len() as u64, micros, payload_kept);
        Ok(digest)
    }

    /// Record a result whose payload is an object file already, or of which only the digest is known.
    pub fn note(&self, key: Key, digest: Digest, size: u64) {
        self.remember(key, digest, size, 0, None);
    }

    fn remember(&self, key: Key, digest: Digest, size: u64, micros: u64, payload: Option<Arc<Vec<u8>>>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        // A rebuilt result is newer than the one that it replaces, even if the clock was set back.
        let finished_ms = self.store.newest(&key, |_| true).map_or(now, |before| now.max(before.finished_ms + 1));
        let trace = Trace { digest, size, finished_ms, micros };
        lock(&self.store.damaged).remove(&(key, digest));
        lock(&self.store.fresh).insert(key, (trace, payload));
    }

    /// Write finished results if it is time.
    pub fn tick(&self) -> Result<()> {
        let due = lock(&self.state).flushed.elapsed() >= FLUSH;
        if due { self.flush() } else { Ok(()) }
    }

    /// Write all finished results now.
    pub fn flush(&self) -> Result<()> {
        let mut state = lock(&self.state);
        state.flushed = Instant::now();
        let entries: Vec<_> = lock(&self.store.fresh)
            .iter()
            .map(|(key, (trace, payload))| (record(*key, trace), payload.clone().unwrap_or_default()))
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        drop(state);
        self.prepare()?;
        let keys: Vec<(Key, Digest)> = entries.iter().map(|(record, _)| (record.key, record.digest)).collect();
        let mut provenances = Provenances::default();
        provenances.index_of(self.provenance.get());
        let path = self.store.write_shard(entries, &provenances)?;
        self.store.rescan();
        // Other processes see these results now.
        keys.iter().for_each(|(key, _)| self.store.release(key));
        let mut fresh = lock(&self.store.fresh);
        for (key, digest) in keys {
            if fresh.get(&key).is_some_and(|(trace, _)| trace.digest == digest) {
                fresh.remove(&key);
            }
        }
        state = lock(&self.state);
        state.mine.push(path);
        Ok(())
    }

    /// Write all results and merge the shards of this run, so that the next start opens few files.
    pub fn finish(&self) -> Result<()> {
        self.flush()?;
        self.store.save_damaged();
        self.sweep_broken();
        let mine = std::mem::take(&mut lock(&self.state).mine);
        let shards = self.store.shards();
        let small = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|meta| meta.len() < SMALL);
        let merge = shards
            .iter()
            .filter(|shard| mine.len() > 1 && mine.contains(&shard.path) || shards.len() > MANY && small(&shard.path));
        let mut group: Vec<&Arc<Shard>> = Vec::new();
        let (mut bytes, mut merged) = (0, false);
        for shard in merge {
            let length = std::fs::metadata(&shard.path).map_or(0, |meta| meta.len());
            if bytes + length > MERGED {
                merged |= self.merge(&group)?;
                group.clear();
                bytes = 0;
            }
            bytes += length;
            group.push(shard);
        }
        merged |= self.merge(&group)?;
        if merged {
            self.store.rescan();
        }
        Ok(())
    }

    /// Merge shards into one; false if there is nothing to merge.
    fn merge(&self, shards: &[&Arc<Shard>]) -> Result<bool> {
        if shards.len() < 2 {
            return Ok(false);
        }
        let mut entries = Vec::new();
        let mut kept = Vec::new();
        let mut provenances = Provenances::default();
        for shard in shards {
            if shard.take(|_| true, &mut entries, &mut provenances) {
                kept.push(shard.path.clone());
            }
        }
        // Newest first: the first record of a key is kept.
        entries.sort_by_key(|(record, _)| std::cmp::Reverse(record.finished_ms));
        let merged = self.store.write_shard(entries, &provenances)?;
        for path in kept.iter().filter(|path| **path != merged) {
            // Another process may have merged it too.
            let _ = std::fs::remove_file(path);
        }
        Ok(true)
    }

    /// Delete shards that cannot be read; their results are rebuilt when they are needed. Foreign files are left alone.
    fn sweep_broken(&self) {
        for path in std::mem::take(&mut *lock(&self.store.broken)) {
            if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| Digest::parse(name).is_some()) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Create the cache if needed, and keep `gc` away. If that fails, writing the first result reports why.
    pub fn begin(&self) {
        if let Err(error) = self.prepare() {
            tracing::debug!("{error}");
        }
    }

    /// Create the folders and delete leftovers of dead processes, once.
    pub(super) fn prepare(&self) -> Result<()> {
        let mut state = lock(&self.state);
        if state.prepared {
            return Ok(());
        }
        self.store.prepare()?;
        if state.shared.is_none() {
            state.shared = self.store.lock_shared();
        }
        state.prepared = true;
        Ok(())
    }
}

impl Store {
    /// Write a shard; returns its path.
    pub(super) fn write_shard(
        &self,
        entries: Vec<(Record, Arc<Vec<u8>>)>,
        provenances: &Provenances,
    ) -> Result<PathBuf> {
        let (bytes, digest) = assemble(entries, provenances);
        let path = self.dir.join("shards").join(digest.to_string());
        files::write_via(&self.dir.join("tmp"), &path, &bytes)?;
        Ok(path)
    }
}

impl Shard {
    /// Copy the wanted records, payloads and provenances to those of a new shard, except damaged ones. False if a payload cannot be read although
    /// the shard exists.
    pub(super) fn take(
        &self,
        wanted: impl Fn(&Record) -> bool,
        entries: &mut Vec<(Record, Arc<Vec<u8>>)>,
        provenances: &mut Provenances,
    ) -> bool {
        let own = self.provenances();
        let mut whole = true;
        for mut record in self.records().filter(wanted) {
            let payload = if record.external { Some(Vec::new()) } else { self.payload(&record) };
            match payload.filter(|bytes| record.external || Digest::hash(bytes) == record.digest) {
                Some(payload) => {
                    record.provenance =
                        provenances.index_of(own.get(usize::from(record.provenance)).unwrap_or(&Json::Null));
                    entries.push((record, Arc::new(payload)));
                }
                None => whole &= self.path.exists(),
            }
        }
        whole
    }
}

fn record(key: Key, trace: &Trace) -> Record {
    Record {
        key,
        digest: trace.digest,
        offset: 0,
        size: trace.size,
        external: trace.size >= LARGE,
        finished_ms: trace.finished_ms,
        micros: trace.micros,
        provenance: 0,
    }
}

/// Create a cache and its folders, and delete leftover temporary files.
pub(super) fn prepare(dir: &std::path::Path) -> Result<()> {
    format::mark(dir)?;
    for name in ["shards", "objects", "tmp", "partial", "last", "logs"] {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).map_err(|e| Error::io("make the folder", &path, &e))?;
    }
    temporary::sweep(dir);
    temporary::sweep(&dir.join("tmp"));
    Ok(())
}
