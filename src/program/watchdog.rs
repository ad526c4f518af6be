//! Programs end when this process does, even if it is killed with SIGKILL and cannot say a word.
//!
//! Two means together: the kernel kills a program whose parent dies (Linux), and a small shell process, the watchdog, knows the group of
//! every running program and waits at a pipe from this process. The kernel closes the pipe when this process ends, however it ends; then
//! the watchdog kills the groups that are left.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `+ 123` begins to watch the group 123, `- 123` ends it.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
groups=' '
while read -r what group; do
  case $what in
    +) groups="$groups $group " ;;
    -) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done
"#;

static WATCHDOG: Mutex<Option<Child>> = Mutex::new(None);

fn watchdog() -> MutexGuard<'static, Option<Child>> {
    WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Make a program the leader of a group of its own that the kernel kills when the thread that started it ends.
pub fn bind(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
        let parent = getpid();
        let dies_with_parent = move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the kernel was told.
            if getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::Interrupted.into()) }
        };
        // SAFETY: between fork and exec only two system calls are made; they allocate nothing and take no lock.
        unsafe { command.pre_exec(dies_with_parent) };
    }
}

/// Have the group of this program killed when this process ends.
pub fn watch(pid: u32) {
    let mut guard = watchdog();
    if guard.is_none() {
        *guard = start();
    }
    tell(&mut guard, &format!("+ {pid}\n"));
}

/// The program has ended, and its number may soon be another's.
pub fn forget(pid: u32) {
    tell(&mut watchdog(), &format!("- {pid}\n"));
}

fn tell(watchdog: &mut Option<Child>, line: &str) {
    let told = watchdog.as_mut().and_then(|child| child.stdin.as_mut()).map(|pipe| pipe.write_all(line.as_bytes()));
    // Without a watchdog, a killed build may leave grandchildren; there is no reason to fail because of that.
    if let Some(Err(error)) = told {
        tracing::debug!("the watchdog is gone: {error}");
        *watchdog = None;
    }
}

fn start() -> Option<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().inspect_err(|error| tracing::debug!("no watchdog: {error}")).ok()
}
