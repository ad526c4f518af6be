//! Verifies an archive without running anything, without network and without the cache that it was exported from: the archive is packed again
//! from its paper file, its inputs, its artifacts and the facts that it records, and compared with the original byte by byte.
//!
//! This does not detect a forged result whose digest was changed in the traces and everywhere else: that takes a rebuild. Nothing detects
//! whether the recorded facts are true: when a result was made, how long that took, and by what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::ArchiveError;
use super::manifest::{ArchiveFile, FETCHED, FileRole, MANIFEST, METADATA, Manifest, TRACES};
use super::pack::{self, PackedArchive};
use super::recorded::RecordedTraces;
use super::unpack::{Unpacked, unpack};
use crate::error::{Error, Result};
use crate::graph::{self, Graph};
use crate::plan::{self, Context, Outside, Recorded, StagePlan, StageState};
use crate::render::Publisher;
use crate::stages::{DataStage, FIGURES, Holds, Stage};
use crate::store::{Digest, Store};
use crate::value::{FileEntry, Tree};

/// The name of the unpacked project's folder.
const PROJECT: &str = "paper";
/// The longest traces that are read, in bytes: a base size and an allowance for each result of the paper.
const TRACES_BASE_BYTES: u64 = 64 << 20;
const TRACES_BYTES_PER_RESULT: u64 = 4 << 10;
/// The differences in one file that are listed.
const MAX_LISTED: usize = 10;

/// An unpacked archive whose every file matches its manifest. The folder is deleted when this is dropped.
#[derive(Debug)]
pub struct Archive {
    folder: tempfile::TempDir,
    pub(super) manifest: Manifest,
    manifest_bytes: Vec<u8>,
    pub(super) recorded: RecordedTraces,
    /// The recorded digests of variables and versions of tools, by stage.
    environment: BTreeMap<String, Recorded>,
    pub graph: Graph,
    /// The exported stages, in the order of the paper file, and with what they need, inputs first.
    targets: Vec<usize>,
    needed: Vec<usize>,
    /// The name of the paper file for error messages: `paper.zip:paper.yaml`.
    pub paper_file: String,
    pub paper_text: String,
    /// The digest of the manifest; it covers the content of every file.
    pub digest: Digest,
}

impl Archive {
    /// Unpack an archive and check every file against its digest.
    pub fn open(path: &Path) -> Result<Archive, ArchiveError> {
        let folder = tempfile::Builder::new().prefix("repro-").tempdir();
        let folder = folder.map_err(|e| Error::io("make a folder in", &std::env::temp_dir(), &e))?;
        let home = folder.path().join(PROJECT);
        let Unpacked { manifest, manifest_bytes } = unpack(path, &home)?;
        let content = |name: &str| std::fs::read(home.join(name)).map_err(|e| Error::io("read", Path::new(name), &e));
        let paper_text = graph::decode_text(&manifest.paper, content(&manifest.paper)?)
            .map_err(|error| ArchiveError::WrongFiles(vec![error.message]))?;
        let paper_file = format!("{}:{}", path.display(), manifest.paper);
        let mut graph = graph::load(&paper_file, &paper_text).map_err(ArchiveError::Paper)?;
        // A paper of someone else does not decide what its programs may touch here.
        graph.always_sealed = true;
        let units: u64 = graph.layouts.iter().map(|layout| layout.units as u64).sum();
        let max_bytes = units.saturating_mul(TRACES_BYTES_PER_RESULT).saturating_add(TRACES_BASE_BYTES);
        if manifest.files.iter().any(|file| file.path == TRACES && file.size > max_bytes) {
            return Err(ArchiveError::WrongFiles(vec![format!("{TRACES}: too large for this paper")]));
        }
        let recorded: RecordedTraces = serde_json::from_slice(&content(TRACES)?)
            .map_err(|_| ArchiveError::WrongFiles(vec![format!("{TRACES}: not valid traces")]))?;
        let (environment, digest) = (recorded.environment(), Digest::hash(&manifest_bytes));
        let known: BTreeSet<usize> = manifest.targets.iter().filter_map(|name| graph.position(name)).collect();
        let targets: Vec<usize> = known.into_iter().collect();
        let needed = graph.needed(&targets);
        Ok(Archive {
            folder,
            manifest,
            manifest_bytes,
            recorded,
            environment,
            graph,
            targets,
            needed,
            paper_file,
            paper_text,
            digest,
        })
    }

    /// The number of files, the manifest included.
    pub fn file_count(&self) -> usize {
        self.manifest.files.len() + 1
    }

    pub fn artifact_count(&self) -> usize {
        self.manifest.files.iter().filter(|file| file.role == FileRole::Artifact).count()
    }

    /// The number of results with a trace.
    pub fn result_count(&self) -> usize {
        self.needed.iter().map(|&stage| self.graph.layouts[stage].units).sum()
    }

