//! `repro accept`: after an edit that changes nothing, such as a comment in a script, take the results of the last build for the new keys. The
//! traces say so.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::plan::{self, Context, LastBuild, Reason, StagePlan, StageState, UnitState, layout_digest};
use crate::store::{Key, Trace};

/// A stage whose results were accepted.
#[derive(Debug)]
pub struct Accepted {
    pub stage: usize,
    pub units: usize,
    /// What has changed since they were made.
    pub because: Vec<String>,
}

/// A result of the last build, and the key for which it is taken.
struct AcceptedResult {
    from: Key,
    to: Key,
    trace: Trace,
    payload: Vec<u8>,
}

/// Accept the results of these stages, inputs first. `file` is the name of the paper file in texts. Stages that are up to date are left out.
/// Errors: a stage is no program, its inputs are out of date, its points have changed, or its results are no longer in the cache.
pub fn accept(context: Context, targets: &[usize], file: &str) -> Result<Vec<Accepted>> {
    let order: Vec<usize> = context.graph.order.iter().copied().filter(|stage| targets.contains(stage)).collect();
    let mut accepted = Vec::new();
    for stage in order {
        // Planned anew: an accepted stage makes the keys of its readers known.
        let plans = plan::plan(context, &[stage])?;
        let Some(plan) = plans.iter().find(|plan| plan.stage == stage) else { continue };
        if plan.units > 0 {
            accepted.push(accept_stage(context, plan, file)?);
        }
    }
    Ok(accepted)
}

fn accept_stage(context: Context, plan: &StagePlan, file: &str) -> Result<Accepted> {
    let definition = &context.graph.stages[plan.stage];
    let name = &definition.name;
    let kind = definition.stage.kind();
    let refuse = |message: String, hint: &str| Err(Error::user(message).at(definition.span).hint(hint));
    if !kind.is_program {
        let hint = "its settings and inputs are all that decides its result: build it";
        return refuse(format!("`{name}` is a {}; only results of programs can be accepted", kind.name), hint);
    }
    match plan.state {
        StageState::Waiting => {
            return refuse(format!("the inputs of `{name}` are out of date"), "build or accept them first");
        }
        StageState::Blocked => {
            let why = plan.reasons.iter().map(|reason| reason.describe(file)).collect::<Vec<_>>().join("; ");
            return refuse(format!("`{name}` cannot be planned: {why}"), "fix this first");
        }
        _ => {}
    }
    let layout = &context.graph.layouts[plan.stage];
    let last = LastBuild::read(context.store, name);
    let keys = context.store.keys(name);
    let (Some(last), Some(keys)) = (last, keys) else {
        return refuse(format!("`{name}` has never been built here: there is no result to accept"), "build it");
    };
    if last.layout != layout_digest(layout) || keys.keys.len() < layout.units {
        return refuse(
            format!("the points of `{name}` are not those of its last build"),
            "accept is for edits that change nothing; new points have to run",
        );
    }
    let mut results = Vec::new();
    for (unit, state) in plan.resolved.units.iter().enumerate() {
        let UnitState::Missing { key: to, .. } = *state else { continue };
        let from = keys.keys[unit];
        let trace = context.store.trace(&from);
        let payload = trace.as_ref().and_then(|trace| context.store.load(&from, &trace.digest));
        let (Some(trace), Some(payload)) = (trace, payload) else {
            let label = layout.label(unit);
            let at = if label.is_empty() { String::new() } else { format!(" at `{label}`") };
            return refuse(format!("the last result of `{name}`{at} is no longer in the cache"), "build it");
        };
        results.push(AcceptedResult { from, to, trace, payload });
    }
    let because: Vec<String> = plan
        .reasons
        .iter()
        .filter(|reason| !matches!(reason, Reason::NotCached(_) | Reason::FileMissing(_) | Reason::FileEdited(_)))
        .map(|reason| reason.describe(file))
        .collect();
    let units = results.len();
    record(context, results, &because)?;
    Ok(Accepted { stage: plan.stage, units, because })
}

/// Store the results under their new keys. Their provenance is that of the old ones, and what has changed since.
fn record(context: Context, results: Vec<AcceptedResult>, because: &[String]) -> Result<()> {
    let mut by_provenance: BTreeMap<String, (Json, Vec<AcceptedResult>)> = BTreeMap::new();
    for result in results {
        let known = context.store.provenance(&result.from, &result.trace.digest);
        let mut provenance = known.filter(Json::is_object).unwrap_or_else(|| json!({}));
        let mut all: Vec<Json> = provenance["accepted"].as_array().cloned().unwrap_or_default();
        all.extend(because.iter().map(|reason| json!(reason)));
        provenance["accepted"] = json!(all);
        by_provenance.entry(provenance.to_string()).or_insert((provenance, Vec::new())).1.push(result);
    }
    for (provenance, results) in by_provenance.into_values() {
        let writer = context.store.writer(provenance);
        for result in &results {
            writer.put(result.to, &result.payload, result.trace.micros)?;
        }
        writer.finish()?;
    }
    Ok(())
}
