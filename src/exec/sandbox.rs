//! The sandbox of one run of a program: a folder below the cache with exactly the declared inputs, deleted afterwards.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde_json::{Value as Json, json};

use super::content::{copy, copy_of_project, lost};
use super::environments::activate;
use super::sealed_paths::SealedPaths;
use super::stage_inputs::StageInputs;
use crate::error::{Error, Result};
use crate::exchange;
use crate::plan::{self, Context};
use crate::program::{NetworkAccess, ProgramUsage, Readable, Seal, seal_support};
use crate::stages::{Declared, FIGURES, Holds, Layout, Read, Sandbox, SealSetting, file_name};
use crate::store::{Scratch, content_key};
use crate::train::cuda;
use crate::value::{Digest, decode_tree};

/// Variables that are passed to every program: where programs and libraries are, and who the user is.
const PASSED: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "NIX_PATH",
    "SystemRoot",
];

/// Variables with fixed values, for reproducible results: language, time zone, dates in files, Python's hash seed.
const FIXED: [(&str, &str); 6] = [
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("SOURCE_DATE_EPOCH", "0"),
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
];

/// The list of the points of a sweep, in the folder of its files.
const POINTS: &str = "points.json";

/// For each point of a sweep its folder and its coordinates.
fn points(layout: &Layout) -> Json {
    let point = |unit: usize| json!({"folder": layout.folder(unit), "at": layout.json(unit)});
    Json::Array((0..layout.units).map(point).collect())
}

pub struct ProgramSandbox<'a> {
    inputs: &'a StageInputs<'a, 'a>,
    scratch: &'a Scratch,
    folder: PathBuf,
    tmp: PathBuf,
    /// Folders that have been created.
    made: RefCell<HashSet<PathBuf>>,
}

impl<'a> ProgramSandbox<'a> {
    pub fn new(inputs: &'a StageInputs<'_, '_>) -> Result<ProgramSandbox<'a>> {
        let scratch = inputs.shared.scratch()?;
        let (folder, tmp) = (scratch.folder()?, scratch.tmp()?);
        Ok(ProgramSandbox { inputs, scratch, made: RefCell::new(HashSet::from([folder.clone()])), folder, tmp })
    }

    /// The full path of an input in the sandbox, with its parent folders created. Errors: another input has this path.
    fn place(&self, path: &str) -> Result<PathBuf> {
        let full = self.folder.join(path);
        let folder = full.parent().unwrap_or(&self.folder);
        if self.made.borrow().contains(folder) {
            return if full.symlink_metadata().is_err() {
                Ok(full)
            } else {
                Err(Error::user(format!("two inputs map to the same path `{path}`")).hint("rename one of them"))
            };
        }
        std::fs::create_dir_all(folder).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                Error::user(format!("two inputs map to the same path `{path}`: one is a file, the other a folder"))
            }
            _ => Error::io("make the folder", folder, &e),
        })?;
        self.made
            .borrow_mut()
            .extend(folder.ancestors().take_while(|above| *above != self.folder).map(Path::to_path_buf));
        Ok(full)
    }

    /// Copy the files of a stage: files of the project to their own paths, others into a folder named like the stage; in a sweep into a folder
    /// for each point, with a list of the points.
    fn files(&self, read: &Read, stage: usize) -> Result<()> {
        let context = self.inputs.shared.context;
        let definition = &context.graph.stages[stage];
        let own_path = definition.stage.holds() == Holds::ProjectFiles;
        let layout = read.points.as_ref().unwrap_or(&context.graph.layouts[stage]);
        if !layout.axes.is_empty() {
            let path = self.place(&format!("{}/{POINTS}", definition.name))?;
            let text = format!("{:#}\n", points(layout));
            std::fs::write(&path, text).map_err(|e| Error::io("write", &path, &e))?;
        }
        for (at, unit) in read.units.iter().enumerate() {
            let unit = self.inputs.results[read.input][*unit];
            let folder = [definition.name.as_str(), &layout.folder(at)].join("/");
            let folder = folder.trim_end_matches('/');
            let payload = context.store.load(&unit.0, &unit.1).ok_or_else(lost)?;
            let tree =
                decode_tree(&payload).ok_or_else(|| Error::internal("a stored result is not a list of files"))?;
            for file in &tree.files {
                let own_path = own_path || file.path.starts_with(FIGURES);
                let path = if own_path { file.path.clone() } else { format!("{folder}/{}", file.path) };
                if self.needed(&path, &file.digest) {
                    continue;
                }
                copy(context, stage, unit, file, &self.place(&path)?)?;
            }
        }
        Ok(())
    }

    /// Whether this file of the project was copied already because the stage also names it as a file.
    fn needed(&self, path: &str, digest: &Digest) -> bool {
        self.inputs.found.tree.get(path).is_some_and(|file| file.digest == *digest)
    }

    /// A hint, if this is a file of the project that is not an input.
    fn undeclared(&self, name: &str) -> Option<String> {
        let undeclared_paths =
            self.inputs.shared.context.home.join(name).exists() && self.inputs.found.tree.get(name).is_none();
        undeclared_paths
            .then(|| format!("`{name}` is in the project, but not an input: add it to `inputs` if it is read"))
    }

    /// A hint, if another stage makes this file.
    fn made(&self, name: &str) -> Option<String> {
        let graph = self.inputs.shared.context.graph;
        let inputs = &graph.inputs[self.inputs.stage];
        // Inputs come before other stages that make a file of this name.
        let others = (0..graph.stages.len()).filter(|stage| !inputs.contains(stage) && *stage != self.inputs.stage);
        inputs.iter().copied().chain(others).find_map(|stage| {
            let definition = &graph.stages[stage];
            let place = definition.output_path(name)?;
            let first = if inputs.contains(&stage) { "" } else { "with that stage among the inputs, " };
            Some(format!("`{}` makes `{name}`: {first}it is at `{place}` in the sandbox", definition.name))
        })
    }

    /// Write the files of a figure or a table to `figures/`.
    fn published(&self, input: usize, stage: usize) -> Result<()> {
        let context = self.inputs.shared.context;
        let digests: Vec<Digest> = self.inputs.results[input].iter().map(|(_, digest)| *digest).collect();
        for spec in context.publish.files(&context.graph.stages[stage]) {
            let key = plan::file_key(&spec, &digests);
            let bytes = context.store.trace(&key).and_then(|trace| context.store.load(&key, &trace.digest));
            let path = self.place(&format!("{FIGURES}{}", spec.name))?;
            std::fs::write(&path, bytes.ok_or_else(lost)?).map_err(|e| Error::io("write", &path, &e))?;
        }
        Ok(())
    }
}

