//! Temporary files: `.repro-XXXXXX`, beside their target or in `tmp/` of the cache. The writer holds a lock on its file, which the kernel releases
//! when the process ends: another process that gets the lock has found a leftover and may delete it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

const PREFIX: &str = ".repro-";
/// The number of random characters after the prefix.
const RANDOM: usize = 6;
/// On a file system without locks, older files are leftovers.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// Create and lock a temporary file, with the mode of an ordinary new file.
pub fn create(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder)?;
        // Until it is locked, another process may take it for a leftover.
        match file.as_file().try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            Ok(()) if !same_file(file.as_file(), file.path()) => continue,
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Whether this is the name of a temporary file.
pub fn is_temporary(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(is_random)
}

/// Whether this is the random part of a name.
pub fn is_random(text: &str) -> bool {
    text.len() == RANDOM && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Delete the temporary files of dead processes in a folder.
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
    // Writable, because network file systems lock only writable files.
    let Ok(file) = File::options().read(true).write(true).open(path) else { return };
    let is_left = match file.try_lock() {
        Ok(()) => same_file(&file, path),
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            meta.modified().ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > STALE)
        }
    };
    if is_left {
        // Locked until it is deleted: a writer that has just created it notices and creates another one.
        let _ = std::fs::remove_file(path);
    }
}

/// Whether an open file is still the one at this path.
pub fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => identity(open) == identity(there),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leftover_files_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let written = create(dir.path()).unwrap();
        std::fs::write(dir.path().join(".repro-abc123"), "left by a kill").unwrap();
        for other in [".repro-notes", "repro-abc123", ".repro-abc12", "notes"] {
            std::fs::write(dir.path().join(other), "").unwrap();
        }
        std::fs::create_dir(dir.path().join(".repro-folder")).unwrap();
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
