//! Traces: for every stage its settings and the digests of its inputs; for every result its key, its digest, and when and by what it was made.
//!
//! Everything except the [`ResultFacts`] follows from the paper file and the results.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::facts::{FactSource, Maker, ResultFacts};
use crate::error::{Error, Result};
use crate::plan::{Context, FileState, Recorded, StagePlan, StageState, UnitState, stage_digest};
use crate::store::{Digest, Key};

/// The traces of a paper.
#[derive(Debug, Default, Serialize)]
pub struct Traces {
    /// Versions, engines, machines and commits; a result names one by its position here.
    pub makers: Vec<Maker>,
    /// Inputs before the stages that read them.
    pub stages: Vec<StageTrace>,
}

/// A stage, its inputs and its results.
#[derive(Debug, Serialize)]
pub struct StageTrace {
    pub stage: String,
    pub kind: String,
    /// All settings that determine the result, with defaults filled in.
    pub settings: Json,
    /// Digests of variables and of data outside of the project, and versions of tools, which are part of the keys.
    #[serde(flatten)]
    pub recorded: Recorded,
    /// The stages, files, folders and patterns that it reads, with the digests of their content.
    pub inputs: BTreeMap<String, Digest>,
    pub results: Vec<ResultTrace>,
    /// Files in `figures/`.
    pub files: Vec<ResultTrace>,
}

/// The result of a unit, or a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResultTrace {
    /// The coordinates of the unit, `density=0.1 run=1`, or the name of the file.
    pub name: String,
    pub key: Key,
    pub digest: Digest,
    pub size: u64,
    /// When, in milliseconds since 1970.
    pub finished: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What made it: a position in [`Traces::makers`]; `None` if it is no longer known.
    pub maker: Option<usize>,
}

impl Traces {
    /// Collect the traces of the `wanted` stages. Errors: one of them is out of date.
    pub fn collect(context: Context, plans: &[StagePlan], wanted: &[usize], facts: &dyn FactSource) -> Result<Traces> {
        let mut traces = Traces::default();
        for plan in plans.iter().filter(|plan| wanted.contains(&plan.stage)) {
            if plan.state != StageState::UpToDate {
                let name = &context.graph.stages[plan.stage].name;
                let error = Error::stage(format!(
                    "{name} is out of date: its results do not belong to the paper file as it is"
                ));
                return Err(error.hint(format!("run `repro build {name}`")));
            }
            let graph = context.graph;
            let stage = &graph.stages[plan.stage];
            let digest = |input: &usize| {
                let input = plans.iter().find(|plan| plan.stage == *input)?;
                Some((graph.stages[input.stage].name.clone(), stage_digest(&input.resolved.digests()?)))
            };
            let inputs: Option<BTreeMap<String, Digest>> = graph.inputs[plan.stage].iter().map(digest).collect();
            let mut inputs =
                inputs.ok_or_else(|| Error::internal("an up-to-date stage has an input without a result"))?;
            let found = &plan.resolved.found;
            inputs.extend(found.sources.iter().map(|(name, digest)| (name.clone(), *digest)));
            let layout = &graph.layouts[plan.stage];
            let mut results = Vec::with_capacity(plan.resolved.units.len());
            for (unit, state) in plan.resolved.units.iter().enumerate() {
                let UnitState::Cached { key, digest } = *state else {
                    return Err(Error::internal("an up-to-date stage has a unit without a result"));
                };
                results.push(traces.result(facts, layout.label(unit), key, digest)?);
            }
            let mut files = Vec::new();
            for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
                let FileState::UpToDate { key, digest } = *state else {
                    return Err(Error::internal("an up-to-date stage has no such file"));
                };
                files.push(traces.result(facts, spec.name.clone(), key, digest)?);
            }
            let recorded = Recorded::of(found);
            traces.stages.push(StageTrace {
                stage: stage.name.clone(),
                kind: stage.stage.kind().name.to_string(),
                settings: stage.stage.manifest(),
                recorded,
                inputs,
                results,
                files,
            });
        }
        Ok(traces)
    }

    fn result(&mut self, facts: &dyn FactSource, name: String, key: Key, digest: Digest) -> Result<ResultTrace> {
        let ResultFacts { size, finished, micros, maker } = facts.facts(&key, &digest)?;
        let maker = maker.map(|maker| {
            self.makers.iter().position(|known| *known == maker).unwrap_or_else(|| {
                self.makers.push(maker);
                self.makers.len() - 1
            })
        });
        Ok(ResultTrace { name, key, digest, size, finished, micros, maker })
    }

    /// When the newest result was made, in milliseconds since 1970; 0 without results.
    pub fn newest(&self) -> u64 {
        let all = self.stages.iter().flat_map(|stage| stage.results.iter().chain(&stage.files));
        all.map(|result| result.finished).max().unwrap_or(0)
    }
}
