//! Programs where there are no process groups: only the program itself is awaited and killed.

use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{Program, cannot_start, tool, variable};
use crate::error::{Error, Result};

/// There are no supervisors here.
pub fn init() -> Option<ExitCode> {
    None
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    pub fn start(program: &Program) -> Result<Running> {
        let (name, arguments) =
            program.words.split_first().ok_or_else(|| Error::internal("a program without a name"))?;
        let log = || program.log.try_clone().map_err(|e| Error::io("write", "the log".as_ref(), &e));
        let path = tool::find_in(name, program.folder, variable(program.environment, "PATH"));
        let mut command = Command::new(path.as_deref().unwrap_or(name.as_ref()));
        command.args(arguments).current_dir(program.folder).env_clear();
        command.envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        Ok(Running { child: command.spawn().map_err(|cause| cannot_start(program, &cause))? })
    }

    /// How the program ended, if it does within this time.
    pub fn wait(&mut self, most: Duration) -> Result<Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            let status =
                self.child.try_wait().map_err(|e| Error::internal(format!("a program cannot be awaited: {e}")))?;
            if status.is_some() || started.elapsed() >= most {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Nothing can be asked here.
    pub fn ask(&mut self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