    /// Stages whose results were accepted after a change, and what had changed.
    pub fn accepted(&self) -> Vec<(&str, &[String])> {
        self.recorded.accepted()
    }

    /// The names of the figures and tables of the paper that were not exported.
    pub fn not_exported(&self) -> Vec<&str> {
        let all = self.graph.targets(&[]).unwrap_or_default();
        all.iter()
            .filter(|stage| !self.needed.contains(stage))
            .map(|&stage| self.graph.stages[stage].name.as_str())
            .collect()
    }

    /// The programs that a rebuild would run: the stage and the command.
    pub fn programs(&self) -> Vec<(&str, String)> {
        let mut programs = Vec::new();
        for &stage in &self.needed {
            let stage = &self.graph.stages[stage];
            for tool in stage.stage.needs().tools {
                let flag = if tool.0.len() == 1 { " --version" } else { "" };
                programs.push((stage.name.as_str(), format!("{}{flag}", tool.command_line())));
            }
            programs.extend(stage.stage.command().map(|command| (stage.name.as_str(), command)));
        }
        programs
    }

    /// What these programs would touch outside of the archive, a line for each stage.
    pub fn outside(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for stage in self.needed.iter().map(|&stage| &self.graph.stages[stage]) {
            let reads = stage.stage.needs().reads;
            let reads: Vec<String> = reads.into_iter().map(|data| data.path.value).collect();
            if !reads.is_empty() {
                lines.push(format!("{} reads {}", stage.name, reads.join(", ")));
            }
            if let Some(environment) = &stage.environment {
                let locks: Vec<&str> = environment.locks.iter().map(|lock| lock.as_str()).collect();
                lines.push(format!("{} installs packages from the network: {}", stage.name, locks.join(", ")));
            }
            if stage.stage.uses_network() {
                lines.push(format!("{} uses the network", stage.name));
            }
        }
        lines
    }

    /// The environment variables that these programs would see.
    pub fn variables(&self) -> BTreeSet<String> {
        let needs = self.needed.iter().map(|&stage| self.graph.stages[stage].stage.needs());
        needs.flat_map(|needs| needs.env).map(|name| name.value).collect()
    }

    /// The folder of the unpacked project.
    pub(super) fn project_folder(&self) -> PathBuf {
        self.folder.path().join(PROJECT)
    }

    /// Another folder, deleted with the unpacked project.
    pub(super) fn temporary_folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The exported stages, in the order of the paper file.
    pub(super) fn targets(&self) -> &[usize] {
        &self.targets
    }

    /// The planning context of the paper in the archive.
    pub(super) fn context<'a>(&'a self, store: &'a Store, home: &'a Path, figures: &'a Path) -> Context<'a> {
        let (graph, outside) = (&self.graph, Outside::Machine);
        // An archive has no lock file.
        Context { graph, store, publish: &Publisher, figures, home, lock: "", otherwise: None, outside }
    }

    /// Check that the paper file, the inputs and the recorded digests of results lead to exactly the files of the archive. Returns one line for
    /// each problem. Nothing runs.
    pub fn verify(&self) -> Result<Vec<String>> {
        let unknown = self.manifest.targets.iter().filter(|name| self.graph.position(name).is_none());
        let mut wrong: Vec<String> = unknown.map(|name| format!("{name}: not in the paper file")).collect();
        if self.manifest.targets.is_empty() {
            wrong.push(format!("{MANIFEST}: names no exported stage"));
        }
        if !wrong.is_empty() {
            return Ok(wrong);
        }
        let store = Store::open(&self.temporary_folder("traces"))?;
        let writer = store.writer(serde_json::Value::Null);
        for result in self.recorded.results() {
            writer.note(result.key, result.digest, result.size);
        }
        let (home, figures) = (self.project_folder(), self.project_folder().join(FIGURES));
        let context =
            Context { outside: Outside::Recorded(&self.environment), ..self.context(&store, &home, &figures) };
        let plans = plan::plan(context, self.targets())?;
        for plan in &plans {
            wrong.extend(self.stale_results(plan));
            if let Some(data) = self.graph.stages[plan.stage].stage.source() {
                wrong.extend(self.changed_data(context, plan, data));
            }
        }
        if !wrong.is_empty() {
            return Ok(wrong);
        }
        let path = self.project_folder().join(&self.manifest.paper);
        let content = std::fs::read(&path).map_err(|e| Error::io("read", Path::new(&self.manifest.paper), &e))?;
        let paper = (self.manifest.paper.as_str(), content.as_slice());
        let mut fetched = |plan: &StagePlan| match self.graph.stages[plan.stage].stage.source() {
            Some(data) => self.fetched_file(context, plan, data).map(|file| vec![file]),
            None => Ok(Vec::new()),
        };
        let facts = self.recorded.facts();
        let about = &self.manifest.about;
        let packed = pack::pack(context, &plans, paper, self.targets(), about, &facts, &mut fetched)?;
        self.compare_with(&packed)
    }

