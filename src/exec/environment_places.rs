//! The environments that a build has made or is making, and what happened meanwhile.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::value::Digest;

/// What happens to an environment, for progress.
#[derive(Clone, Debug)]
pub enum EnvironmentStep {
    Started { name: String, installer: &'static str },
    Finished { name: String, installer: &'static str, seconds: f64 },
}

/// A place for the outcome of making an environment; its lock is held meanwhile. `None` until there is one.
pub type Place = Arc<Mutex<Option<Result<PathBuf>>>>;

/// The environments of one build.
#[derive(Debug, Default)]
pub struct EnvironmentPlaces {
    places: Mutex<HashMap<Digest, Place>>,
    /// Until the coordinator takes them.
    steps: Mutex<Vec<EnvironmentStep>>,
}

impl EnvironmentPlaces {
    /// The place of an environment: who locks it first makes it.
    pub fn place(&self, id: Digest) -> Place {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    pub fn note(&self, step: EnvironmentStep) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    /// What has happened since the last call.
    pub fn take_steps(&self) -> Vec<EnvironmentStep> {
        std::mem::take(&mut self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
