//! What a build read outside of the store to decide what is up to date: files, folders, links, environment variables. A later build compares
//! the records with the file system (see `plan/noop.rs`).
//!
//! ```text
//! number of paths | for each: length | path | kind | stat | digest of the content, if racy | environment variables
//! ```
//! A file that was changed within a tick of its file system's clock is *racy*, as in git: it may change again with the same stat. Then the
//! content is compared too.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::stat::FileStat;
use super::{Digest, Store, hash_file, lock};
use crate::value::ByteReader;

const FILE: u8 = 0;
const FOLDER: u8 = 1;
const COMPONENT: u8 = 2;
/// Added to the kind of racy entries.
const RACY: u8 = 16;

/// What was seen at one path.
#[derive(Clone, Debug, PartialEq)]
enum Observation {
    /// A file and the digest of its content.
    File(FileStat, Digest),
    /// A folder and the digest of the names in it.
    Folder(FileStat, Digest),
    /// A folder or a link on the way to a file, without what is in it.
    Component { device: u64, inode: u64, link: bool },
}

/// Everything that a run read.
#[derive(Debug, Default)]
pub struct Observations {
    /// By path and kind: a folder may be listed and be a component of another path.
    paths: BTreeMap<(PathBuf, u8), Observation>,
    /// Digests of their values, which may be secret.
    variables: BTreeMap<String, Option<Digest>>,
    /// Something was read that cannot be recorded, or that changed between two reads.
    uncacheable: bool,
}

impl Observations {
    fn add(&mut self, path: &Path, seen: Observation) {
        let known = self.paths.entry((path.to_path_buf(), seen.kind())).or_insert_with(|| seen.clone());
        self.uncacheable |= *known != seen;
    }
}

impl Store {
    pub(super) fn observe_file(&self, path: &Path, stat: FileStat, digest: Digest) {
        lock(&self.observations).add(path, Observation::File(stat, digest));
    }

    /// A folder was listed. `meta` was read before the names.
    pub fn observe_folder(&self, path: &Path, meta: &Metadata, names: &[String]) {
        lock(&self.observations).add(path, Observation::Folder(FileStat::new(meta), hash_names(names)));
    }

    /// A path led through this folder or link. `meta` is that of the link itself, not of its target.
    pub fn observe_component(&self, path: &Path, meta: &Metadata) {
        lock(&self.observations).add(path, component(meta));
    }

    /// Whether this component of a path was recorded already.
    pub fn has_observed(&self, path: &Path) -> bool {
        lock(&self.observations).paths.contains_key(&(path.to_path_buf(), COMPONENT))
    }

    pub fn observe_variable(&self, name: &str, value: Option<&OsStr>) {
        let digest = value.map(|value| hash_variable(name, value));
        lock(&self.observations).variables.insert(name.to_string(), digest);
    }

    /// Something was read that later builds must read again: this build is not recorded.
    pub fn mark_uncacheable(&self) {
        lock(&self.observations).uncacheable = true;
    }

    /// This build is about to write a file: what was there before no longer matters.
    pub fn will_overwrite(&self, path: &Path) {
        lock(&self.observations).paths.remove(&(path.to_path_buf(), FILE));
    }

    /// The records of this run; `None` if it was uncacheable or printed a warning.
    pub fn observed(&self) -> Option<Vec<u8>> {
        let observations = lock(&self.observations);
        if observations.uncacheable || !lock(&self.warnings).1.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(128 * observations.paths.len());
        out.extend((observations.paths.len() as u64).to_le_bytes());
        for ((path, _), seen) in &observations.paths {
            let racy = seen.stat().filter(|(stat, _)| self.is_racy(path, stat)).map(|(_, digest)| digest);
            let path = path.to_str()?;
            out.extend(u32::try_from(path.len()).ok()?.to_le_bytes());
            out.extend(path.as_bytes());
            out.push(seen.kind() + if racy.is_some() { RACY } else { 0 });
            seen.write(&mut out);
            out.extend(racy.iter().flat_map(|digest| digest.0));
        }
        for (name, digest) in &observations.variables {
            let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
            out.extend(format!("{name}\n{digest}\0").as_bytes());
        }
        Some(out)
    }

    /// Compare records with the file system and the environment. `None` if anything has changed, or the records cannot be read.
    pub fn check_observed(&self, bytes: &[u8]) -> Option<Unchanged> {
        let mut reader = ByteReader(bytes);
        let count = reader.u64()?;
        let (mut any_racy, mut none_still_racy) = (false, true);
        for _ in 0..count {
            let entry = Entry::read(&mut reader)?;
            let stat = entry.check()?;
            if entry.content.is_some() {
                any_racy = true;
                none_still_racy &= stat.is_some_and(|stat| !self.is_racy(Path::new(entry.path), &stat));
            }
        }
        let variables = reader.0;
        for pair in variables.split_inclusive(|byte| *byte == 0) {
            let pair = std::str::from_utf8(pair.strip_suffix(b"\0")?).ok()?;
            let (name, value) = pair.split_once('\n')?;
            let now = std::env::var_os(name).map(|value| hash_variable(name, &value).to_string());
            (now.unwrap_or_default() == value).then_some(())?;
        }
        if !any_racy || !none_still_racy {
            return Some(Unchanged { refreshed: None });
        }
        let mut reader = ByteReader(bytes);
        let mut out = reader.u64()?.to_le_bytes().to_vec();
        for _ in 0..count {
            Entry::read(&mut reader)?.write(&mut out);
        }
        out.extend(variables);
        Some(Unchanged { refreshed: Some(out) })
    }
}

