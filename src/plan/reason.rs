//! Why a stage is stale: one variant for each cause, with old and new values, the most helpful first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::Context;
use super::environment_changes;
use super::last_build::LastBuild;
use super::resolve::{FileState, Resolved, input_digest};
use crate::error::Error;
use crate::key::{Change, diff};
use crate::stages::{Definition, variable_digest};
use crate::store::Digest;

/// Why a stage is stale.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// `--rerun` was given.
    Again,
    /// No stage of this name was built before.
    NeverBuilt,
    /// A setting was changed; `line` is its line in the paper file, if it still exists.
    Changed { change: Change, line: Option<u32> },
    /// An environment variable was changed. Its values may be secret and are not included.
    Variable { name: String, what: &'static str, line: Option<u32> },
    /// The environment of the program was changed: its lock files, or its interpreter.
    Environment { name: String, what: String, line: Option<u32> },
    /// The version of this tool is unknown: no build has run it.
    Unasked(String),
    /// The content of an input has changed since the stage was built.
    InputChanged(String),
    /// An input is stale.
    InputStale(String),
    /// Results are missing from the cache.
    NotCached(usize),
    /// A file in `figures/` is missing.
    FileMissing(String),
    /// A file in `figures/` is not the one that was built.
    FileEdited(String),
    /// A file or a tool that it needs is missing or cannot be used.
    Fault(Error),
    /// Inputs were added or removed.
    Inputs { added: Vec<String>, removed: Vec<String> },
}

