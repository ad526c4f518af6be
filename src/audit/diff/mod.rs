//! Compares the paper at a git revision with the paper as it is now: settings, points, arrays, cells, files and pictures. All results come from
//! the cache. Nothing runs; results that are not in the cache are reported as such.

mod pictures;
mod planned;
mod stage_diff;
mod tables;
mod units;

pub use stage_diff::{CellChange, DiffStatus, PictureDiff, StageDiff};

use std::collections::{HashMap, HashSet};

use self::planned::PlannedStage;
use super::datasets::{compare, merge};
use crate::error::Result;
use crate::exec;
use crate::plan::{self, Context, Resolved, StagePlan};
use crate::stages::Holds;

/// Compare the stages of these names, in the order of the new paper file; removed stages come last. `captions` are the captions of old and new
/// pictures.
pub fn diff(old: Context, new: Context, names: &[&str], captions: [&str; 2]) -> Result<Vec<StageDiff>> {
    let (before, after) = (plans(old, names)?, plans(new, names)?);
    let before: Vec<PlannedStage> = before.iter().map(|plan| PlannedStage { context: old, plan }).collect();
    let after: Vec<PlannedStage> = after.iter().map(|plan| PlannedStage { context: new, plan }).collect();
    let known: HashMap<&str, PlannedStage> = before.iter().map(|old| (old.name(), *old)).collect();
    let unchanged = unchanged(&known, &after);
    let mut found = Vec::new();
    for new in select(after, names) {
        found.push(match known.get(new.name()) {
            Some(old) => compare_stage(*old, new, unchanged.contains(new.name()), captions)?,
            None => StageDiff::new(new.definition(), DiffStatus::Added),
        });
    }
    let removed = select(before, names).into_iter().filter(|old| new.graph.position(old.name()).is_none());
    found.extend(removed.map(|old| StageDiff::new(old.definition(), DiffStatus::Removed)));
    Ok(found)
}

/// The stages of these names, in the order of the file.
fn select<'a>(mut stages: Vec<PlannedStage<'a>>, names: &[&str]) -> Vec<PlannedStage<'a>> {
    let names: HashSet<&str> = names.iter().copied().collect();
    stages.retain(|stage| names.contains(stage.name()));
    stages.sort_by_key(|stage| stage.plan.stage);
    stages
}

/// The plans of the stages of these names and of all their dependencies, inputs first.
fn plans(context: Context, names: &[&str]) -> Result<Vec<StagePlan>> {
    let targets: Vec<usize> = names.iter().filter_map(|name| context.graph.position(name)).collect();
    plan::plan(context, &targets)
}

/// The names of the stages whose settings and inputs are the same, so that their results are too.
fn unchanged<'a>(before: &HashMap<&str, PlannedStage>, after: &[PlannedStage<'a>]) -> HashSet<&'a str> {
    let mut unchanged = HashSet::new();
    for new in after {
        let Some(old) = before.get(new.name()) else { continue };
        let definition = |side: &PlannedStage| {
            let entry = &side.definition().stage;
            let Resolved { found, .. } = &side.plan.resolved;
            let settings = side.plan.resolved.manifest(&*side.definition().stage);
            (
                side.definition().stage.kind().name,
                settings,
                entry.reading(),
                found.sources.clone(),
                side.layout().clone(),
            )
        };
        let valid = [old, new].iter().all(|side| side.plan.resolved.faults.is_empty());
        let same_inputs = old.inputs() == new.inputs() && new.inputs().iter().all(|input| unchanged.contains(input));
        if valid && same_inputs && definition(old) == definition(new) {
            unchanged.insert(new.name());
        }
    }
    unchanged
}

fn compare_stage(old: PlannedStage, new: PlannedStage, unchanged: bool, captions: [&str; 2]) -> Result<StageDiff> {
    let mut diff = StageDiff::new(new.definition(), DiffStatus::Same);
    let (was, is) = (&old.definition().stage, &new.definition().stage);
    if was.kind().name != is.kind().name {
        diff.shape.push(format!("the kind was `{}`", was.kind().name));
        diff.update_status();
        return Ok(diff);
    }
    let manifest = |side: &PlannedStage| side.plan.resolved.manifest(&*side.definition().stage);
    diff.settings = plan::changed_settings(new.definition(), &manifest(&old), &manifest(&new));
    diff.faults = [old, new].map(|side| side.plan.resolved.faults.first().cloned());
    let Some(pairs) = units::common_units(old.layout(), new.layout(), &mut diff.shape) else {
        diff.update_status();
        return Ok(diff);
    };
    let mut changed = Vec::new();
    for &(then, now) in &pairs {
        match (old.result(then), new.result(now)) {
            (Some(a), Some(b)) if a.1 == b.1 => diff.same += 1,
            (Some(_), Some(_)) => changed.push((then, now)),
            _ if unchanged || old.key(then).is_some_and(|key| Some(key) == new.key(now)) => diff.same += 1,
            (a, b) => {
                diff.uncached[0] += usize::from(a.is_none());
                diff.uncached[1] += usize::from(b.is_none());
            }
        }
    }
    diff.changed = changed.len();
    match is.holds() {
        Holds::Cells => tables::compare(old, new, &mut diff)?,
        Holds::Scene => diff.pictures.extend(pictures::compare_scenes(old, new, captions).transpose()?),
        // Differences in single weights mean nothing to a reader.
        Holds::Arrays if is.kind().trains => {}
        Holds::Arrays => compare_arrays(old, new, &changed, &mut diff),
        Holds::Nothing => {}
        Holds::Files | Holds::ProjectFiles => {
            compare_arrays(old, new, &changed, &mut diff);
            diff.files = compare_files(old, new);
            diff.pictures = pictures::compare_files(old, new, captions)?;
        }
    }
    diff.update_status();
    Ok(diff)
}

/// Add the differences in the numbers of changed units.
fn compare_arrays(old: PlannedStage, new: PlannedStage, changed: &[(usize, usize)], diff: &mut StageDiff) {
    for &(then, now) in changed {
        let dataset =
            |side: PlannedStage, unit: usize| exec::dataset(side.context, side.plan.stage, side.result(unit)?).ok();
        if let (Some(a), Some(b)) = (dataset(old, then), dataset(new, now)) {
            merge(&mut diff.arrays, &new.layout().label(now), compare(&a, &b));
        }
    }
}

/// The changes to the files of a result that consists of files.
fn compare_files(old: PlannedStage, new: PlannedStage) -> Vec<String> {
    let (Some(was), Some(is)) = (old.tree(), new.tree()) else { return Vec::new() };
    let mut found = Vec::new();
    for file in &is.files {
        match was.get(&file.path) {
            None => found.push(format!("{}: added", file.path)),
            Some(before) if before.digest != file.digest => found.push(format!("{}: content differs", file.path)),
            Some(_) => {}
        }
    }
    let removed = was.files.iter().filter(|file| is.get(&file.path).is_none());
    found.extend(removed.map(|file| format!("{}: removed", file.path)));
    found
}