/// Everything is as it was recorded.
pub struct Unchanged {
    /// The records without digests of content, if nothing in them is racy any more.
    pub refreshed: Option<Vec<u8>>,
}

/// One record.
struct Entry<'a> {
    path: &'a str,
    kind: u8,
    /// The bytes of a [`FileStat`], or of a component.
    stat: &'a [u8],
    /// The digest of the content, if the entry is racy.
    content: Option<Digest>,
}

impl<'a> Entry<'a> {
    fn read(reader: &mut ByteReader<'a>) -> Option<Entry<'a>> {
        let length = usize::try_from(reader.u32()?).ok()?;
        let path = std::str::from_utf8(reader.take(length)?).ok()?;
        let kind = reader.u8()?;
        let (kind, racy) = (kind & !RACY, kind & RACY != 0);
        let stat = reader.take(if kind == COMPONENT { 24 } else { FileStat::BYTES })?;
        let content = if racy { Some(Digest(reader.array()?)) } else { None };
        Some(Entry { path, kind, stat, content })
    }

    /// The stat of a file or folder now; `None` if anything has changed.
    fn check(&self) -> Option<Option<FileStat>> {
        let path = Path::new(self.path);
        if self.kind == COMPONENT {
            let mut now = Vec::new();
            component(&std::fs::symlink_metadata(path).ok()?).write(&mut now);
            return (now == self.stat).then_some(None);
        }
        let stat = FileStat::new(&std::fs::metadata(path).ok()?);
        (self.stat == stat.bytes()).then_some(())?;
        if let Some(content) = self.content {
            let found = if self.kind == FILE { hash_file(path).ok()? } else { hash_names(&names(path)?) };
            (found == content).then_some(())?;
        }
        Some(Some(stat))
    }

    /// Write the record without the digest of its content.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.path.len() as u32).to_le_bytes());
        out.extend(self.path.as_bytes());
        out.push(self.kind);
        out.extend(self.stat);
    }
}

impl Observation {
    fn kind(&self) -> u8 {
        match self {
            Observation::File(..) => FILE,
            Observation::Folder(..) => FOLDER,
            Observation::Component { .. } => COMPONENT,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Observation::Component { device, inode, link } => {
                [*device, *inode, u64::from(*link)].iter().for_each(|n| out.extend(n.to_le_bytes()));
            }
            Observation::File(stat, _) | Observation::Folder(stat, _) => out.extend(stat.bytes()),
        }
    }

    /// The stat of a file or folder, and the digest of its content.
    fn stat(&self) -> Option<(&FileStat, Digest)> {
        match self {
            Observation::Component { .. } => None,
            Observation::File(stat, digest) | Observation::Folder(stat, digest) => Some((stat, *digest)),
        }
    }
}

fn component(meta: &Metadata) -> Observation {
    let (device, inode) = {
        use std::os::unix::fs::MetadataExt;
        (meta.dev(), meta.ino())
    };
    Observation::Component { device, inode, link: meta.is_symlink() }
}

fn hash_variable(name: &str, value: &OsStr) -> Digest {
    Digest::hash(&[name.as_bytes(), b"=", value.as_encoded_bytes()].concat())
}

fn hash_names(names: &[String]) -> Digest {
    Digest::hash(names.join("\0").as_bytes())
}

/// All names in a folder, ascending; `None` if one is not UTF-8.
fn names(folder: &Path) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names: Vec<String> =
        entries.map(|entry| entry.ok()?.file_name().into_string().ok()).collect::<Option<_>>()?;
    names.sort();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &Path) -> Store {
        Store::open(&dir.join("cache")).unwrap()
    }

    /// Set a file's time back, so that it is not racy.
    fn age(path: &Path) {
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }

    #[test]
    fn every_change_of_a_file_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "one").unwrap();
        age(&path);
        let store = store(dir.path());
        store.file_digest(&path).unwrap();
        let observed = store.observed().unwrap();
        assert!(store.check_observed(&observed).is_some());
        std::fs::write(&path, "two").unwrap();
        age(&path);
        assert!(store.check_observed(&observed).is_none(), "same size, same age");
        std::fs::remove_file(&path).unwrap();
        assert!(store.check_observed(&observed).is_none(), "gone");
    }

    #[test]
    fn a_folder_is_unchanged_while_the_names_in_it_are() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        let store = store(dir.path());
        let meta = std::fs::metadata(dir.path()).unwrap();
        store.observe_folder(dir.path(), &meta, &["a".to_string()]);
        let observed = store.observed().unwrap();
        assert!(store.check_observed(&observed).is_some());
        std::fs::write(dir.path().join("b"), "").unwrap();
        assert!(store.check_observed(&observed).is_none());
    }

    #[test]
    fn a_file_that_changes_between_two_reads_makes_the_run_uncacheable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let store = store(dir.path());
        std::fs::write(&path, "one").unwrap();
        store.file_digest(&path).unwrap();
        assert!(store.observed().is_some());
        std::fs::write(&path, "longer").unwrap();
        store.file_digest(&path).unwrap();
        assert!(store.observed().is_none());
    }

    #[test]
    fn truncated_records_are_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "one").unwrap();
        let store = store(dir.path());
        store.file_digest(&path).unwrap();
        store.observe_variable("NO_SUCH_VARIABLE_AT_ALL", None);
        let observed = store.observed().unwrap();
        assert!(store.check_observed(&observed).is_some());
        for end in 0..observed.len() - 32 {
            assert!(store.check_observed(&observed[..end]).is_none(), "truncated at {end}");
        }
    }
}
