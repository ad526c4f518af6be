//! Whole files or none: write aside, flush to disk, rename.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Digest, Store};
use crate::error::{Error, Result};

/// Write a file so that its name shows either the old bytes or all of the new ones, whatever happens. Folders are made.
pub fn write_file(target: &Path, bytes: &[u8]) -> Result<()> {
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
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
    let mut file = tempfile::Builder::new().prefix(".repro-").tempfile_in(tmp)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // tempfile makes private files; results are as readable as any file of the user.
        let _ = file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644));
    }
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(target)?;
    Ok(())
}

impl Store {
    /// Write a file of the project as [`write_file`] does. What a killed process leaves of it lies in the cache, where it is swept away,
    /// and in the project only if that is another file system.
    pub fn write_artifact(&self, target: &Path, bytes: &[u8]) -> Result<()> {
        let folder = target.parent().unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
        if self.prepare().is_err() {
            // Why there is no cache is told where results go into it.
            return write_via(folder, target, bytes);
        }
        match write(&self.dir.join("tmp"), target, bytes, true) {
            Err(cause) if cause.kind() == std::io::ErrorKind::CrossesDevices => write_via(folder, target, bytes),
            written => written.map_err(|e| Error::io("write", target, &e)),
        }
    }
}

/// Give a file another name; it is on disk before it is seen there. A file with other names is copied: whoever has those could still
/// change it.
pub fn move_file(from: &Path, tmp: &Path, target: &Path) -> Result<()> {
    let fail = |e: std::io::Error| Error::io("write", target, &e);
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    let aside = tempfile::Builder::new().prefix(".repro-").tempfile_in(tmp).map_err(fail)?.into_temp_path();
    #[cfg(unix)]
    let alone = std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(from).map_err(fail)?) == 1;
    #[cfg(not(unix))]
    let alone = false;
    if !alone || std::fs::rename(from, &aside).is_err() {
        std::fs::copy(from, &aside).map_err(fail)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o644));
    }
    std::fs::File::open(&aside).and_then(|file| file.sync_all()).map_err(fail)?;
    aside.persist(target).map_err(|e| fail(e.error))
}

/// Where a large payload lives.
pub fn object_path(dir: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    dir.join("objects").join(&name[..2]).join(&name[2..])
}
