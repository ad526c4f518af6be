//! The version of the cache's layout.

use std::path::Path;

use super::files;
use crate::error::{Error, Result};

const VERSION: u32 = 1;

/// Refuse a folder of a newer version; a missing or unreadable mark is taken for a new folder.
pub fn check(dir: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(dir.join("FORMAT")) else { return Ok(()) };
    let found = text.trim().strip_prefix("repro cache ").and_then(|version| version.parse::<u32>().ok());
    match found {
        Some(version) if version > VERSION => Err(Error::user(format!(
            "the cache `{}` is of version {version}; this program reads versions up to {VERSION}",
            dir.display()
        ))
        .hint("use a newer repro, or another folder with `--cache DIR`; nothing in it was touched")),
        _ => Ok(()),
    }
}

/// Mark the folder with the version, once.
pub fn mark(dir: &Path) -> Result<()> {
    let path = dir.join("FORMAT");
    if path.exists() { Ok(()) } else { files::write_file(&path, format!("repro cache {VERSION}\n").as_bytes()) }
}
