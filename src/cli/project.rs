//! An open project: the checked paper file, its cache and its folder of figures.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::diagnostics::PaperSource;
use super::{Global, Trouble};
use crate::audit::Revision;
use crate::error::{Error, Result};
use crate::exec;
use crate::graph::{self, Graph, KnownValues, Override, PendingStage, Selection};
use crate::plan::{Context, Outside};
use crate::render::Publisher;
use crate::spec::{MAX_BYTES, glob, too_large};
use crate::store::Store;

#[derive(Debug)]
pub struct Project {
    pub source: PaperSource,
    pub graph: Graph,
    pub store: Store,
    pub figures: PathBuf,
    /// The folder of the paper file.
    pub home: PathBuf,
    /// The lock file beside the paper file.
    pub lock: LockPath,
    pub publisher: Publisher,
    /// Settings that replace those of the paper file.
    overrides: Vec<Override>,
    /// Values of axes that stages have made.
    known: KnownValues,
}

/// Where the lock file of a paper is.
#[derive(Clone, Debug)]
pub struct LockPath {
    pub path: PathBuf,
    pub name: String,
}

impl LockPath {
    /// `paper.lock` for `paper.yaml`; other names get `.lock` at their end, so that two papers in one folder have two lock files.
    fn new(paper: &Path) -> LockPath {
        let name = paper.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = format!("{}.lock", name.strip_suffix(".yaml").unwrap_or(&name));
        LockPath { path: paper.with_file_name(&name), name }
    }
}

/// A project whose paper file was read but not parsed.
#[derive(Debug)]
pub struct Unchecked {
    pub source: PaperSource,
    pub store: Store,
    pub figures: PathBuf,
    pub home: PathBuf,
    pub lock: LockPath,
    /// Settings that replace those of the paper file.
    pub overrides: Vec<Override>,
}

impl Unchecked {
    /// Read the paper file and open the cache; nothing is created.
    pub fn open(global: &Global) -> Result<Unchecked, Trouble> {
        let source = PaperSource { file: global.file.display().to_string(), text: text(&global.file)? };
        let home = global.file.parent().unwrap_or(Path::new("")).to_path_buf();
        let variable = std::env::var_os("REPRO_CACHE").filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = global.cache.clone().or(variable).unwrap_or_else(|| home.join("cache"));
        let figures = global.figures.clone().unwrap_or_else(|| home.join("figures"));
        let store = Store::open(&cache)?.for_paper(&home, &global.file);
        let home = if home.as_os_str().is_empty() { PathBuf::from(".") } else { home };
        let parsed: Vec<_> = global.set.iter().map(|text| Override::parse(text)).collect();
        let overrides = parsed.into_iter().collect::<Result<_>>()?;
        Ok(Unchecked { source, store, figures, home, lock: LockPath::new(&global.file), overrides })
    }

    /// Parse and check the paper file.
    pub fn check(self) -> Result<Project, Trouble> {
        let Unchecked { source, store, figures, home, lock, overrides } = self;
        let known = KnownValues::new();
        let graph = graph::load_with(&source.file, &source.text, &overrides, &known)?;
        let publisher = Publisher;
        Project { source, graph, store, figures, home, lock, publisher, overrides, known }.with_computed_values()
    }
}

impl Project {
    /// Read and check the paper file, and open the cache; nothing is created.
    pub fn open(global: &Global) -> Result<Project, Trouble> {
        Unchecked::open(global)?.check()
    }

    /// With the stages whose points other stages have made, as far as the results are in the cache.
    pub fn with_computed_values(mut self) -> Result<Project, Trouble> {
        while !self.graph.pending.is_empty() {
            let computed = exec::computed_values(self.context());
            let computed =
                computed.map_err(|error| Trouble { errors: vec![error], source: Some(self.source.clone()) })?;
            let before = self.known.len();
            self.known.extend(computed);
            if self.known.len() == before {
                break;
            }
            self.graph = graph::load_with(&self.source.file, &self.source.text, &self.overrides, &self.known)?;
        }
        Ok(self)
    }

    /// The stages that pending stages wait for and that can be built, if these words name a pending stage: by its name, one of its files, a
    /// pattern or a kind, or as everything.
    pub fn awaited(&self, words: &[String]) -> Vec<usize> {
        let names = |word: &String, stage: &PendingStage| {
            let name = word.split('[').next().unwrap_or(word);
            let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
            stem == stage.name || name == stage.name || name == stage.kind || glob(name, &stage.name)
        };
        let is_wanted = |stage: &PendingStage| words.is_empty() || words.iter().any(|word| names(word, stage));
        if !self.graph.pending.iter().any(is_wanted) {
            return Vec::new();
        }
        let values = self.graph.pending.iter().filter_map(|stage| stage.values.as_ref());
        let mut stages: Vec<usize> = values.filter_map(|values| self.graph.position(&values.of)).collect();
        stages.sort_unstable();
        stages.dedup();
        stages
    }

    /// A stage that has made points of another one.
    pub fn made_points(&self) -> Option<&str> {
        self.known.keys().next().map(|(stage, _)| stage.as_str())
    }

