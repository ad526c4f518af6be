//! Whether a file that the user names may be written: what is there already is replaced only if it is an earlier one of the same kind.

use std::path::{Path, PathBuf};

use super::Project;
use crate::error::{Error, Result};
use crate::plan;

/// An error unless a file may be written at `path`. `earlier` tells whether what is there is an earlier one, `what` names its kind; `force`
/// allows to replace any plain file that is not part of the paper.
pub fn check(path: &Path, what: &str, earlier: impl Fn(&Path) -> bool, force: bool, project: &Project) -> Result<()> {
    let shown = path.display();
    let meta = match std::fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(Error::io("read", path, &cause)),
        Ok(meta) => meta,
    };
    if !meta.is_file() {
        let error = Error::user(format!("`{shown}` is there already, and it is not a plain file"));
        return Err(error.hint("name another file"));
    }
    let real = std::fs::canonicalize(path).map_err(|e| Error::io("read", path, &e))?;
    if belongs(&real, project) {
        return Err(Error::user(format!("`{shown}` belongs to the paper")).hint("name another file"));
    }
    if force || earlier(path) {
        return Ok(());
    }
    let error = Error::user(format!("`{shown}` is there already, and it is not {what} of repro"));
    Err(error.hint("name another file, or replace it with --force"))
}

/// The paper file, an input of a stage, or a file of the cache.
fn belongs(real: &Path, project: &Project) -> bool {
    let all: Vec<usize> = (0..project.graph.stages.len()).collect();
    let mut own = plan::watched_files(project.context(), &all);
    own.push(PathBuf::from(&project.source.file));
    let inside = |folder: &Path| std::fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
    own.iter().any(|file| std::fs::canonicalize(file).is_ok_and(|file| file == real)) || inside(project.store.dir())
}
