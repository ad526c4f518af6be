//! The payloads of a stage's units while its files are made: loaded for the first file, given up with the last.

use std::sync::{Arc, Mutex, PoisonError};

use super::content::lost;
use crate::error::Result;
use crate::plan::FileState;
use crate::stages::FileSpec;
use crate::store::{Digest, Key, Store};

pub struct Payloads<'a> {
    store: &'a Store,
    units: &'a [(Key, Digest)],
    kept: Mutex<KeptPayloads>,
}

struct KeptPayloads {
    loaded: Option<Arc<Vec<Vec<u8>>>>,
    /// The number of files that will still ask.
    waiting: usize,
}

impl<'a> Payloads<'a> {
    pub fn new(store: &'a Store, units: &'a [(Key, Digest)], files: &[(FileSpec, FileState)]) -> Payloads<'a> {
        let waiting = files.iter().filter(|(_, state)| matches!(state, FileState::Missing(_))).count();
        Payloads { store, units, kept: Mutex::new(KeptPayloads { loaded: None, waiting }) }
    }

    /// The payloads for one file. Only that file holds them if it is the last.
    pub fn take(&self) -> Result<Arc<Vec<Vec<u8>>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = match kept.loaded.take() {
            Some(loaded) => loaded,
            None => Arc::new(self.load()?),
        };
        kept.waiting = kept.waiting.saturating_sub(1);
        kept.loaded = (kept.waiting > 0).then(|| Arc::clone(&loaded));
        Ok(loaded)
    }

    fn load(&self) -> Result<Vec<Vec<u8>>> {
        self.units.iter().map(|(key, digest)| self.store.load(key, digest).ok_or_else(lost)).collect()
    }
}
