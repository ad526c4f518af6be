//! The build's side.

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

use super::super::{Program, cannot_start, tool, variable};
use super::ARGUMENT;
use super::wire::{Answer, KILL, Request, TERMINATE, owned};
use crate::error::{Error, Result};

/// The executable of supervisors.
static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
/// Supervisors without a program.
static IDLE: Mutex<Vec<Supervisor>> = Mutex::new(Vec::new());

/// Name the executable of supervisors; [`super::init`] names this process's own. Its `main` must call `init`.
pub fn supervise_with(executable: PathBuf) {
    let _ = EXECUTABLE.set(executable);
}

#[derive(Debug)]
struct Supervisor {
    process: Child,
    socket: UnixStream,
}

impl Supervisor {
    /// One without a program.
    fn get() -> Result<Supervisor> {
        if let Some(idle) = idle().pop() {
            return Ok(idle);
        }
        let executable = EXECUTABLE.get().ok_or_else(|| Error::internal("`program::init` was not called"))?;
        let new = || -> std::io::Result<Supervisor> {
            let (socket, other) = UnixStream::pair()?;
            let mut command = Command::new(executable);
            // In a group of its own: Ctrl-C is for the build alone.
            command.arg0("supervisor").arg(ARGUMENT).current_dir("/").process_group(0);
            command.stdin(OwnedFd::from(other)).stdout(Stdio::null()).stderr(Stdio::null());
            Ok(Supervisor { process: command.spawn()?, socket })
        };
        new().map_err(|cause| super::super::crowded(Error::io("start", Path::new("a supervisor of programs"), &cause)))
    }

    fn retire(self) {
        let Supervisor { mut process, socket } = self;
        drop(socket);
        let _ = process.wait();
    }
}

fn idle() -> MutexGuard<'static, Vec<Supervisor>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running program and whatever it started. Dropping it kills them all.
#[derive(Debug)]
pub struct Running {
    /// `None` once the program has ended.
    supervisor: Option<Supervisor>,
    group: Option<Pid>,
    /// It was asked to end.
    told: bool,
    status: Option<ExitStatus>,
}

impl Running {
    pub fn start(program: &Program) -> Result<Running> {
        let (name, _) = program.words.split_first().ok_or_else(|| Error::internal("a program without a name"))?;
        let path = tool::find_in(name, program.folder, variable(program.environment, "PATH"));
        let path = path.filter(|path| path.is_absolute() && !name.contains('/'));
        let request = Request {
            path: path.map_or_else(|| owned(name), owned),
            words: program.words.iter().map(owned).collect(),
            folder: owned(program.folder),
            environment: program.environment.iter().map(|(name, value)| (owned(name), value.clone())).collect(),
        };
        let supervisor = Supervisor::get()?;
        let answer = request.send(&supervisor.socket, program.log).and_then(|()| Answer::receive(&supervisor.socket));
        match answer {
            Ok(Answer::Started(group)) => {
                let group = Pid::from_raw(group).filter(|group| group.as_raw_nonzero().get() > 1);
                Ok(Running { supervisor: Some(supervisor), group, told: false, status: None })
            }
            Ok(Answer::Failed(cause)) => {
                idle().push(supervisor);
                Err(cannot_start(program, &std::io::Error::from_raw_os_error(cause)))
            }
            Ok(Answer::Ended(_)) => Err(Error::internal("a program ended before it began")),
            Err(_) => Err(lost(supervisor, None)),
        }
    }

    /// How the program ended, if it does within this time. Nothing of it is left then.
    pub fn wait(&mut self, most: Duration) -> Result<Option<ExitStatus>> {
        let Some(supervisor) = &self.supervisor else { return Ok(self.status) };
        let timeout = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&supervisor.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
            _ => self.end().map(Some),
        }
    }

    /// Take the end of the program, however long that takes.
    fn end(&mut self) -> Result<ExitStatus> {
        let Some(supervisor) = self.supervisor.take() else {
            return self.status.ok_or_else(|| Error::internal("a program that never ran"));
        };
        match Answer::receive(&supervisor.socket) {
            Ok(Answer::Ended(status)) => {
                let status = ExitStatus::from_raw(status);
                self.status = Some(status);
                match self.told {
                    // It may not have read that yet, and would take it for the next program.
                    true => supervisor.retire(),
                    false => idle().push(supervisor),
                }
                Ok(status)
            }
            _ => Err(lost(supervisor, self.group)),
        }
    }

    /// Ask the program and what it started to end.
    pub fn ask(&mut self) {
        self.tell(TERMINATE);
    }

    fn tell(&mut self, word: u8) {
        self.told = true;
        if let Some(supervisor) = &mut self.supervisor {
            // A supervisor that is gone is seen when it is waited for.
            let _ = supervisor.socket.write_all(&[word]);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.supervisor.is_some() {
            self.tell(KILL);
            let _ = self.end();
        }
    }
}

/// Somebody has killed a supervisor: its program goes too.
fn lost(mut supervisor: Supervisor, group: Option<Pid>) -> Error {
    let _ = supervisor.process.kill();
    let _ = supervisor.process.wait();
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    Error::stage("the process that supervised the program was killed").hint("run the same command again")
}