    /// The problems of a stage whose recorded results or files do not belong to the paper file and the inputs.
    fn stale_results(&self, plan: &StagePlan) -> Vec<String> {
        let name = &self.graph.stages[plan.stage].name;
        match plan.state {
            StageState::UpToDate | StageState::Waiting => Vec::new(),
            StageState::Blocked => {
                plan.resolved.faults.iter().map(|error| format!("{name}: {}", error.message)).collect()
            }
            StageState::Stale if plan.units > 0 => {
                let n = plan.units;
                let results = if n == 1 { "1 result".to_string() } else { format!("{n} results") };
                vec![format!("{name}: the traces lack {results} for this paper file and its inputs")]
            }
            StageState::Stale => vec![format!("{name}: its files are not those of the traces")],
        }
    }

    /// The problem of a `data` stage whose recorded result is not its files. Checking that needs no rebuild.
    fn changed_data(&self, context: Context, plan: &StagePlan, data: &DataStage) -> Option<String> {
        let name = &self.graph.stages[plan.stage].name;
        let recorded = plan.resolved.units.first()?.digest()?;
        let tree = if data.holds() == Holds::ProjectFiles {
            Ok(plan.resolved.found.tree.clone())
        } else {
            self.fetched_file(context, plan, data).map(|(file, _)| Tree { files: vec![file] })
        };
        match tree.and_then(|tree| data.result(&tree)) {
            Err(error) => Some(format!("{name}: {}", error.message)),
            Ok(payload) => {
                let stated = self.recorded.results().find(|result| result.digest == recorded);
                let same =
                    Digest::hash(&payload) == recorded && stated.is_some_and(|it| it.size == payload.len() as u64);
                (!same).then(|| format!("{name}: its files are not those of the traces"))
            }
        }
    }

    /// The file that was fetched from the URL of a stage, and its path.
    fn fetched_file(&self, context: Context, plan: &StagePlan, data: &DataStage) -> Result<(FileEntry, PathBuf)> {
        let stage = &self.graph.stages[plan.stage].name;
        let path = data.fetched_name().ok_or_else(|| Error::internal("nothing is fetched"))?;
        let here = self.project_folder().join(format!("{FETCHED}{stage}/{path}"));
        let size = std::fs::metadata(&here)
            .map_err(|_| Error::stage(format!("`{path}`, the content of its URL, is not in the archive")))?
            .len();
        let digest = context.store.file_digest(&here)?;
        Ok((FileEntry { path, digest, size, executable: false }, here))
    }

    /// The differences between the archive and the same archive packed again.
    fn compare_with(&self, packed: &PackedArchive) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let content = |name: &str| {
            std::fs::read(self.project_folder().join(name)).map_err(|e| Error::io("read", Path::new(name), &e))
        };
        for result in packed.traces.stages.iter().flat_map(|stage| &stage.files) {
            let path = format!("{FIGURES}{}", result.name);
            if packed.members.get(&path).is_none_or(|(file, _)| file.size != result.size) {
                wrong.push(format!("{TRACES}: wrong size of {path}"));
            }
        }
        for name in [TRACES, METADATA] {
            let (actual, expected) = (content(name).unwrap_or_default(), packed.generated(name));
            if actual != expected {
                wrong.extend(differences(name, &actual, expected));
            }
        }
        let expected: BTreeMap<&str, &ArchiveFile> =
            packed.manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
        let listed: BTreeMap<&str, &ArchiveFile> =
            self.manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
        for (path, file) in &listed {
            match expected.get(path) {
                None => wrong.push(format!("{path}: no stage reads or makes it")),
                Some(_) if [TRACES, METADATA].contains(path) => {}
                Some(expected) if expected != file => wrong.push(format!("{path}: wrong entry in the manifest")),
                Some(_) => {}
            }
        }
        let missing = expected.keys().filter(|path| !listed.contains_key(*path));
        wrong.extend(missing.map(|path| format!("{path}: not in the archive")));
        let manifest = packed.manifest_bytes()?;
        if wrong.is_empty() && manifest != self.manifest_bytes {
            wrong.extend(differences(MANIFEST, &self.manifest_bytes, &manifest));
        }
        Ok(wrong)
    }
}

/// The differences in a JSON file of an archive, one line each.
fn differences(name: &str, actual: &[u8], expected: &[u8]) -> Vec<String> {
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let changes = match (json(actual), json(expected)) {
        (Some(actual), Some(expected)) => crate::key::diff(&actual, &expected),
        _ => Vec::new(),
    };
    let mut wrong: Vec<String> =
        changes.iter().take(MAX_LISTED).map(|change| format!("{name}: `{}` does not match", change.name())).collect();
    if changes.len() > MAX_LISTED {
        wrong.push(format!("{name}: and {} more", changes.len() - MAX_LISTED));
    }
    if wrong.is_empty() {
        wrong.push(format!("{name}: not formatted as `repro export` writes it"));
    }
    wrong
}
