//! Runs one program in a folder of its own: its environment, its log, a time limit, and the certainty that nothing of it outlives this
//! process. It knows no stages, no cache and no paper file.
//!
//! Every program leads a process group. Whatever ends the run, the whole group is killed: on a time limit or Ctrl-C it is first asked
//! to end and killed a few seconds later; after the program's own end its stragglers are killed at once; and when this process is itself
//! killed, a watchdog kills it.

mod disk;
mod log;
mod tool;
mod watchdog;

pub use disk::free_space;
pub use log::tail;
pub use tool::{find, missing, version};

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A program that was asked to end has so long before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// The longest pause between two looks at a running program.
const PAUSE: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Debug)]
pub struct Program<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// The folder it runs in, by its full name without links.
    pub folder: &'a Path,
    /// All variables that it sees.
    pub environment: &'a [(String, OsString)],
    /// Takes what it prints, both streams in the order of printing.
    pub log: &'a File,
    pub limit: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(ExitStatus),
    /// The time limit passed.
    TimedOut,
    /// It was asked to stop from outside.
    Stopped,
}

/// Run a program to its end, or until `stop` says so. Errors: it cannot be started.
pub fn run(program: &Program, stop: &dyn Fn() -> bool) -> Result<End> {
    let mut group = Group::start(program)?;
    let started = Instant::now();
    let mut pause = Duration::from_micros(200);
    let asked = loop {
        if let Some(status) = group.ended()? {
            return Ok(End::Exited(status));
        }
        if stop() {
            break End::Stopped;
        }
        if program.limit.is_some_and(|limit| started.elapsed() >= limit) {
            break End::TimedOut;
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(PAUSE);
    };
    group.ask();
    let asked_at = Instant::now();
    while asked_at.elapsed() < GRACE && group.ended()?.is_none() {
        std::thread::sleep(PAUSE);
    }
    Ok(asked)
}

/// `exit code 1`, `killed by signal 9`.
pub fn words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let name = match signal {
            6 => " (it aborted)",
            9 => " (killed, perhaps for lack of memory)",
            11 => " (it touched memory that is not its own)",
            15 => " (it was asked to end)",
            _ => "",
        };
        return format!("signal {signal}{name}");
    }
    status.code().map_or_else(|| "an unknown end".into(), |code| format!("exit code {code}"))
}

fn variable<'a>(environment: &'a [(String, OsString)], name: &str) -> Option<&'a OsString> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// A running program and whatever it started. Dropping it kills them all.
struct Group {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Group {
    fn start(program: &Program) -> Result<Group> {
        let (name, arguments) =
            program.words.split_first().ok_or_else(|| Error::internal("a program without a name"))?;
        let log = |log: &File| log.try_clone().map_err(|e| Error::io("write", Path::new("the log"), &e));
        // By its full path: to have a program looked for, the standard library copies this whole process, which takes much longer.
        let path = tool::find_in(name, program.folder, variable(program.environment, "PATH"));
        let path = path.filter(|path| path.is_absolute() && !name.contains('/'));
        let mut command = Command::new(path.as_deref().unwrap_or(Path::new(name)));
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, name);
        command.args(arguments).current_dir(program.folder).env_clear();
        command.envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log(program.log)?).stderr(log(program.log)?);
        #[cfg(unix)]
        let child = watchdog::start(&mut command, program.folder);
        #[cfg(not(unix))]
        let child = command.spawn();
        let child = child.map_err(|cause| cannot_start(name, &cause))?;
        Ok(Group { child, ended: None })
    }

    /// The end of the program, if it has come. The stragglers of its group are killed then, while its number is still its own.
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() && self.has_ended()? {
            self.kill();
            let status =
                self.child.wait().map_err(|cause| Error::internal(format!("a program cannot be awaited: {cause}")))?;
            #[cfg(unix)]
            watchdog::forget(self.child.id());
            self.ended = Some(status);
        }
        Ok(self.ended)
    }

    /// Whether the program has ended, without taking its end from the kernel.
    #[cfg(unix)]
    fn has_ended(&self) -> Result<bool> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let Some(pid) = self.pid() else { return Ok(false) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(status) => Ok(status.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(cause) => Err(Error::internal(format!("a program cannot be awaited: {cause}"))),
        }
    }

    #[cfg(not(unix))]
    fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait().map_err(|e| Error::internal(format!("a program cannot be awaited: {e}")))?;
        Ok(status.is_some())
    }

    #[cfg(unix)]
    fn pid(&self) -> Option<rustix::process::Pid> {
        i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
    }

    /// Ask the whole group to end.
    fn ask(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
        }
    }

    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        #[cfg(not(unix))]
        let _ = self.child.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
            let _ = self.child.wait();
            #[cfg(unix)]
            watchdog::forget(self.child.id());
        }
    }
}

fn cannot_start(name: &str, cause: &std::io::Error) -> Error {
    match cause.kind() {
        std::io::ErrorKind::NotFound => Error::stage(format!("there is no program `{name}`")).hint(
            "install it, or set PATH so that it is found; a program of the paper is an input and written `./name`",
        ),
        std::io::ErrorKind::PermissionDenied => {
            Error::stage(format!("`{name}` may not be run")).hint(format!("make it executable: `chmod +x {name}`"))
        }
        _ => Error::io("start", Path::new(name), cause),
    }
}

#[cfg(all(test, unix))]
mod tests;
