//! What would run, why, and what it would cost. It reads the store and never writes.

mod environment;
mod last_build;
mod noop;
mod project_files;
mod reason;
mod resolve;

pub use environment::{faults, watched_files};
pub use last_build::LastBuild;
pub use noop::NoopCheck;
use project_files::files_of;
pub use reason::{Reason, changed_settings, reasons};
pub use resolve::{FileState, Resolved, UnitState, file_key, files, resolve, stage_digest};

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::stages::Publish;
use crate::store::Store;
use crate::value::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a plan looks: the graph, the store, the files of the project and of `figures/`.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    pub publish: &'a dyn Publish,
    /// The folder of the built artifacts.
    pub figures: &'a Path,
    /// The folder of the paper file: paths in it are relative to this.
    pub home: &'a Path,
    /// Where files are looked for that are not there: for a revision, what git does not follow is in the project of today.
    pub otherwise: Option<&'a Path>,
    /// Where the values of variables and the versions of tools come from.
    pub outside: Outside<'a>,
}

/// Where the values of variables and the versions of tools come from.
#[derive(Clone, Copy, Debug)]
pub enum Outside<'a> {
    /// From the machine as it is: tools are run to ask for their versions. For builds.
    Machine,
    /// Variables from the machine, versions of tools from the last build of the stage. Nothing is run. For commands that only read.
    LastBuild,
    /// From a record, by stage: for an archive, what was found when it was made.
    Recorded(&'a BTreeMap<String, Recorded>),
}

/// Digests of the values of variables, and versions of tools, as they were found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<Digest>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
}

impl Context<'_> {
    /// Where a file of the project is.
    pub fn file(&self, path: &str) -> PathBuf {
        let here = self.home.join(path);
        match self.otherwise {
            Some(other) if !here.exists() => other.join(path),
            _ => here,
        }
    }
}

/// The plan of one stage.
#[derive(Debug)]
pub struct StagePlan {
    pub stage: usize,
    pub state: StageState,
    pub reasons: Vec<Reason>,
    /// Units that would run; for a stage that waits for others, all that may.
    pub units: usize,
    pub files: usize,
    /// Estimated seconds on one core, by how long such work took before.
    pub seconds: f64,
    /// Every unit and file, as far as it is known.
    pub resolved: Resolved,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageState {
    /// Nothing to do.
    UpToDate,
    /// Units or files are missing.
    Stale,
    /// Its inputs are stale; if they come out as before, it is current.
    Waits,
    /// It cannot be built: a file or a tool that it needs is missing.
    Fault,
}

impl StageState {
    /// A word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            StageState::UpToDate => "current",
            StageState::Stale => "stale",
            StageState::Waits => "waits",
            StageState::Fault => "fault",
        }
    }
}

/// The plan of every needed stage, inputs first.
pub fn plan(context: Context, targets: &[usize]) -> Result<Vec<StagePlan>> {
    let graph = context.graph;
    let needed = graph.needed(targets);
    let last: Vec<Option<LastBuild>> =
        needed.iter().map(|&i| LastBuild::read(context.store, &graph.stages[i].name)).collect();
    let kind = |stage: usize| graph.stages[stage].stage.kind().name;
    let known: Vec<(&str, f64)> =
        needed.iter().zip(&last).filter_map(|(&i, last)| Some((kind(i), last.as_ref()?.pace?))).collect();
    let mut place: Vec<Option<usize>> = vec![None; graph.stages.len()];
    let mut plans: Vec<StagePlan> = Vec::new();
    for (stage, last) in needed.into_iter().zip(last) {
        let inputs: Option<Vec<&Resolved>> =
            graph.inputs[stage].iter().map(|&i| Some(&plans.get(place[i]?)?.resolved)).collect();
        let inputs = inputs.ok_or_else(|| Error::internal("a stage was planned before its inputs"))?;
        let ready = inputs.iter().all(|input| input.complete());
        let resolved = resolve(context, stage, &inputs)?;
        let units = resolved.units.iter().filter(|unit| !matches!(unit, UnitState::Cached { .. })).count();
        let files = resolved.files.iter().filter(|file| !file.is_up_to_date()).count();
        let state = match (ready, units + files) {
            _ if !resolved.faults.is_empty() => StageState::Fault,
            (_, 0) => StageState::UpToDate,
            (false, _) => StageState::Waits,
            (true, _) => StageState::Stale,
        };
        let reasons = match state {
            StageState::UpToDate => Vec::new(),
            StageState::Fault => resolved.faults.iter().map(|error| Reason::Fault(error.clone())).collect(),
            _ => match reasons(context, stage, last.as_ref(), &inputs, &resolved) {
                none if none.is_empty() => reason::missing(&resolved, units),
                some => some,
            },
        };
        // What was never built is taken to run like others of its kind; of programs nothing is known then.
        let unknown = if graph.stages[stage].stage.kind().is_program { 0.0 } else { 1.0 };
        let others =
            || typical(known.iter().filter(|(other, _)| *other == kind(stage)).map(|(_, pace)| *pace), unknown);
        let seconds = resolved.seconds * last.and_then(|last| last.pace).unwrap_or_else(others);
        place[stage] = Some(plans.len());
        plans.push(StagePlan { stage, state, reasons, units, files, seconds, resolved });
    }
    Ok(plans)
}

/// Plan these stages to run again although they are current. What reads them stays as it is: they may come to the same result.
pub fn force_rerun(context: Context, plans: &mut [StagePlan], stages: &[usize]) -> Result<()> {
    for plan in plans.iter_mut().filter(|plan| stages.contains(&plan.stage) && plan.state != StageState::Fault) {
        let pace = LastBuild::read(context.store, &context.graph.stages[plan.stage].name).and_then(|last| last.pace);
        let any = plan.units < plan.resolved.units.len();
        plan.resolved.force_rerun(context, plan.stage)?;
        plan.seconds = plan.resolved.seconds * pace.unwrap_or(1.0);
        (plan.units, plan.files) = (plan.resolved.units.len(), plan.resolved.files.len());
        if plan.state == StageState::UpToDate {
            plan.state = StageState::Stale;
        }
        if any {
            plan.reasons.insert(0, Reason::Again);
        }
    }
    Ok(())
}

/// The median; `unknown` of nothing.
fn typical(paces: impl Iterator<Item = f64>, unknown: f64) -> f64 {
    let mut paces: Vec<f64> = paces.collect();
    paces.sort_by(f64::total_cmp);
    paces.get(paces.len() / 2).copied().unwrap_or(unknown)
}
