//! Atomic writes: write a temporary file, flush it to disk, rename it.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Digest, Store, lock, temporary};
use crate::error::{Error, Result};

/// Write a file atomically: its path holds either the old bytes or all of the new ones. Missing folders are created.
pub fn write_file(target: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(target);
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    write_via(folder, target, bytes)
}

/// The same with the temporary file in another folder of the same file system.
pub fn write_via(tmp: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    write(tmp, target, bytes, true).map_err(|e| Error::io("write", target, &e))
}

/// The same without flushing to disk: after a power cut the file may be empty.
pub fn write_unsynced(tmp: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    write(tmp, target, bytes, false).map_err(|e| Error::io("write", target, &e))
}

fn write(tmp: &Path, target: &Path, bytes: &[u8], sync: bool) -> std::io::Result<()> {
    let mut file = temporary::create(tmp)?;
    file.write_all(bytes)?;
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(target)?;
    Ok(())
}

fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Flush the names in a folder to disk, where the system supports that.
pub fn sync_folder(folder: &Path) {
    if let Err(error) = std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!("{} is not flushed: {error}", folder.display());
    }
}

impl Store {
    /// Write a file of the project as [`write_file`] does. Its temporary file is in the cache, or beside it if the cache is on another file
    /// system; the next build deletes what a killed process leaves.
    pub fn write_artifact(&self, target: &Path, bytes: &[u8]) -> Result<()> {
        let folder = folder_of(target);
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
        if self.prepare().is_ok() {
            match write(&self.dir.join("tmp"), target, bytes, true) {
                Err(cause) if cause.kind() == std::io::ErrorKind::CrossesDevices => {}
                written => return written.map_err(|e| Error::io("write", target, &e)),
            }
        }
        // Without a cache: storing results reports why.
        if lock(&self.swept).insert(folder.to_path_buf()) {
            temporary::sweep(folder);
        }
        write_via(folder, target, bytes)
    }
}

/// Move a file; it is on disk before it is visible at the target. A file with several hard links is copied: it could still be changed through
/// another one.
pub fn move_file(from: &Path, tmp: &Path, target: &Path) -> Result<()> {
    let fail = |e: std::io::Error| Error::io("write", target, &e);
    let folder = folder_of(target);
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    let mut aside = temporary::create(tmp).map_err(fail)?;
    let moved = {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::File::open(from).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        // The mode of a new file, not the one that the program set.
        let mode = aside.as_file().metadata().map_err(fail)?.permissions();
        let ready = meta.nlink() == 1 && file.set_permissions(mode).and_then(|()| file.sync_all()).is_ok();
        ready && std::fs::rename(from, target).is_ok()
    };
    if moved {
        return Ok(());
    }
    let mut content = std::fs::File::open(from).map_err(fail)?;
    std::io::copy(&mut content, aside.as_file_mut()).map_err(fail)?;
    aside.as_file().sync_all().map_err(fail)?;
    aside.persist(target).map_err(|e| fail(e.error))?;
    Ok(())
}

/// The path of an object file.
pub fn object_path(dir: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    dir.join("objects").join(&name[..2]).join(&name[2..])
}
