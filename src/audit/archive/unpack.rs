//! Unpacking an archive: every file against the manifest, and nothing beside it. Whoever made the archive may be a stranger: no path leads
//! out of the folder, and no file is larger than the manifest says.

use std::collections::BTreeSet;
use std::fs::File as Disk;
use std::io::{BufReader, Write};
use std::path::{Component, Path};

use serde::Deserialize;

use super::check::Refused;
use super::{File, LONGEST_MANIFEST, MANIFEST, Manifest, Role, TRACES, VERSION};
use crate::error::{Error, Result};
use crate::exchange::{ArchiveReader, Copied};
use crate::program::set_mode;
use crate::spec::MAX_BYTES;
use crate::value::Digest;

/// An archive whose every file is as its manifest says, in a folder.
pub struct Unpacked {
    pub manifest: Manifest,
    /// The bytes of the manifest.
    pub listing: Vec<u8>,
}

/// What is read of a manifest before it is known that this program can read it.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "repro-archive")]
    version: u32,
    repro: String,
}

/// Unpack an archive into a folder that is empty or not there.
pub fn unpack(path: &Path, folder: &Path) -> Result<Unpacked, Refused> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?;
    let foreign = |why: &str| {
        Error::user(format!("`{}` is no archive of repro: {why}", path.display())).hint("`repro export` makes one")
    };
    if !meta.is_file() {
        return Err(foreign("it is not a file").into());
    }
    let file = Disk::open(path).map_err(|e| Error::io("read", path, &e))?;
    let named = |error: Error| Error { message: format!("`{}`: {}", path.display(), error.message), ..error };
    let mut zip = ArchiveReader::new(BufReader::new(file)).map_err(named)?;
    match zip.size(MANIFEST) {
        None => return Err(foreign(&format!("it has no {MANIFEST}")).into()),
        Some(size) if size > LONGEST_MANIFEST => return Err(foreign(&format!("its {MANIFEST} is too large")).into()),
        Some(_) => {}
    }
    let listing = zip.read(MANIFEST).map_err(named)?.unwrap_or_default();
    let unreadable = || foreign(&format!("its {MANIFEST} cannot be read"));
    let head: Head = serde_json::from_slice(&listing).map_err(|_| unreadable())?;
    if head.repro != env!("CARGO_PKG_VERSION") || head.version != VERSION {
        return Err(Refused::Version(head.repro));
    }
    let manifest: Manifest = serde_json::from_slice(&listing).map_err(|_| unreadable())?;
    let mut wrong = foreign_members(&zip, &manifest);
    for file in &manifest.files {
        if let Err(why) = one(&mut zip, file, folder)? {
            wrong.push(format!("{}: {why}", file.path));
        }
    }
    wrong.extend(needed(&manifest));
    if wrong.is_empty() { Ok(Unpacked { manifest, listing }) } else { Err(Refused::Files(wrong)) }
}

/// Whether a file is an archive of this program, of whatever version.
pub fn is_archive(path: &Path) -> bool {
    let zip = Disk::open(path).ok().and_then(|file| ArchiveReader::new(BufReader::new(file)).ok());
    zip.is_some_and(|zip| zip.size(MANIFEST).is_some())
}

/// What is in an archive beside the files of its manifest.
fn foreign_members<R: std::io::Read + std::io::Seek>(zip: &ArchiveReader<R>, manifest: &Manifest) -> Vec<String> {
    let known: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).chain([MANIFEST]).collect();
    let foreign = |name: &&str| {
        // Some programs write the folders of files too.
        let folder = name.ends_with('/') && known.range(*name..).next().is_some_and(|next| next.starts_with(*name));
        !known.contains(name) && !folder
    };
    zip.names().filter(foreign).map(|name| format!("{name}: not in the manifest")).collect()
}

/// What is wrong with the files that every archive has.
fn needed(manifest: &Manifest) -> Vec<String> {
    let mut wrong = Vec::new();
    let papers: Vec<&File> = manifest.files.iter().filter(|file| file.role == Role::Paper).collect();
    match papers.as_slice() {
        [paper] if paper.path == manifest.paper && !paper.path.contains('/') => {
            if paper.size > MAX_BYTES as u64 {
                wrong.push(format!("{}: too large for a paper file", paper.path));
            }
        }
        _ => wrong.push(format!("{}: not the paper file of the manifest", manifest.paper)),
    }
    if !manifest.files.iter().any(|file| file.path == TRACES) {
        wrong.push(format!("{TRACES}: not in the manifest"));
    }
    wrong
}

/// Whether a path leads to a place below the folder, and is written without characters that mislead whoever reads it.
fn is_plain(path: &str) -> bool {
    let parts = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    parts && inside && !path.contains(misleads)
}

/// Unpack one file and check it; the inner error says in what it is not as the manifest has it.
fn one<R: std::io::Read + std::io::Seek>(
    zip: &mut ArchiveReader<R>,
    file: &File,
    folder: &Path,
) -> Result<Result<(), String>> {
    if !is_plain(&file.path) {
        return Ok(Err("a path that is not taken: it leads elsewhere, or holds characters that mislead".into()));
    }
    match zip.size(&file.path) {
        None => return Ok(Err("is missing".into())),
        Some(size) if size != file.size => return Ok(Err("other content".into())),
        Some(_) => {}
    }
    let full = folder.join(&file.path);
    let parent = full.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|e| Error::io("make the folder", parent, &e))?;
    let out = Disk::create_new(&full).map_err(|e| Error::io("write", &full, &e))?;
    let mut hashed = Hashed { out, hasher: blake3::Hasher::new() };
    match zip.copy(&file.path, &mut hashed)? {
        Copied::Whole if Digest::from(hashed.hasher.finalize()) == file.blake3 => {}
        Copied::Whole => return Ok(Err("other content".into())),
        Copied::Damaged | Copied::Missing => return Ok(Err("damaged".into())),
    }
    if file.executable {
        set_mode(&full, true)?;
    }
    Ok(Ok(()))
}

/// Writes a file and hashes it on the way.
struct Hashed {
    out: Disk,
    hasher: blake3::Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
