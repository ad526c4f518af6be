//! The papers that use a cache. Each is registered, so that `gc` of one paper keeps the results of the others.
//!
//! ```text
//! repro project 1 \n host \n path of the paper file
//! ```

use std::path::{Path, PathBuf};

use super::{Digest, Store, files, keys};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"repro project 1\n";

/// The paper that a cache was opened for.
#[derive(Clone, Debug)]
pub(super) struct RegisteredPaper {
    /// The hash of the absolute path of the paper file; names its folder in `last/`.
    pub id: String,
    paper: PathBuf,
    /// The cache is in the folder of the paper file, which is the default.
    pub owns_cache: bool,
}

/// Another paper that uses this cache.
#[derive(Clone, Debug)]
pub struct OtherPaper {
    pub paper: PathBuf,
    /// Its paper file no longer exists. A paper of another machine counts as existing.
    pub gone: bool,
    /// The keys of its last build, by stage.
    pub stages: Vec<(String, keys::StageKeys)>,
    id: String,
}

impl OtherPaper {
    /// Its name in this cache.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Store {
    /// Use the cache for the paper file `file` in the folder `home`. Its records are kept apart from those of other papers.
    pub fn for_paper(mut self, home: &Path, file: &Path) -> Store {
        // Links in the folder are resolved, but not a link of the paper file itself: several folders may link to the same file.
        let home = if home.as_os_str().is_empty() { Path::new(".") } else { home };
        let (Ok(home), Some(name)) = (home.canonicalize(), file.file_name()) else { return self };
        let paper = home.join(name);
        let id = Digest::hash(paper.as_os_str().as_encoded_bytes()).short();
        let beside = std::path::absolute(&self.dir).ok().and_then(|dir| dir.parent()?.canonicalize().ok());
        self.paper = Some(RegisteredPaper { id, paper, owns_cache: beside.as_ref() == Some(&home) });
        self
    }

    /// Register the paper with this cache.
    pub(super) fn register(&self) -> Result<()> {
        let Some(project) = &self.paper else { return Ok(()) };
        let path = self.dir.join("projects").join(&project.id);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(host().into_bytes());
        bytes.push(b'\n');
        bytes.extend(project.paper.as_os_str().as_encoded_bytes());
        if std::fs::read(&path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        files::write_file(&path, &bytes)
    }

    /// The other papers that use this cache. Errors: the records of one cannot be read.
    pub fn other_papers(&self) -> Result<Vec<OtherPaper>> {
        let folder = self.dir.join("projects");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", &folder, &e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", &folder, &e))?;
            let id = entry.file_name().to_string_lossy().into_owned();
            let is_own = self.paper.as_ref().is_some_and(|project| project.id == id);
            if is_own || !is_id(&id) {
                continue;
            }
            let path = entry.path();
            let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, &e))?;
            let Some((host_of, paper)) = parse(&bytes) else {
                return Err(Error::stage(format!(
                    "`{}` is damaged: it registers a paper with this cache",
                    path.display()
                ))
                .hint("build that paper again, or delete this file to forget it"));
            };
            let gone = host_of == host()
                && std::fs::symlink_metadata(&paper).is_err_and(|e| {
                    matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
                });
            let stages = if gone { Vec::new() } else { keys::read_all(&self.dir.join("last").join(&id))? };
            found.push(OtherPaper { paper, gone, stages, id });
        }
        found.sort_by(|a, b| a.paper.cmp(&b.paper));
        Ok(found)
    }

    /// The files of the cache that belong to one paper: its registration, the records of its last build, its logs.
    pub fn files_of(&self, other: &OtherPaper) -> Vec<(PathBuf, u64, std::time::Duration)> {
        let mut found = self.files_in(&format!("last/{}", other.id));
        found.extend(self.files_in(&format!("logs/{}", other.id)));
        let registration = self.dir.join("projects").join(&other.id);
        found.extend(self.files_in("projects").into_iter().filter(|(path, ..)| *path == registration));
        found
    }

    /// The folders of records and logs of this paper, for [`Store::files_in`].
    pub fn own_folders(&self) -> Vec<String> {
        let of = |project: &RegisteredPaper| ["last", "logs"].map(|folder| format!("{folder}/{}", project.id)).to_vec();
        self.paper.as_ref().map(of).unwrap_or_default()
    }
}

/// The machine and the paper file of a registration.
fn parse(bytes: &[u8]) -> Option<(String, PathBuf)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (host, paper) = (std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]);
    let paper = PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(paper));
    paper.is_absolute().then(|| (host.to_string(), paper))
}

pub(super) fn is_id(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of this machine: a path is only valid on the machine where it was registered.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.unwrap_or_default().lines().next().unwrap_or_default().trim().to_string()
}
