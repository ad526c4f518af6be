//! The one lock of a cache: builds share it, `gc` takes it alone, so that nothing is deleted under a running build. The kernel frees it when
//! a process ends. Builds among themselves need no lock to be right.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use super::Store;
use crate::error::{Error, Result};

impl Store {
    fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Keep `gc` away until the guard is dropped; waits for one that is at work. `None` where there is no cache yet, or no lock can be had:
    /// a folder that cannot be written, a file system without locks.
    pub fn lock_shared(&self) -> Option<File> {
        let path = self.lock_path();
        let file = File::open(&path).or_else(|_| {
            // Never in a folder that only a look was meant to be taken at.
            if self.exists() { File::create(&path) } else { Err(std::io::ErrorKind::NotFound.into()) }
        });
        let file = file.ok()?;
        file.lock_shared().is_ok().then_some(file)
    }

    /// Be alone: no build runs until the guard is dropped. Errors: one runs, or the file system has no locks.
    pub fn lock_exclusive(&self) -> Result<File> {
        let path = self.lock_path();
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|e| Error::io("write", &path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(Error::stage(format!("a build is running in `{}`", self.dir.display()))
                    .hint("wait for it to end, then run the same command again; nothing was deleted"))
            }
            Err(TryLockError::Error(cause)) => Err(Error::io("lock", &path, &cause)
                .hint("this file system has no locks, so nothing can be deleted safely while a build may run")),
        }
    }
}