impl Drop for ProgramSandbox<'_> {
    fn drop(&mut self) {
        self.scratch.release_tmp(std::mem::take(&mut self.tmp));
        self.scratch.release(&self.folder);
    }
}

impl Sandbox for ProgramSandbox<'_> {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn materialize_inputs(&self) -> Result<()> {
        let context = self.inputs.shared.context;
        for data in context.graph.stages[self.inputs.stage].stage.needs().reads {
            let Some(link) = &data.link else { continue };
            let (target, place) = (plan::locate_outside_data(context, &data)?, self.place(link)?);
            std::os::unix::fs::symlink(target, &place).map_err(|e| Error::io("make the link", &place, &e))?;
        }
        for file in &self.inputs.found.tree.files {
            copy_of_project(context, file, &self.place(&file.path)?)?;
        }
        for read in &self.inputs.reads()? {
            let stage = context.graph.inputs[self.inputs.stage][read.input];
            let definition = &context.graph.stages[stage];
            match definition.stage.holds() {
                Holds::Files | Holds::ProjectFiles => self.files(read, stage)?,
                Holds::Nothing => {}
                Holds::Scene | Holds::Cells => self.published(read.input, stage)?,
                Holds::Arrays => {
                    let arrays = match &read.points {
                        Some(points) => self.inputs.stacked_part(read, points)?,
                        None => self.inputs.stacked(read.input)?,
                    };
                    let bytes = exchange::npz(&arrays).map_err(|error| Error {
                        message: format!("`{}`: {}", definition.name, error.message),
                        ..error
                    })?;
                    let path = self.place(&format!("{}.npz", definition.name))?;
                    std::fs::write(&path, bytes).map_err(|e| Error::io("write", &path, &e))?;
                }
            }
        }
        Ok(())
    }

    fn link_resumed(&self, folders: &[&str]) -> Result<bool> {
        let mut found = false;
        for folder in folders {
            let kept = self.resume_folder().join(file_name(folder));
            std::fs::create_dir_all(&kept).map_err(|e| Error::io("make the folder", &kept, &e))?;
            found |= std::fs::read_dir(&kept).is_ok_and(|mut entries| entries.next().is_some());
            // The program runs elsewhere; links are relative to it.
            let kept = std::path::absolute(&kept).map_err(|e| Error::io("find", &kept, &e))?;
            let link = self.place(folder)?;
            std::os::unix::fs::symlink(&kept, &link).map_err(|e| Error::io("make the link", &link, &e))?;
        }
        Ok(found)
    }

    fn resume_folder(&self) -> PathBuf {
        self.inputs.shared.context.store.resume_folder(&self.inputs.key)
    }

    fn environment(&self) -> Vec<(String, OsString)> {
        let passed = PASSED.iter().filter_map(|name| Some((name.to_string(), std::env::var_os(name)?)));
        let fixed = FIXED.iter().map(|(name, value)| (name.to_string(), OsString::from(value)));
        let visible = cuda::visible_gpus();
        let gpus: Vec<&str> = self.inputs.gpus.iter().filter_map(|&gpu| Some(visible.get(gpu)?.as_str())).collect();
        // A program without `gpus` sees none: it must not use GPUs that belong to another.
        let gpus = [("CUDA_VISIBLE_DEVICES".to_string(), OsString::from(gpus.join(",")))];
        let own = ["TMPDIR", "TMP", "TEMP"].iter().map(|name| (name.to_string(), self.tmp.clone().into_os_string()));
        let mut variables: Vec<(String, OsString)> = passed.chain(fixed).chain(own).chain(gpus).collect();
        // Variables in `env` have the values that are in the key.
        variables.retain(|(name, _)| !self.inputs.found.env.contains_key(name));
        let named = self.inputs.found.values.iter().map(|(name, value)| (name.clone(), value.0.clone().into()));
        variables.extend(named);
        if let Some(folder) = self.inputs.environment.get() {
            activate(&mut variables, folder);
        }
        variables
    }

    fn log(&self) -> Result<(File, PathBuf)> {
        let path = self.inputs.shared.log_path(self.inputs.stage, self.inputs.unit);
        self.inputs.shared.context.store.new_log(&path).map(|file| (file, path))
    }

    fn record_usage(&self, usage: ProgramUsage) {
        let mut all = self.inputs.shared.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(self.inputs.stage).or_default();
        known.peak_memory = known.peak_memory.max(usage.peak_memory);
        known.cpu_micros += usage.cpu_micros;
    }

    fn keeps_log(&self) -> bool {
        !self.inputs.shared.context.store.is_temporary()
    }

    fn seal(&self, program: &Declared) -> Option<Seal> {
        let Context { graph, store, .. } = self.inputs.shared.context;
        let wanted = graph.always_sealed || program.seal.unwrap_or(graph.seal) == SealSetting::On;
        let support = seal_support();
        if !wanted || !support.files {
            if wanted && cfg!(target_os = "linux") {
                store.warn(
                    "programs are not sealed: this system has no Landlock (Linux 5.19 or newer has, if it is enabled)"
                        .into(),
                );
            }
            return None;
        }
        let mut readable = self.inputs.shared.readable().clone();
        readable.add_programs_of_command(program.words);
        for (name, value) in &self.inputs.found.values {
            readable.add_variable(name, OsStr::new(&value.0));
        }
        if let Some(folder) = self.inputs.environment.get() {
            readable.add_variable("VIRTUAL_ENV", folder.as_os_str());
        }
        let mut read = readable.into_paths();
        let outside = program.reads.iter().filter_map(|data| data.place()?.canonicalize().ok());
        read.extend(outside);
        let mut write = vec![self.folder.clone(), self.tmp.clone()];
        write.extend(std::path::absolute(self.resume_folder()).ok());
        write.extend(Readable::changed());
        let network = if program.network { NetworkAccess::Open } else { support.network };
        match (program.network, network) {
            (false, NetworkAccess::NoTcp) => store.warn(
                "programs are cut off from TCP, but not from the rest of the network: this system allows no network namespaces"
                    .into(),
            ),
            (false, NetworkAccess::Open) => store.warn(
                "programs are not cut off from the network: this system allows no network namespaces".into(),
            ),
            _ => {}
        }
        Some(Seal { read, write, network })
    }

    fn undeclared_paths(&self, lines: &[String], seal: Option<&Seal>) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        let separates = |c: char| c.is_whitespace() || "'\"`,;:()[]{}<>=".contains(c);
        for word in lines.iter().flat_map(|line| line.split(separates)) {
            let word = word.strip_prefix("./").unwrap_or(word).trim_end_matches('.');
            // `No module named 'utils.io'`
            let module = word.replace('.', "/");
            let names = [word.to_string(), format!("{module}.py"), module];
            let named = |name: &&String| {
                let inside = !name.is_empty() && !name.starts_with(['/', '.', '~']) && !name.contains("..");
                inside && name.contains(['.', '/']) && !self.folder.join(name).exists()
            };
            hints.extend(names.iter().filter(named).find_map(|name| self.made(name).or_else(|| self.undeclared(name))));
        }
        let mut told = HashSet::new();
        hints.retain(|hint| told.insert(hint.clone()));
        hints.truncate(3);
        if let Some(seal) = seal {
            let sealed = SealedPaths { seal, home: self.inputs.shared.context.home, tree: &self.inputs.found.tree };
            hints.extend(sealed.hints(lines));
        }
        hints
    }

    fn store_output(&self, file: &Path) -> Result<(Digest, u64)> {
        self.inputs.shared.writer.store_file(file)
    }

    fn stored_size(&self, digest: &Digest) -> Option<u64> {
        let store = self.inputs.shared.context.store;
        let trace = store.trace(&content_key(digest))?;
        store.content(digest).map(|_| trace.size)
    }
}
