//! Scratch folders for running programs. Those of dead processes are deleted by the next build.
//!
//! `scratch/repro-XXXXXX` belongs to the process that holds the kernel's lock on `scratch/repro-XXXXXX.lock`. The kernel drops the lock when the process
//! ends, however it ends; another process that gets the lock may then delete both. Only a folder with the marker file is deleted, and
//! links are not followed.
//!
//! Small folders are deleted together at the end of the process: ext4 does not reuse an inode within minutes of its deletion, and scans all of
//! them for a new file (`recently_deleted` in fs/ext4/ialloc.c), so that creating and deleting thousands of files in turn takes quadratic time.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::remove::remove_folder;
use super::temporary::{is_random, same_file};
use super::{Store, lock};
use crate::error::{Error, Result};
use crate::program::free_space;

/// The most bytes that wait for deletion at the end, and the most as a share (1/n) of the free space.
const WAITING: u64 = 256 << 20;
const SHARE: u64 = 200;
/// The least disk space of a file or folder.
const BLOCK: u64 = 4 << 10;

/// The prefix of folders and locks.
const PREFIX: &str = "repro-";
/// The marker file: empty, in every scratch folder.
const MARK: &str = ".repro-scratch";

/// The folder of one process, deleted when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock: PathBuf,
    _held: File,
    next: AtomicU64,
    /// Bytes that may still wait for deletion at the end.
    room: Mutex<u64>,
    /// Empty folders for temporary files, for reuse.
    tmp: Mutex<Vec<PathBuf>>,
}

impl Scratch {
    fn new(root: &Path) -> Result<Scratch> {
        std::fs::create_dir_all(root).map_err(|e| Error::io("make the folder", root, &e))?;
        // Canonical, as the kernel reports it in `/proc`.
        let root = &root.canonicalize().map_err(|e| Error::io("read", root, &e))?;
        loop {
            let file = tempfile::Builder::new().prefix(PREFIX).suffix(".lock").tempfile_in(root);
            let file = file.map_err(|e| Error::io("write in", root, &e))?;
            match file.as_file().try_lock() {
                Ok(()) => {}
                // Another process took it for a leftover and is about to delete it.
                Err(TryLockError::WouldBlock) => continue,
                // Without locks, leftovers cannot be recognized and are not deleted.
                Err(TryLockError::Error(cause)) => tracing::debug!("no locks in {}: {cause}", root.display()),
            }
            let (held, lock) = file.keep().map_err(|e| Error::io("write in", root, &e.error))?;
            if !same_file(&held, &lock) {
                // Deleted by another process before it was locked.
                continue;
            }
            let path = lock.with_extension("");
            std::fs::create_dir(&path).map_err(|e| Error::io("make the folder", &path, &e))?;
            let mark = path.join(MARK);
            File::create_new(&mark).map_err(|e| Error::io("write", &mark, &e))?;
            let room = Mutex::new(WAITING.min(free_space(&path).unwrap_or(0) / SHARE));
            return Ok(Scratch { path, lock, _held: held, next: AtomicU64::new(0), room, tmp: Mutex::default() });
        }
    }

    /// A new, empty folder.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&folder).map_err(|e| Error::io("make the folder", &folder, &e))?;
        Ok(folder)
    }

    /// An empty folder for temporary files.
    pub fn tmp(&self) -> Result<PathBuf> {
        let unused = lock(&self.tmp).pop();
        unused.map_or_else(|| self.folder(), Ok)
    }

    /// Delete a folder, now or at the end.
    pub fn release(&self, folder: &Path) {
        let mut room = lock(&self.room);
        match measure(folder, *room) {
            Some(size) => *room -= size,
            None => {
                drop(room);
                remove_folder(folder);
            }
        }
    }

    /// The same for a folder of temporary files. If it is empty, it is reused.
    pub fn release_tmp(&self, folder: PathBuf) {
        if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none()) {
            lock(&self.tmp).push(folder);
        } else {
            remove_folder(&folder);
        }
    }
}

/// The disk space of a folder with its content, if it is at most `most`.
fn measure(folder: &Path, most: u64) -> Option<u64> {
    let mut size = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        size += BLOCK;
        for entry in std::fs::read_dir(folder).ok()? {
            let entry = entry.ok()?;
            match entry.file_type().ok()?.is_dir() {
                true => folders.push(entry.path()),
                false => size += entry.metadata().ok()?.len().max(BLOCK),
            }
            if size > most {
                return None;
            }
        }
    }
    (size <= most).then_some(size)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        clear(&self.path);
        remove_lock(&self.lock, &self.path);
    }
}

impl Store {
    /// A scratch folder for this process, in the cache.
    pub fn scratch(&self) -> Result<Scratch> {
        self.prepare()?;
        Scratch::new(&self.dir.join("scratch"))
    }

