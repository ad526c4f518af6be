//! The lines of the lock file. The key of a line is computed like the keys of units, but from what the lock file records of the inputs: it needs
//! no results. So it can be computed in a fresh clone, and a stage whose inputs were rebuilt to the same bytes keeps its line.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::lock::LockedStage;
use super::resolve::{Resolved, UnitKeys, UnitState, file_key, stage_digest};
use super::{Context, Recorded};
use crate::error::{Error, Result};
use crate::key;
use crate::stages::{Found, Holds, Read};
use crate::store::{Digest, Key};
use crate::threads;

/// Stages with more units than this compute their keys on all cores.
const PARALLEL: usize = 512;

/// The lines of stages that a build has finished. A stage whose results or whose inputs are not all known has none.
pub fn locked_stages(context: Context, finished: &BTreeMap<usize, &Resolved>) -> Result<BTreeMap<String, LockedStage>> {
    let graph = context.graph;
    let mut lines: BTreeMap<String, LockedStage> = BTreeMap::new();
    for stage in &graph.order {
        let Some(resolved) = finished.get(stage).filter(|_| is_locked(context, *stage)) else { continue };
        let names = graph.inputs[*stage].iter().map(|&input| graph.stages[input].name.as_str());
        let inputs: Option<Vec<(&str, &LockedStage)>> = names.map(|name| Some((name, lines.get(name)?))).collect();
        if let Some(line) = inputs.map(|inputs| line(context, *stage, resolved, &inputs)).transpose()?.flatten() {
            lines.insert(graph.stages[*stage].name.clone(), line);
        }
    }
    Ok(lines)
}

/// Whether a stage has a line: groups have no results.
pub fn is_locked(context: Context, stage: usize) -> bool {
    context.graph.stages[stage].stage.holds() != Holds::Nothing
}

fn line(
    context: Context,
    stage: usize,
    resolved: &Resolved,
    inputs: &[(&str, &LockedStage)],
) -> Result<Option<LockedStage>> {
    let Resolved { found, specs, files, .. } = resolved;
    let files = specs.iter().zip(files).map(|(spec, file)| Some((spec.name.clone(), file.digest()?)));
    let (Some(digests), Some(files)) = (resolved.digests(), files.collect()) else { return Ok(None) };
    let units = match inputs {
        // What reads nothing has the keys of the cache.
        [] => resolved.units.iter().filter_map(UnitState::key).map(|key| key.0).collect(),
        _ => unit_keys(context, stage, found, inputs)?,
    };
    let short = |(name, digest): (&str, &Digest)| (name.to_string(), digest.short());
    Ok(Some(LockedStage {
        key: line_key(context, stage, &units),
        result: stage_digest(&digests),
        settings: settings(context, stage),
        stages: inputs.iter().map(|(name, input)| short((name, &input.result))).collect(),
        sources: found.sources_with_environment().iter().map(|(name, digest)| short((name, digest))).collect(),
        outside: Recorded::of(found),
        files,
    }))
}

/// The key of the line of a stage, from the files, variables and tools that were found, and the lines of its inputs.
pub fn stage_key(context: Context, stage: usize, found: &Found, inputs: &[(&str, &LockedStage)]) -> Result<Digest> {
    Ok(line_key(context, stage, &unit_keys(context, stage, found, inputs)?))
}

/// A short digest of all settings of a stage and its files, to say that they have changed.
pub fn settings(context: Context, stage: usize) -> String {
    let definition = &context.graph.stages[stage];
    let of_files = context.publish.files(definition).into_iter().map(|spec| without_version(spec.manifest));
    let of_files: Vec<Digest> = of_files.map(|manifest| key::key(&manifest, &[]).0).collect();
    key::key(&without_version(definition.stage.manifest()), &of_files).0.short()
}

/// A manifest without the versions of what computes it: these are no settings of the paper file.
fn without_version(mut manifest: Json) -> Json {
    for name in ["version", "versions"] {
        manifest.as_object_mut().map(|map| map.remove(name));
    }
    manifest
}

/// The units and the files together: what is drawn depends on the renderer too.
fn line_key(context: Context, stage: usize, units: &[Digest]) -> Digest {
    let specs = context.publish.files(&context.graph.stages[stage]);
    let files = specs.iter().map(|spec| file_key(spec, units).0);
    key::combine(&[stage_digest(units)].into_iter().chain(files).collect::<Vec<_>>())
}

/// Like the keys of the units in the cache, with the recorded results of inputs.
fn unit_keys(context: Context, stage: usize, found: &Found, inputs: &[(&str, &LockedStage)]) -> Result<Vec<Digest>> {
    let graph = context.graph;
    let (kind, layout) = (&graph.stages[stage].stage, &graph.layouts[stage]);
    let outlines = graph.outlines(stage);
    let keys = UnitKeys::new(&**kind, &outlines, found);
    let one = |unit: usize| -> Result<Digest> {
        if let Some(text) = kind.text(unit, layout) {
            return Ok(key::key_of_text(&text?.0, &[]).0);
        }
        let described = kind.unit(unit, layout, &outlines)?;
        let mut results = Vec::new();
        for Read { input, units, .. } in &described.reads {
            let (_, locked) = inputs.get(*input).ok_or_else(|| Error::internal("a stage without one of its inputs"))?;
            results.extend([locked.result, units_digest(units)]);
            results.extend(locked.files.values().filter(|_| kind.reads_files()));
        }
        let Key(digest) = keys.key(described, results);
        Ok(digest)
    };
    if layout.units > PARALLEL {
        threads::map(0..layout.units, one).into_iter().collect()
    } else {
        (0..layout.units).map(one).collect()
    }
}

/// Which units of an input a unit reads.
fn units_digest(units: &[usize]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"repro units 1\n");
    for unit in units {
        hasher.update(&(*unit as u64).to_le_bytes());
    }
    hasher.finalize().into()
}
