//! Hands results from the store to running units, and keeps what several units share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::plan::stage_digest;
use crate::stages::{self, Inputs};
use crate::store::{Digest, Key, Store};
use crate::value::Dataset;

const LOST: &str = "a result was lost from the cache while building";

/// A result that should be in the store and is not, after all: the unit must run again.
pub fn lost() -> Error {
    Error::stage(LOST).hint("run the same command again: what is missing is made again")
}

pub fn is_lost(error: &Error) -> bool {
    error.message == LOST
}

/// Stacked datasets of whole stages, by digest, so that the cells of a table do not stack them again and again.
#[derive(Default)]
pub struct Shared {
    whole: Mutex<HashMap<Digest, Arc<Dataset>>>,
}

impl Shared {
    /// Forget everything: called when a stage is done, so that memory follows what runs.
    pub fn clear(&self) {
        if let Ok(mut whole) = self.whole.lock() {
            whole.clear();
        }
    }
}

/// The inputs of one stage.
pub struct StageInputs<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    pub shared: &'a Shared,
    pub stage: usize,
    /// For each input the key and digest of each unit.
    pub results: Vec<Arc<Vec<(Key, Digest)>>>,
}

impl StageInputs<'_> {
    fn load(&self, input: usize, unit: usize) -> Result<Dataset> {
        let (key, digest) = self
            .results
            .get(input)
            .and_then(|units| units.get(unit))
            .ok_or_else(|| Error::internal("a unit reads an input that it does not have"))?;
        let bytes = self.store.load(key, digest).ok_or_else(lost)?;
        stages::dataset(&bytes)
    }
}

impl Inputs for StageInputs<'_> {
    fn unit(&self, input: usize, unit: usize) -> Result<Arc<Dataset>> {
        self.load(input, unit).map(Arc::new)
    }

    fn whole(&self, input: usize) -> Result<Arc<Dataset>> {
        let units =
            self.results.get(input).ok_or_else(|| Error::internal("a stage reads an input that it does not have"))?;
        let digests: Vec<Digest> = units.iter().map(|(_, digest)| *digest).collect();
        let digest = stage_digest(&digests);
        let poisoned = |_| Error::internal("a thread that shared a dataset panicked");
        if let Some(whole) = self.shared.whole.lock().map_err(poisoned)?.get(&digest) {
            return Ok(whole.clone());
        }
        let layout = &self.graph.layouts[self.graph.inputs[self.stage][input]];
        let parts: Vec<Arc<Dataset>> = (0..units.len()).map(|unit| self.unit(input, unit)).collect::<Result<_>>()?;
        let whole = Arc::new(stages::stack(layout, &parts));
        self.shared
            .whole
            .lock()
            .map_err(|_| Error::internal("a thread that shared a dataset panicked"))?
            .insert(digest, whole.clone());
        Ok(whole)
    }
}
