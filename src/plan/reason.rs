//! Why a stage is out of date: one variant for each cause, with old and new values, in the order of how much they explain.

use serde_json::{Value as Json, json};

use super::{Context, FileState, Resolved, stage_digest};
use crate::error::Error;
use crate::key::{Change, diff};
use crate::stages::Definition;
use crate::store::{Digest, Store};

/// Why a stage is not current.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It was asked for.
    Again,
    /// No stage of this name was built before.
    NeverBuilt,
    /// A setting was changed; the place in the paper file, if it is still there.
    Changed { change: Change, line: Option<u32> },
    /// An input has other content than when the stage was built.
    InputChanged(String),
    /// An input is itself out of date.
    InputStale(String),
    /// Results are missing from the cache.
    NotCached(usize),
    /// A file in `figures/` is missing.
    FileMissing(String),
    /// A file in `figures/` is not the one that was built.
    FileEdited(String),
    /// A file or a tool that it needs is missing or cannot be used.
    Fault(Error),
    /// Which inputs it has changed.
    Inputs { added: Vec<String>, removed: Vec<String> },
}

impl Reason {
    /// One line for people.
    pub fn words(&self, file: &str) -> String {
        match self {
            Reason::Again => "is to run again (--rerun)".into(),
            Reason::NeverBuilt => "not built yet".into(),
            Reason::Changed { change, line } => {
                let place = line.map(|line| format!(" ({file}:{line})")).unwrap_or_default();
                format!("{}: {}{place}", change.name(), change.words())
            }
            Reason::InputChanged(name) => format!("`{name}` has new content"),
            Reason::InputStale(name) => format!("`{name}` is out of date"),
            Reason::NotCached(1) => "1 result is not in the cache".into(),
            Reason::NotCached(n) => format!("{n} results are not in the cache"),
            Reason::FileMissing(name) => format!("{name} is missing"),
            Reason::FileEdited(name) => format!("{name} is not the file that was built"),
            Reason::Fault(error) => match error.span {
                Some(span) => format!("{} ({file}:{})", error.message, span.line),
                None => error.message.clone(),
            },
            Reason::Inputs { added, removed } => {
                let list = |word: &str, names: &[String]| {
                    if names.is_empty() { String::new() } else { format!("{word} {}", names.join(", ")) }
                };
                let both = [list("now reads", added), list("no longer reads", removed)];
                both.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// A word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Again => "again",
            Reason::NeverBuilt => "never-built",
            Reason::Changed { .. } => "changed",
            Reason::InputChanged(_) => "input-changed",
            Reason::InputStale(_) => "input-stale",
            Reason::NotCached(_) => "not-cached",
            Reason::FileMissing(_) => "file-missing",
            Reason::FileEdited(_) => "file-edited",
            Reason::Fault(_) => "fault",
            Reason::Inputs { .. } => "inputs",
        }
    }
}

/// What is remembered of the last build of a stage: only for explanations and estimates, never to decide anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    pub manifest: Json,
    /// Names and digests of the inputs.
    pub inputs: Vec<(String, String)>,
    /// Measured time over estimated time of its units.
    pub pace: Option<f64>,
}

impl Last {
    pub fn read(store: &Store, name: &str) -> Option<Last> {
        let json = store.last(name)?;
        let inputs = json
            .get("inputs")?
            .as_array()?
            .iter()
            .filter_map(|pair| Some((pair.get(0)?.as_str()?.to_string(), pair.get(1)?.as_str()?.to_string())));
        Some(Last {
            manifest: json.get("manifest")?.clone(),
            inputs: inputs.collect(),
            pace: json.get("pace").and_then(Json::as_f64).filter(|pace| pace.is_finite() && *pace > 0.0),
        })
    }

    /// Remember a build.
    pub fn write(&self, store: &Store, name: &str) {
        let json = json!({"manifest": self.manifest, "inputs": self.inputs, "pace": self.pace});
        // Losing this costs an explanation, not a result.
        if let Err(error) = store.set_last(name, &json) {
            tracing::debug!("not remembered: {error}");
        }
    }
}

/// The settings in which two manifests of a stage differ, with their lines in its definition of now.
pub fn changed(definition: &Definition, old: &Json, new: &Json) -> Vec<Reason> {
    let reason = |change: Change| {
        let path: Vec<&str> =
            change.path.iter().map(String::as_str).skip_while(|step| *step == definition.kind.name()).collect();
        let line = Some(definition.body.deepest(&path).span.line).filter(|line| *line > 0);
        Reason::Changed { change, line }
    };
    diff(old, new).into_iter().map(reason).collect()
}

/// Why a stage may be out of date, from what was built last under its name and how its inputs stand.
pub fn reasons(
    context: Context,
    stage: usize,
    last: Option<&Last>,
    inputs: &[&Resolved],
    resolved: &Resolved,
) -> Vec<Reason> {
    let graph = context.graph;
    let definition = &graph.stages[stage];
    let Some(last) = last else { return vec![Reason::NeverBuilt] };
    let mut found = changed(definition, &last.manifest, &resolved.manifest(&definition.kind));
    let stages = graph.inputs[stage].iter().map(|&i| graph.stages[i].name.clone());
    let names: Vec<String> = stages.chain(resolved.found.sources.iter().map(|(name, _)| name.clone())).collect();
    let before: Vec<String> = last.inputs.iter().map(|(name, _)| name.clone()).collect();
    let added: Vec<String> = names.iter().filter(|name| !before.contains(name)).cloned().collect();
    let removed: Vec<String> = before.iter().filter(|name| !names.contains(name)).cloned().collect();
    if !added.is_empty() || !removed.is_empty() {
        found.push(Reason::Inputs { added, removed });
    }
    let stages = inputs.iter().map(|input| input.digests().map(|digests| stage_digest(&digests)));
    let files = resolved.found.sources.iter().map(|(_, digest)| Some(Digest(*digest)));
    for (name, digest) in names.iter().zip(stages.chain(files)) {
        let known = last.inputs.iter().find(|(old, _)| old == name).map(|(_, digest)| digest);
        match (digest, known) {
            (None, _) => found.push(Reason::InputStale(name.clone())),
            (Some(digest), Some(known)) if digest.to_string() != *known => {
                found.push(Reason::InputChanged(name.clone()));
            }
            _ => {}
        }
    }
    found
}

/// Why a stage with unchanged settings and inputs is out of date all the same.
pub fn missing(state: &Resolved, units: usize) -> Vec<Reason> {
    let mut found = Vec::new();
    if units > 0 {
        found.push(Reason::NotCached(units));
    }
    for (spec, file) in state.specs.iter().zip(&state.files) {
        match file {
            FileState::Stored { .. } => found.push(Reason::FileEdited(spec.name.clone())),
            FileState::Missing(_) => found.push(Reason::FileMissing(spec.name.clone())),
            _ => {}
        }
    }
    found
}
