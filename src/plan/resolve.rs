//! The keys of a stage's units and files, and whether the cache has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::Context;
use super::environment::probe;
use crate::error::{Error, Result};
use crate::key;
use crate::stages::{FileSpec, Found, Layout, Outline, Stage, Unit};
use crate::store::{Digest, Key};
use crate::threads;

/// Stages with more units than this compute their keys on all cores.
const PARALLEL: usize = 512;

/// Whether the result of a unit is in the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UnitState {
    /// It is.
    Cached { key: Key, digest: Digest },
    /// It is not: the unit must run.
    Missing { key: Key, seconds: f64 },
    /// Its key depends on inputs that are not built yet.
    Unknown { seconds: f64 },
}

/// Whether a file in `figures/` is up to date.
#[derive(Clone, Debug, PartialEq)]
pub enum FileState {
    /// On disk with the right bytes.
    UpToDate { key: Key, digest: Digest },
    /// Its bytes are in the cache, but the file was edited, or is not there.
    Stored { key: Key, digest: Digest, edited: bool },
    /// It must be rendered.
    Missing(Key),
    /// Its key depends on units that are not built yet.
    Unknown,
}

impl FileState {
    /// The digest of its bytes, if they are known.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            FileState::UpToDate { digest, .. } | FileState::Stored { digest, .. } => Some(*digest),
            _ => None,
        }
    }

    /// Its key, if it is known.
    pub fn key(&self) -> Option<Key> {
        match *self {
            FileState::UpToDate { key, .. } | FileState::Stored { key, .. } | FileState::Missing(key) => Some(key),
            FileState::Unknown => None,
        }
    }

    /// Treat it as missing, so that it is rendered again.
    pub fn force_rerun(&mut self) {
        if let FileState::UpToDate { key, .. } | FileState::Stored { key, .. } = *self {
            *self = FileState::Missing(key);
        }
    }

    /// On disk with the right bytes.
    pub fn is_up_to_date(&self) -> bool {
        matches!(self, FileState::UpToDate { .. })
    }
}

/// A stage with its keys computed, as far as its inputs allow.
#[derive(Debug)]
pub struct Resolved {
    pub units: Vec<UnitState>,
    pub specs: Vec<FileSpec>,
    pub files: Vec<FileState>,
    /// Estimated seconds of the units that are not cached.
    pub seconds: f64,
    /// The files, variables and tools that were found.
    pub found: Arc<Found>,
    /// Needs that are missing or unusable. If there are any, the stage cannot be built and its units are unknown.
    pub faults: Vec<Error>,
}

impl Resolved {
    /// Every unit has a result.
    pub fn complete(&self) -> bool {
        self.units.iter().all(|unit| matches!(unit, UnitState::Cached { .. }))
    }

    /// Everything that decides the result of a stage besides its inputs: what `explain` compares.
    pub fn manifest(&self, stage: &dyn Stage) -> Json {
        let mut manifest = stage.manifest();
        self.found.record_in(&mut manifest);
        manifest
    }

    /// Treat all results and files as missing, so that they are rebuilt; with `only`, the results of these units.
    pub fn force_rerun(&mut self, context: Context, stage: usize, only: Option<&BTreeSet<usize>>) -> Result<()> {
        let graph = context.graph;
        let (kind, layout) = (&graph.stages[stage].stage, &graph.layouts[stage]);
        let outlines = graph.outlines(stage);
        for (unit, state) in self.units.iter_mut().enumerate() {
            if let UnitState::Cached { key, .. } = *state
                && only.is_none_or(|only| only.contains(&unit))
            {
                let seconds = match kind.text(unit, layout) {
                    Some(text) => text?.1,
                    None => kind.unit(unit, layout, &outlines)?.seconds,
                };
                *state = UnitState::Missing { key, seconds };
                self.seconds += seconds;
            }
        }
        self.files.iter_mut().for_each(FileState::force_rerun);
        Ok(())
    }

    /// The digests of all units, if every unit has one.
    pub fn digests(&self) -> Option<Vec<Digest>> {
        self.units.iter().map(UnitState::digest).collect()
    }
}

impl UnitState {
    /// Its key, if it is known.
    pub fn key(&self) -> Option<Key> {
        match *self {
            UnitState::Cached { key, .. } | UnitState::Missing { key, .. } => Some(key),
            UnitState::Unknown { .. } => None,
        }
    }

    pub fn digest(&self) -> Option<Digest> {
        match self {
            UnitState::Cached { digest, .. } => Some(*digest),
            _ => None,
        }
    }
}

/// One digest for a whole stage, to explain what changed in the stages that read it.
pub fn stage_digest(digests: &[Digest]) -> Digest {
    key::combine(digests)
}

/// Computes keys of the units of one stage.
pub struct UnitKeys<'a> {
    found: &'a Found,
    readings: Vec<Digest>,
    /// The axes of the inputs, if the units see them. Most units see all of an input.
    axes: Vec<Option<Digest>>,
}

