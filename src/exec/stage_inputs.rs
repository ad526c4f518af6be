//! The inputs of a stage while its units run: their results, read from the store.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Instant;

use super::content;
use super::job::UnitResults;
use super::shared::BuildShared;
use crate::error::{Error, Result};
use crate::plan::stage_digest;
use crate::stages::{self, Found, Layout, Read};
use crate::store::Key;
use crate::value::{Dataset, Digest, Unread};

/// The inputs of one stage.
pub struct StageInputs<'a, 'b> {
    pub shared: &'b BuildShared<'a>,
    pub stage: usize,
    /// The unit that runs.
    pub unit: usize,
    pub key: Key,
    /// For each input the key and digest of each unit.
    pub results: Vec<UnitResults>,
    pub found: Arc<Found>,
    /// The folder of the environment that its program runs in, once it is there.
    pub environment: OnceLock<PathBuf>,
    /// When that was; what is installed before is no time of the program.
    pub began: OnceLock<Instant>,
    /// GPUs that the unit has for itself.
    pub gpus: Vec<usize>,
}

impl StageInputs<'_, '_> {
    /// The stage that an input is, and the key and digest of one of its units.
    fn source(&self, input: usize, unit: usize) -> Result<(usize, (Key, Digest))> {
        let stage = self.shared.context.graph.inputs[self.stage].get(input);
        let result = self.results.get(input).and_then(|units| units.get(unit));
        match (stage, result) {
            (Some(&stage), Some(&result)) => Ok((stage, result)),
            _ => Err(Error::internal("a unit reads an input that it does not have")),
        }
    }

    /// The dataset of one unit of an input.
    pub fn dataset(&self, input: usize, unit: usize) -> Result<Arc<Dataset>> {
        let (stage, result) = self.source(input, unit)?;
        let read = || content::dataset(self.shared.context, stage, result);
        if !self.shared.context.graph.stages[stage].stage.holds().is_files() {
            return read().map(Arc::new);
        }
        self.shared.datasets.load((stage, result.1), || {
            let dataset = read()?;
            let files = dataset.unread.iter().filter(|(_, unread)| unread.file);
            let warning = |(path, unread): (&String, &Unread)| {
                (stage, Error::stage(format!("`{path}` was not read: {}", unread.why)))
            };
            self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(files.map(warning));
            Ok(dataset)
        })
    }

    /// The units of each input that this unit reads, and how they lie.
    pub fn reads(&self) -> Result<Vec<Read>> {
        let graph = self.shared.context.graph;
        let outlines = graph.outlines(self.stage);
        Ok(graph.stages[self.stage].stage.unit(self.unit, &graph.layouts[self.stage], &outlines)?.reads)
    }

    /// Some units of an input stacked along their axes.
    pub fn stacked_part(&self, read: &Read, points: &Layout) -> Result<Arc<Dataset>> {
        let parts = read.units.iter().map(|&unit| self.dataset(read.input, unit)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(stages::stack(points, &parts)))
    }

    /// All units of an input stacked along its axes.
    pub fn stacked(&self, input: usize) -> Result<Arc<Dataset>> {
        let units =
            self.results.get(input).ok_or_else(|| Error::internal("a stage reads an input that it does not have"))?;
        let digests: Vec<Digest> = units.iter().map(|(_, digest)| *digest).collect();
        let graph = self.shared.context.graph;
        let stage = graph.inputs[self.stage][input];
        let name = (stage, stage_digest(&digests));
        self.shared.datasets.stacked(name, || {
            let parts = (0..units.len()).map(|unit| self.dataset(input, unit)).collect::<Result<Vec<_>>>()?;
            Ok(stages::stack(&graph.layouts[stage], &parts))
        })
    }
}
