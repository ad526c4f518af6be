//! The clocks of file systems. A file that was modified within the current tick of the clock may change again with the same times. The clock is
//! that of the file system, perhaps of a server, and not of this machine; it is read from the times of a new file.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::stat::FileStat;
use super::{Store, lock};

/// The longest tick of any file system's clock.
const TICK: Duration = Duration::from_secs(2);
/// The largest difference of two clocks, time zones included, for read-only file systems, where this machine's clock has to do.
const APART: Duration = Duration::from_secs(36 * 3600);

/// The time on a file system when this process began to read files, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clock {
    /// By the file system.
    Own(u128),
    /// By this machine.
    Machine(u128),
}

impl Clock {
    /// Whether a change made after the clock was read would change the time of a file that was last changed at this time.
    pub(super) fn is_past(self, changed: u128) -> bool {
        let (now, least) = match self {
            Clock::Own(now) => (now, TICK),
            Clock::Machine(now) => (now, APART),
        };
        changed.checked_add(least.as_nanos()).is_some_and(|past| past < now)
    }
}

/// The clocks that were read, by device.
#[derive(Debug)]
pub(super) struct Clocks {
    began: Instant,
    known: Mutex<HashMap<u64, Clock>>,
}

impl Default for Clocks {
    fn default() -> Clocks {
        Clocks { began: Instant::now(), known: Mutex::default() }
    }
}

impl Store {
    /// Whether a file may have changed since this store was opened without a change of its stat. Git calls such files racy.
    pub(super) fn is_racy(&self, path: &Path, stat: &FileStat) -> bool {
        !self.clock(path, stat.device).is_past(stat.changed())
    }

    /// The clock of the file system with this file, as it was when this store was opened.
    fn clock(&self, path: &Path, device: u64) -> Clock {
        *lock(&self.clocks.known).entry(device).or_insert_with(|| {
            let since = self.clocks.began.elapsed().as_nanos();
            match self.time_of_new_file(path, device) {
                Some(now) => Clock::Own(now.saturating_sub(since)),
                None => {
                    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
                    Clock::Machine(now.saturating_sub(since))
                }
            }
        })
    }

    /// The time of a file written now: in the cache if that is on the same device, else beside the file. The file has no name where the system
    /// supports that, so that neither the cache nor the project changes.
    fn time_of_new_file(&self, path: &Path, device: u64) -> Option<u128> {
        let stamp = |file: &File| {
            let own = FileStat::new(&file.metadata().ok()?);
            (own.device == device).then(|| own.changed())
        };
        let tmp = self.dir.join("tmp");
        let here = std::fs::metadata(&tmp).is_ok_and(|meta| FileStat::new(&meta).device == device);
        let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Some(file) = create_unnamed(if here { &tmp } else { beside }) {
            return stamp(&file);
        }
        if here { stamp(super::temporary::create(&tmp).ok()?.as_file()) } else { None }
    }
}

/// Create an unnamed file in a folder, if the system and the file system support that.
#[cfg(target_os = "linux")]
fn create_unnamed(folder: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn create_unnamed(_: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_racy_until_the_clock_of_its_file_system_has_ticked() {
        const SECOND: u128 = 1_000_000_000;
        let now = 1_000_000 * SECOND;
        for clock in [Clock::Own(now), Clock::Machine(now)] {
            assert!(!clock.is_past(now) && !clock.is_past(now - SECOND) && !clock.is_past(now + SECOND));
            // A clock that counts whole seconds: a change in the second of the last one, seen a second later.
            assert!(!clock.is_past(now - 2 * SECOND));
            assert!(!clock.is_past(u128::MAX));
        }
        assert!(Clock::Own(now).is_past(now - 2 * SECOND - 1));
        // This machine may be hours ahead of the server.
        assert!(!Clock::Machine(now).is_past(now - 24 * 3600 * SECOND));
        assert!(Clock::Machine(now).is_past(now - 48 * 3600 * SECOND));
    }

    #[test]
    fn the_clock_is_read_from_the_file_system_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data");
        std::fs::write(&file, "x").unwrap();
        let identity = FileStat::new(&std::fs::metadata(&file).unwrap());
        let folder = std::fs::metadata(dir.path()).unwrap().modified().unwrap();
        // Without a cache, and with one.
        for prepared in [false, true] {
            let store = Store::open(&dir.path().join("cache")).unwrap();
            if prepared {
                super::super::writer::prepare(store.dir()).unwrap();
            }
            let clock = store.clock(&file, identity.device);
            let written = std::fs::metadata(&file).unwrap().modified().unwrap();
            let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
            if let Clock::Own(now) = clock {
                assert!(now + TICK.as_nanos() > written && now < written + 60 * 1_000_000_000);
            } else {
                assert!(!prepared, "a cache on the same file system can always be asked");
            }
            if !prepared {
                assert_eq!(std::fs::metadata(dir.path()).unwrap().modified().unwrap(), folder);
            } else {
                assert_eq!(std::fs::read_dir(dir.path().join("cache/tmp")).unwrap().count(), 0);
            }
        }
    }
}
