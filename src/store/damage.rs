//! Results that any command found damaged or missing, recorded in `damaged` until a build has rebuilt them. Without the record, a build would
//! rebuild only those that it happens to read.

use std::collections::HashSet;
use std::path::Path;

use super::{Digest, Key, Store, files, lock};

const NAME: &str = "damaged";

/// The recorded pairs of key and digest. An incomplete pair at the end is ignored.
pub(super) fn read(dir: &Path) -> HashSet<(Key, Digest)> {
    let bytes = std::fs::read(dir.join(NAME)).unwrap_or_default();
    let (pairs, _) = bytes.as_chunks::<64>();
    let half = |pair: &[u8; 64], from: usize| std::array::from_fn(|i| pair[from + i]);
    pairs.iter().map(|pair| (Key(Digest(half(pair, 0))), Digest(half(pair, 32)))).collect()
}

impl Store {
    /// Record a damaged result: it is a cache miss from now on, for other processes too.
    pub(super) fn found_damaged(&self, key: Key, digest: Digest) {
        lock(&self.damaged).insert((key, digest));
        self.save_damaged();
    }

    /// Whether no result is known to be damaged.
    pub fn is_undamaged(&self) -> bool {
        lock(&self.damaged).is_empty()
    }

    /// Write the record if it has changed.
    pub(super) fn save_damaged(&self) {
        let damaged = lock(&self.damaged).clone();
        if damaged == read(&self.dir) {
            return;
        }
        let path = self.dir.join(NAME);
        let bytes: Vec<u8> = damaged.iter().flat_map(|(key, digest)| [key.0.0, digest.0].concat()).collect();
        let written = match bytes.as_slice() {
            [] => std::fs::remove_file(&path).map_err(|e| crate::error::Error::io("delete", &path, &e)),
            bytes => self.prepare().and_then(|()| files::write_unsynced(&self.dir.join("tmp"), &path, bytes)),
        };
        // If the record cannot be written, only this process knows.
        if let Err(error) = written {
            tracing::debug!("{error}");
        }
    }
}