impl Reason {
    /// One line of text.
    pub fn describe(&self, file: &str) -> String {
        match self {
            Reason::Again => "forced by --rerun".into(),
            Reason::NeverBuilt => "not built yet".into(),
            Reason::Changed { change, line } => {
                let place = line.map(|line| format!(" ({file}:{line})")).unwrap_or_default();
                format!("{}: {}{place}", change.name(), change.describe())
            }
            Reason::Variable { name, what, line } => {
                let place = line.map(|line| format!(" ({file}:{line})")).unwrap_or_default();
                format!("env.{name}: {what}{place}")
            }
            Reason::Environment { name, what, line } => {
                let place = line.map(|line| format!(" ({file}:{line})")).unwrap_or_default();
                format!("environment {name}: {what}{place}")
            }
            Reason::Unasked(tool) => {
                format!("the version of `{tool}` is not known: only a build runs it")
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

    /// The name in JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Again => "again",
            Reason::NeverBuilt => "never-built",
            Reason::Changed { .. } | Reason::Variable { .. } | Reason::Environment { .. } => "changed",
            Reason::Unasked(_) => "unasked",
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

/// The settings in which two manifests of a stage differ, with their lines in its current definition.
pub fn changed_settings(definition: &Definition, old: &Json, new: &Json) -> Vec<Reason> {
    let line = |path: &[&str]| Some(definition.body.deepest(path).span.line).filter(|line| *line > 0);
    let reason = |change: Change| {
        let path: Vec<&str> =
            change.path.iter().map(String::as_str).skip_while(|step| *step == definition.stage.kind().name).collect();
        let line = line(&path);
        if path.first() == Some(&"reads") { of_data(&change) } else { Reason::Changed { change, line } }
    };
    if !definition.stage.kind().is_program {
        return diff(old, new).into_iter().map(reason).collect();
    }
    // Records of older versions hold values of variables. They are compared by digest, and never shown.
    let ((mut old, was), (mut new, is)) = (without_variables(old), without_variables(new));
    let environment = |manifest: &mut Json| manifest.as_object_mut().and_then(|map| map.remove("environment"));
    let (had, has) = (environment(&mut old), environment(&mut new));
    let mut found: Vec<Reason> = diff(&old, &new).into_iter().map(reason).collect();
    if let Some((name, what)) = environment_changes::describe(had.as_ref(), has.as_ref()) {
        let declared = definition.environment.as_ref().map(|environment| environment.span().line);
        found.push(Reason::Environment { name, what, line: declared });
    }
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        let what = match (was.get(name), is.get(name)) {
            (None, _) => "is read now",
            (_, None) => "is not read any more",
            (Some(old), Some(new)) if old == new => continue,
            (Some(None), _) => "is set now",
            (_, Some(None)) => "is not set any more",
            _ => "changed",
        };
        found.push(Reason::Variable { name: name.clone(), what, line: line(&["env"]) });
    }
    found
}

/// A change of data outside of the project. Its digests say nothing to users.
fn of_data(change: &Change) -> Reason {
    let names = |json: &Option<Json>| match (change.path.get(1), json) {
        (_, None) => Vec::new(),
        (Some(name), Some(_)) => vec![name.clone()],
        (None, Some(all)) => all.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect(),
    };
    match (names(&change.new), names(&change.old)) {
        (new, old) if new == old => Reason::InputChanged(new.join(", ")),
        (added, removed) => Reason::Inputs { added, removed },
    }
}

/// Split the manifest of a program into the part without its variables, and the digests of their values.
fn without_variables(manifest: &Json) -> (Json, BTreeMap<String, Option<Digest>>) {
    let mut rest = manifest.clone();
    let variables = rest.as_object_mut().and_then(|map| map.remove("env"));
    let digest = |name: &str, value: &Json| {
        let value = value.as_str()?;
        Some(serde_json::from_value(json!(value)).unwrap_or_else(|_| variable_digest(name, value)))
    };
    let variables = variables.as_ref().and_then(Json::as_object).into_iter().flatten();
    let digests = variables.map(|(name, value)| (name.clone(), digest(name, value))).collect();
    (rest, digests)
}

/// Why a stage is stale, from its last build and the states of its inputs.
pub fn reasons(
    context: Context,
    stage: usize,
    last: Option<&LastBuild>,
    inputs: &[&Resolved],
    resolved: &Resolved,
) -> Vec<Reason> {
    let graph = context.graph;
    let definition = &graph.stages[stage];
    let unasked = resolved.found.unasked.iter().cloned().map(Reason::Unasked);
    let Some(last) = last else { return [Reason::NeverBuilt].into_iter().chain(unasked).collect() };
    let mut found = changed_settings(definition, &last.manifest, &resolved.manifest(&*definition.stage));
    found.extend(unasked);
    let stages = graph.inputs[stage].iter().map(|&i| graph.stages[i].name.clone());
    let names: Vec<String> = stages.chain(resolved.found.sources.iter().map(|(name, _)| name.clone())).collect();
    let before: Vec<String> = last.inputs.iter().map(|(name, _)| name.clone()).collect();
    let added: Vec<String> = names.iter().filter(|name| !before.contains(name)).cloned().collect();
    let removed: Vec<String> = before.iter().filter(|name| !names.contains(name)).cloned().collect();
    if !added.is_empty() || !removed.is_empty() {
        found.push(Reason::Inputs { added, removed });
    }
    let layouts = graph.inputs[stage].iter().map(|&i| &graph.layouts[i]);
    let stages = inputs.iter().zip(layouts).map(|(input, layout)| Some(input_digest(layout, &input.digests()?)));
    let files = resolved.found.sources.iter().map(|(_, digest)| Some(*digest));
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

/// Why a stage with unchanged settings and inputs is stale: what is missing.
pub fn missing(state: &Resolved, units: usize) -> Vec<Reason> {
    let mut found = Vec::new();
    if units > 0 {
        found.push(Reason::NotCached(units));
    }
    for (spec, file) in state.specs.iter().zip(&state.files) {
        match file {
            FileState::Stored { edited: false, .. } => found.push(Reason::FileMissing(spec.name.clone())),
            FileState::Stored { .. } => found.push(Reason::FileEdited(spec.name.clone())),
            FileState::Missing(_) => found.push(Reason::FileMissing(spec.name.clone())),
            _ => {}
        }
    }
    found
}
