//! Unpacks an archive and checks every file against the manifest. Archives are untrusted: no path leads out of the folder, no file is larger
//! than the manifest says, and files that are not in the manifest are rejected.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Component, Path};

use serde::Deserialize;

use super::error::ArchiveError;
use super::manifest::{ArchiveFile, FileRole, MANIFEST, MAX_MANIFEST_BYTES, Manifest, TRACES, VERSION};
use crate::error::{Error, Result};
use crate::exchange::{ArchiveReader, Copied};
use crate::program::set_mode;
use crate::spec::MAX_BYTES;
use crate::value::Digest;

/// The manifest of an archive whose every file matches it.
pub struct Unpacked {
    pub manifest: Manifest,
    pub manifest_bytes: Vec<u8>,
}

/// The fields of a manifest that every version of the program can read.
#[derive(Deserialize)]
struct ManifestHeader {
    #[serde(rename = "repro-archive")]
    version: u32,
    repro: String,
}

/// Unpack an archive into a folder that is empty or does not exist.
pub fn unpack(path: &Path, folder: &Path) -> Result<Unpacked, ArchiveError> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?;
    let foreign = |why: &str| {
        Error::user(format!("`{}` is not an archive of repro: {why}", path.display())).hint("`repro export` makes one")
    };
    if !meta.is_file() {
        return Err(foreign("it is not a file").into());
    }
    let file = File::open(path).map_err(|e| Error::io("read", path, &e))?;
    let named = |error: Error| Error { message: format!("`{}`: {}", path.display(), error.message), ..error };
    let mut zip = ArchiveReader::new(BufReader::new(file)).map_err(named)?;
    match zip.size(MANIFEST) {
        None => return Err(foreign(&format!("it has no {MANIFEST}")).into()),
        Some(size) if size > MAX_MANIFEST_BYTES => return Err(foreign(&format!("its {MANIFEST} is too large")).into()),
        Some(_) => {}
    }
    let manifest_bytes = zip.read(MANIFEST).map_err(named)?.unwrap_or_default();
    let unreadable = || foreign(&format!("its {MANIFEST} is not valid"));
    let header: ManifestHeader = serde_json::from_slice(&manifest_bytes).map_err(|_| unreadable())?;
    if header.repro != env!("CARGO_PKG_VERSION") || header.version != VERSION {
        return Err(ArchiveError::OtherVersion(header.repro));
    }
    let manifest: Manifest = serde_json::from_slice(&manifest_bytes).map_err(|_| unreadable())?;
    let mut wrong = unlisted_members(&zip, &manifest);
    for file in &manifest.files {
        if let Err(why) = unpack_file(&mut zip, file, folder)? {
            wrong.push(format!("{}: {why}", file.path));
        }
    }
    wrong.extend(required_files(&manifest));
    if wrong.is_empty() { Ok(Unpacked { manifest, manifest_bytes }) } else { Err(ArchiveError::WrongFiles(wrong)) }
}

/// Whether a file is an archive of any version of this program.
pub fn is_archive(path: &Path) -> bool {
    let zip = File::open(path).ok().and_then(|file| ArchiveReader::new(BufReader::new(file)).ok());
    zip.is_some_and(|zip| zip.size(MANIFEST).is_some())
}

/// The problems with members that are not in the manifest.
fn unlisted_members<R: std::io::Read + std::io::Seek>(zip: &ArchiveReader<R>, manifest: &Manifest) -> Vec<String> {
    let known: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).chain([MANIFEST]).collect();
    let unlisted = |name: &&str| {
        // Some programs also write an entry for each folder.
        let folder = name.ends_with('/') && known.range(*name..).next().is_some_and(|next| next.starts_with(*name));
        !known.contains(name) && !folder
    };
    zip.names().filter(unlisted).map(|name| format!("{name}: not in the manifest")).collect()
}

/// The problems with the files that every archive needs.
fn required_files(manifest: &Manifest) -> Vec<String> {
    let mut wrong = Vec::new();
    let papers: Vec<&ArchiveFile> = manifest.files.iter().filter(|file| file.role == FileRole::Paper).collect();
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

/// Whether a path stays inside the folder and has no characters that make it look like another path.
fn is_safe(path: &str) -> bool {
    let normal = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    normal && inside && !path.contains(misleads)
}

/// Unpack one file and check it. The inner error says how it differs from the manifest.
fn unpack_file<R: std::io::Read + std::io::Seek>(
    zip: &mut ArchiveReader<R>,
    file: &ArchiveFile,
    folder: &Path,
) -> Result<Result<(), String>> {
    if !is_safe(&file.path) {
        return Ok(Err(
            "unsafe path: it leads out of the folder, or has control or bidirectional characters or backslashes".into(),
        ));
    }
    match zip.size(&file.path) {
        None => return Ok(Err("missing".into())),
        Some(size) if size != file.size => return Ok(Err("content differs from the manifest".into())),
        Some(_) => {}
    }
    let full = folder.join(&file.path);
    let parent = full.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|e| Error::io("make the folder", parent, &e))?;
    let out = File::create_new(&full).map_err(|e| Error::io("write", &full, &e))?;
    let mut writer = HashingWriter { out, hasher: blake3::Hasher::new() };
    match zip.copy(&file.path, &mut writer)? {
        Copied::Whole if Digest::from(writer.hasher.finalize()) == file.blake3 => {}
        Copied::Whole => return Ok(Err("content differs from the manifest".into())),
        Copied::Damaged | Copied::Missing => return Ok(Err("damaged".into())),
    }
    if file.executable {
        set_mode(&full, true)?;
    }
    Ok(Ok(()))
}

/// Writes a file and computes its hash.
struct HashingWriter {
    out: File,
    hasher: blake3::Hasher,
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
