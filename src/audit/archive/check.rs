//! Checking an archive, without network and without the cache that it came from. All of it is made again from its paper file, its inputs, its
//! artifacts and the facts that it states, as `repro export` would make it, and compared byte by byte.
//!
//! What cannot be found so is a result that is not what its step comes to: an artifact, with its digest changed in the traces and in all that
//! follows from them. That takes a rebuild. And nothing shows whether the facts are true: when a result was made, how long it took, by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::facts::Stated;
use super::pack::{self, Packed};
use super::unpack::{Unpacked, unpack};
use super::{FETCHED, File, MANIFEST, METADATA, Manifest, Role, TRACES};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::plan::{self, Context, Outside, Recorded, StagePlan, StageState};
use crate::render::Publisher;
use crate::spec::{Paper, Problems, read};
use crate::stages::{DataStage, FIGURES, Holds, Stage};
use crate::store::{Digest, Store};
use crate::value::{FileEntry, Tree};

/// The traces of an archive are at most so long, and so much longer for each result of the paper, in bytes.
const TRACES_BYTES: u64 = 64 << 20;
const RESULT_BYTES: u64 = 4 << 10;
/// Differences in one file that are named.
const NAMED: usize = 10;

/// An archive whose every file is as its manifest says, unpacked into a folder that goes with this.
#[derive(Debug)]
pub struct Archive {
    folder: tempfile::TempDir,
    pub(super) manifest: Manifest,
    /// The bytes of the manifest.
    listing: Vec<u8>,
    pub(super) stated: Stated,
    recorded: BTreeMap<String, Recorded>,
    pub graph: Graph,
    /// The paper file in it: name and content.
    pub paper: (String, String),
    /// The digest of its manifest, which stands for the content of every file.
    pub digest: Digest,
}

/// Why an archive is refused.
#[derive(Debug)]
pub enum Refused {
    Error(Error),
    /// It was made by this version of the program, or says so, and only that one can check it.
    Version(String),
    /// What is wrong with its files, one by one.
    Files(Vec<String>),
    /// The paper file in it has problems.
    Paper {
        name: String,
        text: String,
        errors: Vec<Error>,
    },
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Error(error)
    }
}

impl Archive {
    /// Unpack an archive and check every file against its digest.
    pub fn open(path: &Path) -> Result<Archive, Refused> {
        let folder = tempfile::Builder::new().prefix("repro-").tempdir();
        let folder = folder.map_err(|e| Error::io("make a folder in", &std::env::temp_dir(), &e))?;
        let home = folder.path().join("paper");
        let Unpacked { manifest, listing } = unpack(path, &home)?;
        let content = |name: &str| std::fs::read(home.join(name)).map_err(|e| Error::io("read", Path::new(name), &e));
        let text = String::from_utf8(content(&manifest.paper)?)
            .map_err(|_| Refused::Files(vec![format!("{}: not UTF-8 text", manifest.paper)]))?;
        let mut problems = Problems::default();
        let graph = read(text.strip_prefix('\u{feff}').unwrap_or(&text), &mut problems)
            .and_then(|root| Graph::of(&Paper::from_node(&root, &mut problems), &mut problems));
        let Some(graph) = graph.filter(|_| problems.is_empty()) else {
            return Err(Refused::Paper { name: manifest.paper, text, errors: problems.into_errors() });
        };
        let units: u64 = graph.layouts.iter().map(|layout| layout.units as u64).sum();
        let most = units.saturating_mul(RESULT_BYTES).saturating_add(TRACES_BYTES);
        if manifest.files.iter().any(|file| file.path == TRACES && file.size > most) {
            return Err(Refused::Files(vec![format!("{TRACES}: too large for this paper")]));
        }
        let stated: Stated = serde_json::from_slice(&content(TRACES)?)
            .map_err(|_| Refused::Files(vec![format!("{TRACES}: cannot be read")]))?;
        let (recorded, paper, digest) = (stated.recorded(), (manifest.paper.clone(), text), Digest::hash(&listing));
        Ok(Archive { folder, manifest, listing, stated, recorded, graph, paper, digest })
    }

    /// Files in it, artifacts among them, and results with a trace.
    pub fn counts(&self) -> [usize; 3] {
        let artifacts = self.manifest.files.iter().filter(|file| file.role == Role::Artifact).count();
        let stages: Vec<usize> = self.graph.needed(&self.targets());
        let results = stages.iter().map(|&stage| self.graph.layouts[stage].units).sum();
        [self.manifest.files.len() + 1, artifacts, results]
    }

