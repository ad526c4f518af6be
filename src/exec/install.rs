//! The commands that make an environment from lock files: uv if it is there, otherwise venv and pip.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::program;
use crate::stages::{Environment, FoundEnvironment, LockKind};

/// How an environment is made.
#[derive(Debug)]
pub struct Install {
    /// `uv` or `pip`.
    pub installer: &'static str,
    /// The working directory, below the copies of the lock files.
    pub folder: PathBuf,
    pub commands: Vec<Vec<String>>,
    pub variables: Vec<(&'static str, OsString)>,
}

/// The commands for an environment in this folder. Errors: an installer is missing.
pub fn steps(environment: &Environment, found: &FoundEnvironment, folder: &Path, home: &Path) -> Result<Install> {
    let text = |path: &Path| {
        let named = || Error::stage(format!("the path `{}` is not UTF-8 text", path.display()));
        path.to_str().map(str::to_string).ok_or_else(named)
    };
    let python = text(found.executable.as_deref().unwrap_or(Path::new("python3")))?;
    let target = text(folder)?;
    let uv = program::find("uv", home).and_then(|path| std::path::absolute(path).ok());
    let uv = uv.as_deref().map(text).transpose()?;
    let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<String>>();
    let requirements = environment.locks.iter().flat_map(|lock| ["-r".to_string(), lock.value.clone()]);
    let mut install = Install { installer: "uv", folder: PathBuf::new(), commands: Vec::new(), variables: Vec::new() };
    match (environment.kind, uv) {
        (LockKind::Uv, None) => {
            let error =
                Error::stage(format!("the environment `{}` needs uv, which is not installed", environment.name));
            let hint = "install it: `python3 -m pip install uv`, or see https://docs.astral.sh/uv/";
            return Err(error.at(environment.span()).hint(hint));
        }
        (LockKind::Uv, Some(uv)) => {
            let lock = environment.locks.first().map(|lock| Path::new(lock.as_str()));
            install.folder = lock.and_then(Path::parent).unwrap_or(Path::new("")).to_path_buf();
            install.commands.push(words(&[
                &uv,
                "sync",
                "--locked",
                "--no-install-project",
                "--no-editable",
                "--compile-bytecode",
                "--no-progress",
                "--python",
                &python,
            ]));
            install.variables.push(("UV_PROJECT_ENVIRONMENT", folder.into()));
        }
        (LockKind::Pip, Some(uv)) => {
            install.commands.push(words(&[&uv, "venv", "--no-progress", "--no-project", "--python", &python, &target]));
            let inside = format!("{target}/bin/python");
            let flags = ["pip", "install", "--compile-bytecode", "--no-progress", "--python", &inside];
            let mut command = words(&[&[uv.as_str()], &flags[..]].concat());
            command.extend(requirements);
            install.commands.push(command);
        }
        (LockKind::Pip, None) => {
            install.installer = "pip";
            install.commands.push(words(&[&python, "-I", "-m", "venv", &target]));
            let inside = format!("{target}/bin/python");
            let flags =
                ["-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
            let mut command = words(&[&[inside.as_str()], &flags[..]].concat());
            command.extend(requirements);
            install.commands.push(command);
        }
    }
    install.variables.push(("UV_PYTHON_DOWNLOADS", "never".into()));
    Ok(install)
}
