//! Compares the lock file with the paper file, the code, the data and the files in `figures/`. It needs no results and runs no stage.

use std::collections::BTreeMap;
use std::path::Path;

use super::environment::probe;
use super::fingerprint::{is_locked, settings, stage_key};
use super::lock::{LockFile, LockedStage};
use super::{Context, Outside, Recorded};
use crate::error::{Error, Result};
use crate::stages::{FileSpec, Found};
use crate::store::{Digest, hash_file};

/// Files larger than this are not compared with other line ends.
const MAX_TEXT: u64 = 64 << 20;

/// Why a stage is not what the lock file records.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// The lock file has no line of it.
    NotLocked,
    /// A file that it needs is missing or cannot be used.
    Fault(Error),
    /// Its settings have changed; the line of the stage in the paper file.
    Settings(u32),
    /// The content of a file, folder or pattern has changed.
    InputChanged(String),
    /// It reads a file, stage, variable or tool that it did not read.
    InputAdded(String),
    /// It does not read it any more.
    InputRemoved(String),
    /// It was made from other results of this stage than those that the lock file records.
    OtherResult(String),
    /// A stage that it reads is not up to date.
    InputStale(String),
    /// Nothing of the project has changed: another version of the program makes it in another way.
    Program,
    /// A file in `figures/` is not there.
    FileMissing(String),
    /// A file in `figures/` is not the recorded one.
    FileEdited(String),
    /// A file in `figures/` differs only by its line ends.
    FileLineEnds(String),
    /// A variable has another value here.
    Variable(String),
    /// Data outside of the project has another listing here.
    Data(String),
    /// A tool has another version here.
    Tool { tool: String, was: String, is: String },
}

impl Mismatch {
    /// One line of text. `paper` and `lock` are the names of the files.
    pub fn describe(&self, paper: &str, lock: &str) -> String {
        match self {
            Mismatch::NotLocked => format!("it has no valid line in {lock}"),
            Mismatch::Fault(error) => error.message.clone(),
            Mismatch::Settings(line) => format!("its settings have changed ({paper}:{line})"),
            Mismatch::InputChanged(name) => format!("`{name}` has changed"),
            Mismatch::InputAdded(name) => format!("`{name}` is read now"),
            Mismatch::InputRemoved(name) => format!("`{name}` is not read any more"),
            Mismatch::OtherResult(name) => format!("it was made from other results of `{name}` than those in {lock}"),
            Mismatch::InputStale(name) => format!("its input `{name}` is out of date"),
            Mismatch::Program => "this version of repro makes it in another way".into(),
            Mismatch::FileMissing(name) => format!("{name} is missing"),
            Mismatch::FileEdited(name) => format!("{name} is not the file of {lock}"),
            Mismatch::FileLineEnds(name) => {
                format!("{name} has other line ends: git changed them; `figures/** -text` in .gitattributes keeps them")
            }
            Mismatch::Variable(name) => format!("the variable `{name}` has another value here"),
            Mismatch::Data(name) => format!("`{name}` is other data here"),
            Mismatch::Tool { tool, was, is } => format!("{tool}: {was} -> {is}"),
        }
    }

    /// Its name in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Mismatch::NotLocked => "not-locked",
            Mismatch::Fault(_) => "fault",
            Mismatch::Settings(_) => "changed",
            Mismatch::InputChanged(_) => "input-changed",
            Mismatch::InputAdded(_) => "input-added",
            Mismatch::InputRemoved(_) => "input-removed",
            Mismatch::OtherResult(_) => "other-result",
            Mismatch::InputStale(_) => "input-stale",
            Mismatch::Program => "program",
            Mismatch::FileMissing(_) => "file-missing",
            Mismatch::FileEdited(_) => "file-edited",
            Mismatch::FileLineEnds(_) => "file-line-ends",
            Mismatch::Variable(_) => "variable",
            Mismatch::Data(_) => "data",
            Mismatch::Tool { .. } => "tool",
        }
    }
}

