//! How long a training run takes.

use super::engines::{cpu, reference};
use super::recipe::{Engine, Recipe};

impl Recipe {
    /// A rough estimate of the run's time in seconds on one core, for schedules and time left; measured rates refine it.
    pub fn seconds(&self) -> f64 {
        match self.engine {
            Engine::Fused => cpu::estimate::seconds(self),
            Engine::Reference => reference::estimate::seconds(self),
        }
    }
}
