//! What was looked at outside of the store while a build decided that there is nothing to do: files, folders, links, environment variables.
//! Written down, it tells the next build at a glance whether all of it is as it was.
//!
//! ```text
//! count | entries: length | name | kind | what it was
//! ```
//! A file whose times lie too close to now, by the clock of its file system, may still change unseen: of these the content is compared.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::stat::Identity;
use super::{Digest, Store, hash_file, lock};

const FILE: u8 = 0;
const FOLDER: u8 = 1;
const STEP: u8 = 2;
/// Added to the kind of what has to be compared by its content.
const FRESH: u8 = 16;

/// One look.
#[derive(Clone, Debug, PartialEq)]
enum Look {
    /// A file and the digest of its content.
    File(Identity, Digest),
    /// A folder and the digest of the names in it.
    Folder(Identity, Digest),
    /// A folder or a link on the way to a file: which one it is, not what is in it.
    Step { device: u64, inode: u64, link: bool },
}

/// All looks of a run.
#[derive(Debug, Default)]
pub struct Looks {
    /// By path and kind: a folder may be listed and be a step too.
    paths: BTreeMap<(PathBuf, u8), Look>,
    /// Digests of their values: they may be passwords.
    variables: BTreeMap<String, Option<Digest>>,
    /// Something was looked at that cannot be written down, or that changed between two looks.
    fleeting: bool,
}

impl Looks {
    fn add(&mut self, path: &Path, look: Look) {
        let known = self.paths.entry((path.to_path_buf(), look.kind())).or_insert_with(|| look.clone());
        self.fleeting |= *known != look;
    }
}

impl Store {
    pub(super) fn looked_at_file(&self, path: &Path, identity: Identity, digest: Digest) {
        lock(&self.looks).add(path, Look::File(identity, digest));
    }

    /// A folder was read. `meta`: from before it was read.
    pub fn looked_at_folder(&self, path: &Path, meta: &Metadata, names: &[String]) {
        lock(&self.looks).add(path, Look::Folder(Identity::of(meta), listing(names)));
    }

    /// A path led through this folder or link. `meta`: of itself, not of what a link leads to.
    pub fn looked_at_step(&self, path: &Path, meta: &Metadata) {
        lock(&self.looks).add(path, step(meta));
    }

    /// Whether this step was looked at already.
    pub fn knows_step(&self, path: &Path) -> bool {
        lock(&self.looks).paths.contains_key(&(path.to_path_buf(), STEP))
    }

    /// An environment variable was read.
    pub fn looked_at_variable(&self, name: &str, value: Option<&OsStr>) {
        let digest = value.map(|value| variable(name, value));
        lock(&self.looks).variables.insert(name.to_string(), digest);
    }

    /// Something was looked at that another run has to look at anew.
    pub fn looked_at_what_passes(&self) {
        lock(&self.looks).fleeting = true;
    }

    /// A file is about to be written by this build: what it was before does not matter any more.
    pub fn will_write(&self, path: &Path) {
        lock(&self.looks).paths.remove(&(path.to_path_buf(), FILE));
    }

    /// All looks of this run; `None` if they cannot stand for those of another run.
    pub fn looks(&self) -> Option<Vec<u8>> {
        let looks = lock(&self.looks);
        if looks.fleeting || !lock(&self.warnings).1.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(128 * looks.paths.len());
        out.extend((looks.paths.len() as u64).to_le_bytes());
        for ((path, _), look) in &looks.paths {
            let fresh =
                look.identity().filter(|(identity, _)| !self.is_settled(path, identity)).map(|(_, digest)| digest);
            let path = path.to_str()?;
            out.extend(u32::try_from(path.len()).ok()?.to_le_bytes());
            out.extend(path.as_bytes());
            out.push(look.kind() + if fresh.is_some() { FRESH } else { 0 });
            look.write(&mut out);
            out.extend(fresh.iter().flat_map(|digest| digest.0));
        }
        for (name, digest) in &looks.variables {
            let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
            out.extend(format!("{name}\n{digest}\0").as_bytes());
        }
        Some(out)
    }

    /// Look again at all that is written down. `None` if anything is not as it was, or these are not the bytes of looks.
    pub fn unchanged(&self, bytes: &[u8]) -> Option<Unchanged> {
        let mut input = Reader(bytes);
        let count = input.number()?;
        let (mut fresh, mut settled) = (false, true);
        for _ in 0..count {
            let entry = input.entry()?;
            let identity = entry.look_again()?;
            if entry.content.is_some() {
                fresh = true;
                settled = settled && identity.is_some_and(|identity| self.is_settled(Path::new(entry.path), &identity));
            }
        }
        let variables = input.0;
        for pair in variables.split_inclusive(|byte| *byte == 0) {
            let pair = std::str::from_utf8(pair.strip_suffix(b"\0")?).ok()?;
            let (name, value) = pair.split_once('\n')?;
            let now = std::env::var_os(name).map(|value| variable(name, &value).to_string());
            (now.unwrap_or_default() == value).then_some(())?;
        }
        if !fresh || !settled {
            return Some(Unchanged { settled: None });
        }
        let mut input = Reader(bytes);
        let mut out = input.number()?.to_le_bytes().to_vec();
        for _ in 0..count {
            input.entry()?.write(&mut out);
        }
        out.extend(variables);
        Some(Unchanged { settled: Some(out) })
    }
}

