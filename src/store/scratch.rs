//! Folders for running programs, and the certainty that those of dead processes are swept away.
//!
//! `scratch/<name>` belongs to the process that holds the kernel's lock on `scratch/<name>.lock`. The kernel drops the lock when the process
//! ends, however it ends; whoever gets it then may delete both.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Store;
use crate::error::{Error, Result};

/// The folder of one process, deleted when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock: PathBuf,
    _held: File,
    next: AtomicU64,
}

impl Scratch {
    fn new(root: &Path) -> Result<Scratch> {
        std::fs::create_dir_all(root).map_err(|e| Error::io("make the folder", root, &e))?;
        loop {
            let file = tempfile::Builder::new().prefix("").suffix(".lock").tempfile_in(root);
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
            return Ok(Scratch { path, lock, _held: held, next: AtomicU64::new(0) });
        }
    }

    /// A new, empty folder.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&folder).map_err(|e| Error::io("make the folder", &folder, &e))?;
        Ok(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_folder(&self.path);
        let _ = std::fs::remove_file(&self.lock);
    }
}

impl Store {
    /// A folder for this process to run programs in, below the cache.
    pub fn scratch(&self) -> Result<Scratch> {
        Scratch::new(&self.dir.join("scratch"))
    }

    /// Delete the folders of processes that are no more.
    pub fn sweep_scratch(&self) {
        let root = self.dir.join("scratch");
        for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_lock = path.extension().is_some_and(|ending| ending == "lock");
            let lock = if is_lock { path.clone() } else { path.with_extension("lock") };
            match File::open(&lock) {
                Ok(file) if file.try_lock().is_ok() => {
                    remove_folder(&lock.with_extension(""));
                    let _ = std::fs::remove_file(&lock);
                }
                // A folder is made after its lock and deleted before it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_lock => remove_folder(&path),
                _ => {}
            }
        }
    }
}

/// Delete a folder even if a program has forbidden itself to write in parts of it.
pub fn remove_folder(path: &Path) {
    if std::fs::remove_dir_all(path).is_err() {
        make_writable(path);
        if let Err(error) = std::fs::remove_dir_all(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!("{} stays behind: {error}", path.display());
        }
    }
}

fn make_writable(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

/// Whether an open file is still the one at this path.
fn same_file(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        match (file.metadata(), std::fs::metadata(path)) {
            (Ok(open), Ok(there)) => identity(open) == identity(there),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}