impl<'a> UnitKeys<'a> {
    /// For a stage with these inputs, and the files, variables and tools that were found.
    pub fn new(kind: &dyn Stage, inputs: &[Outline], found: &'a Found) -> UnitKeys<'a> {
        let readings = if kind.reads_files() { Vec::new() } else { readings(inputs) };
        let axes = match kind.reads_axes() {
            true => inputs.iter().map(|input| axes_digest(input.layout)).collect(),
            false => Vec::new(),
        };
        UnitKeys { found, readings, axes }
    }

    /// The key of a unit, from the digests of the results that it reads.
    pub fn key(&self, mut unit: Unit, mut digests: Vec<Digest>) -> Key {
        self.found.add_to(&mut unit.manifest);
        digests.extend(self.found.sources.iter().map(|(_, digest)| *digest));
        digests.extend(&self.readings);
        let axes = |(input, whole): (usize, &Option<Digest>)| {
            let read = unit.reads.iter().find(|read| read.input == input);
            read.and_then(|read| read.points.as_ref()).map_or(*whole, axes_digest)
        };
        digests.extend(self.axes.iter().enumerate().filter_map(axes));
        key::key(&unit.manifest, &digests)
    }
}

/// Compute the keys of a stage from its inputs, in the order of [`crate::graph::Graph::inputs`].
pub fn resolve(context: Context, stage: usize, inputs: &[&Resolved]) -> Result<Resolved> {
    let graph = context.graph;
    let kind = &graph.stages[stage].stage;
    let layout = &graph.layouts[stage];
    let outlines = graph.outlines(stage);
    let (found, faults) = match probe(context, stage) {
        Ok(found) => (Arc::new(found), Vec::new()),
        Err(faults) => (Arc::default(), faults),
    };
    let keys = UnitKeys::new(&**kind, &outlines, &found);
    let state = |key: Key, seconds: f64| match context.store.trace(&key) {
        Some(trace) => UnitState::Cached { key, digest: trace.digest },
        None => UnitState::Missing { key, seconds },
    };
    let one = |unit: usize| -> Result<UnitState> {
        if let Some(text) = kind.text(unit, layout) {
            let (text, seconds) = text?;
            return Ok(state(key::key_of_text(&text, &[]), seconds));
        }
        let described = kind.unit(unit, layout, &outlines)?;
        let seconds = described.seconds;
        let known = faults.is_empty() && found.unasked.is_empty();
        let results = input_digests(&described, inputs, kind.reads_files()).filter(|_| known);
        let Some(results) = results else { return Ok(UnitState::Unknown { seconds }) };
        Ok(state(keys.key(described, results), seconds))
    };
    let units: Vec<UnitState> = if layout.units > PARALLEL {
        threads::map(0..layout.units, one).into_iter().collect::<Result<_>>()?
    } else {
        (0..layout.units).map(one).collect::<Result<_>>()?
    };
    let seconds = units
        .iter()
        .map(|unit| match unit {
            UnitState::Cached { .. } => 0.0,
            UnitState::Missing { seconds, .. } | UnitState::Unknown { seconds } => *seconds,
        })
        .sum();
    let specs = context.publish.files(&graph.stages[stage]);
    let mut resolved = Resolved { units, specs, files: Vec::new(), seconds, found, faults };
    resolved.files = files(context, &resolved)?;
    Ok(resolved)
}

/// The digests of the inputs of a unit, in order; `None` if one is missing. With `files`, the digests of their files are included.
fn input_digests(unit: &Unit, inputs: &[&Resolved], files: bool) -> Option<Vec<Digest>> {
    let mut digests = Vec::new();
    for read in &unit.reads {
        let input = inputs.get(read.input)?;
        for &source in &read.units {
            digests.push(input.units.get(source)?.digest()?);
        }
        for file in input.files.iter().filter(|_| files) {
            digests.push(file.digest()?);
        }
    }
    Some(digests)
}

/// Digests of the settings that decide how inputs are read, where these are not in the keys of the inputs.
fn readings(inputs: &[Outline]) -> Vec<Digest> {
    let readings = inputs.iter().map(|input| input.stage.reading()).filter(|reading| !reading.is_null());
    readings.map(|reading| key::key(&reading, &[]).0).collect()
}

/// The digest of the axes of a stage; `None` if it has none.
fn axes_digest(layout: &Layout) -> Option<Digest> {
    layout.manifest().map(|manifest| key::key(&manifest, &[]).0)
}

/// The digest of a layout as text, to notice that the units of a stage are others; `None` for a single unit.
pub fn layout_digest(layout: &Layout) -> Option<String> {
    axes_digest(layout).map(|digest| digest.to_string())
}

/// One digest for a stage as its readers see it: its results and its axes.
pub fn input_digest(layout: &Layout, digests: &[Digest]) -> Digest {
    let results = stage_digest(digests);
    axes_digest(layout).map_or(results, |axes| key::combine(&[results, axes]))
}

/// The key of a file, from the digests of its stage's units.
pub fn file_key(spec: &FileSpec, units: &[Digest]) -> Key {
    match spec.output.as_ref().and_then(|file| units.get(file.unit)) {
        // A file that a program wrote depends on its own run alone.
        Some(unit) => key::key(&spec.manifest, &[*unit]),
        None => key::key(&spec.manifest, units),
    }
}

/// The states of the files of a stage, from the digests of its units.
pub fn files(context: Context, resolved: &Resolved) -> Result<Vec<FileState>> {
    let Some(digests) = resolved.digests() else {
        return Ok(vec![FileState::Unknown; resolved.specs.len()]);
    };
    let state = |spec: &FileSpec| -> Result<FileState> {
        let key = file_key(spec, &digests);
        let Some(trace) = context.store.trace(&key) else { return Ok(FileState::Missing(key)) };
        let path = context.figures.join(&spec.name);
        let on_disk = if path.is_file() { context.store.file_digest(&path).ok() } else { None };
        let digest = trace.digest;
        Ok(if on_disk == Some(digest) {
            FileState::UpToDate { key, digest }
        } else {
            FileState::Stored { key, digest, edited: path.symlink_metadata().is_ok() }
        })
    };
    resolved.specs.iter().map(state).collect()
}
