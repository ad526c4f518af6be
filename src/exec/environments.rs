//! Environments of programs: each is made once, before the first program that runs in it, by one thread of one build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::content::copy_of_project;
use super::environment_places::EnvironmentStep;
use super::install::{Install, steps};
use super::shared::BuildShared;
use crate::error::{Error, Result};
use crate::program::{self, ExitReason, NetworkAccess, Program, Readable, Seal, seal_support};
use crate::stages::{Environment, FoundEnvironment};
use crate::store::Key;
use crate::value::Digest;

/// How often a build that waits for another one looks.
const CLAIM_PAUSE: Duration = Duration::from_millis(50);
/// The number of log lines in the error of an environment that cannot be made.
const TAIL: usize = 20;
/// Variables that would put packages elsewhere, or take them from there.
const MISLEADING: [&str; 10] = [
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "UV_PROJECT",
    "UV_TARGET",
];
/// What the installers of a paper that is not trusted see of the environment variables.
const OF_UNTRUSTED: [&str; 6] = ["PATH", "HOME", "LANG", "HTTPS_PROXY", "HTTP_PROXY", "PYENV_ROOT"];

/// The folder of an environment, made if it is not there; `None` if the build ended first.
pub fn ready(shared: &BuildShared, environment: &Environment, found: &FoundEnvironment) -> Result<Option<PathBuf>> {
    let id = name_of(shared, found)?;
    let place = shared.environments.place(id);
    let mut outcome = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = &*outcome {
        return known.clone().map(Some);
    }
    match claimed(shared, environment, found, &id) {
        Ok(None) => Ok(None),
        Ok(Some(folder)) => outcome.insert(Ok(folder)).clone().map(Some),
        Err(error) => outcome.insert(Err(error)).clone().map(Some),
    }
}

/// The environment, made by this build or by another one that runs at the same time.
fn claimed(
    shared: &BuildShared,
    environment: &Environment,
    found: &FoundEnvironment,
    id: &Digest,
) -> Result<Option<PathBuf>> {
    let store = shared.context.store;
    let folder = store.environment_folder(id)?;
    let mut waiting = false;
    loop {
        if store.use_environment(&folder) {
            return Ok(Some(folder));
        }
        if shared.cancelled() {
            return Ok(None);
        }
        if store.claim(&Key(*id)) {
            break;
        }
        if !std::mem::replace(&mut waiting, true) {
            let name = &environment.name;
            store.warn(format!("another build makes the environment `{name}`: waiting for it (Ctrl-C stops waiting)"));
        }
        std::thread::sleep(CLAIM_PAUSE);
    }
    // Another build may have made it just before.
    let made = match store.use_environment(&folder) {
        true => Ok(true),
        false => make(shared, environment, found, &folder),
    };
    store.release(&Key(*id));
    Ok(made?.then_some(folder))
}

/// Make an environment; false if the build ended first.
fn make(shared: &BuildShared, environment: &Environment, found: &FoundEnvironment, folder: &Path) -> Result<bool> {
    let store = shared.context.store;
    let install = steps(environment, found, folder, shared.context.home)?;
    let note = |step| shared.environments.note(step);
    let (name, installer) = (environment.name.clone(), install.installer);
    note(EnvironmentStep::Started { name: name.clone(), installer });
    if !found.unpinned.is_empty() {
        let names = found.unpinned.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if found.unpinned.len() > 5 { ", ..." } else { "" };
        store.warn(format!(
            "environment {name}: no versions are given for {names}{more}: which ones are installed depends on the day"
        ));
    }
    let started = Instant::now();
    store.begin_environment(folder)?;
    let made = install_all(shared, environment, found, folder, &install);
    match made {
        Ok(true) => {
            store.finish_environment(folder, &found.identity())?;
            store.use_environment(folder);
            note(EnvironmentStep::Finished { name, installer, seconds: started.elapsed().as_secs_f64() });
        }
        // What is left of it is of no use; the next build would delete it too.
        _ => drop(store.discard_environment(folder)),
    }
    made
}

/// The name of its folder. It does not work at another path, nor with another interpreter.
fn name_of(shared: &BuildShared, found: &FoundEnvironment) -> Result<Digest> {
    let executable = found.executable.as_ref().ok_or_else(|| Error::internal("an interpreter is not known"))?;
    let caches = shared.context.store.environment_folder(&Digest([0; 32]))?;
    let mut hasher = blake3::Hasher::new_derive_key("repro 1 folder of an environment");
    for part in [executable.as_path(), caches.as_path()] {
        hasher.update(part.as_os_str().as_encoded_bytes());
        hasher.update(b"\n");
    }
    hasher.update(std::env::consts::ARCH.as_bytes());
    hasher.update(&found.identity().0);
    Ok(hasher.finalize().into())
}

