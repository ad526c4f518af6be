//! The paper as it was at a revision of git against the paper as it is: settings, points, arrays, cells, files and pictures, all from
//! results that are in the cache. Nothing runs; what is not there is told as that.

mod cells;
mod picture;
mod points;

pub use cells::CellChange;
pub use picture::Picture;

use std::collections::{HashMap, HashSet};

use super::compare::{Difference, compare, join};
use crate::error::{Error, Result};
use crate::exec;
use crate::plan::{self, Context, Reason, Resolved, StagePlan, UnitState};
use crate::stages::{Definition, Holds, KindInfo, Layout};
use crate::store::{Digest, Key};
use crate::value::{Tree, decode_tree};

/// How a stage of now stands to the one of its name then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Same,
    Changed,
    Added,
    Removed,
    /// As far as both are in the cache they are the same, but not everything is.
    Unknown,
}

/// A stage, then and now.
#[derive(Debug)]
pub struct StageDiff {
    pub name: String,
    pub kind: &'static KindInfo,
    pub holds: Holds,
    pub standing: Standing,
    /// The settings that changed; results may be the same all the same.
    pub settings: Vec<Reason>,
    /// What came and went: values of axes, rows and columns.
    pub shape: Vec<String>,
    /// Units that both have, in the cache: the same, and not.
    pub same: usize,
    pub changed: usize,
    /// Units that both have and of which one result is not in the cache: that of then, that of now.
    pub lacking: [usize; 2],
    /// Why nothing is known of then, or of now: a file or a tool is missing.
    pub faults: [Option<Error>; 2],
    /// Numbers of changed units, array by array.
    pub arrays: Vec<Difference>,
    /// Cells of a table that read otherwise or hold other numbers.
    pub cells: Vec<CellChange>,
    /// Files of a program or of the project, and what became of them: `model.npz: other content`.
    pub files: Vec<String>,
    /// Changed pictures, old and new side by side.
    pub pictures: Vec<Picture>,
}

/// One side of a comparison: a planned stage.
#[derive(Clone, Copy)]
struct Side<'a> {
    context: Context<'a>,
    plan: &'a StagePlan,
}

impl<'a> Side<'a> {
    fn definition(&self) -> &'a Definition {
        &self.context.graph.stages[self.plan.stage]
    }

    fn name(&self) -> &'a str {
        &self.definition().name
    }

    fn layout(&self) -> &'a Layout {
        &self.context.graph.layouts[self.plan.stage]
    }

    fn unit(&self, unit: usize) -> Option<(Key, Digest)> {
        match self.plan.resolved.units.get(unit) {
            Some(&UnitState::Cached { key, digest }) => Some((key, digest)),
            _ => None,
        }
    }

    fn key(&self, unit: usize) -> Option<Key> {
        match self.plan.resolved.units.get(unit)? {
            UnitState::Cached { key, .. } | UnitState::Missing { key, .. } => Some(*key),
            UnitState::Unknown { .. } => None,
        }
    }

    /// The names of its inputs.
    fn inputs(&self) -> Vec<&'a str> {
        let graph = self.context.graph;
        graph.inputs[self.plan.stage].iter().map(|&input| graph.stages[input].name.as_str()).collect()
    }

    /// The bytes of a result, if it is in the cache and whole.
    fn payload(&self, unit: usize) -> Option<Vec<u8>> {
        let (key, digest) = self.unit(unit)?;
        self.context.store.load(&key, &digest)
    }

    fn tree(&self) -> Option<Tree> {
        decode_tree(&self.payload(0)?)
    }
}

/// Compare the stages of these names, in the order of the paper as it is; those that are no more come last. `captions` stand above
/// pictures, old and new.
pub fn diff(old: Context, new: Context, names: &[&str], captions: [&str; 2]) -> Result<Vec<StageDiff>> {
    let (before, after) = (plans(old, names)?, plans(new, names)?);
    let before: Vec<Side> = before.iter().map(|plan| Side { context: old, plan }).collect();
    let after: Vec<Side> = after.iter().map(|plan| Side { context: new, plan }).collect();
    let known: HashMap<&str, Side> = before.iter().map(|old| (old.name(), *old)).collect();
    let alike = alike(&known, &after);
    let mut found = Vec::new();
    for new in chosen(after, names) {
        found.push(match known.get(new.name()) {
            Some(old) => both(*old, new, alike.contains(new.name()), captions)?,
            None => StageDiff::of(new.definition(), Standing::Added),
        });
    }
    let gone = chosen(before, names).into_iter().filter(|old| new.graph.position(old.name()).is_none());
    found.extend(gone.map(|old| StageDiff::of(old.definition(), Standing::Removed)));
    Ok(found)
}

/// Those of the named stages, in the order of the file.
fn chosen<'a>(mut sides: Vec<Side<'a>>, names: &[&str]) -> Vec<Side<'a>> {
    let names: HashSet<&str> = names.iter().copied().collect();
    sides.retain(|side| names.contains(side.name()));
    sides.sort_by_key(|side| side.plan.stage);
    sides
}

