//! Tools by name: where they are, and which version they say they are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A tool that does not tell its version in this time is not asked any longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// More text than this is no version.
const LONGEST: usize = 4 << 10;

/// The file that a program's name stands for: itself if it has a `/`, else the first of its name in `PATH`.
pub fn find(name: &str, folder: &Path) -> Option<PathBuf> {
    find_in(name, folder, std::env::var_os("PATH").as_ref())
}

/// The same with another value of `PATH`.
pub fn find_in(name: &str, folder: &Path, path: Option<&OsString>) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let Ok(meta) = std::fs::metadata(path) else { return false };
        #[cfg(unix)]
        let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
        #[cfg(not(unix))]
        let executable = true;
        meta.is_file() && executable
    };
    if name.contains('/') {
        return Some(folder.join(name)).filter(runs);
    }
    std::env::split_paths(path?).map(|folder| folder.join(name)).find(runs)
}

/// What a tool says of its version: `python --version`, or what the whole command prints if more than a name is given.
pub fn version(tool: &[String], folder: &Path) -> Result<String> {
    let name = tool.first().map(String::as_str).unwrap_or_default();
    let flag = ["--version".to_string()];
    let arguments = if tool.len() > 1 { &tool[1..] } else { &flag };
    let asked = format!("{name} {}", arguments.join(" "));
    // Not through links: Python knows by the name that it is called by which packages are its own.
    let path = find(name, folder).and_then(|path| std::path::absolute(path).ok()).ok_or_else(|| missing(name))?;
    let mut command = Command::new(path);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let fail = |cause: std::io::Error| Error::stage(format!("`{asked}` cannot be run: {cause}"));
    let mut child = command.spawn().map_err(fail)?;
    let started = Instant::now();
    let mut pause = Duration::from_micros(500);
    while child.try_wait().map_err(fail)?.is_none() {
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            let error = Error::stage(format!("`{asked}` does not end"));
            return Err(error.hint("give the command that prints its version: `tools: [[NAME, -V]]`"));
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(10));
    }
    let output = child.wait_with_output().map_err(fail)?;
    let mut text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let beside = String::from_utf8_lossy(&output.stderr).trim().to_string();
    if !beside.is_empty() {
        text = format!("{text}\n{beside}").trim().to_string();
    }
    if !output.status.success() || text.is_empty() {
        let error = Error::stage(format!("`{asked}` does not tell a version: {}", super::words(output.status)));
        return Err(error.hint("give the command that prints it: `tools: [[NAME, -V]]`"));
    }
    Ok(text.chars().take(LONGEST).collect())
}

/// A tool is not there.
pub fn missing(name: &str) -> Error {
    Error::stage(format!("the tool `{name}` is not there")).hint("install it, or set PATH so that it is found")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn tools_tell_their_version_in_their_own_way() {
        let here = Path::new(".");
        let version = |tool: &[&str]| version(&tool.iter().map(|word| word.to_string()).collect::<Vec<_>>(), here);
        assert_eq!(version(&["echo", "1.2"]).unwrap(), "1.2");
        assert_eq!(version(&["sh", "-c", "echo 1 >&2; echo 2"]).unwrap(), "2\n1");
        let error = version(&["no-such-tool-here"]).unwrap_err();
        assert_eq!(error.message, "the tool `no-such-tool-here` is not there");
        let error = version(&["sh", "-c", "false"]).unwrap_err();
        assert_eq!(error.message, "`sh -c false` does not tell a version: exit code 1");
        assert!(find("sh", here).is_some() && find("./sh", here).is_none());
    }
}
