//! Datasets that several units of a build read: read from files once, and stacked once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::value::{Dataset, Digest};

/// Datasets by stage and digest: those of whole stages, stacked, and those read from files.
#[derive(Default)]
pub struct DatasetCache {
    whole: Mutex<HashMap<(usize, Digest), Arc<Dataset>>>,
    loaded: Mutex<LoadedFiles>,
}

impl DatasetCache {
    /// Drop the stacked datasets: called when a stage is done, so that memory follows what runs.
    pub fn clear_stacked(&self) {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The stacked dataset of a stage. Two threads may stack it at once; both get the same numbers.
    pub fn stacked(&self, name: (usize, Digest), stack: impl FnOnce() -> Result<Dataset>) -> Result<Arc<Dataset>> {
        if let Some(whole) = self.whole.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(whole.clone());
        }
        let whole = Arc::new(stack()?);
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(name, whole.clone());
        Ok(whole)
    }
}

/// Bytes of arrays kept in memory, so that a build reads a file once. Datasets in use do not count.
const MOST_LOADED: usize = 1 << 30;

/// A dataset, once it is loaded; the thread that loads it holds the lock.
type Slot = Arc<Mutex<Option<Arc<Dataset>>>>;

/// Arrays read from files, by stage and digest.
#[derive(Default)]
struct LoadedFiles {
    datasets: HashMap<(usize, Digest), Slot>,
    /// The datasets kept, with their sizes in bytes, oldest first.
    order: VecDeque<((usize, Digest), usize)>,
    bytes: usize,
}

impl DatasetCache {
    /// The dataset of this name, loaded once even if several threads ask for it at the same time.
    pub fn load(&self, name: (usize, Digest), load: impl FnOnce() -> Result<Dataset>) -> Result<Arc<Dataset>> {
        let slot = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.datasets.entry(name).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dataset) = &*slot {
            return Ok(dataset.clone());
        }
        let dataset = Arc::new(load()?);
        *slot = Some(dataset.clone());
        drop(slot);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let size = dataset.bytes();
        loaded.order.push_back((name, size));
        loaded.bytes += size;
        while loaded.bytes > MOST_LOADED
            && let Some((oldest, size)) = loaded.order.pop_front()
        {
            loaded.datasets.remove(&oldest);
            loaded.bytes -= size;
        }
        Ok(dataset)
    }
}