/// How a stage compares with its line.
#[derive(Debug)]
pub struct StageCheck {
    pub stage: usize,
    /// Empty if it is up to date.
    pub mismatches: Vec<Mismatch>,
    /// The files that it should have in `figures/`.
    pub files: usize,
}

/// Compare these stages and all that they need, inputs first. Values of variables and versions of tools are taken from the lock file, unless
/// `environment` asks to compare them with this machine: then tools are run for their versions.
pub fn check(context: Context, lock: &LockFile, targets: &[usize], environment: bool) -> Result<Vec<StageCheck>> {
    let recorded = lock.environment();
    let context = Context { outside: Outside::Recorded(&recorded), ..context };
    let graph = context.graph;
    let mut stale = vec![false; graph.stages.len()];
    let mut checks = Vec::new();
    for stage in graph.needed(targets).into_iter().filter(|&stage| is_locked(context, stage)) {
        let Some(line) = lock.stages.get(&graph.stages[stage].name) else {
            stale[stage] = true;
            checks.push(StageCheck { stage, mismatches: vec![Mismatch::NotLocked], files: 0 });
            continue;
        };
        let mut mismatches = match probe(context, stage) {
            Ok(found) => compare_inputs(context, lock, stage, line, &found)?,
            Err(faults) => faults.into_iter().map(Mismatch::Fault).collect(),
        };
        let names = graph.inputs[stage].iter().filter(|&&input| stale[input]).map(|&i| graph.stages[i].name.clone());
        mismatches.extend(names.map(Mismatch::InputStale));
        if environment {
            mismatches.extend(compare_environment(context, stage, &line.outside));
        }
        // What is missing in `figures/` makes no reader wrong.
        stale[stage] = !mismatches.is_empty();
        let specs = context.publish.files(&graph.stages[stage]);
        mismatches.extend(specs.iter().filter_map(|spec| compare_file(context, line, spec)));
        checks.push(StageCheck { stage, mismatches, files: specs.len() });
    }
    Ok(checks)
}

/// Which of the settings and inputs of a stage are not those of its line.
fn compare_inputs(
    context: Context,
    lock: &LockFile,
    stage: usize,
    line: &LockedStage,
    found: &Found,
) -> Result<Vec<Mismatch>> {
    let graph = context.graph;
    let definition = &graph.stages[stage];
    let mut mismatches = Vec::new();
    // What is outside of the project is in the key by their names too; their values are those of the line.
    let needs = definition.stage.needs();
    let tools = needs.tools.iter().map(|tool| tool.command_line());
    let declared = needs.env.iter().map(|name| name.value.clone()).chain(tools);
    let interpreter = definition.environment.iter().map(|environment| environment.interpreter.value.clone());
    let declared = declared.chain(needs.reads.iter().map(|data| data.name())).chain(interpreter).collect();
    let Recorded { env, tools, reads, python } = &line.outside;
    let other = other_names(
        declared,
        env.keys().chain(tools.keys()).chain(reads.keys()).chain(python.keys()).cloned().collect(),
    );
    let names: Vec<&str> = graph.inputs[stage].iter().map(|&input| graph.stages[input].name.as_str()).collect();
    let lines = names.iter().map(|name| Some((*name, lock.stages.get(*name)?)));
    let inputs: Option<Vec<(&str, &LockedStage)>> = lines.collect();
    // Without the line of an input that input is out of date, which is said.
    let Some(inputs) = inputs else { return Ok(other) };
    if stage_key(context, stage, found, &inputs)? == line.key {
        return Ok(other);
    }
    if settings(context, stage) != line.settings {
        mismatches.push(Mismatch::Settings(definition.span.line));
    }
    let results = inputs.iter().map(|(name, input)| (name.to_string(), input.result.short())).collect();
    let sources = found.sources_with_environment().into_iter();
    let sources = sources.map(|(name, digest)| (name, digest.short())).collect();
    mismatches.extend(changed(&line.sources, &sources, Mismatch::InputChanged));
    mismatches.extend(changed(&line.stages, &results, Mismatch::OtherResult));
    mismatches.extend(other);
    if mismatches.is_empty() {
        mismatches.push(Mismatch::Program);
    }
    Ok(mismatches)
}

