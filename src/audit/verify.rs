//! Run again in an empty store, and compare bit for bit with the cache and with the files in `figures/`.

use std::path::Path;

use super::compare::{Difference, compare};
use crate::error::{Error, Result};
use crate::exec::{self, Observer, Options, Outcome};
use crate::plan::{self, Context, Resolved, StagePlan, UnitState};
use crate::stages::Holds;
use crate::store::{Digest, Key, Store, Writer, hash_file};
use crate::value::{Tree, decode_tree};

/// The parts of a result that differ and are named.
const NAMED: usize = 10;

/// What came of one result.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Same,
    /// It came out otherwise: in what, as far as that can be told.
    Differs(Vec<String>),
    /// There was nothing to compare it with: it is not in the cache.
    New,
    /// The file is not in `figures/`.
    Missing,
}

/// A unit or a file, and what came of it.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub stage: usize,
    /// The unit; `None` for a file.
    pub unit: Option<usize>,
    /// The name of the file, or the label of the unit.
    pub name: String,
    pub verdict: Verdict,
    /// It differs although everything that decides it is the same: here two runs part, and what reads it follows.
    pub parts_here: bool,
}

/// How it went.
#[derive(Debug)]
pub struct Verification {
    pub outcome: Outcome,
    /// All results of the stages that ran, as far as they were made.
    pub artifacts: Vec<Artifact>,
}

/// Run the targets again with all they need, or with `only` the targets alone, on inputs from the cache.
pub fn verify(
    context: Context,
    targets: &[usize],
    only: bool,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Verification> {
    // Nothing that is compared with, or taken from, may be deleted meanwhile.
    let _shared = context.store.lock_shared();
    let before = plan::plan(context, targets)?;
    let scratch = context.store.scratch()?;
    let (cache, figures) = (scratch.folder()?, scratch.folder()?);
    let store = Store::open(&cache)?;
    let again = Context { store: &store, figures: &figures, ..context };
    let writer = store.writer(serde_json::json!({"for": "verify"}));
    let ready = |plan: &StagePlan| {
        let stage = &context.graph.stages[plan.stage].stage;
        if stage.source().is_some() {
            // What was fetched is known by its digest; fetching it again would prove nothing.
            return stage.holds() == Holds::Files && plan.resolved.complete();
        }
        only && !targets.contains(&plan.stage)
    };
    for plan in before.iter().filter(|plan| ready(plan)) {
        take_over(context, plan, &writer, &scratch.folder()?)?;
    }
    let outcome = without_logs(exec::build(again, targets, options, &writer, observer), store.dir());
    let after = plan::plan(again, targets)?;
    let mut artifacts = Vec::new();
    for (old, new) in before.iter().zip(&after) {
        let chosen = !only || targets.contains(&old.stage);
        // Files that are followed are what they are.
        if chosen && context.graph.stages[old.stage].stage.source().is_none() {
            units(context, again, old, new, &mut artifacts);
            files(context, &figures, &new.resolved, old.stage, &mut artifacts);
        }
    }
    Ok(Verification { outcome, artifacts })
}

/// Without hints at logs in a cache that goes when the run is over.
pub(super) fn without_logs(mut outcome: Outcome, cache: &Path) -> Outcome {
    let inside = cache.display().to_string();
    outcome.failures.iter_mut().for_each(|failure| failure.error.hints.retain(|hint| !hint.contains(&inside)));
    outcome
}

/// Put the results of a stage into another store as they are.
fn take_over(context: Context, plan: &StagePlan, writer: &Writer, folder: &Path) -> Result<()> {
    let name = &context.graph.stages[plan.stage].name;
    for unit in &plan.resolved.units {
        let UnitState::Cached { key, digest } = *unit else {
            let error = Error::stage(format!("`{name}` is not in the cache, and only what reads it is to be verified"));
            return Err(error.hint(format!("`repro build {name}` first, or leave out --only")));
        };
        let lost =
            || Error::stage(format!("a result of `{name}` is damaged")).hint(format!("run `repro build {name}`"));
        let payload = context.store.load(&key, &digest).ok_or_else(lost)?;
        for file in decode_tree(&payload).iter().flat_map(|tree: &Tree| &tree.files) {
            let copy = folder.join("content");
            if !context.store.copy_content(&file.digest, &copy)? {
                context.store.forget(key, digest);
                return Err(lost());
            }
            writer.store_file(&copy)?;
        }
        writer.put(key, &payload, 0)?;
    }
    Ok(())
}

fn units(context: Context, again: Context, old: &StagePlan, new: &StagePlan, artifacts: &mut Vec<Artifact>) {
    let layout = &context.graph.layouts[old.stage];
    for (unit, (old_unit, new_unit)) in old.resolved.units.iter().zip(&new.resolved.units).enumerate() {
        let Some(is) = current(new_unit) else { continue };
        let verdict = match current(old_unit) {
            None => Verdict::New,
            Some(was) if was.1 == is.1 => Verdict::Same,
            Some(was) => Verdict::Differs(differences(context, again, old.stage, was, is)),
        };
        let same_key = current(old_unit).is_some_and(|(key, _)| key == is.0);
        let parts_here = same_key && matches!(verdict, Verdict::Differs(_));
        artifacts.push(Artifact { stage: old.stage, unit: Some(unit), name: layout.label(unit), verdict, parts_here });
    }
}

fn current(unit: &UnitState) -> Option<(Key, Digest)> {
    match *unit {
        UnitState::Cached { key, digest } => Some((key, digest)),
        _ => None,
    }
}

/// In what two results of a unit differ.
fn differences(context: Context, again: Context, stage: usize, was: (Key, Digest), is: (Key, Digest)) -> Vec<String> {
    let mut found = Vec::new();
    let tree = |context: Context, (key, digest): (Key, Digest)| decode_tree(&context.store.load(&key, &digest)?);
    if let (Some(old), Some(new)) = (tree(context, was), tree(again, is)) {
        let other = |file: &crate::value::FileEntry, tree: &Tree| tree.get(&file.path) != Some(file);
        found.extend(
            old.files.iter().filter(|file| other(file, &new)).map(|file| format!("{}: other content", file.path)),
        );
        let came = new.files.iter().filter(|file| old.get(&file.path).is_none());
        found.extend(came.map(|file| format!("{}: was not there", file.path)));
    }
    if let (Ok(old), Ok(new)) = (exec::dataset(context, stage, was), exec::dataset(again, stage, is)) {
        let arrays = compare(&old, &new);
        if arrays.is_empty() && !found.is_empty() {
            found.push("all numbers are the same".into());
        }
        found.extend(arrays.iter().map(Difference::words));
    }
    if found.is_empty() {
        found.push(match context.graph.stages[stage].stage.holds() {
            Holds::Scene => "another drawing".into(),
            _ => "other bytes".to_string(),
        });
    }
    found.truncate(NAMED);
    found
}

/// The files of a stage against those in `figures/`.
fn files(context: Context, made: &Path, resolved: &Resolved, stage: usize, artifacts: &mut Vec<Artifact>) {
    for (spec, state) in resolved.specs.iter().zip(&resolved.files) {
        let Some(is) = state.digest().filter(|_| made.join(&spec.name).exists()) else { continue };
        let verdict = match hash_file(&context.figures.join(&spec.name)) {
            Ok(was) if was == is => Verdict::Same,
            Ok(_) => Verdict::Differs(Vec::new()),
            Err(_) => Verdict::Missing,
        };
        artifacts.push(Artifact { stage, unit: None, name: spec.name.clone(), verdict, parts_here: false });
    }
}
