//! Programs end, are ended, and leave nothing running.

use super::*;

/// A folder with a log; runs shell commands.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn shell(&self, script: &str, limit: Option<Duration>, stop: &dyn Fn() -> bool) -> Result<End> {
        self.words(&["sh", "-c", script], limit, stop)
    }

    fn words(&self, words: &[&str], limit: Option<Duration>, stop: &dyn Fn() -> bool) -> Result<End> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let log = File::create(self.folder.path().join("log")).unwrap();
        let environment = [("PATH".to_string(), std::env::var_os("PATH").unwrap()), ("A".to_string(), "b".into())];
        run(&Program { words: &words, folder: self.folder.path(), environment: &environment, log: &log, limit }, stop)
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
            if started.elapsed() > Duration::from_secs(5) || !std::path::Path::new("/proc").exists() {
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

fn code(end: End) -> i32 {
    match end {
        End::Exited(status) => status.code().unwrap(),
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
    assert_eq!(error.message, "there is no program `no-such-program-here`");
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
    assert_eq!(end, End::TimedOut);
    assert!(place.gone() && started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_program_that_does_not_listen_is_killed() {
    let place = Place::new();
    let stop = || place.folder.path().join("pid").exists();
    let end = place.shell("trap '' TERM; echo $$ > pid; while true; do sleep 0.05; done", None, &stop).unwrap();
    assert_eq!(end, End::Stopped);
    assert!(place.gone());
}

#[test]
fn ends_are_told_in_words() {
    let place = Place::new();
    let End::Exited(status) = place.shell("kill -9 $$", None, &|| false).unwrap() else { panic!() };
    assert_eq!(words(status), "signal 9 (killed, perhaps for lack of memory)");
}