/// Run the installers on copies of the lock files, so that they see what is in the key and nothing else.
fn install_all(
    shared: &BuildShared,
    environment: &Environment,
    found: &FoundEnvironment,
    folder: &Path,
    install: &Install,
) -> Result<bool> {
    let context = shared.context;
    let scratch = shared.scratch()?;
    let (copies, tmp) = (scratch.folder()?, scratch.tmp()?);
    let log_path = context.store.log_path(&format!("environment-{}", environment.name), "");
    let run = || -> Result<bool> {
        for file in &found.tree.files {
            let to = copies.join(&file.path);
            let above = to.parent().unwrap_or(&copies);
            std::fs::create_dir_all(above).map_err(|e| Error::io("make the folder", above, &e))?;
            copy_of_project(context, file, &to)?;
        }
        let log = context.store.new_log(&log_path)?;
        let untrusted = context.graph.always_sealed;
        let variables = variables(untrusted, &tmp, install);
        let seal = if untrusted { seal(shared, install, &[folder, &copies, &tmp]) } else { None };
        for words in &install.commands {
            let at = copies.join(&install.folder);
            let program =
                Program { words, folder: &at, environment: &variables, log: &log, limit: None, seal: seal.as_ref() };
            let status = match program::run(&program, &|| shared.cancelled()).map_err(|e| e.at(environment.span()))? {
                ExitReason::Exited(status) if status.success() => continue,
                ExitReason::Exited(status) => status,
                ExitReason::Stopped | ExitReason::TimedOut => return Ok(false),
            };
            let message = format!(
                "the environment `{}` cannot be made: {} failed with {}",
                environment.name,
                install.installer,
                program::describe_exit(status)
            );
            let here = format!("{}/", copies.display());
            let printed = program::tail(&log_path, TAIL).into_iter().map(|line| line.replace(&here, "")).collect();
            let lock = environment.locks.first().map_or("its lock file", |lock| lock.as_str());
            let error = Error::stage(message).at(environment.span()).output(printed);
            let error = error.hint(format!("correct `{lock}`, then run the same command again: finished work is kept"));
            return Err(match context.store.is_temporary() {
                true => error,
                false => error.hint(format!("the full log is in {}", log_path.display())),
            });
        }
        Ok(true)
    };
    let ended = run();
    scratch.release(&copies);
    scratch.release_tmp(tmp);
    ended
}

/// The environment variables of the installers: all of the user's, because they say where packages come from.
fn variables(untrusted: bool, tmp: &Path, install: &Install) -> Vec<(String, OsString)> {
    let passes = |name: &str| if untrusted { OF_UNTRUSTED.contains(&name) } else { !MISLEADING.contains(&name) };
    let own = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut variables: Vec<(String, OsString)> = own.filter(|(name, _)| passes(name)).collect();
    let folders: &[&str] = if untrusted {
        &["TMPDIR", "TMP", "TEMP", "PIP_CACHE_DIR", "UV_CACHE_DIR"]
    } else {
        &["TMPDIR", "TMP", "TEMP"]
    };
    variables.retain(|(name, _)| !folders.contains(&name.as_str()));
    variables.extend(folders.iter().map(|name| (name.to_string(), tmp.as_os_str().to_owned())));
    for (name, value) in &install.variables {
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_string(), value.clone()));
    }
    variables
}

/// What installers of a paper that is not trusted may touch: setup scripts of packages are programs of others.
fn seal(shared: &BuildShared, install: &Install, write: &[&Path]) -> Option<Seal> {
    if !seal_support().files {
        return None;
    }
    let mut readable = shared.readable().clone();
    install.commands.iter().for_each(|words| readable.add_programs_of_command(words));
    let read = readable.into_paths();
    let write = write.iter().map(|path| path.to_path_buf()).chain(Readable::changed()).collect();
    Some(Seal { read, write, network: NetworkAccess::Open })
}

/// Change the variables of a program so that it runs in an environment.
pub fn activate(variables: &mut Vec<(String, OsString)>, folder: &Path) {
    let replaced = ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONNOUSERSITE"];
    let path = variables.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()).unwrap_or_default();
    variables.retain(|(name, _)| !replaced.contains(&name.as_str()) && name != "PATH");
    let mut programs = folder.join("bin").into_os_string();
    if !path.is_empty() {
        programs.push(":");
        programs.push(path);
    }
    let set: [(&str, OsString); 3] =
        [("PATH", programs), ("VIRTUAL_ENV", folder.into()), ("PYTHONNOUSERSITE", "1".into())];
    variables.extend(set.into_iter().map(|(name, value)| (name.to_string(), value)));
}
