//! What would run, why, and what it would cost. It reads the store and never writes.

mod reason;
mod resolve;

pub use reason::{Last, Reason, reasons};
pub use resolve::{FileState, Resolved, UnitState, files, resolve, stage_digest};

use crate::error::Result;
use crate::graph::Graph;
use crate::stages::Publish;
use crate::store::Store;
use std::path::Path;

/// Where a plan looks: the graph, the store, the files of `figures/`.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    pub publish: &'a dyn Publish,
    /// The folder of the built artifacts.
    pub figures: &'a Path,
}

/// The plan of one stage.
#[derive(Debug)]
pub struct StagePlan {
    pub stage: usize,
    pub state: State,
    pub reasons: Vec<Reason>,
    /// Units that would run; for a stage that waits for others, all that may.
    pub units: usize,
    pub files: usize,
    /// Estimated seconds on one core.
    pub seconds: f64,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing to do.
    Current,
    /// Units or files are missing.
    Stale,
    /// Its inputs are stale; if they come out as before, it is current.
    Waits,
}

/// The plan of every needed stage, inputs first.
pub fn plan(context: Context, targets: &[usize]) -> Result<Vec<StagePlan>> {
    let graph = context.graph;
    let mut resolved: Vec<Option<Resolved>> = (0..graph.stages.len()).map(|_| None).collect();
    let mut plans = Vec::new();
    for stage in graph.needed(targets) {
        let inputs: Option<Vec<&Resolved>> = graph.inputs[stage].iter().map(|&i| resolved[i].as_ref()).collect();
        let inputs = inputs.unwrap_or_default();
        let ready = inputs.iter().all(|input| input.complete());
        let last = Last::read(context.store, &graph.stages[stage].name);
        let reasons = reasons(context, stage, last.as_ref(), &inputs);
        let waiting = !ready;
        let state = resolve(context, stage, &inputs)?;
        let units = state.units.iter().filter(|unit| !matches!(unit, UnitState::Current { .. })).count();
        let files = state.files.iter().filter(|file| !matches!(file, FileState::Current)).count();
        let known = last.as_ref().and_then(|last| last.seconds_a_unit);
        let seconds = match known {
            Some(seconds) => seconds * units as f64,
            None => state.seconds,
        };
        let state_word = match (waiting, units + files) {
            (_, 0) => State::Current,
            (true, _) => State::Waits,
            _ => State::Stale,
        };
        let reasons = match state_word {
            State::Current => Vec::new(),
            _ if reasons.is_empty() => reason::missing(&state, units),
            _ => reasons,
        };
        plans.push(StagePlan { stage, state: state_word, reasons, units, files, seconds });
        resolved[stage] = Some(state);
    }
    Ok(plans)
}