/// What a second look found: all is as it was.
pub struct Unchanged {
    /// The same looks for the next time, where what had to be compared by its content may be told by its times from now on.
    pub settled: Option<Vec<u8>>,
}

/// One look, written down.
struct Entry<'a> {
    path: &'a str,
    kind: u8,
    /// Its identity, or which folder or link it is.
    what: &'a [u8],
    /// The digest of what has to be compared by its content.
    content: Option<[u8; 32]>,
}

impl Entry<'_> {
    /// What it is now, of a file or folder. `None` if that is not what it was.
    fn look_again(&self) -> Option<Option<Identity>> {
        let path = Path::new(self.path);
        if self.kind == STEP {
            let mut now = Vec::new();
            step(&std::fs::symlink_metadata(path).ok()?).write(&mut now);
            return (now == self.what).then_some(None);
        }
        let identity = Identity::of(&std::fs::metadata(path).ok()?);
        (self.what == identity.bytes()).then_some(())?;
        if let Some(content) = self.content {
            let found = if self.kind == FILE { hash_file(path).ok()? } else { listing(&names(path)?) };
            (found.0 == content).then_some(())?;
        }
        Some(Some(identity))
    }

    /// Told by its times from now on.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.path.len() as u32).to_le_bytes());
        out.extend(self.path.as_bytes());
        out.push(self.kind);
        out.extend(self.what);
    }
}

impl Look {
    fn kind(&self) -> u8 {
        match self {
            Look::File(..) => FILE,
            Look::Folder(..) => FOLDER,
            Look::Step { .. } => STEP,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Look::Step { device, inode, link } => {
                [*device, *inode, u64::from(*link)].iter().for_each(|n| out.extend(n.to_le_bytes()));
            }
            Look::File(identity, _) | Look::Folder(identity, _) => out.extend(identity.bytes()),
        }
    }

    /// The identity and the digest of a file or folder.
    fn identity(&self) -> Option<(&Identity, Digest)> {
        match self {
            Look::Step { .. } => None,
            Look::File(identity, digest) | Look::Folder(identity, digest) => Some((identity, *digest)),
        }
    }
}

fn step(meta: &Metadata) -> Look {
    #[cfg(unix)]
    let (device, inode) = {
        use std::os::unix::fs::MetadataExt;
        (meta.dev(), meta.ino())
    };
    #[cfg(not(unix))]
    let (device, inode) = (0, 0);
    Look::Step { device, inode, link: meta.is_symlink() }
}

/// One digest of the value of an environment variable.
fn variable(name: &str, value: &OsStr) -> Digest {
    Digest::hash(&[name.as_bytes(), b"=", value.as_encoded_bytes()].concat())
}

/// One digest of the names in a folder.
fn listing(names: &[String]) -> Digest {
    Digest::hash(names.join("\0").as_bytes())
}

/// All names in a folder, ascending; `None` where one is not text.
fn names(folder: &Path) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names: Vec<String> =
        entries.map(|entry| entry.ok()?.file_name().into_string().ok()).collect::<Option<_>>()?;
    names.sort();
    Some(names)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let path = std::str::from_utf8(self.take(length)?).ok()?;
        let kind = self.take(1)?[0];
        let (kind, fresh) = (kind & !FRESH, kind & FRESH != 0);
        let what = self.take(if kind == STEP { 24 } else { Identity::BYTES })?;
        let content = if fresh { Some(self.array()?) } else { None };
        Some(Entry { path, kind, what, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &Path) -> Store {
        Store::open(&dir.join("cache")).unwrap()
    }

    /// Set a file's time back, so that it counts as settled.
    fn age(path: &Path) {
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }

    #[test]
    fn a_glance_sees_every_change_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "one").unwrap();
        age(&path);
        let store = store(dir.path());
        store.file_digest(&path).unwrap();
        let looks = store.looks().unwrap();
        assert!(store.unchanged(&looks).is_some());
        std::fs::write(&path, "two").unwrap();
        age(&path);
        assert!(store.unchanged(&looks).is_none(), "same size, same age");
        std::fs::remove_file(&path).unwrap();
        assert!(store.unchanged(&looks).is_none(), "gone");
    }

    #[test]
    fn a_folder_is_as_it_was_while_the_names_in_it_are() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        let store = store(dir.path());
        let meta = std::fs::metadata(dir.path()).unwrap();
        store.looked_at_folder(dir.path(), &meta, &["a".to_string()]);
        let looks = store.looks().unwrap();
        assert!(store.unchanged(&looks).is_some());
        std::fs::write(dir.path().join("b"), "").unwrap();
        assert!(store.unchanged(&looks).is_none());
    }

    #[test]
    fn what_changes_between_two_looks_is_not_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let store = store(dir.path());
        std::fs::write(&path, "one").unwrap();
        store.file_digest(&path).unwrap();
        assert!(store.looks().is_some());
        std::fs::write(&path, "longer").unwrap();
        store.file_digest(&path).unwrap();
        assert!(store.looks().is_none());
    }

    #[test]
    fn damaged_looks_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "one").unwrap();
        let store = store(dir.path());
        store.file_digest(&path).unwrap();
        store.looked_at_variable("NO_SUCH_VARIABLE_AT_ALL", None);
        let looks = store.looks().unwrap();
        assert!(store.unchanged(&looks).is_some());
        for end in 0..looks.len() - 32 {
            assert!(store.unchanged(&looks[..end]).is_none(), "cut at {end}");
        }
    }
}
