//! Environments of programs: folders in `environments/`, made in place, since they do not work elsewhere. A file in each, written last, says that it
//! is whole; another for each paper says when it was last used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::checkpoint::measure;
use super::remove::remove_folder;
use super::{Digest, Store, files, papers};
use crate::error::{Error, Result};

/// Written last; it holds what the environment was made from.
const COMPLETE: &str = ".repro-environment";
/// A file for each paper that uses it.
const PAPERS: &str = ".repro-papers";
/// The paper of a cache that was opened for none.
const NO_PAPER: &str = "000000000000";

/// An environment in the cache.
#[derive(Clone, Debug)]
pub struct StoredEnvironment {
    pub folder: PathBuf,
    /// What it was made from; `None` if it is not whole.
    pub identity: Option<Digest>,
    /// Other papers use it.
    pub shared: bool,
    pub bytes: u64,
    /// The time since it was last used.
    pub age: Duration,
}

impl Store {
    /// The folder of an environment, by an absolute path.
    pub fn environment_folder(&self, name: &Digest) -> Result<PathBuf> {
        let folder = self.dir.join("environments").join(name.short());
        std::path::absolute(&folder).map_err(|e| Error::io("find", &folder, &e))
    }

    /// Whether an environment is whole. If so, this paper uses it now.
    pub fn use_environment(&self, folder: &Path) -> bool {
        if complete(folder).is_none() {
            return false;
        }
        let id = self.paper.as_ref().map_or(NO_PAPER, |paper| paper.id.as_str());
        let papers = folder.join(PAPERS);
        // Without the mark `gc` of another paper deletes it sooner.
        let marked = std::fs::create_dir_all(&papers).and_then(|()| std::fs::write(papers.join(id), ""));
        if let Err(error) = marked {
            tracing::debug!("use of {} not recorded: {error}", folder.display());
        }
        true
    }

    /// Delete what is left of an environment, and make an empty folder for a new one.
    pub fn begin_environment(&self, folder: &Path) -> Result<()> {
        self.prepare()?;
        self.discard_environment(folder)?;
        // A seal allows only what is there.
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))
    }

    /// Delete an environment; the file that says that it is whole goes first.
    pub fn discard_environment(&self, folder: &Path) -> Result<()> {
        let _ = std::fs::remove_file(folder.join(COMPLETE));
        if remove_folder(folder) {
            return Ok(());
        }
        let error = Error::stage(format!("the environment in `{}` cannot be deleted", folder.display()));
        Err(error.hint("delete this folder, then run the same command again"))
    }

    /// Mark an environment as whole, once all of it is on disk.
    pub fn finish_environment(&self, folder: &Path, identity: &Digest) -> Result<()> {
        sync(folder);
        files::write_file(&folder.join(COMPLETE), identity.to_string().as_bytes())
    }

    /// All environments, whole or not.
    pub fn environments(&self) -> Vec<StoredEnvironment> {
        let others: Vec<String> = self
            .other_papers()
            .unwrap_or_default()
            .iter()
            .filter(|it| !it.gone)
            .map(|it| it.id().to_string())
            .collect();
        let entries = std::fs::read_dir(self.dir.join("environments")).into_iter().flatten().flatten();
        let known = |entry: std::fs::DirEntry| {
            let own = papers::is_id(&entry.file_name().into_string().ok()?) && entry.file_type().ok()?.is_dir();
            let folder = own.then(|| entry.path())?;
            let marks = std::fs::read_dir(folder.join(PAPERS)).into_iter().flatten().flatten();
            let marks: Vec<std::fs::DirEntry> = marks.collect();
            let shared = marks.iter().any(|mark| others.iter().any(|id| *id == *mark.file_name().to_string_lossy()));
            let since = |path: PathBuf| std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
            let used = marks.iter().map(|mark| mark.path()).chain([folder.clone()]).filter_map(since).min();
            let bytes = measure(&folder).0;
            Some(StoredEnvironment {
                identity: complete(&folder),
                shared,
                bytes,
                age: used.unwrap_or_default(),
                folder,
            })
        };
        entries.filter_map(known).collect()
    }
}

/// What a whole environment was made from. Its interpreter may be gone: then it is not whole.
fn complete(folder: &Path) -> Option<Digest> {
    let text = std::fs::read_to_string(folder.join(COMPLETE)).ok()?;
    Digest::parse(text.trim()).filter(|_| folder.join("bin/python").is_file())
}

/// Wait until everything on the file system of this folder is on disk. Only a power cut would tell.
#[cfg(target_os = "linux")]
fn sync(folder: &Path) {
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = rustix::fs::syncfs(&folder);
    }
}

#[cfg(not(target_os = "linux"))]
fn sync(_folder: &Path) {
    rustix::fs::sync();
}