/// The plans of the named stages and of all that they need, inputs first.
fn plans(context: Context, names: &[&str]) -> Result<Vec<StagePlan>> {
    let targets: Vec<usize> = names.iter().filter_map(|name| context.graph.position(name)).collect();
    plan::plan(context, &targets)
}

/// The names of stages that come to the same result whatever it is: their settings are the same, and so are all their inputs.
fn alike<'a>(before: &HashMap<&str, Side>, after: &[Side<'a>]) -> HashSet<&'a str> {
    let mut alike = HashSet::new();
    for new in after {
        let Some(old) = before.get(new.name()) else { continue };
        let whole = |side: &Side| {
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
        let right = [old, new].iter().all(|side| side.plan.resolved.faults.is_empty());
        let same_inputs = old.inputs() == new.inputs() && new.inputs().iter().all(|input| alike.contains(input));
        if right && same_inputs && whole(old) == whole(new) {
            alike.insert(new.name());
        }
    }
    alike
}

impl StageDiff {
    fn of(stage: &Definition, standing: Standing) -> StageDiff {
        StageDiff {
            name: stage.name.clone(),
            kind: stage.stage.kind(),
            holds: stage.stage.holds(),
            standing,
            settings: Vec::new(),
            shape: Vec::new(),
            same: 0,
            changed: 0,
            lacking: [0; 2],
            faults: [None, None],
            arrays: Vec::new(),
            cells: Vec::new(),
            files: Vec::new(),
            pictures: Vec::new(),
        }
    }

    fn decide(&mut self) {
        let lacks = self.lacking != [0; 2] || self.faults.iter().any(Option::is_some);
        self.standing = match self.changed > 0 || !self.shape.is_empty() || !self.cells.is_empty() {
            true => Standing::Changed,
            false if lacks => Standing::Unknown,
            false => Standing::Same,
        };
    }
}

fn both(old: Side, new: Side, alike: bool, captions: [&str; 2]) -> Result<StageDiff> {
    let mut diff = StageDiff::of(new.definition(), Standing::Same);
    let (was, is) = (&old.definition().stage, &new.definition().stage);
    if was.kind().name != is.kind().name {
        diff.shape.push(format!("was of the kind `{}`", was.kind().name));
        diff.decide();
        return Ok(diff);
    }
    let manifest = |side: &Side| side.plan.resolved.manifest(&*side.definition().stage);
    diff.settings = plan::changed_settings(new.definition(), &manifest(&old), &manifest(&new));
    diff.faults = [old, new].map(|side| side.plan.resolved.faults.first().cloned());
    let Some(pairs) = points::pairs(old.layout(), new.layout(), &mut diff.shape) else {
        diff.decide();
        return Ok(diff);
    };
    let mut changed = Vec::new();
    for &(then, now) in &pairs {
        match (old.unit(then), new.unit(now)) {
            (Some(a), Some(b)) if a.1 == b.1 => diff.same += 1,
            (Some(_), Some(_)) => changed.push((then, now)),
            _ if alike || old.key(then).is_some_and(|key| Some(key) == new.key(now)) => diff.same += 1,
            (a, b) => {
                diff.lacking[0] += usize::from(a.is_none());
                diff.lacking[1] += usize::from(b.is_none());
            }
        }
    }
    diff.changed = changed.len();
    match is.holds() {
        Holds::Cells => cells::compare(old, new, &mut diff)?,
        Holds::Scene => diff.pictures.extend(picture::of_scenes(old, new, captions).transpose()?),
        // Weights differ wherever anything does, and say nothing to anybody.
        Holds::Arrays if is.kind().trains => {}
        Holds::Arrays => arrays(old, new, &changed, &mut diff),
        Holds::Nothing => {}
        Holds::Files | Holds::ProjectFiles => {
            arrays(old, new, &changed, &mut diff);
            diff.files = files(old, new);
            diff.pictures = picture::of_files(old, new, captions)?;
        }
    }
    diff.decide();
    Ok(diff)
}

/// In which numbers changed units differ.
fn arrays(old: Side, new: Side, changed: &[(usize, usize)], diff: &mut StageDiff) {
    for &(then, now) in changed {
        let dataset = |side: Side, unit: usize| exec::dataset(side.context, side.plan.stage, side.unit(unit)?).ok();
        if let (Some(a), Some(b)) = (dataset(old, then), dataset(new, now)) {
            join(&mut diff.arrays, &new.layout().label(now), compare(&a, &b));
        }
    }
}

/// What became of the files of a result that is files.
fn files(old: Side, new: Side) -> Vec<String> {
    let (Some(was), Some(is)) = (old.tree(), new.tree()) else { return Vec::new() };
    let mut found = Vec::new();
    for file in &is.files {
        match was.get(&file.path) {
            None => found.push(format!("{}: is new", file.path)),
            Some(before) if before.digest != file.digest => found.push(format!("{}: other content", file.path)),
            Some(_) => {}
        }
    }
    let gone = was.files.iter().filter(|file| is.get(&file.path).is_none());
    found.extend(gone.map(|file| format!("{}: is no more", file.path)));
    found
}
