//! Deleting results and files, under the exclusive lock. What remains of a shard is written to a new one before the old one is deleted, so that a
//! kill at any moment loses nothing.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::remove::remove_folder;
use super::shard::Provenances;
use super::{Digest, Key, Store, Trace, files, papers, published, temporary};
use crate::error::{Error, Result};

/// One stored result.
#[derive(Clone, Copy, Debug)]
pub struct StoredResult {
    pub key: Key,
    pub trace: Trace,
    /// Its payload is an object file.
    pub external: bool,
}

/// What a sweep may delete.
#[derive(Debug, Default)]
pub struct Unneeded {
    /// Results.
    pub results: HashSet<(Key, Digest)>,
    /// Files that belong to no result: checkpoints, logs, records of builds, orphaned objects.
    pub files: Vec<PathBuf>,
    /// Folders with all in them: checkpoints of programs.
    pub folders: Vec<PathBuf>,
    /// Folders of environments.
    pub environments: Vec<PathBuf>,
}

impl Store {
    /// All results, newest first; one that is stored twice is listed twice.
    pub fn stored(&self) -> Vec<StoredResult> {
        let shards = self.shards();
        let records = shards.iter().flat_map(|shard| shard.records());
        let mut stored: Vec<StoredResult> = records
            .map(|record| StoredResult { key: record.key, trace: record.trace(), external: record.external })
            .collect();
        stored.sort_by_key(|stored| std::cmp::Reverse(stored.trace.finished_ms));
        stored
    }

    /// Bytes of all files of the cache.
    pub fn size(&self) -> u64 {
        all_files(&self.dir).iter().map(|(_, size, _)| size).sum()
    }

    /// Object files without a record, left by killed builds, with their sizes and ages.
    pub fn orphans(&self) -> Vec<(PathBuf, u64, Duration)> {
        let known: HashSet<PathBuf> = self
            .stored()
            .iter()
            .filter(|stored| stored.external)
            .map(|stored| files::object_path(&self.dir, &stored.trace.digest))
            .collect();
        let mut orphans = all_files(&self.dir.join("objects"));
        orphans.retain(|(path, ..)| !known.contains(path) && self.is_object(path));
        orphans
    }

    /// Whether this is the path of an object file.
    fn is_object(&self, path: &Path) -> bool {
        let name = path.strip_prefix(self.dir.join("objects")).ok().and_then(|path| path.to_str());
        let digest = name.and_then(|name| Digest::parse(&name.replace('/', "")));
        digest.is_some_and(|digest| files::object_path(&self.dir, &digest) == path)
    }

    /// The files in a folder of the cache that repro writes, with their sizes and ages. Other files are left out.
    pub fn files_in(&self, folder: &str) -> Vec<(PathBuf, u64, Duration)> {
        let kind = folder.split('/').next().unwrap_or(folder);
        let path = self.dir.join(folder);
        if path.is_symlink() {
            return Vec::new();
        }
        let mut found = files_of(&path);
        found.retain(|(path, ..)| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| is_own(kind, name))
        });
        found
    }

    /// Delete results and files. `_exclusive` is the lock: no build is running.
    pub fn sweep(&self, unwanted: &Unneeded, _exclusive: &File) -> Result<()> {
        self.rescan();
        for shard in self.shards() {
            let goes = |key: &Key, digest: &Digest| unwanted.results.contains(&(*key, *digest));
            if !shard.records().any(|record| goes(&record.key, &record.digest)) {
                continue;
            }
            let (mut entries, mut provenances) = (Vec::new(), Provenances::default());
            let whole = shard.take(|record| !goes(&record.key, &record.digest), &mut entries, &mut provenances);
            if !whole {
                // A result to keep cannot be read: leave the shard as it is.
                continue;
            }
            let kept = if entries.is_empty() { None } else { Some(self.write_shard(entries, &provenances)?) };
            if kept.as_ref() != Some(&shard.path) {
                remove(&shard.path)?;
            }
        }
        self.rescan();
        self.sweep_objects(unwanted)?;
        unwanted.files.iter().try_for_each(|path| remove(path))?;
        for folder in &unwanted.folders {
            remove_folder(folder);
        }
        unwanted.environments.iter().try_for_each(|folder| self.discard_environment(folder))?;
        // No writer is running.
        self.files_in("tmp").iter().try_for_each(|(path, ..)| remove(path))?;
        self.sweep_scratch();
        for folder in ["objects", "last", "logs"] {
            for entry in std::fs::read_dir(self.dir.join(folder)).into_iter().flatten().flatten() {
                // Only deletes empty folders.
                let _ = std::fs::remove_dir(entry.path());
            }
        }
        Ok(())
    }

    /// Delete the payloads of deleted results, unless another result has the same.
    fn sweep_objects(&self, unwanted: &Unneeded) -> Result<()> {
        let kept: HashSet<Digest> = self.stored().iter().filter(|s| s.external).map(|s| s.trace.digest).collect();
        for (_, digest) in unwanted.results.iter().filter(|(_, digest)| !kept.contains(digest)) {
            remove(&files::object_path(&self.dir, digest))?;
        }
        Ok(())
    }
}

/// The number of results with each digest, of those that are object files.
pub fn shared(stored: &[StoredResult]) -> HashMap<Digest, usize> {
    let mut count = HashMap::new();
    stored
        .iter()
        .filter(|stored| stored.external)
        .for_each(|stored| *count.entry(stored.trace.digest).or_insert(0) += 1);
    count
}

/// Whether repro writes files of such names in this folder of the cache.
fn is_own(folder: &str, name: &str) -> bool {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match folder {
        "tmp" => temporary::is_temporary(name),
        "partial" => Digest::parse(name).is_some(),
        "last" => ends(&[".json", ".memo", ".keys"]) || name == published::NAME,
        "logs" => ends(&[".log"]),
        "projects" => papers::is_id(name),
        "kernels" => ends(&[".cubin", ".so"]),
        "diff" => ends(&[".png"]),
        "view" => ends(&[".html"]),
        _ => false,
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        // A folder at this path is not ours.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::IsADirectory) => Ok(()),
        done => done.map_err(|e| Error::io("delete", path, &e)),
    }
}

/// The files directly in a folder.
fn files_of(folder: &Path) -> Vec<(PathBuf, u64, Duration)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let meta = entry.metadata().ok().filter(|meta| !meta.is_dir())?;
        Some((entry.path(), meta.len(), age(&meta)))
    };
    entries.filter_map(file).collect()
}

fn age(meta: &std::fs::Metadata) -> Duration {
    meta.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default()
}

fn all_files(folder: &Path) -> Vec<(PathBuf, u64, Duration)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.path(), meta.len(), age(&meta)));
            }
        }
    }
    found
}
