//! Supervisors: small processes of this same executable that start programs, wait for them, and kill all that they leave behind.
//!
//! A supervisor runs one program at a time and is used again for the next one. On Linux it is a *subreaper*: processes that lose their parent
//! become its children, even if they have left the program's process group with `setsid`. So a supervisor without children knows that
//! nothing of its program is left. It is joined to the build by a socket. The kernel closes the socket when the build ends, however it
//! ends; then the supervisor kills what still runs, and ends too.
//!
//! Signals go only to the process group of the program and to children of the supervisor. Their numbers cannot belong to another process,
//! because nobody but the supervisor can release them.

mod client;
mod server;
mod wire;

pub use client::{Running, supervise_with};

use std::process::ExitCode;

/// The argument that makes this executable a supervisor.
const ARGUMENT: &str = "--supervise-programs";

/// Call this first in `main`. If this process was started as a supervisor, it is one until it ends, and `main` should return the exit code.
pub fn init() -> Option<ExitCode> {
    // A parent that ignores SIGCHLD passes that on, and no program could be awaited then.
    //
    // SAFETY: the default action is no function of this program, and there is only one thread yet.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // By this name Linux finds the executable even if it was replaced or deleted meanwhile.
    #[cfg(target_os = "linux")]
    supervise_with("/proc/self/exe".into());
    #[cfg(not(target_os = "linux"))]
    if let Ok(path) = std::env::current_exe() {
        supervise_with(path);
    }
    std::env::args_os().nth(1).filter(|argument| argument == ARGUMENT)?;
    Some(match server::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::debug!("supervisor: {error}");
            ExitCode::FAILURE
        }
    })
}
