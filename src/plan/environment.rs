//! Probes what stages need besides each other: files of the project, environment variables, versions of tools, data outside of the project.

use std::path::{Path, PathBuf};

use super::{Context, LastBuild, Outside, files_of, locked_environment, outside_data};
use crate::error::{Error, Result};
use crate::program::{self, Readable, Seal};
use crate::spec::{Located, suggest};
use crate::stages::{Found, Needs, Secret, Tool, is_pattern, variable_digest};
use crate::store::Digest;
use crate::threads;
use crate::value::{FileEntry, Tree, encode_tree};

/// Suggestions are made for the first missing files of a stage only, and among at most this many names: each takes time.
const FEW_GUESSES: usize = 10;
const MANY_NAMES: usize = 2000;

/// Up to this many files are hashed on one thread.
const FEW: usize = 8;

/// Everything that a stage needs, with digests of its files. Errors: all that is missing or unusable.
pub fn probe(context: Context, stage: usize) -> Result<Found, Vec<Error>> {
    let definition = &context.graph.stages[stage];
    let (needs, environment) = (definition.stage.needs(), definition.environment.as_deref());
    if needs.is_empty() && environment.is_none() {
        return Ok(Found::default());
    }
    let mut errors = Vec::new();
    let mut found = Found::default();
    for need in &needs.files {
        match digested(context, need) {
            Ok(files) => {
                let tree = Tree { files };
                found.sources.push((need.value.clone(), Digest::hash(&encode_tree(&tree))));
                found.tree.files.extend(tree.files);
            }
            Err(error) if errors.len() < FEW_GUESSES => errors.push(with_suggestion(context, stage, need, error)),
            Err(error) => errors.push(error.at(need.span)),
        }
    }
    found.sources.sort();
    found.sources.dedup();
    found.tree.files.sort();
    found.tree.files.dedup();
    if let Some(environment) = environment {
        match locked_environment::read(context, environment, &|path| digested(context, path)) {
            Ok(environment) => found.environment = Some(environment),
            Err(missing) => errors.extend(missing),
        }
    }
    if let Outside::Recorded(recorded) = context.outside {
        let recorded = recorded.get(&context.graph.stages[stage].name).cloned().unwrap_or_default();
        (found.env, found.tools, found.reads) = (recorded.env, recorded.tools, recorded.reads);
        if let Some(environment) = &mut found.environment {
            environment.python = recorded.python.get(&environment.interpreter).cloned();
        }
        return if errors.is_empty() { Ok(found) } else { Err(errors) };
    }
    for name in &needs.env {
        let value = std::env::var_os(&name.value);
        context.store.observe_variable(&name.value, value.as_deref());
        let value = value.map(|value| value.into_string());
        match value.transpose() {
            Ok(value) => {
                let digest = value.as_ref().map(|value| variable_digest(&name.value, value));
                found.env.insert(name.value.clone(), digest);
                found.values.extend(value.map(|value| (name.value.clone(), Secret(value))));
            }
            Err(_) => {
                errors.push(Error::stage(format!("the value of `{}` is not UTF-8 text", name.value)).at(name.span))
            }
        }
    }
    for data in &needs.reads {
        match outside_data::digest(context, data) {
            Ok(digest) => drop(found.reads.insert(data.name(), digest)),
            Err(error) => errors.push(error),
        }
    }
    let last = match context.outside {
        Outside::LastBuild if !needs.tools.is_empty() || environment.is_some() => {
            Some(LastBuild::read(context.store, &context.graph.stages[stage].name))
        }
        _ => None,
    };
    for tool in &needs.tools {
        let version = match &last {
            // An earlier revision: the tool may be gone, and the stage may have changed or been removed since.
            Some(last) if context.otherwise.is_some() => {
                Ok(recorded(last.as_ref(), tool).or_else(|| context.store.last_version(&tool.command_line())))
            }
            Some(last) => last_version(last.as_ref(), tool, context.home),
            None => version(context, tool).map(Some),
        };
        match version {
            Ok(Some(version)) => drop(found.tools.insert(tool.command_line(), version)),
            Ok(None) => found.unasked.push(tool.command_line()),
            Err(error) => errors.push(error.at(tool.span)),
        }
    }
    if let Some((environment, found_environment)) = environment.zip(found.environment.as_mut()) {
        let interpreter = &environment.interpreter;
        let tool = locked_environment::version_command(environment);
        let asked = match &last {
            Some(_) if context.otherwise.is_none() && program::find(interpreter, context.home).is_none() => {
                Err(missing_interpreter(interpreter))
            }
            Some(last) => Ok((locked_environment::last_version(last.as_ref(), environment), None)),
            None if program::find(interpreter, context.home).is_none() => Err(missing_interpreter(interpreter)),
            None => version(context, &tool)
                .map_err(|error| locked_environment::unusable(environment).output(vec![error.message]))
                .and_then(|printed| locked_environment::parse_version(environment, &printed))
                .map(|(version, file)| (Some(version), Some(file))),
        };
        match asked {
            Ok((python, executable)) => {
                if python.is_none() {
                    found.unasked.push(interpreter.value.clone());
                }
                (found_environment.python, found_environment.executable) = (python, executable);
            }
            Err(error) => errors.push(error.at(interpreter.span)),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The interpreter of an environment is not installed.
fn missing_interpreter(name: &str) -> Error {
    match name.strip_prefix("python").filter(|version| version.starts_with(|c: char| c.is_ascii_digit())) {
        Some(version) if version.contains('.') => {
            program::missing(name).hint(format!("`uv python install {version}` installs it for your user"))
        }
        _ => program::missing(name),
    }
}

/// The errors of [`probe`] that are found without reading a file or running a tool.
pub fn faults(context: Context, stage: usize) -> Vec<Error> {
    let Needs { files, tools, reads, .. } = context.graph.stages[stage].stage.needs();
    let mut guesses = 0..FEW_GUESSES;
    let files = files.iter().filter_map(|need| {
        let error = files_of(context, &need.value).err()?;
        Some(if guesses.next().is_some() { with_suggestion(context, stage, need, error) } else { error.at(need.span) })
    });
    let missing = tools.iter().filter_map(|tool| {
        let name = tool.0.first().map(String::as_str).unwrap_or_default();
        let there = program::find(name, context.home).is_some();
        (!there).then(|| program::missing(name).at(tool.span))
    });
    let reads = reads.iter().filter_map(|data| outside_data::locate(context, data).err());
    let environment = context.graph.stages[stage].environment.as_deref();
    let of_environment = environment.into_iter().flat_map(|environment| {
        let interpreter = &environment.interpreter;
        let there = program::find(interpreter, context.home).is_some();
        let missing = (!there).then(|| missing_interpreter(interpreter).at(interpreter.span));
        locked_environment::faults(context, environment).into_iter().chain(missing)
    });
    files.chain(missing).chain(reads).chain(of_environment).collect()
}

/// The files of the project that these stages and their inputs read, existing or not: what `watch` watches.
pub fn watched_files(context: Context, stages: &[usize]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for stage in context.graph.needed(stages) {
        let Needs { files, tools, .. } = context.graph.stages[stage].stage.needs();
        for need in files {
            match files_of(context, &need.value) {
                Ok(files) => found.extend(files.into_iter().map(|(path, _)| context.home.join(path))),
                Err(_) => found.push(context.home.join(need.value)),
            }
        }
        if let Some(environment) = context.graph.stages[stage].environment.as_deref() {
            found.extend(environment.files().map(|path| context.home.join(&path.value)));
            let read = locked_environment::read(context, environment, &|path| digested(context, path));
            let files = read.into_iter().flat_map(|environment| environment.tree.files);
            found.extend(files.map(|file| context.home.join(file.path)));
        }
        let programs = tools.iter().filter_map(|tool| tool.0.first());
        found.extend(programs.filter(|name| name.contains('/')).map(|name| context.home.join(name)));
    }
    found.sort();
    found.dedup();
    found
}

fn digested(context: Context, need: &Located<String>) -> Result<Vec<FileEntry>> {
    let (files, context) = match (files_of(context, &need.value), context.otherwise) {
        (Err(_), Some(home)) => {
            let elsewhere = Context { home, otherwise: None, ..context };
            (files_of(elsewhere, &need.value)?, elsewhere)
        }
        (files, _) => (files?, context),
    };
    let digest = |(path, meta): (String, std::fs::Metadata)| {
        let digest = context.store.file_digest(&context.home.join(&path))?;
        Ok(FileEntry { path, digest, size: meta.len(), executable: program::is_executable(&meta) })
    };
    if files.len() > FEW {
        threads::map(files, digest).into_iter().collect()
    } else {
        files.into_iter().map(digest).collect()
    }
}

/// Add the location to an error about a file, and a suggestion if there is no such file.
fn with_suggestion(context: Context, stage: usize, need: &Located<String>, error: Error) -> Error {
    let error = error.at(need.span);
    if !error.hints.is_empty() || is_pattern(&need.value) || context.home.join(&need.value).exists() {
        return error;
    }
    let graph = context.graph;
    let takes_stages = graph.stages[stage].stage.kind().is_program;
    let (folder, prefix) = match need.value.rsplit_once('/') {
        Some((folder, _)) => (context.home.join(folder), format!("{folder}/")),
        None => (context.home.to_path_buf(), String::new()),
    };
    let beside = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        beside.filter(|name| !name.starts_with('.')).map(|name| format!("{prefix}{name}")).collect();
    names.sort();
    if takes_stages {
        let others = graph.stages.iter().enumerate().filter(|(i, _)| *i != stage);
        names.extend(others.map(|(_, other)| other.name.clone()));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = match takes_stages {
        true => format!("there is no stage and no file `{}`", need.value),
        false => format!("there is no file `{}`", need.value),
    };
    let few = if names.len() <= MANY_NAMES { names.as_slice() } else { &[] };
    let hint = match crate::spec::nearest(&need.value, few.iter().copied()) {
        None if names.len() > 12 => "paths are relative to the paper file's folder".to_string(),
        _ => suggest(&need.value, &names),
    };
    Error { message, ..error }.hint(hint)
}

/// The version of a tool in the last build of the stage; `None` if there was none.
fn last_version(last: Option<&LastBuild>, tool: &Tool, home: &Path) -> Result<Option<String>> {
    let name = tool.0.first().map(String::as_str).unwrap_or_default();
    if program::find(name, home).is_none() {
        return Err(program::missing(name));
    }
    Ok(recorded(last, tool))
}

/// The version of a tool that the last build of a stage recorded.
fn recorded(last: Option<&LastBuild>, tool: &Tool) -> Option<String> {
    last?.manifest.get("tools")?.get(tool.command_line())?.as_str().map(str::to_string)
}

/// Run a tool for its version. A binary that is named alone is run again only when its file has changed; scripts and longer commands may depend
/// on anything, and are run in every build.
fn version(context: Context, tool: &Tool) -> Result<String> {
    let Context { store, home, .. } = context;
    let name = tool.0.first().map(String::as_str).unwrap_or_default();
    let file = program::find(name, home).and_then(|path| std::fs::canonicalize(path).ok());
    let is_script = |path: &Path| {
        let mut start = [0; 2];
        let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
        read.is_err() || start == *b"#!"
    };
    let identity = match file.filter(|path| tool.0.len() == 1 && !is_script(path)) {
        Some(path) => Some(store.file_digest(&path)?),
        None => None,
    };
    // `PATH` and what a tool reads may change without a change of its file.
    store.mark_uncacheable();
    store.version(&tool.command_line(), identity, || program::version(&tool.0, home, seal(context, tool).as_ref()))
}

/// The seal of a command that is run for its version: those of a paper that is not trusted have one.
fn seal(context: Context, tool: &Tool) -> Option<Seal> {
    let support = program::seal_support();
    if !context.graph.always_sealed || !support.files {
        return None;
    }
    let mut readable = Readable::of_machine(&[context.home]);
    readable.add_programs_of_command(&tool.0);
    let mut read = readable.into_paths();
    read.extend(std::fs::canonicalize(context.home).ok());
    Some(Seal { read, write: Readable::changed().collect(), network: support.network })
}
