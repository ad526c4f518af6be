//! What would run, why, and how long it would take. It writes no results: only records of no-op builds and of last builds.

mod check;
mod environment;
mod environment_changes;
mod fingerprint;
mod last_build;
mod lock;
mod locked_environment;
mod noop;
mod outside_data;
mod project_files;
mod reason;
mod resolve;

pub use check::{Mismatch, StageCheck, check};
pub use environment::{faults, watched_files};
pub use fingerprint::locked_stages;
pub use last_build::LastBuild;
pub use lock::{LockFile, ReadLock};
pub use noop::NoopCheck;
pub use outside_data::locate as locate_outside_data;
use project_files::files_of;
pub use reason::{Reason, changed_settings, reasons};
pub use resolve::{
    FileState, Resolved, UnitState, file_key, files, input_digest, layout_digest, resolve, stage_digest,
};

use crate::error::{Error, Result};
use crate::graph::{Graph, Points};
use crate::stages::{Found, Publish};
use crate::store::Store;
use crate::value::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Everything that a plan reads: the graph, the store, the files of the project and of `figures/`.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    pub publish: &'a dyn Publish,
    /// The folder of the built artifacts.
    pub figures: &'a Path,
    /// The folder of the paper file: paths in it are relative to this.
    pub home: &'a Path,
    /// The name of the lock file in `home`: no input of a stage, although patterns may match it.
    pub lock: &'a str,
    /// Where to look for files that are missing in `home`: for a revision, untracked files are in the current project.
    pub otherwise: Option<&'a Path>,
    /// Where the values of variables and the versions of tools come from.
    pub outside: Outside<'a>,
}

/// Where the values of variables and the versions of tools come from.
#[derive(Clone, Copy, Debug)]
pub enum Outside<'a> {
    /// From this machine; tools are run for their versions. For builds.
    Machine,
    /// Variables from the machine, versions of tools from the last build of the stage. Nothing is run. For read-only commands.
    LastBuild,
    /// As recorded in an archive, by stage.
    Recorded(&'a BTreeMap<String, Recorded>),
}

/// Recorded digests of the values of variables and of data, and versions of tools and of the interpreter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<Digest>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
    /// Digests of data outside of the project.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, Digest>,
    /// The version of the interpreter of its environment, by its command.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub python: BTreeMap<String, String>,
}

impl Recorded {
    /// What is recorded of what was found.
    pub fn of(found: &Found) -> Recorded {
        let Found { env, tools, reads, environment, .. } = found;
        let python = environment.iter().filter_map(|it| Some((it.interpreter.clone(), it.python.clone()?)));
        Recorded { env: env.clone(), tools: tools.clone(), reads: reads.clone(), python: python.collect() }
    }
}

impl Context<'_> {
    /// The path of a file of the project.
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
    /// The number of units that would run; for a stage that waits for others, of units that may run.
    pub units: usize,
    pub files: usize,
    /// Estimated seconds on one core, from the pace of the last build; `None` for a program that never ran.
    pub seconds: Option<f64>,
    /// The only units that are wanted; `None` for all.
    pub only: Option<BTreeSet<usize>>,
    /// Every unit and file, as far as its key is known.
    pub resolved: Resolved,
}

/// Whether a stage is up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageState {
    /// Nothing to do.
    UpToDate,
    /// Units or files are missing.
    Stale,
    /// Its inputs are stale; if they are rebuilt to the same bytes, it is up to date.
    Waiting,
    /// It cannot be built: a file or tool that it needs is missing.
    Blocked,
}

impl StageState {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            StageState::UpToDate => "current",
            StageState::Stale => "stale",
            StageState::Waiting => "waits",
            StageState::Blocked => "fault",
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
            _ if !resolved.faults.is_empty() => StageState::Blocked,
            (_, 0) => StageState::UpToDate,
            (false, _) => StageState::Waiting,
            (true, _) => StageState::Stale,
        };
        let reasons = match state {
            StageState::UpToDate => Vec::new(),
            StageState::Blocked => resolved.faults.iter().map(|error| Reason::Fault(error.clone())).collect(),
            _ => match reasons(context, stage, last.as_ref(), &inputs, &resolved) {
                none if none.is_empty() => reason::missing(&resolved, units),
                some => some,
            },
        };
        // A stage without a last build is assumed to run at the pace of others of its kind; programs differ too much.
        let others = || typical(known.iter().filter(|(other, _)| *other == kind(stage)).map(|(_, pace)| *pace));
        let pace = match last.and_then(|last| last.pace) {
            None if graph.stages[stage].stage.kind().is_program && units > 0 => None,
            pace => Some(pace.unwrap_or_else(others)),
        };
        let seconds = pace.map(|pace| resolved.seconds * pace);
        place[stage] = Some(plans.len());
        plans.push(StagePlan { stage, state, reasons, units, files, seconds, only: None, resolved });
    }
    Ok(plans)
}

/// Plan these stages to rerun although they are up to date. The stages that read them stay as they are: the results may be the same.
pub fn force_rerun(context: Context, plans: &mut [StagePlan], stages: &[usize], points: &Points) -> Result<()> {
    for plan in plans.iter_mut().filter(|plan| stages.contains(&plan.stage) && plan.state != StageState::Blocked) {
        let pace = LastBuild::read(context.store, &context.graph.stages[plan.stage].name).and_then(|last| last.pace);
        let any = plan.units < plan.resolved.units.len();
        plan.resolved.force_rerun(context, plan.stage, points.get(&plan.stage))?;
        plan.seconds = Some(plan.resolved.seconds * pace.unwrap_or(1.0));
        (plan.units, plan.files) = (plan.missing_units().count(), plan.resolved.files.len());
        if plan.state == StageState::UpToDate {
            plan.state = StageState::Stale;
        }
        if any {
            plan.reasons.insert(0, Reason::Again);
        }
    }
    Ok(())
}

/// Plan only some units of these stages; their files are not written.
pub fn only_points(plans: &mut [StagePlan], points: &Points) {
    for plan in plans {
        let Some(only) = points.get(&plan.stage) else { continue };
        let before = plan.units;
        plan.only = Some(only.clone());
        (plan.units, plan.files) = (plan.missing_units().count(), 0);
        plan.seconds = plan.seconds.map(|seconds| seconds * plan.units as f64 / before.max(1) as f64);
        if plan.units == 0 && plan.state != StageState::Blocked {
            (plan.state, plan.reasons) = (StageState::UpToDate, Vec::new());
        }
    }
}

impl StagePlan {
    /// The wanted units that are not cached.
    pub fn missing_units(&self) -> impl Iterator<Item = usize> {
        let is_wanted = |unit: &usize| self.only.as_ref().is_none_or(|only| only.contains(unit));
        let units = self.resolved.units.iter().enumerate();
        let missing = units.filter(|(_, state)| !matches!(state, UnitState::Cached { .. }));
        missing.map(|(unit, _)| unit).filter(is_wanted)
    }
}

/// The median; 1 if there are none.
fn typical(paces: impl Iterator<Item = f64>) -> f64 {
    let mut paces: Vec<f64> = paces.collect();
    paces.sort_by(f64::total_cmp);
    paces.get(paces.len() / 2).copied().unwrap_or(1.0)
}
