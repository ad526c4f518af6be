//! Tools by name: where they are, and which version they say they are.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A tool that does not tell its version in this time is not asked any longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// More text than this is no version: the rest is left out.
const LONGEST: usize = 4 << 10;
/// A tool that has printed this much is not waited for any longer.
const TOO_MUCH: u64 = 64 << 20;

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
    let fail = |cause: std::io::Error| Error::stage(format!("`{asked}` cannot be run: {cause}"));
    // Files and not pipes: they take any amount at any time, and nobody who holds one open has to be waited for.
    let (out, err) = (tempfile::tempfile().map_err(fail)?, tempfile::tempfile().map_err(fail)?);
    let mut command = Command::new(path);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.stdout(out.try_clone().map_err(fail)?).stderr(err.try_clone().map_err(fail)?);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut tool = Asked(command.spawn().map_err(fail)?);
    let started = Instant::now();
    let mut pause = Duration::from_micros(500);
    let hint = "give the command that prints its version: `tools: [[NAME, -V]]`";
    while !tool.has_ended().map_err(fail)? {
        let long = [&out, &err].iter().any(|file| file.metadata().is_ok_and(|meta| meta.len() > TOO_MUCH));
        if long || started.elapsed() > PATIENCE {
            let what = if long { "prints without an end" } else { "does not end" };
            return Err(Error::stage(format!("`{asked}` {what}")).hint(hint));
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(10));
    }
    // What it has started and left behind goes, while its number is still its own.
    tool.kill();
    let status = tool.0.wait().map_err(fail)?;
    let mut text = beginning(out).map_err(fail)?;
    let beside = beginning(err).map_err(fail)?;
    if !beside.is_empty() {
        text = format!("{text}\n{beside}").trim().to_string();
    }
    if !status.success() || text.is_empty() {
        let error = Error::stage(format!("`{asked}` does not tell a version: {}", super::words(status)));
        return Err(error.hint("give the command that prints it: `tools: [[NAME, -V]]`"));
    }
    Ok(text.chars().take(LONGEST).collect())
}

/// The beginning of what was printed, as text.
fn beginning(mut file: File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    // Four bytes a character, and some blanks before it.
    file.take(8 * LONGEST as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_string())
}

/// A tool that is asked for its version, and what it started. Dropping it kills all of its process group.
struct Asked(Child);

impl Asked {
    /// Whether it has ended; on Unix without taking its end from the kernel, so that its number stays its own.
    #[cfg(unix)]
    fn has_ended(&mut self) -> std::io::Result<bool> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let Some(pid) = self.pid() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(status) => Ok(status.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(cause) => Err(cause.into()),
        }
    }

    #[cfg(not(unix))]
    fn has_ended(&mut self) -> std::io::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    #[cfg(unix)]
    fn pid(&self) -> Option<rustix::process::Pid> {
        i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw)
    }

    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        #[cfg(not(unix))]
        let _ = self.0.kill();
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Nothing is left to kill once its end was taken.
        if let Ok(None) = self.0.try_wait() {
            self.kill();
            let _ = self.0.wait();
        }
    }
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

    #[test]
    fn a_tool_may_print_much_and_leave_a_child_that_holds_its_output() {
        let here = Path::new(".");
        let started = Instant::now();
        let script = "yes 123456789 | head -c 200000; sleep 600 &";
        let version = version(&["sh", "-c", script].map(str::to_string), here).unwrap();
        assert!(version.starts_with("123456789\n123456789\n") && version.len() <= LONGEST);
        assert!(started.elapsed() < PATIENCE, "the child was waited for");
    }
}