    /// Delete the folders of dead processes.
    pub fn sweep_scratch(&self) {
        let root = self.dir.join("scratch");
        if !is_folder(&root) {
            return;
        }
        for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let stem = name.strip_suffix(".lock");
            if !stem.unwrap_or(&name).strip_prefix(PREFIX).is_some_and(is_random) {
                continue;
            }
            let path = entry.path();
            match stem {
                Some(stem) if sweep_locked(&path, &root.join(stem)) => {}
                Some(stem) => {
                    let folder = root.join(stem);
                    self.warn(format!("what a program left in `{}` cannot be deleted", folder.display()));
                }
                // A folder is created after its lock and deleted before it: only a power cut leaves one without.
                None if std::fs::symlink_metadata(path.with_extension("lock")).is_err() => sweep_folder(&path),
                None => {}
            }
        }
    }
}

/// Delete a folder and its lock, unless a process holds it. Returns false if they should be deleted and cannot.
fn sweep_locked(lock: &Path, folder: &Path) -> bool {
    // Locks are empty files.
    if !std::fs::symlink_metadata(lock).is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
        return true;
    }
    // Writable, because network file systems lock only writable files.
    let Ok(file) = File::options().read(true).write(true).open(lock) else { return true };
    if file.try_lock().is_err() || !same_file(&file, lock) {
        return true;
    }
    let marked = is_marked(folder);
    sweep_folder(folder);
    remove_lock(lock, folder) || !marked
}

/// Delete a folder of a dead process.
fn sweep_folder(folder: &Path) {
    if is_marked(folder) {
        clear(folder);
    } else {
        // A kill before the marker was written leaves an empty folder; anything else is not ours.
        let _ = std::fs::remove_dir(folder);
    }
}

/// Delete the lock of a folder that is gone; returns whether it is. As long as the folder is there, the lock lets the next build delete it.
fn remove_lock(lock: &Path, folder: &Path) -> bool {
    let gone = std::fs::symlink_metadata(folder).is_err();
    if gone {
        let _ = std::fs::remove_file(lock);
    }
    gone
}

fn is_marked(folder: &Path) -> bool {
    is_folder(folder) && std::fs::symlink_metadata(folder.join(MARK)).is_ok_and(|meta| meta.is_file())
}

/// Whether this is a folder, and not a link to one.
fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Delete a folder with a marker. The marker is deleted last, so that after a kill the folder is still recognized.
fn clear(folder: &Path) {
    // A program may have removed its own write permission.
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => drop(remove_folder(&entry.path())),
            _ if entry.file_name() != MARK => drop(std::fs::remove_file(entry.path())),
            _ => {}
        }
    }
    let names = std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())));
    if names.is_ok_and(only_marker) {
        let _ = std::fs::remove_file(folder.join(MARK));
    }
    if let Err(error) = std::fs::remove_dir(folder) {
        tracing::debug!("{} stays behind: {error}", folder.display());
    }
}

/// Whether the marker is all that is left. A folder that could not be listed to its end may hold more.
fn only_marker(mut names: impl Iterator<Item = std::io::Result<OsString>>) -> bool {
    names.all(|name| name.is_ok_and(|name| name == MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_listed_keeps_its_marker() {
        let mark = || Ok(OsString::from(MARK));
        assert!(only_marker([mark()].into_iter()));
        assert!(!only_marker([mark(), Ok("other".into())].into_iter()));
        assert!(!only_marker([Err(std::io::ErrorKind::OutOfMemory.into())].into_iter()));
        assert!(!only_marker([mark(), Err(std::io::ErrorKind::OutOfMemory.into())].into_iter()));
    }

    #[test]
    fn small_folders_go_at_the_end_large_ones_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&dir.path().join("scratch")).unwrap();
        *lock(&scratch.room) = 5 * BLOCK;
        let made = |bytes: u64| {
            let folder = scratch.folder().unwrap();
            std::fs::create_dir(folder.join("in")).unwrap();
            std::fs::write(folder.join("in/file"), vec![0; usize::try_from(bytes).unwrap()]).unwrap();
            scratch.release(&folder);
            folder
        };
        assert!(made(10).exists(), "three blocks of five");
        assert!(!made(10).exists(), "there is no room for three more");
        assert!(!made(100 * BLOCK).exists());
        drop(scratch);
        assert_eq!(std::fs::read_dir(dir.path().join("scratch")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_for_temporary_files_is_used_again_only_if_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&dir.path().join("scratch")).unwrap();
        let tmp = scratch.tmp().unwrap();
        scratch.release_tmp(tmp.clone());
        assert_eq!(scratch.tmp().unwrap(), tmp);
        std::fs::write(tmp.join("left"), "").unwrap();
        scratch.release_tmp(tmp.clone());
        assert!(!tmp.exists());
        assert_ne!(scratch.tmp().unwrap(), tmp);
    }
}
