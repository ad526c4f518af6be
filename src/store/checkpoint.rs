//! Checkpoints of long training runs: digest, then bytes. A damaged one is none.

use std::path::PathBuf;

use super::{Digest, Key, Store, files};
use crate::error::Result;

impl Store {
    fn partial(&self, key: &Key) -> PathBuf {
        self.dir.join("partial").join(key.to_string())
    }

    /// The last checkpoint of a unit.
    pub fn checkpoint(&self, key: &Key) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.partial(key)).ok()?;
        let (digest, payload) = bytes.split_at_checked(32)?;
        (Digest::hash(payload).0 == digest).then(|| payload.to_vec())
    }

    pub fn save_checkpoint(&self, key: &Key, payload: &[u8]) -> Result<()> {
        self.prepare()?;
        let mut bytes = Digest::hash(payload).0.to_vec();
        bytes.extend_from_slice(payload);
        files::write_via(&self.dir.join("tmp"), &self.partial(key), &bytes)
    }

    pub fn has_checkpoint(&self, key: &Key) -> bool {
        self.partial(key).exists()
    }

    pub fn drop_checkpoint(&self, key: &Key) {
        let _ = std::fs::remove_file(self.partial(key));
    }
}
