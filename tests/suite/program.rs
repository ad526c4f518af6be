//! Programs exit, time out or are stopped, and leave no process behind.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use repro::error::Result;
use repro::program::{ExitReason, Program, describe_exit, run, supervise_with, tail};

/// A folder with a log; runs shell commands.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        supervise_with(env!("CARGO_BIN_EXE_repro").into());
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn shell(&self, script: &str, limit: Option<Duration>, stop: &dyn Fn() -> bool) -> Result<ExitReason> {
        self.words(&["sh", "-c", script], limit, stop)
    }

    fn words(&self, words: &[&str], limit: Option<Duration>, stop: &dyn Fn() -> bool) -> Result<ExitReason> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let log = File::create(self.folder.path().join("log")).unwrap();
        let environment = [("PATH".to_string(), std::env::var_os("PATH").unwrap()), ("A".to_string(), "b".into())];
        let folder = self.folder.path();
        run(&Program { words: &words, folder, environment: &environment, log: &log, limit, seal: None }, stop)
    }

    fn log(&self) -> Vec<String> {
        tail(&self.folder.path().join("log"), 100)
    }

    /// The process whose number the program wrote to `pid` is gone.
    fn gone(&self) -> bool {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        let started = Instant::now();
        while rustix::process::test_kill_process(pid).is_ok() {
            // Whoever adopts orphans may take a moment to bury them.
            if started.elapsed() > Duration::from_secs(5) || !Path::new("/proc").exists() {
                return false;
            }
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            if state.contains(") Z ") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

fn code(end: ExitReason) -> i32 {
    match end {
        ExitReason::Exited(status) => status.code().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_printed_is_in_the_log_in_order_and_the_environment_is_the_given_one() {
    let place = Place::new();
    let end = place.shell("echo one; echo two >&2; echo $A$HOME; exit 3", None, &|| false).unwrap();
    assert_eq!((code(end), place.log()), (3, vec!["one".to_string(), "two".into(), "b".into()]));
}

#[test]
fn words_are_not_split_or_expanded() {
    let place = Place::new();
    assert_eq!(code(place.words(&["printf", "%s\n", "a  b", "*", "$A"], None, &|| false).unwrap()), 0);
    assert_eq!(place.log(), ["a  b", "*", "$A"]);
}

#[test]
fn a_missing_program_is_told() {
    let error = Place::new().words(&["no-such-program-here"], None, &|| false).unwrap_err();
    assert_eq!(error.message, "program `no-such-program-here` not found");
}

#[test]
fn stragglers_die_with_their_program() {
    let place = Place::new();
    assert_eq!(code(place.shell("sleep 300 & echo $! > pid", None, &|| false).unwrap()), 0);
    assert!(place.gone());
}

#[test]
fn a_time_limit_ends_the_whole_group() {
    let place = Place::new();
    let started = Instant::now();
    let end = place.shell("sleep 300 & echo $! > pid; wait", Some(Duration::from_millis(100)), &|| false).unwrap();
    assert_eq!(end, ExitReason::TimedOut);
    assert!(place.gone() && started.elapsed() < Duration::from_secs(60), "it was awaited");
}

#[test]
fn a_program_that_does_not_listen_is_killed() {
    let place = Place::new();
    let stop = || place.folder.path().join("pid").exists();
    let end = place.shell("trap '' TERM; echo $$ > pid; while true; do sleep 0.05; done", None, &stop).unwrap();
    assert_eq!(end, ExitReason::Stopped);
    assert!(place.gone());
}

#[test]
fn exit_statuses_are_described() {
    let place = Place::new();
    let ExitReason::Exited(status) = place.shell("kill -9 $$", None, &|| false).unwrap() else { panic!() };
    assert_eq!(describe_exit(status), "signal 9 (SIGKILL, possibly out of memory)");
    let ExitReason::Exited(status) = place.shell("sh -c 'kill -9 $$'; exit $?", None, &|| false).unwrap() else {
        panic!()
    };
    assert_eq!(describe_exit(status), "exit code 137 (SIGKILL, possibly out of memory)");
}

#[test]
fn a_list_of_one_word_with_spaces_is_told_how_to_be_written() {
    let error = Place::new().words(&["sh no-such-script.sh"], None, &|| false).unwrap_err();
    assert_eq!(error.message, "program `sh no-such-script.sh` not found");
    assert!(error.hints[0].contains("`[sh, no-such-script.sh]`"), "{:?}", error.hints);
}

#[test]
fn an_argument_list_that_is_too_long_names_what_is_long() {
    let long = "x".repeat(300_000);
    let error = Place::new().words(&["sh", "-c", ":", &long], None, &|| false).unwrap_err();
    assert!(error.hints[0].starts_with("the longest argument has 300 kB"), "{error:?}");
}

/// A script that leaves a process behind which has its own session and no parent; its number is in `pid`.
#[cfg(target_os = "linux")]
const DAEMON: &str = "setsid sh -c 'echo $$ > pid; exec sleep 300' & while [ ! -s pid ]; do :; done";

#[test]
#[cfg(target_os = "linux")]
fn daemons_die_with_the_program_that_left_them() {
    let place = Place::new();
    assert_eq!(code(place.shell(&format!("({DAEMON}); exit 3"), None, &|| false).unwrap()), 3);
    assert!(place.gone());
}

#[test]
#[cfg(target_os = "linux")]
fn daemons_die_with_a_program_at_its_time_limit() {
    let place = Place::new();
    let script = format!("({DAEMON}); sleep 300");
    assert_eq!(place.shell(&script, Some(Duration::from_millis(300)), &|| false).unwrap(), ExitReason::TimedOut);
    assert!(place.gone());
}

#[test]
#[cfg(target_os = "linux")]
fn the_end_of_a_program_leaves_the_daemons_of_another_alone() {
    let place = Place::new();
    let pid = || std::fs::read_to_string(place.folder.path().join("pid")).unwrap_or_default();
    std::thread::scope(|scope| {
        let stop = || place.folder.path().join("stop").exists();
        let running = scope.spawn({
            let place = &place;
            move || place.shell(&format!("({DAEMON}); sleep 300"), None, &stop).unwrap()
        });
        crate::support::wait_for("the daemon", || pid().ends_with('\n'));
        let other = Place::new();
        assert_eq!(code(other.shell(&format!("({DAEMON})"), None, &|| false).unwrap()), 0);
        assert!(other.gone());
        let daemon = rustix::process::Pid::from_raw(pid().trim().parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(daemon).is_ok());
        std::fs::write(place.folder.path().join("stop"), "").unwrap();
        assert_eq!(running.join().unwrap(), ExitReason::Stopped);
    });
    assert!(place.gone());
}
