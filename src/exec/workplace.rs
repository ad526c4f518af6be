//! A folder of its own for one run of a program: below the cache, furnished with exactly the declared inputs, and gone afterwards.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::inputs::{StageInputs, copy, copy_of_project, lost};
use crate::error::{Error, Result};
use crate::exchange;
use crate::plan;
use crate::stages::{FIGURES, Holds, Inputs, Workplace};
use crate::store::{Scratch, content_key};
use crate::train::cuda;
use crate::value::{Digest, decode_tree};

/// What every program sees of the environment: where programs and libraries are, and who the user is.
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

/// What is the same everywhere, so that results are: language, time zone, dates that programs write into files, Python's order of sets.
const FIXED: [(&str, &str); 6] = [
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("SOURCE_DATE_EPOCH", "0"),
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
];

pub struct Place<'a> {
    inputs: &'a StageInputs<'a, 'a>,
    scratch: &'a Scratch,
    folder: PathBuf,
    tmp: PathBuf,
    /// Folders that are known to be there.
    made: RefCell<HashSet<PathBuf>>,
}

impl<'a> Place<'a> {
    pub fn new(inputs: &'a StageInputs<'_, '_>) -> Result<Place<'a>> {
        let scratch = inputs.shop.scratch()?;
        let (folder, tmp) = (scratch.folder()?, scratch.tmp()?);
        Ok(Place { inputs, scratch, made: RefCell::new(HashSet::from([folder.clone()])), folder, tmp })
    }

    /// The full name of a place in the folder, with the folders above it made; no two inputs lie at one place.
    fn place(&self, path: &str) -> Result<PathBuf> {
        let full = self.folder.join(path);
        let folder = full.parent().unwrap_or(&self.folder);
        if self.made.borrow().contains(folder) {
            return if full.symlink_metadata().is_err() {
                Ok(full)
            } else {
                Err(Error::user(format!("two inputs lie at `{path}`")).hint("rename one of them"))
            };
        }
        std::fs::create_dir_all(folder).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                Error::user(format!("two inputs lie at `{path}`, one of them a file where the other has a folder"))
            }
            _ => Error::io("make the folder", folder, &e),
        })?;
        self.made
            .borrow_mut()
            .extend(folder.ancestors().take_while(|above| *above != self.folder).map(Path::to_path_buf));
        Ok(full)
    }

    /// Files that a stage is made of: in the project at their own paths, else in a folder of the stage's name.
    fn files(&self, input: usize, stage: usize) -> Result<()> {
        let context = self.inputs.shop.context;
        let definition = &context.graph.stages[stage];
        let own_path = definition.stage.holds() == Holds::ProjectFiles;
        for &unit in self.inputs.results[input].iter() {
            let payload = context.store.load(&unit.0, &unit.1).ok_or_else(lost)?;
            let tree =
                decode_tree(&payload).ok_or_else(|| Error::internal("a stored result is not a list of files"))?;
            for file in &tree.files {
                let own_path = own_path || file.path.starts_with(FIGURES);
                let path = if own_path { file.path.clone() } else { format!("{}/{}", definition.name, file.path) };
                if self.needed(&path, &file.digest) {
                    continue;
                }
                copy(context, stage, unit, file, &self.place(&path)?)?;
            }
        }
        Ok(())
    }

    /// Whether a file of the project is there already because it is named as a file too.
    fn needed(&self, path: &str, digest: &Digest) -> bool {
        self.inputs.found.tree.get(path).is_some_and(|file| file.digest == *digest)
    }

    /// A file of the project that is not an input.
    fn undeclared(&self, name: &str) -> Option<String> {
        let unseen = self.inputs.shop.context.home.join(name).exists() && self.inputs.found.tree.get(name).is_none();
        unseen.then(|| format!("`{name}` is in the project, but not an input: add it to `inputs` if it is read"))
    }

    /// A file that another stage makes.
    fn made(&self, name: &str) -> Option<String> {
        let graph = self.inputs.shop.context.graph;
        let inputs = &graph.inputs[self.inputs.stage];
        // One that is an input comes before others that make a file of this name.
        let others = (0..graph.stages.len()).filter(|stage| !inputs.contains(stage) && *stage != self.inputs.stage);
        inputs.iter().copied().chain(others).find_map(|stage| {
            let definition = &graph.stages[stage];
            let place = definition.output_path(name)?;
            let first = if inputs.contains(&stage) { "" } else { "with that stage among the inputs, " };
            Some(format!("`{}` makes `{name}`: {first}it lies at `{place}` here", definition.name))
        })
    }

    /// The files that a figure or a table leaves in `figures/`.
    fn published(&self, input: usize, stage: usize) -> Result<()> {
        let context = self.inputs.shop.context;
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

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.scratch.release_tmp(std::mem::take(&mut self.tmp));
        self.scratch.release(&self.folder);
    }
}

impl Workplace for Place<'_> {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn furnish(&self) -> Result<()> {
        let context = self.inputs.shop.context;
        for file in &self.inputs.found.tree.files {
            copy_of_project(context, file, &self.place(&file.path)?)?;
        }
        for (input, &stage) in context.graph.inputs[self.inputs.stage].iter().enumerate() {
            let definition = &context.graph.stages[stage];
            match definition.stage.holds() {
                Holds::Files | Holds::ProjectFiles => self.files(input, stage)?,
                Holds::Nothing => {}
                Holds::Scene | Holds::Cells => self.published(input, stage)?,
                Holds::Arrays => {
                    let bytes = exchange::npz(&*self.inputs.whole(input)?).map_err(|error| Error {
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

    fn environment(&self) -> Vec<(String, OsString)> {
        let passed = PASSED.iter().filter_map(|name| Some((name.to_string(), std::env::var_os(name)?)));
        let fixed = FIXED.iter().map(|(name, value)| (name.to_string(), OsString::from(value)));
        let visible = cuda::visible_gpus();
        let cards: Vec<&str> = self.inputs.cards.iter().filter_map(|&card| Some(visible.get(card)?.as_str())).collect();
        // A program that asks for none sees none: it could not be told from one that has them for itself.
        let cards = [("CUDA_VISIBLE_DEVICES".to_string(), OsString::from(cards.join(",")))];
        let own = ["TMPDIR", "TMP", "TEMP"].iter().map(|name| (name.to_string(), self.tmp.clone().into_os_string()));
        let mut variables: Vec<(String, OsString)> = passed.chain(fixed).chain(own).chain(cards).collect();
        // What the stage names itself is what its key says it is.
        variables.retain(|(name, _)| !self.inputs.found.env.contains_key(name));
        let named = self.inputs.found.values.iter().map(|(name, value)| (name.clone(), value.0.clone().into()));
        variables.extend(named);
        variables
    }

    fn log(&self) -> Result<(File, PathBuf)> {
        let context = self.inputs.shop.context;
        let path = context.store.log_path(&context.graph.stages[self.inputs.stage].name);
        context.store.new_log(&path).map(|file| (file, path))
    }

    fn unseen(&self, lines: &[String]) -> Vec<String> {
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
        hints
    }

    fn keep(&self, file: &Path) -> Result<(Digest, u64)> {
        self.inputs.shop.writer.store_file(file)
    }

    fn kept(&self, digest: &Digest) -> Option<u64> {
        let store = self.inputs.shop.context.store;
        let trace = store.trace(&content_key(digest))?;
        store.content(digest).map(|_| trace.size)
    }
}
