//! No-op builds: if the program, the paper file, the command, the environment variables and the stat of every file are those of a build that
//! found everything up to date, the build ends at once. Neither the paper file is parsed nor any key computed.
//!
//! The record also names every shard of the cache: if one is missing, or a result is known to be damaged, the check is a miss. Builds that ran
//! a tool for its version, or printed a warning, are not recorded.

use std::path::Path;
use std::sync::OnceLock;

use crate::store::{Digest, Store};
use crate::value::ByteReader;

/// The no-op check of one build command.
#[derive(Clone, Debug)]
pub struct NoopCheck {
    /// The name of its record: one for each folder and set of targets.
    name: String,
    /// A hash of the program, the paper file and the command.
    fingerprint: Digest,
}

impl NoopCheck {
    /// The check for a build of these targets. `None` if the program or the current folder cannot be identified.
    pub fn new(paper: &str, home: &Path, figures: &Path, targets: &[String]) -> Option<NoopCheck> {
        // Paths are recorded relative to the current folder.
        let here = std::env::current_dir().ok()?;
        let mut hasher = blake3::Hasher::new();
        for part in
            [here.to_str()?, home.to_str()?, figures.to_str()?].into_iter().chain(targets.iter().map(String::as_str))
        {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let command = Digest::from(hasher.finalize());
        hasher.update(program()?.as_bytes());
        hasher.update(paper.as_bytes());
        // No stage name begins with a dot.
        Some(NoopCheck { name: format!(".{}", command.short()), fingerprint: hasher.finalize().into() })
    }

    /// The number of stages if all of them are up to date; `None` if that takes a full check.
    pub fn up_to_date(&self, store: &Store) -> Option<usize> {
        let bytes = store.noop_record(&self.name, &self.fingerprint)?;
        let mut reader = ByteReader(&bytes);
        let stages = reader.length()?;
        let found = store.check_observed(reader.0)?;
        if let Some(refreshed) = found.refreshed {
            self.write(store, &[&bytes[..8], &refreshed].concat());
        }
        Some(stages)
    }

    /// Record a build that ended with all of these stages up to date, unless a later build may find something else.
    pub fn record(&self, store: &Store, stages: usize) {
        if let Some(observed) = store.observed().filter(|_| stages > 0) {
            self.write(store, &[&(stages as u64).to_le_bytes()[..], &observed].concat());
        }
    }

    fn write(&self, store: &Store, bytes: &[u8]) {
        // Without the record the next build only takes longer.
        if let Err(error) = store.set_noop_record(&self.name, &self.fingerprint, bytes) {
            tracing::debug!("{error}");
        }
    }
}

/// Which program this is: another version may compute other keys.
fn program() -> Option<&'static String> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let meta = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
        let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(format!("repro memo 1 {} {} {}\n", env!("CARGO_PKG_VERSION"), meta.len(), modified.as_nanos()))
    };
    PROGRAM.get_or_init(find).as_ref()
}
