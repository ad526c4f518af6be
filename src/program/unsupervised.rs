//! Programs on systems without process groups: only the program itself is waited for and killed.

use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{Program, cannot_start, tool, variable};
use crate::error::{Error, Result};

/// There are no supervisors on this system.
pub fn init() -> Option<ExitCode> {
    None
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct RunningProgram {
    child: Child,
}

impl RunningProgram {
    pub fn start(program: &Program) -> Result<RunningProgram> {
        let (name, arguments) =
            program.words.split_first().ok_or_else(|| Error::internal("a program without a name"))?;
        let log = || program.log.try_clone().map_err(|e| Error::io("write", "the log".as_ref(), &e));
        let path = tool::find_in(name, program.folder, variable(program.environment, "PATH"));
        let mut command = Command::new(path.as_deref().unwrap_or(name.as_ref()));
        command.args(arguments).current_dir(program.folder).env_clear();
        command.envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        Ok(RunningProgram { child: command.spawn().map_err(|cause| cannot_start(program, &cause))? })
    }

    /// The exit status, if the program exits within this time.
    pub fn wait(&mut self, most: Duration) -> Result<Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            let status =
                self.child.try_wait().map_err(|e| Error::internal(format!("cannot wait for a program: {e}")))?;
            if status.is_some() || started.elapsed() >= most {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// There is no SIGTERM on this system; the program is killed when this is dropped.
    pub fn terminate(&mut self) {}
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
