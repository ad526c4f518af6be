//! The digest of data outside of the project: of its listing, or of its content.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Context;
use crate::error::{Error, Result};
use crate::stages::{HashOf, OutsideData};
use crate::store::Digest;
use crate::threads;

/// The real path of the data. Errors: it is not there, or it is or holds the project or the cache.
pub fn locate(context: Context, data: &OutsideData) -> Result<PathBuf> {
    let name = &data.path.value;
    let place = data.place().ok_or_else(|| Error::stage(format!("`{name}`: `HOME` is not set")).at(data.path.span))?;
    let real = std::fs::canonicalize(&place).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            let error = Error::stage(format!("there is no `{name}` on this machine")).at(data.path.span);
            error.hint("put the data there, or correct the path")
        }
        _ => Error::io("read", &place, &cause).at(data.path.span),
    })?;
    let own = [context.home, context.store.dir()].map(|folder| std::fs::canonicalize(folder).ok());
    for own in own.into_iter().flatten() {
        if real.starts_with(&own) {
            let error = Error::stage(format!("`{name}` is in the project")).at(data.path.span);
            return Err(error.hint("files of the project are `inputs`, with paths relative to the paper file"));
        }
        if own.starts_with(&real) {
            let error = Error::stage(format!("`{name}` contains the project")).at(data.path.span);
            return Err(error.hint("name the folder of the data alone"));
        }
    }
    Ok(real)
}

/// The digest of the data as the stage wants it.
pub fn digest(context: Context, data: &OutsideData) -> Result<Digest> {
    let root = locate(context, data)?;
    // Times of a whole folder are not worth recording: the next build lists it again.
    context.store.mark_uncacheable();
    let mut entries = Vec::new();
    list(&root, &root, &mut entries).map_err(|error| error.at(data.path.span))?;
    entries.sort();
    let mut hasher = blake3::Hasher::new();
    match data.hash {
        HashOf::Listing => {
            hasher.update(b"repro listing 1\n");
            entries.iter().for_each(|entry| entry.update(&mut hasher, &entry.stat.to_le_bytes()));
        }
        HashOf::Content => {
            hasher.update(b"repro content of data 1\n");
            let digests = threads::map(&entries, |entry| match entry.kind {
                FileKind::File => context.store.file_digest(&root.join(&entry.path)),
                _ => Ok(Digest([0; 32])),
            });
            for (entry, digest) in entries.iter().zip(digests) {
                entry.update(&mut hasher, digest.map_err(|error| error.at(data.path.span))?.as_bytes());
            }
        }
    }
    Ok(hasher.finalize().into())
}

/// A file of the data. Links are not followed: what they lead to is not part of the data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ListedFile {
    /// Relative to the data; empty if the data is one file.
    path: PathBuf,
    kind: FileKind,
    /// Its size and the time of its last change in nanoseconds.
    size: u64,
    stat: i128,
    /// Where a link leads.
    target: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FileKind {
    File,
    Link,
    Other,
}

impl ListedFile {
    fn update(&self, hasher: &mut blake3::Hasher, of_file: &[u8]) {
        for text in [&self.path, &self.target] {
            hasher.update(&(text.as_os_str().len() as u64).to_le_bytes());
            hasher.update(text.as_os_str().as_bytes());
        }
        hasher.update(&[self.kind as u8]);
        if self.kind == FileKind::File {
            hasher.update(&self.size.to_le_bytes());
            hasher.update(of_file);
        }
    }
}

fn list(root: &Path, path: &Path, entries: &mut Vec<ListedFile>) -> Result<()> {
    let unreadable = |cause: std::io::Error| Error::io("read", path, &cause);
    let meta = std::fs::symlink_metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            list(root, &entry.map_err(unreadable)?.path(), entries)?;
        }
        return Ok(());
    }
    let kind = match () {
        () if meta.is_file() => FileKind::File,
        () if meta.is_symlink() => FileKind::Link,
        () => FileKind::Other,
    };
    let target = if kind == FileKind::Link { std::fs::read_link(path).map_err(unreadable)? } else { PathBuf::new() };
    let modified = meta.modified().map_err(unreadable)?;
    let stat = match modified.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    let path = path.strip_prefix(root).unwrap_or(path).to_path_buf();
    entries.push(ListedFile { path, kind, size: meta.len(), stat, target });
    Ok(())
}