    /// One JSON object for each pending stage, in lines.
    pub fn pending_json(&self) -> String {
        let line = |stage: &PendingStage| {
            let json =
                json!({"stage": stage.name, "kind": stage.kind, "state": "pending", "waits-for": stage.waits_for});
            format!("{json}\n")
        };
        self.graph.pending.iter().map(line).collect()
    }

    /// One line for each pending stage: what it waits for.
    pub fn pending_lines(&self) -> String {
        let line = |stage: &PendingStage| match &stage.values {
            Some(values) => format!("{}  its points are known when `{}` has run\n", stage.name, values.of.value),
            None => format!("{}  reads `{}`, whose points are not known yet\n", stage.name, stage.waits_for),
        };
        self.graph.pending.iter().map(line).collect()
    }

    /// Whether the paper file has a stage of this name, known or pending.
    pub fn has_stage(&self, name: &str) -> bool {
        self.graph.position(name).is_some() || self.graph.pending.iter().any(|stage| stage.name == name)
    }

    /// Whether settings of the command line replace some of the paper file.
    pub fn is_overridden(&self) -> bool {
        !self.overrides.is_empty()
    }

    /// For read-only commands: nothing is run, and versions of tools are those of the last build.
    pub fn context(&self) -> Context<'_> {
        Context {
            graph: &self.graph,
            store: &self.store,
            publish: &self.publisher,
            figures: &self.figures,
            home: &self.home,
            lock: &self.lock.name,
            otherwise: None,
            outside: Outside::LastBuild,
        }
    }

    /// For commands that build: tools are run for their versions.
    pub fn building(&self) -> Context<'_> {
        Context { outside: Outside::Machine, ..self.context() }
    }

    /// The stages that the user named; see [`Graph::targets`].
    pub fn targets(&self, words: &[String]) -> Result<Vec<usize>, Trouble> {
        self.graph.targets(words).map_err(|errors| self.unknown(errors, words))
    }

    /// The stages and points that the user named; see [`Graph::select`].
    pub fn select(&self, words: &[String]) -> Result<Selection, Trouble> {
        self.graph.select(words).map_err(|errors| self.unknown(errors, words))
    }

    /// Errors about words that name no stage; a pending stage is explained.
    fn unknown(&self, errors: Vec<Error>, words: &[String]) -> Trouble {
        let awaited = self.awaited(words);
        let Some(&first) = awaited.first() else { return Trouble { errors, source: None } };
        let made_by = &self.graph.stages[first].name;
        let error = Error::user(format!("`{}` is not known yet: `{made_by}` makes the points", words.join(" ")));
        Trouble { errors: vec![error.hint(format!("run `repro build {made_by}`"))], source: None }
    }

    /// The named stages, or all if none are named.
    pub fn targets_or_all(&self, words: &[String]) -> Result<Vec<usize>, Trouble> {
        if words.is_empty() { Ok(self.graph.all()) } else { self.targets(words) }
    }

    /// The paper at several git revisions.
    pub fn revisions(&self, names: &[String]) -> Result<Vec<Revision>, Trouble> {
        names.iter().map(|name| self.revision(name)).collect()
    }

    /// The paper at a git revision.
    pub fn revision(&self, name: &str) -> Result<Revision, Trouble> {
        let file = Path::new(&self.source.file).file_name().and_then(|file| file.to_str()).unwrap_or_default();
        Ok(Revision::load(&self.home, file, name)?)
    }

    /// The path of an artifact in messages: `figures/fig5.svg`.
    pub fn file(&self, name: &str) -> String {
        self.figures.join(name).display().to_string()
    }
}

/// Change to the folder of `-C`.
pub fn enter(dir: &Path) -> Result<(), Trouble> {
    std::env::set_current_dir(dir).map_err(|cause| {
        let io = Error::io("enter the folder", dir, &cause);
        Trouble::from(Error::user(io.message))
    })
}

fn text(file: &Path) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    // At most one byte more than is accepted: a device may be endless.
    let most = MAX_BYTES as u64 + 1;
    let read = std::fs::File::open(file).and_then(|file| {
        let size = file.metadata()?.len();
        if size < most { file.take(most).read_to_end(&mut bytes).map(|read| read as u64) } else { Ok(size) }
    });
    let size = read.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => missing(file),
        _ => Error::user(Error::io("read", file, &cause).message),
    })?;
    if size >= most {
        return Err(too_large(size).into());
    }
    Ok(graph::decode_text(&file.display().to_string(), bytes)?)
}

fn missing(file: &Path) -> Error {
    let error = Error::user(format!("there is no paper file `{}`", file.display()));
    let above = |here: PathBuf| {
        here.ancestors().skip(1).enumerate().find(|(_, folder)| folder.join(file).is_file()).map(|(up, _)| up + 1)
    };
    let found = if file.is_relative() { std::env::current_dir().ok().and_then(above) } else { None };
    match found {
        Some(up) => error.hint(format!("there is one above: `repro -C {}`", vec![".."; up].join("/"))),
        None => error.hint("`repro init` writes one; `-f FILE` or `-C DIR` name one elsewhere"),
    }
}
