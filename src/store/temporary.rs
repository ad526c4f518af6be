//! Files that are being written: `.repro-XXXXXX`, beside the file that they will become or in `tmp/` of the cache. The writer holds the kernel's
//! lock on them, which ends with its process: whoever gets the lock has found one that was left by a kill, and may delete it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

const PREFIX: &str = ".repro-";
/// Random letters and digits after it.
const RANDOM: usize = 6;
/// On a file system without locks, files older than this belong to nobody.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// A new temporary file, locked. Its mode is that of any new file: as open as the umask allows.
pub fn create(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder)?;
        // Someone may take it for a leftover until it is locked.
        match file.as_file().try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            Ok(()) if !same_file(file.as_file(), file.path()) => continue,
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Whether a file of this name is one of them.
pub fn is_temporary(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(is_random)
}

/// Whether this is what `tempfile` puts into names.
pub fn is_random(text: &str) -> bool {
    text.len() == RANDOM && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Delete the temporary files in a folder whose writers are no more.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_temporary) {
            delete_if_left(&entry.path());
        }
    }
}

fn delete_if_left(path: &Path) {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return };
    if !meta.is_file() {
        return;
    }
    // Writable, because network file systems lock only what may be written.
    let Ok(file) = File::options().read(true).write(true).open(path) else { return };
    let is_left = match file.try_lock() {
        Ok(()) => same_file(&file, path),
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            meta.modified().ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > STALE)
        }
    };
    if is_left {
        // The lock is held until it is gone: a writer that has just made it makes another one.
        let _ = std::fs::remove_file(path);
    }
}

/// Whether an open file is still the one at this path.
pub fn same_file(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        match (file.metadata(), std::fs::symlink_metadata(path)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_nobody_writes_any_more_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let written = create(dir.path()).unwrap();
        std::fs::write(dir.path().join(".repro-abc123"), "left by a kill").unwrap();
        for other in [".repro-notes", "repro-abc123", ".repro-abc12", "notes"] {
            std::fs::write(dir.path().join(other), "").unwrap();
        }
        std::fs::create_dir(dir.path().join(".repro-folder")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.path().join("notes"), dir.path().join(".repro-linked")).unwrap();
        sweep(dir.path());
        assert!(!dir.path().join(".repro-abc123").exists());
        assert!(written.path().exists(), "it is being written");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 7);
    }

    #[test]
    fn many_writers_and_sweepers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let dir = dir.path();
                scope.spawn(move || {
                    for i in 0..200 {
                        let file = create(dir).unwrap();
                        sweep(dir);
                        file.persist(dir.join(format!("{thread}-{i}"))).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 800);
    }
}
