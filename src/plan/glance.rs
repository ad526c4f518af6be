//! A whole build with nothing to do, remembered: as long as everything that it looked at is as it was, so is its end. Then neither the paper
//! file is taken apart nor any key made: a glance at the times of all files is enough.
//!
//! It holds for the same program, the same words of the paper file and of the command, while every shard that was there is there. What
//! passes (the versions of tools, warnings) is not remembered.

use std::path::Path;

use super::memo::program;
use crate::store::{Digest, Store};

/// The name of what is remembered, and what it holds for.
#[derive(Clone, Debug)]
pub struct Glance {
    name: String,
    hash: Digest,
}

impl Glance {
    /// Of a build of these targets. `None` where it cannot be known what it holds for.
    pub fn of(paper: &str, home: &Path, figures: &Path, targets: &[String]) -> Option<Glance> {
        // Paths are remembered as they are looked at, relative to this folder.
        let here = std::env::current_dir().ok()?;
        let mut hasher = blake3::Hasher::new();
        for part in
            [here.to_str()?, home.to_str()?, figures.to_str()?].into_iter().chain(targets.iter().map(String::as_str))
        {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let which: Digest = hasher.finalize().into();
        hasher.update(program()?.as_bytes());
        hasher.update(paper.as_bytes());
        // Names of stages do not begin so.
        Some(Glance { name: format!(".{}", which.short()), hash: hasher.finalize().into() })
    }

    /// How many stages are current, if all is as it was.
    pub fn holds(&self, store: &Store) -> Option<usize> {
        let bytes = store.memo(&self.name, &self.hash)?;
        let (count, looks) = bytes.split_first_chunk::<8>()?;
        let found = store.unchanged(looks)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        if let Some(settled) = found.settled {
            self.write(store, &[&bytes[..8], &settled].concat());
        }
        Some(count)
    }

    /// Remember a build that ended with this many stages, all of them current, if another run would see the same as this one.
    pub fn remember(&self, store: &Store, stages: usize) {
        if let Some(looks) = store.looks().filter(|_| stages > 0) {
            self.write(store, &[&(stages as u64).to_le_bytes()[..], &looks].concat());
        }
    }

    fn write(&self, store: &Store, bytes: &[u8]) {
        // It only saves time: where it cannot be written, the next build takes longer.
        if let Err(error) = store.set_memo(&self.name, &self.hash, bytes) {
            tracing::debug!("{error}");
        }
    }
}
