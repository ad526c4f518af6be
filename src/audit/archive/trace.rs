//! Traces: for every result of a stage its key, its digest, and who made it when; for every stage its settings and the content of its inputs.
//!
//! All of it follows from the paper file and the results, but for a few [`Fact`]s, such as when a result was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::facts::{Fact, Facts, Maker};
use crate::error::{Error, Result};
use crate::plan::{Context, FileState, Recorded, StagePlan, StageState, UnitState, stage_digest};
use crate::store::{Digest, Key};

/// All traces of a paper.
#[derive(Debug, Default, Serialize)]
pub struct Traces {
    /// Versions, engines, machines and git revisions; results name one by its position.
    pub makers: Vec<Maker>,
    /// Inputs before what reads them.
    pub stages: Vec<StageTrace>,
}

#[derive(Debug, Serialize)]
pub struct StageTrace {
    pub stage: String,
    pub kind: String,
    /// All settings that decide the result, defaults filled in.
    pub settings: Json,
    /// Digests of variables, and versions of tools; they are in the keys.
    #[serde(flatten)]
    pub recorded: Recorded,
    /// What it reads: stages, and files, folders and patterns of the project, with the digest of their content.
    pub inputs: BTreeMap<String, Digest>,
    pub results: Vec<ResultTrace>,
    /// Files in `figures/`.
    pub files: Vec<ResultTrace>,
}

/// A unit's result, or a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResultTrace {
    /// The place of the unit, `density=0.1 run=1`, or the name of the file.
    pub name: String,
    pub key: Key,
    pub digest: Digest,
    pub size: u64,
    /// When, in milliseconds since 1970.
    pub finished: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Who made it; `None` where nobody knows any more.
    pub maker: Option<usize>,
}

impl Traces {
    /// The traces of the wanted stages among planned ones. Errors: one of them is out of date.
    pub fn of(context: Context, plans: &[StagePlan], wanted: &[usize], facts: &dyn Facts) -> Result<Traces> {
        let mut traces = Traces::default();
        for plan in plans.iter().filter(|plan| wanted.contains(&plan.stage)) {
            if plan.state != StageState::UpToDate {
                let name = &context.graph.stages[plan.stage].name;
                let error = Error::stage(format!("{name} is out of date: there is no trace of what it would be"));
                return Err(error.hint(format!("run `repro build {name}`")));
            }
            let graph = context.graph;
            let stage = &graph.stages[plan.stage];
            let digest = |input: &usize| {
                let input = plans.iter().find(|plan| plan.stage == *input)?;
                Some((graph.stages[input.stage].name.clone(), stage_digest(&input.resolved.digests()?)))
            };
            let inputs: Option<BTreeMap<String, Digest>> = graph.inputs[plan.stage].iter().map(digest).collect();
            let mut inputs = inputs.ok_or_else(|| Error::internal("a current stage has an input without a result"))?;
            let found = &plan.resolved.found;
            inputs.extend(found.sources.iter().map(|(name, digest)| (name.clone(), *digest)));
            let layout = &graph.layouts[plan.stage];
            let mut results = Vec::with_capacity(plan.resolved.units.len());
            for (unit, state) in plan.resolved.units.iter().enumerate() {
                let UnitState::Cached { key, digest } = *state else {
                    return Err(Error::internal("a current stage lacks a result"));
                };
                results.push(traces.result(facts, layout.label(unit), key, digest)?);
            }
            let mut files = Vec::new();
            for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
                let FileState::UpToDate { key, digest } = *state else {
                    return Err(Error::internal("a current stage lacks a file"));
                };
                files.push(traces.result(facts, spec.name.clone(), key, digest)?);
            }
            let recorded = Recorded { env: found.env.clone(), tools: found.tools.clone() };
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

    fn result(&mut self, facts: &dyn Facts, name: String, key: Key, digest: Digest) -> Result<ResultTrace> {
        let Fact { size, finished, micros, maker } = facts.of(&key, &digest)?;
        let maker = maker.map(|maker| {
            self.makers.iter().position(|known| *known == maker).unwrap_or_else(|| {
                self.makers.push(maker);
                self.makers.len() - 1
            })
        });
        Ok(ResultTrace { name, key, digest, size, finished, micros, maker })
    }

    /// When the last result was made.
    pub fn newest(&self) -> u64 {
        let all = self.stages.iter().flat_map(|stage| stage.results.iter().chain(&stage.files));
        all.map(|result| result.finished).max().unwrap_or(0)
    }
}
