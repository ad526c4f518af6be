//! Rebuilds stages in an empty cache, and compares the results bit for bit with the cache and with the files in `figures/`.

use std::path::Path;

use super::datasets::{ArrayDiff, compare};
use crate::error::{Error, Result};
use crate::exec::{self, Observer, Options, Outcome};
use crate::plan::{self, Context, Resolved, StagePlan, UnitState};
use crate::stages::Holds;
use crate::store::{Digest, Key, Store, Writer, hash_file};
use crate::value::{Tree, decode_tree};

/// The differences in one result that are listed.
const MAX_LISTED: usize = 10;

/// The outcome for one result.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Same,
    /// The rebuilt result is different: the differences, as far as they can be described.
    Differs(Vec<String>),
    /// There is nothing to compare with: it is not in the cache.
    New,
    /// The file is not in `figures/`.
    Missing,
}

/// A rebuilt unit or file.
#[derive(Clone, Debug)]
pub struct VerifiedResult {
    pub stage: usize,
    /// The unit; `None` for a file.
    pub unit: Option<usize>,
    /// The name of the file, or the label of the unit.
    pub name: String,
    pub verdict: Verdict,
    /// It differs although its inputs and settings are the same. Stages that read it may differ because of it.
    pub nondeterministic: bool,
}

/// The outcome of a verification.
#[derive(Debug)]
pub struct Verification {
    pub outcome: Outcome,
    /// The results of the stages that ran, as far as they exist.
    pub results: Vec<VerifiedResult>,
}