/// The differences between recorded and present digests by name.
fn changed(
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
    change: fn(String) -> Mismatch,
) -> Vec<Mismatch> {
    let other = is.iter().filter(|(name, digest)| was.get(*name).is_some_and(|was| was != *digest));
    let mut found: Vec<Mismatch> = other.map(|(name, _)| change(name.clone())).collect();
    found.extend(other_names(is.keys().cloned().collect(), was.keys().cloned().collect()));
    found
}

/// Names that were added or removed.
fn other_names(is: Vec<String>, was: Vec<String>) -> Vec<Mismatch> {
    let added = is.iter().filter(|name| !was.contains(name)).cloned().map(Mismatch::InputAdded);
    let removed = was.iter().filter(|name| !is.contains(name)).cloned().map(Mismatch::InputRemoved);
    added.chain(removed).collect()
}

/// Variables and tools that are not on this machine what they were when the stage was built.
fn compare_environment(context: Context, stage: usize, was: &Recorded) -> Vec<Mismatch> {
    let found = match probe(Context { outside: Outside::Machine, ..context }, stage) {
        Ok(found) => found,
        // A missing file is reported anyway.
        Err(faults) => return faults.into_iter().map(Mismatch::Fault).collect(),
    };
    let other = found.env.iter().filter(|(name, digest)| was.env.get(*name).is_some_and(|was| was != *digest));
    let variables = other.map(|(name, _)| Mismatch::Variable(name.clone()));
    let tools = found.tools.iter().filter_map(|(tool, is)| {
        let was = was.tools.get(tool).filter(|was| *was != is)?;
        Some(Mismatch::Tool { tool: tool.clone(), was: was.clone(), is: is.clone() })
    });
    let other = found.reads.iter().filter(|(name, digest)| was.reads.get(*name).is_some_and(|was| was != *digest));
    let data = other.map(|(name, _)| Mismatch::Data(name.clone()));
    let python = found.environment.as_ref().and_then(|environment| {
        let (is, was) = (environment.python.clone()?, was.python.get(&environment.interpreter)?.clone());
        (is != was).then(|| Mismatch::Tool { tool: environment.interpreter.clone(), was, is })
    });
    variables.chain(tools).chain(data).chain(python).collect()
}

/// What is wrong with a file in `figures/`.
fn compare_file(context: Context, line: &LockedStage, spec: &FileSpec) -> Option<Mismatch> {
    let path = context.figures.join(&spec.name);
    let name = path.display().to_string();
    if !path.is_file() {
        return Some(Mismatch::FileMissing(name));
    }
    // A file that the line does not name is a change of the settings, which is said.
    let locked = line.files.get(&spec.name)?;
    // Read in full: what is committed is compared, not what a cache remembers of it.
    match hash_file(&path) {
        Err(error) => Some(Mismatch::Fault(error)),
        Ok(digest) if digest == *locked => None,
        Ok(_) if with_other_line_ends(&path).contains(locked) => Some(Mismatch::FileLineEnds(name)),
        Ok(_) => Some(Mismatch::FileEdited(name)),
    }
}

/// The digests of a text file with the line ends of Unix and of Windows: git may have changed them.
fn with_other_line_ends(path: &Path) -> Vec<Digest> {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= MAX_TEXT);
    let text = std::fs::read(path).ok().filter(|_| small).and_then(|bytes| String::from_utf8(bytes).ok());
    let unix = text.map(|text| text.replace("\r\n", "\n"));
    let both = unix.iter().flat_map(|unix| [unix.clone(), unix.replace('\n', "\r\n")]);
    both.map(|text| Digest::hash(text.as_bytes())).collect()
}
