//! What the units of a large stage resolved to, remembered, so that a build with nothing to do does not describe a hundred thousand points
//! again.
//!
//! A memo holds only if the program, the stage's settings, and the content of all its inputs are the same, and if every shard in which the
//! results lay is still there: then the store has them all, as it would say one by one. Anything else, damage too, is a miss.

use std::sync::OnceLock;

use super::Context;
use super::resolve::{Resolved, UnitState, stage_digest};
use crate::key;
use crate::spec::canonical;
use crate::stages::{Holds, Outline};
use crate::store::{Digest, Key, Store};

/// Stages with fewer units are resolved faster than a file is read.
const LEAST: usize = 512;

/// The name of a memo and what it holds for.
#[derive(Clone, Debug)]
pub struct Memo {
    stage: String,
    hash: Digest,
}

impl Memo {
    /// `None` where keys depend on more than settings and inputs, or where that is quick anyway.
    pub fn of(
        context: Context,
        stage: usize,
        outlines: &[Outline],
        inputs: &[&Resolved],
        readings: &[Digest],
    ) -> Option<Memo> {
        let definition = &context.graph.stages[stage];
        let layout = &context.graph.layouts[stage];
        if layout.units < LEAST || definition.stage.holds() != Holds::Arrays {
            return None;
        }
        let mut text = program()?.clone();
        canonical(&definition.stage.manifest(), &mut text);
        for layout in outlines.iter().map(|outline| outline.layout).chain([layout]) {
            for axis in &layout.axes {
                text += &format!("\n{} {}", axis.name, axis.len());
            }
            text += "\n-";
        }
        let mut digests = readings.to_vec();
        for input in inputs {
            digests.push(stage_digest(&input.digests()?));
        }
        Some(Memo { stage: definition.name.clone(), hash: key::key_of_text(&text, &digests).0 })
    }

    /// The states of all units, if they are remembered and all there.
    pub fn recall(&self, store: &Store, units: usize) -> Option<Vec<UnitState>> {
        let bytes = store.memo(&self.stage, &self.hash)?;
        let (pairs, rest) = bytes.as_chunks::<64>();
        if pairs.len() != units || !rest.is_empty() {
            return None;
        }
        let half = |pair: &[u8; 64], from: usize| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&pair[from..from + 32]);
            bytes
        };
        let state = |pair| UnitState::Current { key: Key(Digest(half(pair, 0))), digest: Digest(half(pair, 32)) };
        Some(pairs.iter().map(state).collect())
    }

    /// Remember the results of all units; they must be in the store's shards by now.
    pub fn remember(&self, store: &Store, units: &[(Key, Digest)]) {
        let mut bytes = Vec::with_capacity(64 * units.len());
        for (key, digest) in units {
            bytes.extend(key.as_bytes());
            bytes.extend(digest.0);
        }
        // It only saves time: where it cannot be written, the next build takes longer.
        if let Err(error) = store.set_memo(&self.stage, &self.hash, &bytes) {
            tracing::debug!("{error}");
        }
    }
}

/// Which program this is: another one may spell keys in another way.
pub(super) fn program() -> Option<&'static String> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let meta = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
        let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(format!("repro memo 1 {} {} {}\n", env!("CARGO_PKG_VERSION"), meta.len(), modified.as_nanos()))
    };
    PROGRAM.get_or_init(find).as_ref()
}
