//! Programs end when this process does, even if it is killed with SIGKILL and cannot say a word.
//!
//! A small shell process, the watchdog, knows every running program and waits at a pipe from this process. The kernel closes the pipe when
//! this process ends, however it ends; then the watchdog kills what is left. Of a program that has been started it knows the process group;
//! of one that is being started it knows the folder that it is to run in, and looks (Linux) for processes there.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `@ folder`: a program is about to start there; `+ 123`: it did, and leads this group; `- 123`: it has ended.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
groups= folder=
while read -r what which; do
  case $what in
    @) folder=$which ;;
    +) folder= groups="$groups $which " ;;
    -) groups="${groups%%" $which "*}${groups#*" $which "}" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done
[ -z "$folder" ] || for link in /proc/[0-9]*/cwd; do
  if [ "$(readlink "$link")" = "$folder" ]; then process=${link%/cwd}; kill -KILL "${process#/proc/}"; fi
done
"#;

static WATCHDOG: Mutex<Option<Child>> = Mutex::new(None);

fn watchdog() -> MutexGuard<'static, Option<Child>> {
    WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Start a program as the leader of a group of its own, which is killed when this process ends. `folder`: where it runs, by its full name
/// without links.
pub fn start(command: &mut Command, folder: &Path) -> std::io::Result<Child> {
    command.process_group(0);
    // One start at a time, so that there is one folder to be looked at.
    let mut guard = watchdog();
    if guard.is_none() {
        *guard = open();
    }
    tell(&mut guard, &format!("@ {}\n", folder.display()));
    let child = command.spawn();
    match &child {
        Ok(child) => tell(&mut guard, &format!("+ {}\n", child.id())),
        Err(_) => tell(&mut guard, "@\n"),
    }
    child
}

/// The program has ended, and its number may soon be another's.
pub fn forget(pid: u32) {
    tell(&mut watchdog(), &format!("- {pid}\n"));
}

fn tell(watchdog: &mut Option<Child>, line: &str) {
    let told = watchdog.as_mut().and_then(|child| child.stdin.as_mut()).map(|pipe| pipe.write_all(line.as_bytes()));
    // Without a watchdog, a killed build may leave programs behind; there is no reason to fail because of that.
    if let Some(Err(error)) = told {
        tracing::debug!("the watchdog is gone: {error}");
        *watchdog = None;
    }
}

fn open() -> Option<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().inspect_err(|error| tracing::debug!("no watchdog: {error}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the watchdog does on these lines, with a word from it at the end.
    fn watched(lines: &str, last_word: &str) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{SCRIPT}{last_word}")]).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn it_remembers_no_program_that_has_ended() {
        let some = "+ 999999901\n+ 999999902\n- 999999901\n".repeat(100) + &"- 999999902\n".repeat(100);
        assert_eq!(watched(&some, "echo ${#groups}"), "0\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_that_is_just_starting_dies_too() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let sleep = |at: &Path| Command::new("sleep").arg("300").current_dir(at).spawn().unwrap();
        let (mut inside, mut outside) = (sleep(&folder), sleep(Path::new("/")));
        watched(&format!("@ {}\n", folder.display()), "");
        let status = inside.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        assert!(outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
        // One that has started is known by its group from then on.
        let mut inside = sleep(&folder);
        watched(&format!("@ {}\n+ 999999901\n- 999999901\n", folder.display()), "");
        assert!(inside.try_wait().unwrap().is_none());
        inside.kill().unwrap();
        inside.wait().unwrap();
    }
}
