//! What a running unit can ask for: its inputs, and a sandbox.

use std::sync::{Arc, PoisonError};

use super::sandbox::ProgramSandbox;
use super::stage_inputs::StageInputs;
use crate::error::{Error, Result};
use crate::stages::{Found, Inputs, Sandbox};
use crate::value::Dataset;

impl Inputs for StageInputs<'_, '_> {
    fn unit(&self, input: usize, unit: usize) -> Result<Arc<Dataset>> {
        self.dataset(input, unit)
    }

    fn whole(&self, input: usize) -> Result<Arc<Dataset>> {
        self.stacked(input)
    }

    fn warn(&self, warning: Error) {
        self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).push((self.stage, warning));
    }

    fn found(&self) -> &Found {
        &self.found
    }

    fn sandbox(&self) -> Result<Box<dyn Sandbox + '_>> {
        Ok(Box::new(ProgramSandbox::new(self)?))
    }
}
