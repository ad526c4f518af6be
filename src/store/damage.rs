//! What was found damaged or gone, by whatever command: remembered in `damaged` until a build has made it again. Without that, only a build
//! that happens to read it would know.

use std::collections::HashSet;
use std::path::Path;

use super::{Digest, Key, Store, files, lock};

const NAME: &str = "damaged";

/// What is remembered: a key and a digest each. Anything else in the file is nobody's damage.
pub(super) fn read(dir: &Path) -> HashSet<(Key, Digest)> {
    let bytes = std::fs::read(dir.join(NAME)).unwrap_or_default();
    let (pairs, _) = bytes.as_chunks::<64>();
    let half = |pair: &[u8; 64], from: usize| std::array::from_fn(|i| pair[from + i]);
    pairs.iter().map(|pair| (Key(Digest(half(pair, 0))), Digest(half(pair, 32)))).collect()
}

impl Store {
    /// A result is a miss from now on, for other processes too.
    pub(super) fn found_damaged(&self, key: Key, digest: Digest) {
        lock(&self.damaged).insert((key, digest));
        self.save_damaged();
    }

    /// Whether nothing is known to be damaged.
    pub fn is_undamaged(&self) -> bool {
        lock(&self.damaged).is_empty()
    }

    /// Write down what is damaged still, if it is not what is written.
    pub(super) fn save_damaged(&self) {
        let damaged = lock(&self.damaged).clone();
        if damaged == read(&self.dir) {
            return;
        }
        let path = self.dir.join(NAME);
        let bytes: Vec<u8> = damaged.iter().flat_map(|(key, digest)| [key.0.0, digest.0].concat()).collect();
        let written = match bytes.as_slice() {
            [] => std::fs::remove_file(&path).map_err(|e| crate::error::Error::io("delete", &path, &e)),
            bytes => self.prepare().and_then(|()| files::write_lightly(&self.dir.join("tmp"), &path, bytes)),
        };
        // Then only this process knows.
        if let Err(error) = written {
            tracing::debug!("{error}");
        }
    }
}
