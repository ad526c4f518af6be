//! The lock of a cache: builds lock it shared, `gc` exclusively, so that nothing is deleted under a running build. The kernel releases it when the
//! process ends. Builds need no lock among themselves.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use super::Store;
use crate::error::{Error, Result};

impl Store {
    fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Keep `gc` away until the returned file is dropped; waits for a running `gc`. `None` if there is no cache yet, if the folder is read-only, or
    /// if the file system has no locks.
    pub fn lock_shared(&self) -> Option<File> {
        let path = self.lock_path();
        let file = File::open(&path).or_else(|_| {
            // Do not create a cache only to lock it.
            if self.exists() { File::create(&path) } else { Err(std::io::ErrorKind::NotFound.into()) }
        });
        let file = file.ok()?;
        file.lock_shared().is_ok().then_some(file)
    }

    /// Keep builds away until the returned file is dropped. Errors: a build is running, or the file system has no locks.
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
