//! The environment of a stage as it is: its lock files with everything that they name, and the version of its interpreter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use super::{Context, LastBuild, files_of};
use crate::error::{Error, Result};
use crate::spec::Located;
use crate::stages::{Environment, FoundEnvironment, LockKind, LockedPackages, Tool};
use crate::value::FileEntry;

/// Printed by the interpreter: its kind and version, and the file that it is.
const ASK: &str = "import os, platform, sys; \
    print(sys.implementation.name, platform.python_version()); print(os.path.realpath(sys.executable))";
/// The most files that lock files name.
const MAX_FILES: usize = 1000;

/// The command that asks an interpreter for its version.
pub fn version_command(environment: &Environment) -> Tool {
    Tool([&environment.interpreter.value, "-I", "-S", "-c", ASK].map(str::to_string).to_vec())
}

/// The version and the file that the interpreter has printed.
pub fn parse_version(environment: &Environment, printed: &str) -> Result<(String, PathBuf)> {
    let mut lines = printed.lines().map(str::trim);
    let (version, file) = (lines.next().unwrap_or_default(), PathBuf::from(lines.next().unwrap_or_default()));
    if version.split(' ').count() == 2 && file.is_file() {
        return Ok((version.to_string(), file));
    }
    Err(unusable(environment))
}

/// What is called as the interpreter does not tell its version.
pub fn unusable(environment: &Environment) -> Error {
    let name = &environment.interpreter.value;
    Error::stage(format!("`{name}` does not tell its version as Python does"))
        .hint("`python` is the version or the name of an interpreter that runs on this machine")
}

/// The version of the interpreter that the last build of a stage recorded.
pub fn last_version(last: Option<&LastBuild>, environment: &Environment) -> Option<String> {
    let known = last?.manifest.get("environment")?;
    let same = known.get("interpreter")?.as_str()? == environment.interpreter.value;
    known.get("python")?.as_str().filter(|_| same).map(str::to_string)
}

/// Read the lock files. `digested` returns the files of a path of the project with their digests. Errors: each file that is missing or cannot be
/// part of a key.
pub fn read(
    context: Context,
    environment: &Environment,
    digested: &dyn Fn(&Located<String>) -> Result<Vec<FileEntry>>,
) -> Result<FoundEnvironment, Vec<Error>> {
    let mut found = FoundEnvironment {
        name: environment.name.clone(),
        kind: environment.kind,
        tree: Default::default(),
        packages: BTreeMap::new(),
        others: Vec::new(),
        unpinned: Vec::new(),
        interpreter: environment.interpreter.value.clone(),
        python: None,
        executable: None,
    };
    let mut errors = Vec::new();
    let mut known: BTreeSet<String> = environment.files().map(|path| path.value.clone()).collect();
    let mut locks: VecDeque<Located<String>> = environment.locks.iter().cloned().collect();
    let mut add = |path: &Located<String>, by: Option<&str>, errors: &mut Vec<Error>| match digested(path) {
        Ok(files) => found.tree.files.extend(files),
        Err(error) => {
            let error = error.at(path.span);
            errors.push(match by {
                Some(by) => error.hint(format!("`{by}` names it")),
                None if error.hints.is_empty() => error.hint(how_to_lock(environment.kind)),
                None => error,
            });
        }
    };
    environment.beside.iter().for_each(|path| add(path, None, &mut errors));
    let mut others = Vec::new();
    let mut read = BTreeSet::new();
    while let Some(lock) = locks.pop_front() {
        if !read.insert(lock.value.clone()) {
            continue;
        }
        add(&lock, None, &mut errors);
        let Ok(bytes) = std::fs::read(context.file(&lock)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else {
            errors.push(Error::stage(format!("`{}` is not UTF-8 text", lock.value)).at(lock.span));
            continue;
        };
        let content = LockedPackages::parse(environment.kind, &text);
        for line in &content.unsound {
            let message = format!("`{}` installs `{line}`, which may change without it", lock.value);
            let hint = "name a version, or a wheel or folder in the project: `./libs/mine`";
            errors.push(Error::stage(message).at(lock.span).hint(hint));
        }
        for (path, is_lock) in
            content.includes.iter().map(|path| (path, true)).chain(content.paths.iter().map(|path| (path, false)))
        {
            let Some(path) = locate(context, &lock, path) else {
                let message = format!("`{}` names `{path}`, which is not in the project", lock.value);
                errors.push(Error::stage(message).at(lock.span).hint("copy it into the project, and correct the path"));
                continue;
            };
            let path = Located { value: path, span: lock.span };
            if known.len() < MAX_FILES && known.insert(path.value.clone()) {
                if is_lock { locks.push_back(path) } else { add(&path, Some(&lock.value), &mut errors) }
            }
        }
        others.push(content);
    }
    for LockedPackages { packages, others, unpinned, .. } in others {
        found.packages.extend(packages);
        found.others.extend(others);
        found.unpinned.extend(unpinned);
    }
    // A file of constraints may name the version.
    found.unpinned.retain(|name| !found.packages.contains_key(name) || environment.kind == LockKind::Uv);
    found.tree.files.sort();
    found.tree.files.dedup();
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The files that the paper file names for an environment and that are missing.
pub fn faults(context: Context, environment: &Environment) -> Vec<Error> {
    let missing = |path: &Located<String>| {
        let error = files_of(context, path).err().filter(|_| context.otherwise.is_none())?.at(path.span);
        Some(if error.hints.is_empty() { error.hint(how_to_lock(environment.kind)) } else { error })
    };
    environment.files().filter_map(missing).collect()
}

fn how_to_lock(kind: LockKind) -> &'static str {
    match kind {
        LockKind::Pip => "`python3 -m pip freeze > requirements.txt` writes one, in an environment that works",
        LockKind::Uv => "`uv init --bare` and `uv add PACKAGE` write `pyproject.toml` and `uv.lock`",
    }
}

/// The path in the project of a file that a lock file names: relative to the lock file, or else to the project. `None` if it leads out.
fn locate(context: Context, lock: &str, path: &str) -> Option<String> {
    let folder = lock.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = join(folder, path);
    match beside {
        Some(beside) if context.file(&beside).exists() => Some(beside),
        beside => match join("", path) {
            Some(here) if context.file(&here).exists() => Some(here),
            _ => beside,
        },
    }
}

/// A normal path without `.` and `..`; `None` if it leads out of the project.
fn join(folder: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')).filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
