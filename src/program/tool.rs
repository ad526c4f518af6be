//! Find tools in `PATH` and ask for their versions.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::seal::{Seal, seal_command};
use crate::error::{Error, Result};

/// Time limit of a version command.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The version text is cut after this many characters.
const MAX_CHARS: usize = 4 << 10;
/// A version command is killed after this many bytes of output.
const MAX_OUTPUT: u64 = 64 << 20;

/// The executable of a program: the path itself if it contains a `/`, otherwise the first match in `PATH`.
pub fn find(name: &str, folder: &Path) -> Option<PathBuf> {
    find_in(name, folder, std::env::var_os("PATH").as_ref())
}

/// As [`find`], with another value of `PATH`.
pub fn find_in(name: &str, folder: &Path, path: Option<&OsString>) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let Ok(meta) = std::fs::metadata(path) else { return false };
        let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
        meta.is_file() && executable
    };
    if name.contains('/') {
        return Some(folder.join(name)).filter(runs);
    }
    std::env::split_paths(path?).map(|folder| folder.join(name)).find(runs)
}

/// The version of a tool: the output of `python --version`, or of the whole command if more than a name is given. With a seal, the tool may
/// touch no more than that.
pub fn version(tool: &[String], folder: &Path, seal: Option<&Seal>) -> Result<String> {
    let name = tool.first().map(String::as_str).unwrap_or_default();
    let flag = ["--version".to_string()];
    let arguments = if tool.len() > 1 { &tool[1..] } else { &flag };
    let command_line = format!("{name} {}", arguments.join(" "));
    // Symbolic links are not resolved: Python finds its packages by the path that it is called by.
    let path = find(name, folder).and_then(|path| std::path::absolute(path).ok()).ok_or_else(|| missing(name))?;
    let fail = |cause: std::io::Error| Error::stage(format!("cannot run `{command_line}`: {cause}"));
    let mut command = Command::new(path);
    command.args(arguments).current_dir(folder);
    if let Some(seal) = seal {
        seal_command(&mut command, seal, None).map_err(fail)?;
    }
    let hint = "give the command that prints its version: `tools: [[NAME, -V]]`";
    let Finished { status, out, err } = match run_bounded(&mut command, TIMEOUT, MAX_OUTPUT).map_err(fail)? {
        Bounded::Finished(finished) => finished,
        Bounded::TooLong => {
            let message = format!("`{command_line}` timed out after {} s", TIMEOUT.as_secs());
            return Err(Error::stage(message).hint(hint));
        }
        Bounded::TooMuch => {
            return Err(Error::stage(format!("`{command_line}` printed too much output")).hint(hint));
        }
    };
    let mut text = beginning(out).map_err(fail)?;
    let err_text = beginning(err).map_err(fail)?;
    if !err_text.is_empty() {
        text = format!("{text}\n{err_text}").trim().to_string();
    }
    if !status.success() {
        let message = format!("`{command_line}` failed: {}", super::describe_exit(status));
        return Err(Error::stage(message).hint(hint));
    }
    if text.is_empty() {
        return Err(Error::stage(format!("`{command_line}` printed nothing")).hint(hint));
    }
    Ok(text.chars().take(MAX_CHARS).collect())
}

/// How a command ended that was given a limit.
pub enum Bounded {
    Finished(Finished),
    /// It ran longer than the limit and was killed.
    TooLong,
    /// It printed more than the limit and was killed.
    TooMuch,
}

/// A command that has ended by itself, with what it printed.
pub struct Finished {
    pub status: ExitStatus,
    pub out: File,
    pub err: File,
}

/// Run a command with a limit of its time and of the bytes that it prints. Its whole process group is killed at the end.
pub fn run_bounded(command: &mut Command, limit: Duration, max_output: u64) -> std::io::Result<Bounded> {
    // Files instead of pipes: they never block, and a child that keeps one open does not delay us.
    let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut running = ProcessGroup(command.spawn()?);
    let started = Instant::now();
    let mut pause = Duration::from_micros(500);
    while !running.has_ended()? {
        if [&out, &err].iter().any(|file| file.metadata().is_ok_and(|meta| meta.len() > max_output)) {
            return Ok(Bounded::TooMuch);
        }
        if started.elapsed() > limit {
            return Ok(Bounded::TooLong);
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(10));
    }
    // Kill its remaining children before its process id is released.
    running.kill();
    let status = running.0.wait()?;
    Ok(Bounded::Finished(Finished { status, out, err }))
}

/// The beginning of the output, as text.
fn beginning(file: File) -> std::io::Result<String> {
    // Up to four bytes per character, plus leading white space.
    let bytes = printed(file, 8 * MAX_CHARS as u64)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_string())
}

/// What a command printed into one of the files of [`Finished`], up to a number of bytes.
pub fn printed(mut file: File, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A running command. Dropping it kills its process group.
struct ProcessGroup(Child);

impl ProcessGroup {
    /// Whether it has ended; on Unix without reaping it, so that its process id stays reserved.
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

    fn pid(&self) -> Option<rustix::process::Pid> {
        i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw)
    }

    fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // Once it was reaped, there is nothing left to kill.
        if let Ok(None) = self.0.try_wait() {
            self.kill();
            let _ = self.0.wait();
        }
    }
}

/// The error for a tool that is not installed.
pub fn missing(name: &str) -> Error {
    Error::stage(format!("tool `{name}` not found")).hint("install it or add it to PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_stdout_and_stderr() {
        let here = Path::new(".");
        let version =
            |tool: &[&str]| version(&tool.iter().map(|word| word.to_string()).collect::<Vec<_>>(), here, None);
        assert_eq!(version(&["echo", "1.2"]).unwrap(), "1.2");
        assert_eq!(version(&["sh", "-c", "echo 1 >&2; echo 2"]).unwrap(), "2\n1");
        let error = version(&["no-such-tool-here"]).unwrap_err();
        assert_eq!(error.message, "tool `no-such-tool-here` not found");
        let error = version(&["sh", "-c", "false"]).unwrap_err();
        assert_eq!(error.message, "`sh -c false` failed: exit code 1");
        assert!(find("sh", here).is_some() && find("./sh", here).is_none());
    }

    #[test]
    fn a_version_command_may_print_much_and_leave_a_child_that_keeps_its_output_open() {
        let here = Path::new(".");
        let started = Instant::now();
        let script = "yes 123456789 | head -c 200000; sleep 600 &";
        let version = version(&["sh", "-c", script].map(str::to_string), here, None).unwrap();
        assert!(version.starts_with("123456789\n123456789\n") && version.len() <= MAX_CHARS);
        assert!(started.elapsed() < TIMEOUT, "waited for the child");
    }
}
