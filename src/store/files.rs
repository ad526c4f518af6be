//! Whole files or none: write aside, flush to disk, rename.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Digest, Store, lock, temporary};
use crate::error::{Error, Result};

/// Write a file so that its name shows either the old bytes or all of the new ones, whatever happens. Folders are made.
pub fn write_file(target: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(target);
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    write_via(folder, target, bytes)
}

/// The same with the temporary file in another folder of the same file system.
pub fn write_via(tmp: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    write(tmp, target, bytes, true).map_err(|e| Error::io("write", target, &e))
}

/// The same for what may be lost when the machine loses power: whole or, at worst, empty.
pub fn write_lightly(tmp: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
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

/// Flush the names in a folder to disk, where the system can do that.
pub fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Err(error) = std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!("{} is not flushed: {error}", folder.display());
    }
    #[cfg(not(unix))]
    let _ = folder;
}

impl Store {
    /// Write a file of the project as [`write_file`] does. What a killed process leaves of it lies in the cache, or beside the file if the
    /// cache is on another file system; the next build sweeps it away.
    pub fn write_artifact(&self, target: &Path, bytes: &[u8]) -> Result<()> {
        let folder = folder_of(target);
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
        if self.prepare().is_ok() {
            match write(&self.dir.join("tmp"), target, bytes, true) {
                Err(cause) if cause.kind() == std::io::ErrorKind::CrossesDevices => {}
                written => return written.map_err(|e| Error::io("write", target, &e)),
            }
        }
        // Why there is no cache is told where results go into it.
        if lock(&self.swept).insert(folder.to_path_buf()) {
            temporary::sweep(folder);
        }
        write_via(folder, target, bytes)
    }
}

/// Give a file another name; it is on disk before it is seen there. A file with other names is copied: whoever has those could still
/// change it.
pub fn move_file(from: &Path, tmp: &Path, target: &Path) -> Result<()> {
    let fail = |e: std::io::Error| Error::io("write", target, &e);
    let folder = folder_of(target);
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    let mut aside = temporary::create(tmp).map_err(fail)?;
    #[cfg(unix)]
    let moved = {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::File::open(from).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        // The mode of a new file, whatever mode the program gave it.
        let mode = aside.as_file().metadata().map_err(fail)?.permissions();
        let ready = meta.nlink() == 1 && file.set_permissions(mode).and_then(|()| file.sync_all()).is_ok();
        ready && std::fs::rename(from, target).is_ok()
    };
    #[cfg(not(unix))]
    let moved = false;
    if moved {
        return Ok(());
    }
    let mut content = std::fs::File::open(from).map_err(fail)?;
    std::io::copy(&mut content, aside.as_file_mut()).map_err(fail)?;
    aside.as_file().sync_all().map_err(fail)?;
    aside.persist(target).map_err(|e| fail(e.error))?;
    Ok(())
}

/// Where a large payload lives.
pub fn object_path(dir: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    dir.join("objects").join(&name[..2]).join(&name[2..])
}
