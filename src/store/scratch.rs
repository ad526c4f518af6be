//! Folders for running programs, and the certainty that those of dead processes are swept away.
//!
//! `scratch/repro-XXXXXX` belongs to the process that holds the kernel's lock on `scratch/repro-XXXXXX.lock`. The kernel drops the lock when the process
//! ends, however it ends; whoever gets it then may delete both. Only a folder that holds the mark of this program is deleted, and nothing is
//! reached through a link.
//!
//! What is small is deleted at the end of the process, all at once: ext4 gives a new file no inode that was freed within the last minutes, and
//! looks through all of those first (`recently_deleted` in fs/ext4/ialloc.c), so that thousands of files made and deleted in turns take time by
//! the square of their number.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::remove::remove_folder;
use super::temporary::{is_random, same_file};
use super::{Store, lock};
use crate::error::{Error, Result};
use crate::program::free_space;

/// What may wait for its deletion, together: no more than this, and no more than this share of the free space.
const WAITING: u64 = 256 << 20;
const SHARE: u64 = 200;
/// A file or folder takes at least this.
const BLOCK: u64 = 4 << 10;

/// Folders and locks have names that begin so.
const PREFIX: &str = "repro-";
/// An empty file in every folder that this program makes here.
const MARK: &str = ".repro-scratch";

/// The folder of one process, deleted when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock: PathBuf,
    _held: File,
    next: AtomicU64,
    /// Bytes that folders may still take up until the end.
    room: Mutex<u64>,
    /// Empty folders for temporary files that no program uses.
    tmp: Mutex<Vec<PathBuf>>,
}

impl Scratch {
    fn new(root: &Path) -> Result<Scratch> {
        std::fs::create_dir_all(root).map_err(|e| Error::io("make the folder", root, &e))?;
        // As the kernel calls it: whoever looks for what runs in it finds it by this name.
        let root = &root.canonicalize().map_err(|e| Error::io("read", root, &e))?;
        loop {
            let file = tempfile::Builder::new().prefix(PREFIX).suffix(".lock").tempfile_in(root);
            let file = file.map_err(|e| Error::io("write in", root, &e))?;
            match file.as_file().try_lock() {
                Ok(()) => {}
                // A sweeper was quicker and is about to delete it.
                Err(TryLockError::WouldBlock) => continue,
                // Without locks nobody can tell the living from the dead, and nothing is swept.
                Err(TryLockError::Error(cause)) => tracing::debug!("no locks in {}: {cause}", root.display()),
            }
            let (held, lock) = file.keep().map_err(|e| Error::io("write in", root, &e.error))?;
            if !same_file(&held, &lock) {
                // Swept away between its making and its locking.
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

    /// A folder is not needed any more; it goes now or at the end.
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

    /// The same of one for temporary files; most programs leave nothing there.
    pub fn release_tmp(&self, folder: PathBuf) {
        if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none()) {
            lock(&self.tmp).push(folder);
        } else {
            remove_folder(&folder);
        }
    }
}

/// What a folder takes up with all in it, if it is no more than `most`.
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
    /// A folder for this process to run programs in, below the cache.
    pub fn scratch(&self) -> Result<Scratch> {
        self.prepare()?;
        Scratch::new(&self.dir.join("scratch"))
    }

    /// Delete the folders of processes that are no more.
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

/// Delete a folder and its lock, if no process holds it. Returns whether nothing stays that should go.
fn sweep_locked(lock: &Path, folder: &Path) -> bool {
    // The lock of this program is an empty file.
    if !std::fs::symlink_metadata(lock).is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
        return true;
    }
    // Writable, because network file systems lock only what may be written.
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
        // A kill before the mark leaves an empty folder; anything else was made by others.
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

/// Delete a folder with a mark. The mark goes last, so that a kill leaves nothing that is not known as this program's own.
fn clear(folder: &Path) {
    // A program may have closed it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => drop(remove_folder(&entry.path())),
            _ if entry.file_name() != MARK => drop(std::fs::remove_file(entry.path())),
            _ => {}
        }
    }
    if std::fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1) {
        let _ = std::fs::remove_file(folder.join(MARK));
    }
    if let Err(error) = std::fs::remove_dir(folder) {
        tracing::debug!("{} stays behind: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