    /// Figures and tables of the paper that are not in it, by the names of their stages.
    pub fn left_out(&self) -> Vec<&str> {
        let inside = self.graph.needed(&self.targets());
        let all = self.graph.targets(&[]).unwrap_or_default();
        all.iter()
            .filter(|stage| !inside.contains(stage))
            .map(|&stage| self.graph.stages[stage].name.as_str())
            .collect()
    }

    /// The programs that building it again would run: the stage, and the command.
    pub fn programs(&self) -> Vec<(&str, String)> {
        let mut programs = Vec::new();
        for stage in self.graph.needed(&self.targets()) {
            let stage = &self.graph.stages[stage];
            for tool in stage.stage.needs().tools {
                let flag = if tool.0.len() == 1 { " --version" } else { "" };
                programs.push((stage.name.as_str(), format!("{}{flag}", tool.command_line())));
            }
            programs.extend(stage.stage.command().map(|command| (stage.name.as_str(), command)));
        }
        programs
    }

    /// The environment variables that these programs would be given.
    pub fn variables(&self) -> BTreeSet<String> {
        let needs = self.graph.needed(&self.targets()).into_iter().map(|stage| self.graph.stages[stage].stage.needs());
        needs.flat_map(|needs| needs.env).map(|name| name.value).collect()
    }

