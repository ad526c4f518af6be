//! Folders deleted with all in them, however deep they are and whatever a program has done to them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, chmodat, fchmod, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

/// Delete a folder, even if a program has forbidden itself to write in parts of it. Returns whether it is gone.
pub fn remove_folder(path: &Path) -> bool {
    match remove(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::debug!("{} stays behind: {error}", path.display());
            false
        }
    }
}

/// Folders inside are moved up into the one that is deleted before they are emptied in turn. So no path grows long, no more than three folders
/// are open at once, and the time is linear in what is there. Links are deleted and not followed.
fn remove(path: &Path) -> io::Result<()> {
    let top = open(CWD, path)?;
    let mut moved = 0;
    let mut failed = None;
    // Until a look at the folder finds nothing that can be deleted.
    loop {
        let mut deleted = false;
        for entry in Dir::read_from(&top)? {
            let entry = entry?;
            if is_itself(&entry) {
                continue;
            }
            let name = entry.file_name();
            let done = match is_folder(&top, &entry) {
                true => empty(&top, name, &mut moved).and_then(|()| unlinkat(&top, name, AtFlags::REMOVEDIR)),
                false => unlinkat(&top, name, AtFlags::empty()),
            };
            match done {
                Ok(()) => deleted = true,
                Err(error) => failed = Some(error),
            }
        }
        if !deleted {
            break;
        }
    }
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed.map_or(error, io::Error::from)),
        _ => Ok(()),
    }
}

/// Empty a folder: what it holds is deleted, and folders in it are moved into the one above.
fn empty(top: &OwnedFd, name: &CStr, moved: &mut u64) -> rustix::io::Result<()> {
    let folder = open(top, name)?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let inner = entry.file_name();
        if is_itself(&entry) {
            continue;
        }
        if !is_folder(&folder, &entry) {
            unlinkat(&folder, inner, AtFlags::empty())?;
            continue;
        }
        // A folder can be moved only by who may write in it.
        let _ = chmodat(&folder, inner, Mode::RWXU, AtFlags::empty());
        loop {
            *moved += 1;
            match renameat(&folder, inner, top, format!("{moved}.moved")) {
                // The program has left something of this name.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                other => break other?,
            }
        }
    }
    Ok(())
}

/// Open a folder, and allow everything in it; links are not followed.
fn open(at: impl AsFd, name: impl Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(&at, name, flags, Mode::empty()) {
        // Only of a folder itself, not of a link to one, is this the answer.
        Err(Errno::ACCESS) => {
            chmodat(&at, name, Mode::RWXU, AtFlags::empty())?;
            openat(&at, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    let _ = fchmod(&folder, Mode::RWXU);
    Ok(folder)
}

fn is_itself(entry: &DirEntry) -> bool {
    matches!(entry.file_name().to_bytes(), b"." | b"..")
}

fn is_folder(at: &OwnedFd, entry: &DirEntry) -> bool {
    match entry.file_type() {
        FileType::Unknown => statat(at, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        known => known == FileType::Directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_folder_goes_however_deep_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        std::fs::create_dir(&top).unwrap();
        let mut inner = openat(CWD, &top, OFlags::RDONLY, Mode::empty()).unwrap();
        for _ in 0..3000 {
            mkdirat(&inner, "d", Mode::RWXU).unwrap();
            inner = openat(&inner, "d", OFlags::RDONLY, Mode::empty()).unwrap();
        }
        drop(inner);
        // No path is long enough for it, and this stack is too small for any recursion.
        let removed = || remove_folder(&top);
        let gone = std::thread::scope(|scope| {
            std::thread::Builder::new().stack_size(96 << 10).spawn_scoped(scope, removed).unwrap().join().unwrap()
        });
        assert!(gone && !top.exists());
    }

    #[test]
    fn what_is_forbidden_to_read_or_called_oddly_goes_too_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (top, other) = (dir.path().join("top"), dir.path().join("other"));
        for folder in ["a/1.moved", "2.moved/b", "3.moved", "locked/in/deep"] {
            std::fs::create_dir_all(top.join(folder)).unwrap();
            std::fs::write(top.join(folder).join("file"), "x").unwrap();
        }
        std::fs::write(top.join("1.moved"), "a file").unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("kept"), "x").unwrap();
        symlink(&other, top.join("link")).unwrap();
        symlink(&other, top.join("a/link")).unwrap();
        for folder in ["locked/in", "locked"] {
            std::fs::set_permissions(top.join(folder), std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        assert!(remove_folder(&top));
        assert!(!top.exists() && other.join("kept").exists());
        assert!(remove_folder(&top), "what is not there is gone");
    }
}