/// Rebuild the targets with all their dependencies, or with `only` the targets alone, on inputs from the cache.
pub fn verify(
    context: Context,
    targets: &[usize],
    only: bool,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Verification> {
    // A concurrent `repro gc` must not delete what is compared.
    let _shared = context.store.lock_shared();
    let before = plan::plan(context, targets)?;
    let scratch = context.store.scratch()?;
    let (cache, figures) = (scratch.folder()?, scratch.folder()?);
    let store = Store::open(&cache)?.temporary();
    let rebuilt = Context { store: &store, figures: &figures, ..context };
    let writer = store.writer(serde_json::json!({"for": "verify"}));
    let copied = |plan: &StagePlan| {
        let stage = &context.graph.stages[plan.stage].stage;
        if stage.source().is_some() {
            // Fetched content is pinned by its digest: fetching it again would show nothing.
            return stage.holds() == Holds::Files && plan.resolved.complete();
        }
        only && !targets.contains(&plan.stage)
    };
    for plan in before.iter().filter(|plan| copied(plan)) {
        copy_results(context, plan, &writer, &scratch.folder()?)?;
    }
    let outcome = exec::build(rebuilt, targets, options, &writer, observer);
    let after = plan::plan(rebuilt, targets)?;
    let mut results = Vec::new();
    for (old, new) in before.iter().zip(&after) {
        let chosen = !only || targets.contains(&old.stage);
        // Files of the project are inputs, not results.
        if chosen && context.graph.stages[old.stage].stage.source().is_none() {
            compare_units(context, rebuilt, old, new, &mut results);
            compare_files(context, &figures, &new.resolved, old.stage, &mut results);
        }
    }
    Ok(Verification { outcome, results })
}

/// Copy the results of a stage into another store.
fn copy_results(context: Context, plan: &StagePlan, writer: &Writer, folder: &Path) -> Result<()> {
    let name = &context.graph.stages[plan.stage].name;
    for unit in &plan.resolved.units {
        let UnitState::Cached { key, digest } = *unit else {
            let error = Error::stage(format!("`{name}` is not in the cache, and --only does not rebuild it"));
            return Err(error.hint(format!("run `repro build {name}` first, or omit --only")));
        };
        let damaged =
            || Error::stage(format!("a result of `{name}` is damaged")).hint(format!("run `repro build {name}`"));
        let payload = context.store.load(&key, &digest).ok_or_else(damaged)?;
        for file in decode_tree(&payload).iter().flat_map(|tree: &Tree| &tree.files) {
            let copy = folder.join("content");
            if !context.store.copy_content(&file.digest, &copy)? {
                context.store.forget(key, digest);
                return Err(damaged());
            }
            writer.store_file(&copy)?;
        }
        writer.put(key, &payload, 0)?;
    }
    Ok(())
}

fn compare_units(
    context: Context,
    rebuilt: Context,
    old: &StagePlan,
    new: &StagePlan,
    results: &mut Vec<VerifiedResult>,
) {
    let layout = &context.graph.layouts[old.stage];
    for (unit, (old_unit, new_unit)) in old.resolved.units.iter().zip(&new.resolved.units).enumerate() {
        let Some(after) = stored(new_unit) else { continue };
        let before = stored(old_unit);
        let verdict = match before {
            None => Verdict::New,
            Some(before) if before.1 == after.1 => Verdict::Same,
            Some(before) => Verdict::Differs(describe_differences([context, rebuilt], old.stage, [before, after])),
        };
        let same_key = before.is_some_and(|(key, _)| key == after.0);
        let nondeterministic = same_key && matches!(verdict, Verdict::Differs(_));
        let name = layout.label(unit);
        results.push(VerifiedResult { stage: old.stage, unit: Some(unit), name, verdict, nondeterministic });
    }
}

/// Key and digest of a unit's result, if it is in the cache.
fn stored(unit: &UnitState) -> Option<(Key, Digest)> {
    match *unit {
        UnitState::Cached { key, digest } => Some((key, digest)),
        _ => None,
    }
}

/// The differences between two results of a unit, each with the context that it belongs to.
fn describe_differences(contexts: [Context; 2], stage: usize, results: [(Key, Digest); 2]) -> Vec<String> {
    let ([context, rebuilt], [before, after]) = (contexts, results);
    let mut found = Vec::new();
    let tree = |context: Context, (key, digest): (Key, Digest)| decode_tree(&context.store.load(&key, &digest)?);
    if let (Some(old), Some(new)) = (tree(context, before), tree(rebuilt, after)) {
        let other = |file: &crate::value::FileEntry, tree: &Tree| tree.get(&file.path) != Some(file);
        found.extend(
            old.files.iter().filter(|file| other(file, &new)).map(|file| format!("{}: content differs", file.path)),
        );
        let added = new.files.iter().filter(|file| old.get(&file.path).is_none());
        found.extend(added.map(|file| format!("{}: added", file.path)));
    }
    if let (Ok(old), Ok(new)) = (exec::dataset(context, stage, before), exec::dataset(rebuilt, stage, after)) {
        let arrays = compare(&old, &new);
        if arrays.is_empty() && !found.is_empty() {
            found.push("all numbers are the same".into());
        }
        found.extend(arrays.iter().map(ArrayDiff::describe));
    }
    if found.is_empty() {
        found.push(match context.graph.stages[stage].stage.holds() {
            Holds::Scene => "the drawing differs".into(),
            _ => "the bytes differ".to_string(),
        });
    }
    found.truncate(MAX_LISTED);
    found
}

/// Compare the rebuilt files of a stage with those in `figures/`.
fn compare_files(
    context: Context,
    rebuilt: &Path,
    resolved: &Resolved,
    stage: usize,
    results: &mut Vec<VerifiedResult>,
) {
    for (spec, state) in resolved.specs.iter().zip(&resolved.files) {
        let Some(digest) = state.digest().filter(|_| rebuilt.join(&spec.name).exists()) else { continue };
        let verdict = match hash_file(&context.figures.join(&spec.name)) {
            Ok(published) if published == digest => Verdict::Same,
            Ok(_) => Verdict::Differs(Vec::new()),
            Err(_) => Verdict::Missing,
        };
        let name = spec.name.clone();
        results.push(VerifiedResult { stage, unit: None, name, verdict, nondeterministic: false });
    }
}
