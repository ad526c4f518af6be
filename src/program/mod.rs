//! Run a program in a working directory, with an environment, a log and a time limit. Nothing that it starts outlives this process. This
//! module knows no stages, no cache and no paper file.
//!
//! Every program has a supervisor, which kills the processes that the program leaves behind. After a timeout or Ctrl-C the program gets
//! SIGTERM, and SIGKILL a few seconds later. When it exits, or when this process is killed, its remaining processes are killed at once.

mod log;
mod machine;
mod mode;
mod readable;
mod seal;
mod supervisor;
mod tool;
mod usage;

pub use log::{shorten, tail};
pub use machine::{available_memory, free_space, memory};
pub use mode::{is_executable, set_mode};
pub use readable::Readable;
pub use seal::{NetworkAccess, Seal, SealSupport, seal_support};
pub use supervisor::{init, supervise_with};
pub use tool::{Bounded, Finished, find, missing, printed, run_bounded, version};
pub use usage::ProgramUsage;

use supervisor::RunningProgram;

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Time between SIGTERM and SIGKILL.
const GRACE_PERIOD: Duration = Duration::from_secs(3);
/// How often a running program is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A program to run.
#[derive(Debug)]
pub struct Program<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// Its working directory: an absolute path without symbolic links.
    pub folder: &'a Path,
    /// All of its environment variables.
    pub environment: &'a [(String, OsString)],
    /// Receives its standard output and standard error.
    pub log: &'a File,
    pub limit: Option<Duration>,
    /// What it may touch; `None` for all that its user may.
    pub seal: Option<&'a Seal>,
}

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    Exited(ExitStatus),
    /// It exceeded its time limit.
    TimedOut,
    /// `stop` returned true.
    Stopped,
}

/// How a program ended.
#[derive(Clone, Copy, Debug)]
pub struct ProgramEnd {
    pub reason: ExitReason,
    /// It tried to reach a network that its seal cut it off from.
    pub missed_network: bool,
    pub usage: ProgramUsage,
}

/// Run a program until it exits, exceeds its time limit, or `stop` returns true. Errors: it cannot be started.
pub fn run(program: &Program, stop: &dyn Fn() -> bool) -> Result<ExitReason> {
    run_sealed(program, stop).map(|end| end.reason)
}

/// As [`run`], and tells whether the program missed the network.
pub fn run_sealed(program: &Program, stop: &dyn Fn() -> bool) -> Result<ProgramEnd> {
    let mut running = RunningProgram::start(program)?;
    let started = Instant::now();
    let mut freed = 0;
    let asked = loop {
        if let Some(status) = running.wait(POLL_INTERVAL)? {
            let (missed_network, usage) = (running.missed_network(), running.usage());
            return Ok(ProgramEnd { reason: ExitReason::Exited(status), missed_network, usage });
        }
        log::free_middle(program.log, &mut freed);
        if stop() {
            break ExitReason::Stopped;
        }
        if program.limit.is_some_and(|limit| started.elapsed() >= limit) {
            break ExitReason::TimedOut;
        }
    };
    running.terminate();
    let asked_at = Instant::now();
    while asked_at.elapsed() < GRACE_PERIOD && running.wait(POLL_INTERVAL)?.is_none() {}
    Ok(ProgramEnd { reason: asked, missed_network: running.missed_network(), usage: running.usage() })
}

/// Whether a program ended by SIGKILL, as when the system is out of memory.
pub fn is_killed(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(9) || status.code() == Some(128 + 9)
}

/// Describe an exit status: `exit code 1`, `signal 9 (SIGKILL, possibly out of memory)`.
pub fn describe_exit(status: ExitStatus) -> String {
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}{}", describe_signal(signal));
    }
    match status.code() {
        // Shells report a signal as 128 plus its number.
        Some(code @ 129..=159) => format!("exit code {code}{}", describe_signal(code - 128)),
        Some(code) => format!("exit code {code}"),
        None => "unknown exit status".into(),
    }
}

fn describe_signal(signal: i32) -> &'static str {
    match signal {
        6 => " (SIGABRT, aborted)",
        9 => " (SIGKILL, possibly out of memory)",
        11 => " (SIGSEGV, segmentation fault)",
        15 => " (SIGTERM, terminated)",
        24 => " (SIGXCPU, CPU time limit exceeded)",
        25 => " (SIGXFSZ, file size limit exceeded)",
        _ => "",
    }
}

fn variable<'a>(environment: &'a [(String, OsString)], name: &str) -> Option<&'a OsString> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn cannot_start(program: &Program, cause: &std::io::Error) -> Error {
    let name = program.words.first().map(String::as_str).unwrap_or_default();
    match cause.kind() {
        std::io::ErrorKind::NotFound if name.contains(' ') && program.words.len() == 1 => {
            let words: Vec<&str> = name.split_whitespace().collect();
            Error::stage(format!("program `{name}` not found")).hint(format!(
                "in a list every argument is a separate item: `[{}]`; or write the command as text, for the shell",
                words.join(", ")
            ))
        }
        std::io::ErrorKind::NotFound => Error::stage(format!("program `{name}` not found"))
            .hint("install it or add it to PATH; a program of the project must be an input, written as `./name`"),
        std::io::ErrorKind::PermissionDenied if program.seal.is_some() && is_program(program.folder, name) => {
            let message = format!("`{name}` cannot be started: the program is sealed from it, or from its interpreter");
            Error::stage(message).hint(
                "a program of the project must be an input, written as `./name`; for another one add its folder to `reads`, or `seal: off`",
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::stage(format!("`{name}` is not executable")).hint(format!("run `chmod +x {name}`"))
        }
        std::io::ErrorKind::ArgumentListTooLong => {
            explain_too_long(program, Error::io("start", Path::new(name), cause))
        }
        _ => suggest_limits(Error::io("start", Path::new(name), cause)),
    }
}

/// Whether this is a file that its owner may run.
fn is_program(folder: &Path, name: &str) -> bool {
    tool::find(name, folder).and_then(|path| path.metadata().ok()).is_some_and(|meta| is_executable(&meta))
}

/// Name the argument or variable that exceeds the system's limit.
fn explain_too_long(program: &Program, error: Error) -> Error {
    let kilobytes = |length: usize| length.div_ceil(1000);
    let word = program.words.iter().map(String::len).max().unwrap_or(0);
    let variable = program.environment.iter().max_by_key(|(name, value)| name.len() + value.len());
    match variable {
        Some((name, value)) if value.len() > word => error.hint(format!(
            "the largest variable is `{name}` with {} kB: pass what is long in a file",
            kilobytes(value.len())
        )),
        _ => error.hint(format!(
            "the longest argument has {} kB: put a long script into a file that is an input",
            kilobytes(word)
        )),
    }
}

/// Add a hint for a system that is out of processes or memory.
fn suggest_limits(error: Error) -> Error {
    error.hint("too many processes or too little memory: see `ulimit -a` for the limits, or use a smaller `-j`")
}
