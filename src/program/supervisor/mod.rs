//! Supervisors: small processes of this same executable that start programs, wait for them, and kill the processes that they leave behind.
//!
//! A supervisor runs one program at a time and is reused for the next one. On Linux it is a *subreaper*: orphaned processes become its
//! children, even if they left the program's process group with `setsid`. A supervisor without children therefore knows that no process of
//! its program is left. It is connected to the build by a socket. The kernel closes the socket when the build ends, even if it is killed;
//! then the supervisor kills what still runs, and exits.
//!
//! Signals go only to the process group of the program and to children of the supervisor. Their process ids cannot be reused, because only
//! the supervisor can reap them.

mod client;
mod server;
mod wire;

pub use client::{RunningProgram, supervise_with};

use std::process::ExitCode;

/// The argument that starts this executable as a supervisor.
const ARGUMENT: &str = "--supervise-programs";

/// Call this first in `main`. In a supervisor process it runs the supervisor and returns the exit code for `main`.
pub fn init() -> Option<ExitCode> {
    // An ignored SIGCHLD is inherited from the parent, and would make `wait` fail.
    //
    // SAFETY: SIG_DFL installs no handler, and there is only one thread yet.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // This path works even if the executable was replaced or deleted.
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
