//! The lock file on disk: read, and written by builds. A build never fails because of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Console, PaperSource, Project, Trouble};
use crate::error::{Error, Result};
use crate::plan::{self, LockFile, ReadLock, Resolved, StagePlan, locked_stages};
use crate::spec::MAX_BYTES;

/// The text of a lock file, and what it says.
#[derive(Debug)]
pub struct LockOnDisk {
    pub source: PaperSource,
    pub read: ReadLock,
}

/// Read the lock file; `None` if there is none. Errors: it is of a newer version, it is no lock file, or it cannot be read.
pub fn read(project: &Project) -> Result<Option<LockOnDisk>, Trouble> {
    let (path, name) = (&project.lock.path, &project.lock.name);
    let Some(text) = text(path)? else { return Ok(None) };
    let source = PaperSource { file: path.display().to_string(), text };
    match LockFile::parse(name, &source.text) {
        Ok(read) => Ok(Some(LockOnDisk { source, read })),
        Err(error) => Err(Trouble { errors: vec![error], source: Some(source) }),
    }
}

fn text(path: &Path) -> Result<Option<String>> {
    let fail = |cause: std::io::Error| Error::io("read", path, &cause);
    let meta = match std::fs::metadata(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(fail)?,
    };
    let foreign = |what: &str| {
        Err(Error::stage(format!("`{}` is {what}, and no lock file of repro", path.display()))
            .hint("move it, and run `repro build`"))
    };
    if !meta.is_file() {
        return foreign("not a file");
    }
    if meta.len() > MAX_BYTES as u64 {
        return foreign("too large");
    }
    String::from_utf8(std::fs::read(path).map_err(fail)?).map_or_else(|_| foreign("not text"), |text| Ok(Some(text)))
}

/// The stages among these whose results are not here, although the lock file says that they are up to date.
pub fn locked(plans: &[StagePlan], project: &Project) -> Result<BTreeSet<usize>> {
    let absent: Vec<usize> = plans.iter().filter(|plan| plan.units > 0).map(|plan| plan.stage).collect();
    // What is wrong with the lock file, `repro check` says.
    let Some(disk) = read(project).ok().flatten().filter(|_| !absent.is_empty()) else { return Ok(BTreeSet::new()) };
    let checks = plan::check(project.context(), &disk.read.lock, &absent, false)?;
    let fine = checks.iter().filter(|check| check.mismatches.is_empty()).map(|check| check.stage);
    Ok(fine.filter(|stage| absent.contains(stage)).collect())
}

/// The lock file after a build of these stages: lines of other stages are kept while these are in the paper file.
pub fn after(old: Option<&LockOnDisk>, project: &Project, finished: &BTreeMap<usize, &Resolved>) -> Result<LockFile> {
    let mut lock = old.map(|old| old.read.lock.clone()).unwrap_or_default();
    lock.stages.retain(|name, _| project.has_stage(name));
    lock.stages.extend(locked_stages(project.context(), finished)?);
    Ok(lock)
}

/// Whether the file holds this text already, whatever its line ends.
pub fn is_same(old: Option<&LockOnDisk>, lock: &LockFile) -> bool {
    old.is_some_and(|old| old.source.text.replace("\r\n", "\n") == lock.text())
}

/// Write the lock file after a build, if it changes. If that is not possible, a warning is printed.
pub fn update(project: &Project, finished: &BTreeMap<usize, Resolved>, console: &Console) {
    // What `--set` leads to is not what the paper file leads to; and beside a pipe there is no place.
    if project.is_overridden() || !Path::new(&project.source.file).is_file() {
        return;
    }
    // A no-op build compares the lock file with what is read now.
    if !write(project, finished, console) || project.store.file_digest(&project.lock.path).is_err() {
        project.store.mark_uncacheable();
    }
}

/// Returns whether the lock file is what it should be now.
fn write(project: &Project, finished: &BTreeMap<usize, Resolved>, console: &Console) -> bool {
    let name = project.lock.path.display();
    let old = match read(project) {
        Ok(old) => old,
        Err(trouble) => {
            let why = trouble.errors.first().map(|error| error.message.clone()).unwrap_or_default();
            console.warning(&format!("{why}; it is left as it is"));
            return false;
        }
    };
    for error in old.iter().flat_map(|old| &old.read.damage).take(1) {
        let line = error.span.map(|span| span.line).unwrap_or_default();
        console.warning(&format!("{name}:{line}: {}; the file is written anew", error.message));
    }
    let written = after(old.as_ref(), project, &finished.iter().map(|(stage, resolved)| (*stage, resolved)).collect())
        .and_then(|lock| match is_same(old.as_ref(), &lock) {
            true => Ok(()),
            false => project.store.write_artifact(&project.lock.path, lock.text().as_bytes()),
        });
    if let Err(error) = &written {
        console.warning(&format!("the lock file is not up to date: {}", error.message));
    }
    written.is_ok()
}
