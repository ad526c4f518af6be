//! `repro watch`: build, wait until the paper file or an input file is saved, and build again.
//!
//! Files are polled several times a second instead of using kernel notifications: polling works on every file system, including network drives
//! and container mounts, and for editors that replace a file when they save it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::args::{Build, Device, Watch};
use super::words::count;
use super::{Console, Global, Project, Trouble, build, interrupt, report};
use crate::plan;

/// The shortest time between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(150);
/// The time between two polls is at least this multiple of the time that a poll takes.
const POLL_BACKOFF: u32 = 20;
/// How often Ctrl-C is checked.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

pub fn run(args: &Watch, global: &Global, console: &Console) -> Result<u8, Trouble> {
    let interrupted = interrupt::watch();
    let build = Build {
        work: args.work.clone(),
        dry_run: false,
        rerun: false,
        reread: false,
        frozen: false,
        open: false,
        device: Device::Auto,
        gpu_memory: None,
    };
    loop {
        // Its own console, so that the reported time is that of one build.
        let build_console = Console::new(global);
        // The stamp is taken before the file is read, so that no change in between is missed.
        let paper = FileStamp::of(&global.file);
        let opened = Project::open(global);
        let project = opened.and_then(|project| build::build_awaited(&build, project, &build_console));
        let opened = project.as_ref().ok().and_then(|project| project.as_ref().ok());
        let watched = WatchedFiles { paper: &global.file, project: opened, targets: &args.work.targets };
        let mut before = watched.snapshot();
        before.files.insert(global.file.clone(), paper);
        let code = match &project {
            Ok(Ok(project)) => build::build(&build, project, None, &build_console)
                .unwrap_or_else(|trouble| report(&trouble, &build_console)),
            Ok(Err(code)) => *code,
            Err(trouble) => report(trouble, &build_console),
        };
        if interrupted.load(Ordering::Relaxed) {
            return Ok(if code == 0 { interrupt::EXIT_CODE } else { code });
        }
        let files = before.files.len();
        if console.json {
            console.print_json(&json!({"event": "watching", "files": files}))?;
        } else if !console.quiet {
            console.note(&format!("watching {}; press Ctrl-C to stop", count(files, "file")));
        }
        let Some(changed) = wait_for_change(&watched, &before, interrupted) else { return Ok(0) };
        if console.json {
            console.print_json(&json!({"event": "saved", "files": changed}))?;
        } else if !console.quiet {
            let names = changed.iter().take(3).map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            let more = if changed.len() > 3 { format!(" and {} more", changed.len() - 3) } else { String::new() };
            console.note(&format!("\n{names}{more} changed"));
        }
    }
}

/// Wait for a change since `before` that has settled. Returns the changed paths; `None` after Ctrl-C.
fn wait_for_change(watched: &WatchedFiles, before: &Snapshot, interrupted: &AtomicBool) -> Option<Vec<PathBuf>> {
    let mut last = before.clone();
    loop {
        let started = Instant::now();
        let now = watched.snapshot();
        let pause = (started.elapsed() * POLL_BACKOFF).max(POLL_INTERVAL);
        let settled = now == last;
        if settled && now != *before {
            return Some(now.changes_since(before));
        }
        last = now;
        let waited = Instant::now();
        while waited.elapsed() < pause {
            if interrupted.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(INTERRUPT_INTERVAL.min(pause));
        }
    }
}

/// Identifies the content of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FileStamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl FileStamp {
    /// `None` if there is no file.
    fn of(path: &Path) -> Option<FileStamp> {
        let meta = std::fs::metadata(path).ok()?;
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        Some(FileStamp { size: meta.len(), modified: meta.modified().ok(), inode })
    }
}

/// The stamps of all watched files at one time.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    files: BTreeMap<PathBuf, Option<FileStamp>>,
}

impl Snapshot {
    /// The paths whose stamps differ, or that are in one snapshot only.
    fn changes_since(&self, before: &Snapshot) -> Vec<PathBuf> {
        let paths = self.files.keys().chain(before.files.keys());
        let mut changed: Vec<PathBuf> =
            paths.filter(|path| self.files.get(*path) != before.files.get(*path)).cloned().collect();
        changed.sort();
        changed.dedup();
        changed
    }
}

/// The paper file and, if it is valid, the input files of the targets.
struct WatchedFiles<'a> {
    paper: &'a Path,
    project: Option<&'a Project>,
    targets: &'a [String],
}

impl WatchedFiles<'_> {
    fn snapshot(&self) -> Snapshot {
        let paths = [self.paper.to_path_buf()].into_iter().chain(self.inputs());
        Snapshot {
            files: paths
                .map(|path| {
                    let stamp = FileStamp::of(&path);
                    (path, stamp)
                })
                .collect(),
        }
    }

    /// The input files of the targets.
    fn inputs(&self) -> Vec<PathBuf> {
        let files = self.project.and_then(|project| {
            let targets = project.targets(self.targets).ok()?;
            Some(plan::watched_files(project.context(), &targets))
        });
        let without_dot = |path: PathBuf| path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path);
        files.unwrap_or_default().into_iter().map(without_dot).collect()
    }
}
