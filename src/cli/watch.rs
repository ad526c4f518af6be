//! `repro watch`: build, wait until the paper file or a file that it follows is saved, and build again.
//!
//! Files are looked at several times a second instead of asking the kernel to tell: that works on every file system, network ones and
//! those of containers too, and for editors that put a new file in the place of the old one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::args::{Build, Device, Watch};
use super::words::count;
use super::{Console, Global, Project, Trouble, build, interrupt, report};
use crate::plan;

/// The least time between two looks.
const PAUSE: Duration = Duration::from_millis(150);
/// Looking may take this share of the time: of very many files, it is done less often.
const SHARE: u32 = 20;
/// Ctrl-C is heeded this often.
const TICK: Duration = Duration::from_millis(50);

pub fn run(args: &Watch, global: &Global, console: &Console) -> Result<u8, Trouble> {
    let interrupted = interrupt::watch();
    let build = Build {
        work: args.work.clone(),
        dry_run: false,
        rerun: false,
        reread: false,
        open: false,
        device: Device::Auto,
        gpu_memory: None,
    };
    loop {
        // Each round tells its own time.
        let round = Console::new(global);
        // Looked at before it is read: what is saved in between is seen.
        let paper = look(&global.file);
        let project = Project::open(global);
        let place = Place { paper: &global.file, project: project.as_ref().ok(), targets: &args.work.targets };
        let mut before = place.look();
        before.files.insert(global.file.clone(), paper);
        let code = match &project {
            Ok(project) => {
                build::build(&build, project, None, &round).unwrap_or_else(|trouble| report(&trouble, &round))
            }
            Err(trouble) => report(trouble, &round),
        };
        if interrupted.load(Ordering::Relaxed) {
            return Ok(if code == 0 { interrupt::EXIT_CODE } else { code });
        }
        let files = before.files.len();
        if console.json {
            console.print_json(&json!({"event": "watching", "files": files}))?;
        } else if !console.quiet {
            console.note(&format!("watching {}; Ctrl-C ends", count(files, "file")));
        }
        let Some(changed) = wait(&place, &before, interrupted) else { return Ok(0) };
        if console.json {
            console.print_json(&json!({"event": "saved", "files": changed}))?;
        } else if !console.quiet {
            let names = changed.iter().take(3).map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            let more = if changed.len() > 3 { format!(" and {} more", changed.len() - 3) } else { String::new() };
            console.note(&format!("\n{names}{more} changed"));
        }
    }
}

/// Wait for a change since `before` that has settled: its paths; `None` after Ctrl-C.
fn wait(place: &Place, before: &Seen, interrupted: &AtomicBool) -> Option<Vec<PathBuf>> {
    let mut last = before.clone();
    loop {
        let started = Instant::now();
        let now = place.look();
        let pause = (started.elapsed() * SHARE).max(PAUSE);
        let settled = now == last;
        if settled && now != *before {
            return Some(now.differs_from(before));
        }
        last = now;
        let waited = Instant::now();
        while waited.elapsed() < pause {
            if interrupted.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(TICK.min(pause));
        }
    }
}

/// What tells a file from what it was: size, time, inode; `None` where there is no file.
type Look = Option<(u64, Option<SystemTime>, u64)>;

/// All files that matter, as they are.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    files: BTreeMap<PathBuf, Look>,
}

/// Where to look: the paper file, and what the targets read of the project, unless something is wrong with either.
struct Place<'a> {
    paper: &'a Path,
    project: Option<&'a Project>,
    targets: &'a [String],
}

impl Place<'_> {
    fn look(&self) -> Seen {
        let paper = (self.paper.to_path_buf(), look(self.paper));
        Seen { files: [paper].into_iter().chain(self.followed()).collect() }
    }

    fn followed(&self) -> Vec<(PathBuf, Look)> {
        let files = self.project.and_then(|project| {
            let targets = project.targets(self.targets).ok()?;
            Some(plan::watched_files(project.context(), &targets))
        });
        let plain = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_path_buf();
        files.unwrap_or_default().iter().map(|path| (plain(path), look(path))).collect()
    }
}

impl Seen {
    fn differs_from(&self, before: &Seen) -> Vec<PathBuf> {
        let paths = self.files.keys().chain(before.files.keys());
        let mut changed: Vec<PathBuf> =
            paths.filter(|path| self.files.get(*path) != before.files.get(*path)).cloned().collect();
        changed.sort();
        changed.dedup();
        changed
    }
}

fn look(path: &Path) -> Look {
    let meta = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Some((meta.len(), meta.modified().ok(), inode))
}