    /// The folder of the unpacked project.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("paper")
    }

    /// A folder beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The stages that it is an archive of, in the order of the paper file.
    pub(super) fn targets(&self) -> Vec<usize> {
        let known: BTreeSet<usize> =
            self.manifest.targets.iter().filter_map(|name| self.graph.position(name)).collect();
        known.into_iter().collect()
    }

    /// The paper of the archive with a store and folders.
    pub(super) fn context<'a>(&'a self, store: &'a Store, home: &'a Path, figures: &'a Path) -> Context<'a> {
        let (graph, outside) = (&self.graph, Outside::Machine);
        Context { graph, store, publish: &Publisher, figures, home, otherwise: None, outside }
    }

    /// Whether the paper file and the inputs lead by the recorded steps to exactly these files. Returns what does not follow, and why. Nothing
    /// runs; that a result is what its step comes to is only recorded.
    pub fn follow(&self) -> Result<Vec<String>> {
        let unknown = self.manifest.targets.iter().filter(|name| self.graph.position(name).is_none());
        let mut wrong: Vec<String> = unknown.map(|name| format!("{name}: not in the paper file")).collect();
        if self.manifest.targets.is_empty() {
            wrong.push(format!("{MANIFEST}: names no stage that this is an archive of"));
        }
        if !wrong.is_empty() {
            return Ok(wrong);
        }
        let store = Store::open(&self.beside("traces"))?;
        let writer = store.writer(serde_json::Value::Null);
        for result in self.stated.results() {
            writer.note(result.key, result.digest, result.size);
        }
        let (home, figures) = (self.home(), self.home().join(FIGURES));
        let context = Context { outside: Outside::Recorded(&self.recorded), ..self.context(&store, &home, &figures) };
        let plans = plan::plan(context, &self.targets())?;
        for plan in &plans {
            wrong.extend(self.not_current(plan));
            if let Some(data) = self.graph.stages[plan.stage].stage.source() {
                wrong.extend(self.other_data(context, plan, data));
            }
        }
        if !wrong.is_empty() {
            return Ok(wrong);
        }
        let paper = (self.paper.0.as_str(), self.paper.1.as_bytes());
        let mut fetched = |plan: &StagePlan| match self.graph.stages[plan.stage].stage.source() {
            Some(data) => self.fetched(context, plan, data).map(|file| vec![file]),
            None => Ok(Vec::new()),
        };
        let facts = self.stated.facts();
        let about = &self.manifest.about;
        let packed = pack::pack(context, &plans, paper, &self.targets(), about, &facts, &mut fetched)?;
        self.compare(&packed)
    }

    /// Why the results and files of a stage are not those that the paper file and the inputs ask for.
    fn not_current(&self, plan: &StagePlan) -> Vec<String> {
        let name = &self.graph.stages[plan.stage].name;
        match plan.state {
            StageState::UpToDate | StageState::Waits => Vec::new(),
            StageState::Fault => {
                plan.resolved.faults.iter().map(|error| format!("{name}: {}", error.message)).collect()
            }
            StageState::Stale if plan.units > 0 => {
                let n = plan.units;
                let results = if n == 1 { "1 result".to_string() } else { format!("{n} results") };
                vec![format!("{name}: the paper file and its inputs ask for {results} that the traces do not have")]
            }
            StageState::Stale => vec![format!("{name}: its files are not those of the traces")],
        }
    }

    /// Why the result of a `data` stage is not its files: that needs no rebuild.
    fn other_data(&self, context: Context, plan: &StagePlan, data: &DataStage) -> Option<String> {
        let name = &self.graph.stages[plan.stage].name;
        let recorded = plan.resolved.units.first()?.digest()?;
        let tree = if data.holds() == Holds::ProjectFiles {
            Ok(plan.resolved.found.tree.clone())
        } else {
            self.fetched(context, plan, data).map(|(file, _)| Tree { files: vec![file] })
        };
        match tree.and_then(|tree| data.result(&tree)) {
            Err(error) => Some(format!("{name}: {}", error.message)),
            Ok(payload) => {
                let stated = self.stated.results().find(|result| result.digest == recorded);
                let same =
                    Digest::hash(&payload) == recorded && stated.is_some_and(|it| it.size == payload.len() as u64);
                (!same).then(|| format!("{name}: its files are not those of the traces"))
            }
        }
    }

    /// The file that was fetched from the address of a stage, and where it is.
    fn fetched(&self, context: Context, plan: &StagePlan, data: &DataStage) -> Result<(FileEntry, PathBuf)> {
        let stage = &self.graph.stages[plan.stage].name;
        let path = data.fetched_name().ok_or_else(|| Error::internal("nothing is fetched"))?;
        let here = self.home().join(format!("{FETCHED}{stage}/{path}"));
        let size = std::fs::metadata(&here)
            .map_err(|_| Error::stage(format!("`{path}` is not in the archive, the content of its address")))?
            .len();
        let digest = context.store.file_digest(&here)?;
        Ok((FileEntry { path, digest, size, executable: false }, here))
    }

    /// In what the archive is not as it would be packed.
    fn compare(&self, packed: &Packed) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let content =
            |name: &str| std::fs::read(self.home().join(name)).map_err(|e| Error::io("read", Path::new(name), &e));
        for result in packed.traces.stages.iter().flat_map(|stage| &stage.files) {
            let path = format!("{FIGURES}{}", result.name);
            if packed.pieces.get(&path).is_none_or(|(file, _)| file.size != result.size) {
                wrong.push(format!("{TRACES}: another size of {path}"));
            }
        }
        for name in [TRACES, METADATA] {
            let (is, should) = (content(name).unwrap_or_default(), packed.bytes(name));
            if is != should {
                wrong.extend(differences(name, &is, should));
            }
        }
        let expected: BTreeMap<&str, &File> =
            packed.manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
        let listed: BTreeMap<&str, &File> = self.manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
        for (path, file) in &listed {
            match expected.get(path) {
                None => wrong.push(format!("{path}: no stage reads or makes it")),
                Some(_) if [TRACES, METADATA].contains(path) => {}
                Some(expected) if expected != file => {
                    wrong.push(format!("{path}: the manifest says otherwise what it is"))
                }
                Some(_) => {}
            }
        }
        let missing = expected.keys().filter(|path| !listed.contains_key(*path));
        wrong.extend(missing.map(|path| format!("{path}: is not in the archive")));
        let listing = packed.listing()?;
        if wrong.is_empty() && listing != self.listing {
            wrong.extend(differences(MANIFEST, &self.listing, &listing));
        }
        Ok(wrong)
    }
}

/// In what a JSON file of an archive is not as it should be.
fn differences(name: &str, is: &[u8], should: &[u8]) -> Vec<String> {
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let changes = match (json(is), json(should)) {
        (Some(is), Some(should)) => crate::key::diff(&is, &should),
        _ => Vec::new(),
    };
    let mut wrong: Vec<String> =
        changes.iter().take(NAMED).map(|change| format!("{name}: `{}` does not follow", change.name())).collect();
    if changes.len() > NAMED {
        wrong.push(format!("{name}: and {} more", changes.len() - NAMED));
    }
    if wrong.is_empty() {
        wrong.push(format!("{name}: not as `repro export` writes it"));
    }
    wrong
}
