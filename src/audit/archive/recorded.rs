//! The traces that an archive records, as far as they cannot be recomputed.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::facts::{FactSource, Maker, ResultFacts};
use super::traces::ResultTrace;
use crate::error::{Error, Result};
use crate::plan::Recorded;
use crate::store::{Digest, Key};

/// `repro-archive/traces.json` without the fields that follow from the paper file and the inputs.
#[derive(Debug, Deserialize)]
pub struct RecordedTraces {
    makers: Vec<Maker>,
    stages: Vec<RecordedStage>,
}

#[derive(Debug, Deserialize)]
struct RecordedStage {
    stage: String,
    #[serde(default)]
    env: BTreeMap<String, Option<Digest>>,
    #[serde(default)]
    tools: BTreeMap<String, String>,
    #[serde(default)]
    reads: BTreeMap<String, Digest>,
    #[serde(default)]
    python: BTreeMap<String, String>,
    results: Vec<ResultTrace>,
    files: Vec<ResultTrace>,
}

impl RecordedTraces {
    /// All results and files.
    pub fn results(&self) -> impl Iterator<Item = &ResultTrace> {
        self.stages.iter().flat_map(|stage| stage.results.iter().chain(&stage.files))
    }

    /// The results of a stage, by the labels of its units.
    pub fn results_of(&self, stage: &str) -> BTreeMap<&str, &ResultTrace> {
        let own = self.stages.iter().filter(|known| known.stage == stage).flat_map(|stage| &stage.results);
        own.map(|result| (result.name.as_str(), result)).collect()
    }

    /// What was accepted, by stage: what had changed since its results were made.
    pub fn accepted(&self) -> Vec<(&str, &[String])> {
        let of_stage = |stage: &'_ RecordedStage| -> Option<usize> {
            stage.results.iter().find_map(|result| result.maker.filter(|&maker| self.is_accepted(maker)))
        };
        let because = |maker: usize| self.makers[maker].accepted.as_deref().unwrap_or_default();
        self.stages.iter().filter_map(|stage| Some((stage.stage.as_str(), because(of_stage(stage)?)))).collect()
    }

    fn is_accepted(&self, maker: usize) -> bool {
        self.makers.get(maker).is_some_and(|maker| maker.accepted.is_some())
    }

    /// The digests of variables and data and the versions of tools, by stage.
    pub fn environment(&self) -> BTreeMap<String, Recorded> {
        let recorded = |stage: &RecordedStage| Recorded {
            env: stage.env.clone(),
            tools: stage.tools.clone(),
            reads: stage.reads.clone(),
            python: stage.python.clone(),
        };
        self.stages.iter().map(|stage| (stage.stage.clone(), recorded(stage))).collect()
    }

    /// By key. Results of one key have the same facts.
    pub fn facts(&self) -> RecordedFacts<'_> {
        RecordedFacts { makers: &self.makers, results: self.results().map(|result| (result.key, result)).collect() }
    }
}

/// Facts as an archive states them.
pub struct RecordedFacts<'a> {
    makers: &'a [Maker],
    results: HashMap<Key, &'a ResultTrace>,
}

impl FactSource for RecordedFacts<'_> {
    fn facts(&self, key: &Key, _: &Digest) -> Result<ResultFacts> {
        let result = self.results.get(key).ok_or_else(|| Error::stage("a result has no trace"))?;
        let maker = result.maker.and_then(|maker| self.makers.get(maker)).cloned();
        Ok(ResultFacts { size: result.size, finished: result.finished, micros: result.micros, maker })
    }
}
