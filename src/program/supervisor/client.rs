//! The build's side of the socket: start supervisors and give them programs.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::super::usage::ProgramUsage;
use super::super::{Program, cannot_start, tool, variable};
use super::ARGUMENT;
use super::wire::{KILL, ProgramReport, StartRequest, SupervisorReply, TERMINATE, owned};
use crate::error::{Error, Result};

/// The executable that runs as a supervisor.
static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
/// Idle supervisors, ready for the next program.
static IDLE: Mutex<Vec<Supervisor>> = Mutex::new(Vec::new());

/// Set the executable that runs as a supervisor; [`super::init`] sets this process's own. Its `main` must call `init`.
pub fn supervise_with(executable: PathBuf) {
    let _ = EXECUTABLE.set(executable);
}

#[derive(Debug)]
struct Supervisor {
    process: Child,
    socket: UnixStream,
}

impl Supervisor {
    /// An idle supervisor, or a new one.
    fn acquire() -> Result<Supervisor> {
        if let Some(idle) = idle().pop() {
            return Ok(idle);
        }
        let executable = EXECUTABLE.get().ok_or_else(|| Error::internal("`program::init` was not called"))?;
        let new = || -> std::io::Result<Supervisor> {
            let (socket, other) = UnixStream::pair()?;
            let mut command = Command::new(executable);
            // In its own process group: only the build receives Ctrl-C.
            command.arg0("supervisor").arg(ARGUMENT).current_dir("/").process_group(0);
            command.stdin(OwnedFd::from(other)).stdout(Stdio::null()).stderr(Stdio::null());
            Ok(Supervisor { process: command.spawn()?, socket })
        };
        new().map_err(|cause| {
            super::super::suggest_limits(Error::io("start", Path::new("a supervisor process"), &cause))
        })
    }

    fn shut_down(self) {
        let Supervisor { mut process, socket } = self;
        drop(socket);
        let _ = process.wait();
    }
}

fn idle() -> MutexGuard<'static, Vec<Supervisor>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running program and all processes that it started. Dropping it kills them.
#[derive(Debug)]
pub struct RunningProgram {
    /// `None` once the program has ended.
    supervisor: Option<Supervisor>,
    group: Option<Pid>,
    /// It was sent TERMINATE or KILL.
    signalled: bool,
    /// Once it has ended.
    report: Option<ProgramReport>,
}

impl RunningProgram {
    pub fn start(program: &Program) -> Result<RunningProgram> {
        let (name, _) = program.words.split_first().ok_or_else(|| Error::internal("a program without a name"))?;
        let path = tool::find_in(name, program.folder, variable(program.environment, "PATH"));
        let path = path.filter(|path| path.is_absolute() && !name.contains('/'));
        let request = StartRequest {
            path: path.map_or_else(|| owned(name), owned),
            words: program.words.iter().map(owned).collect(),
            folder: owned(program.folder),
            environment: program.environment.iter().map(|(name, value)| (owned(name), value.clone())).collect(),
            seal: program.seal.cloned(),
        };
        let supervisor = Supervisor::acquire()?;
        let answer =
            request.send(&supervisor.socket, program.log).and_then(|()| SupervisorReply::receive(&supervisor.socket));
        match answer {
            Ok(SupervisorReply::Started(group)) => {
                let group = Pid::from_raw(group).filter(|group| group.as_raw_nonzero().get() > 1);
                Ok(RunningProgram { supervisor: Some(supervisor), group, signalled: false, report: None })
            }
            Ok(SupervisorReply::Failed(cause)) => {
                idle().push(supervisor);
                Err(cannot_start(program, &std::io::Error::from_raw_os_error(cause)))
            }
            Ok(SupervisorReply::Ended(_)) => Err(Error::internal("a program ended before it started")),
            Err(_) => Err(kill_lost(supervisor, None)),
        }
    }

    /// The exit status, if the program exits within this time. None of its processes are left then.
    pub fn wait(&mut self, most: Duration) -> Result<Option<ExitStatus>> {
        let Some(supervisor) = &self.supervisor else { return Ok(self.status()) };
        let timeout = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&supervisor.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
            _ => self.wait_for_exit().map(Some),
        }
    }

    /// Wait for the exit status.
    fn wait_for_exit(&mut self) -> Result<ExitStatus> {
        let Some(supervisor) = self.supervisor.take() else {
            return self.status().ok_or_else(|| Error::internal("a program that never ran"));
        };
        match SupervisorReply::receive(&supervisor.socket) {
            Ok(SupervisorReply::Ended(report)) => {
                self.report = Some(report);
                match self.signalled {
                    // The unread signal byte would otherwise be applied to the next program.
                    true => supervisor.shut_down(),
                    false => idle().push(supervisor),
                }
                Ok(ExitStatus::from_raw(report.status))
            }
            _ => Err(kill_lost(supervisor, self.group)),
        }
    }

    fn status(&self) -> Option<ExitStatus> {
        self.report.map(|report| ExitStatus::from_raw(report.status))
    }

    /// Whether the program, which has ended, tried to reach a network that it was cut off from.
    pub fn missed_network(&self) -> bool {
        self.report.is_some_and(|report| report.missed_network)
    }

    /// What the program used, once it has ended.
    pub fn usage(&self) -> ProgramUsage {
        self.report.map(|report| report.usage).unwrap_or_default()
    }

    /// Send SIGTERM to the program and the processes that it started.
    pub fn terminate(&mut self) {
        self.send(TERMINATE);
    }

    fn send(&mut self, command: u8) {
        self.signalled = true;
        if let Some(supervisor) = &mut self.supervisor {
            // A dead supervisor is detected when waiting for it.
            let _ = supervisor.socket.write_all(&[command]);
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        if self.supervisor.is_some() {
            self.send(KILL);
            let _ = self.wait_for_exit();
        }
    }
}

/// A supervisor died: kill its program too.
fn kill_lost(mut supervisor: Supervisor, group: Option<Pid>) -> Error {
    let _ = supervisor.process.kill();
    let _ = supervisor.process.wait();
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    Error::stage("the process that supervised the program was killed").hint("run the same command again")
}
