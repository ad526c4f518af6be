//! Runs one program in a folder of its own: its environment, its log, a time limit, and the certainty that nothing of it outlives this
//! process. It knows no stages, no cache and no paper file.
//!
//! Every program has a supervisor, which kills what the program leaves behind: on a time limit or Ctrl-C the program is first asked to end
//! and killed a few seconds later; after its own end its stragglers are killed at once, and also when this process is killed.

mod log;
mod machine;
mod mode;
#[cfg(unix)]
mod supervisor;
mod tool;
#[cfg(not(unix))]
mod unsupervised;

pub use log::{shorten, tail};
pub use machine::{free_space, memory};
pub use mode::{is_executable, set_mode};
#[cfg(unix)]
pub use supervisor::{init, supervise_with};
pub use tool::{find, missing, version};
#[cfg(not(unix))]
pub use unsupervised::init;

#[cfg(unix)]
use supervisor::Running;
#[cfg(not(unix))]
use unsupervised::Running;

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::ExitStatus;
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
    let mut running = Running::start(program)?;
    let started = Instant::now();
    let mut freed = 0;
    let asked = loop {
        if let Some(status) = running.wait(PAUSE)? {
            return Ok(End::Exited(status));
        }
        log::free_middle(program.log, &mut freed);
        if stop() {
            break End::Stopped;
        }
        if program.limit.is_some_and(|limit| started.elapsed() >= limit) {
            break End::TimedOut;
        }
    };
    running.ask();
    let asked_at = Instant::now();
    while asked_at.elapsed() < GRACE && running.wait(PAUSE)?.is_none() {}
    Ok(asked)
}

/// `exit code 1`, `signal 9 (killed, perhaps for lack of memory)`.
pub fn words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}{}", meaning(signal));
    }
    match status.code() {
        // Shells tell the signal that ended a program in this way.
        Some(code @ 129..=159) => format!("exit code {code}{}", meaning(code - 128)),
        Some(code) => format!("exit code {code}"),
        None => "an unknown end".into(),
    }
}

fn meaning(signal: i32) -> &'static str {
    match signal {
        6 => " (SIGABRT: it aborted)",
        9 => " (SIGKILL: killed, perhaps for lack of memory)",
        11 => " (SIGSEGV: it touched memory that is not its own)",
        15 => " (SIGTERM: it was asked to end)",
        24 => " (SIGXCPU: it used up its processor time)",
        25 => " (SIGXFSZ: a file grew too large)",
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
            Error::stage(format!("there is no program `{name}`")).hint(format!(
                "in a list every word is an item of its own: `[{}]`; or write the command as text, for the shell",
                words.join(", ")
            ))
        }
        std::io::ErrorKind::NotFound => Error::stage(format!("there is no program `{name}`")).hint(
            "install it, or set PATH so that it is found; a program of the paper is an input and written `./name`",
        ),
        std::io::ErrorKind::PermissionDenied => {
            Error::stage(format!("`{name}` may not be run")).hint(format!("make it executable: `chmod +x {name}`"))
        }
        std::io::ErrorKind::ArgumentListTooLong => too_long(program, Error::io("start", Path::new(name), cause)),
        _ => crowded(Error::io("start", Path::new(name), cause)),
    }
}

/// The system limits the length of arguments and variables: which one is it?
fn too_long(program: &Program, error: Error) -> Error {
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

/// Advice where the system has no more processes or memory.
fn crowded(error: Error) -> Error {
    error.hint("too many processes, or too little memory: `ulimit -a` shows the limits, a smaller `-j` needs less")
}
