//! The file `FORMAT`, which marks a folder as a cache and holds the version of its layout. It is written first, so that a killed first build
//! leaves either an empty folder or a cache. Any other folder is refused, because files in a cache are deleted.

use std::path::Path;

use super::{files, temporary};
use crate::error::{Error, Result};

const NAME: &str = "FORMAT";
const VERSION: u32 = 1;

/// The names in a cache that must not be symbolic links, because files below them are deleted.
pub(super) const FOLDERS: [&str; 14] = [
    "shards", "objects", "tmp", "partial", "last", "logs", "projects", "scratch", "replaced", "kernels", "diff",
    "view", "resume", "lock",
];

/// Files that an empty folder may hold: they come with the file system, with git or with a file manager.
const EMPTY: [&str; 5] = [".gitignore", ".gitkeep", ".keep", ".DS_Store", "lost+found"];

/// Whether this folder is a cache; an empty or missing one may become one. Errors: a folder with other files, a cache of a newer version, a
/// symbolic link instead of one of its folders.
pub fn check(dir: &Path) -> Result<bool> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        // A file at this path is an error once something is written.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(e) => return Err(Error::io("read", dir, &e)),
    };
    // List the folder before reading FORMAT: a process that creates the cache at this moment writes FORMAT first.
    let mut found: Vec<String> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("read", dir, &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if FOLDERS.contains(&name.as_str()) {
            refuse_link(&entry.path())?;
        }
        if !EMPTY.contains(&name.as_str()) && !temporary::is_temporary(&name) {
            found.push(name);
        }
    }
    let path = dir.join(NAME);
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return if found.is_empty() { Ok(false) } else { Err(foreign(dir, &mut found)) };
        }
        Err(e) => return Err(Error::io("read", &path, &e)),
    };
    match text.trim().strip_prefix("repro cache ").and_then(|version| version.parse::<u32>().ok()) {
        Some(version) if version > VERSION => Err(Error::user(format!(
            "the cache `{}` is of version {version}; this program reads versions up to {VERSION}",
            dir.display()
        ))
        .hint("use a newer repro, or another folder with `--cache DIR`; nothing in it was touched")),
        Some(_) => Ok(true),
        None => Err(foreign(dir, &mut found)),
    }
}

/// Refuse a symbolic link instead of a folder of the cache.
pub(super) fn refuse_link(path: &Path) -> Result<()> {
    if !path.is_symlink() {
        return Ok(());
    }
    Err(Error::user(format!("`{}` is a symbolic link, and nothing inside a cache may be one", path.display()))
        .hint("repro deletes files in its cache and never follows a link there; nothing was touched")
        .hint("to keep the cache on another disk, make the cache folder itself a link, or set `--cache DIR` or REPRO_CACHE"))
}

fn foreign(dir: &Path, found: &mut [String]) -> Error {
    found.sort();
    let shown = found.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if found.len() > 3 { format!(" and {} more", found.len() - 3) } else { String::new() };
    let error = Error::user(format!("`{}` is not a cache of repro: it holds {shown}{more}", dir.display()))
        .hint("name a new or empty folder with `--cache DIR` or REPRO_CACHE; nothing in this one was touched");
    if !found.iter().any(|name| name == "shards") {
        return error;
    }
    let path = dir.join(NAME);
    error.hint(format!(
        "if it is a cache that lost its file FORMAT: `echo 'repro cache {VERSION}' > {}`",
        path.display()
    ))
}

/// Make the folder a cache, unless it is one.
pub fn mark(dir: &Path) -> Result<()> {
    if check(dir)? {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(|e| Error::io("make the folder", dir, &e))?;
    files::write_file(&dir.join(NAME), format!("repro cache {VERSION}\n").as_bytes())?;
    files::sync_folder(dir);
    Ok(())
}
