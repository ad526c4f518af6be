//! Checking an archive, without network and without the cache that it came from: every file against its digest; that the paper file and
//! the inputs lead by the recorded steps to the artifacts; and, where asked, by building all of it again.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use super::super::verify::{Artifact, Verdict, Verification, without_logs};
use super::trace::{ResultTrace, Traces};
use super::{File, MANIFEST, Manifest, Role, TRACES, VERSION};
use crate::error::{Error, Result};
use crate::exchange::ArchiveReader;
use crate::exec::{self, Observer, Options};
use crate::graph::Graph;
use crate::plan::{self, Context, Recorded, State, UnitState};
use crate::render::Publisher;
use crate::spec::{Paper, Problems, read};
use crate::stages::{FIGURES, Kind};
use crate::store::{Digest, Key, Store};
use crate::value::Hex;

/// An archive whose every file has been checked, unpacked into a folder that goes with this.
#[derive(Debug)]
pub struct Archive {
    folder: tempfile::TempDir,
    manifest: Manifest,
    traces: Traces,
    recorded: BTreeMap<String, Recorded>,
    pub graph: Graph,
    /// The paper file in it: name and content.
    pub paper: (String, String),
    /// The digest of its manifest, which stands for the content of every file.
    pub digest: Hex,
}

/// Why an archive is refused.
#[derive(Debug)]
pub enum Refused {
    Error(Error),
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
        let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, &e))?;
        let named = |error: Error| Error { message: format!("`{}`: {}", path.display(), error.message), ..error };
        let mut zip = ArchiveReader::new(std::io::BufReader::new(file)).map_err(named)?;
        let foreign = || {
            Error::user(format!("`{}` is no archive of repro: it has no readable {MANIFEST}", path.display()))
                .hint("`repro export` makes one")
        };
        let listed = zip.read(MANIFEST).map_err(named)?.ok_or_else(foreign)?;
        let manifest: Manifest = serde_json::from_slice(&listed).map_err(|_| foreign())?;
        if manifest.version > VERSION {
            let error =
                Error::user(format!("the archive is of version {}; this program reads {VERSION}", manifest.version));
            return Err(error.hint("use a newer repro").into());
        }
        let folder = tempfile::Builder::new().prefix("repro-").tempdir();
        let folder = folder.map_err(|e| Error::io("make a folder in", &std::env::temp_dir(), &e))?;
        let mut wrong = Vec::new();
        for file in &manifest.files {
            if let Err(why) = unpack(&mut zip, file, &folder.path().join("paper"))? {
                wrong.push(format!("{}: {why}", file.path));
            }
        }
        let known = |name: &str| name == MANIFEST || manifest.files.iter().any(|file| file.path == name);
        wrong.extend(zip.names().filter(|name| !known(name)).map(|name| format!("{name}: not in the manifest")));
        if !wrong.is_empty() {
            return Err(Refused::Files(wrong));
        }
        let content = |path: &str| std::fs::read(folder.path().join("paper").join(path)).map_err(|_| foreign());
        let traces: Traces = serde_json::from_slice(&content(TRACES)?).map_err(|_| foreign())?;
        let text = String::from_utf8_lossy(&content(&manifest.paper)?).into_owned();
        let mut problems = Problems::default();
        let graph =
            read(&text, &mut problems).and_then(|root| Graph::of(&Paper::of(&root, &mut problems), &mut problems));
        let Some(graph) = graph.filter(|_| problems.is_empty()) else {
            return Err(Refused::Paper { name: manifest.paper, text, errors: problems.into_errors() });
        };
        let (recorded, paper, digest) = (traces.recorded(), (manifest.paper.clone(), text), Hex(Digest::of(&listed).0));
        Ok(Archive { folder, manifest, traces, recorded, graph, paper, digest })
    }

    /// Files in it, artifacts among them, and results with a trace.
    pub fn counts(&self) -> [usize; 3] {
        let artifacts = self.manifest.files.iter().filter(|file| file.role == Role::Artifact).count();
        [self.manifest.files.len() + 1, artifacts, self.traces.stages.iter().map(|stage| stage.results.len()).sum()]
    }

    /// The version of the program that made it.
    pub fn made_by(&self) -> &str {
        &self.manifest.repro
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("paper")
    }

    /// The stages that it is an archive of.
    fn targets(&self) -> Vec<usize> {
        self.manifest.targets.iter().filter_map(|name| self.graph.position(name)).collect()
    }

    /// Follow the recorded steps: do the paper file and the inputs in the archive lead to exactly the recorded keys, and these to its
    /// artifacts? Returns the stages where they do not, and why. Nothing runs; that a result is what its step comes to is only recorded.
    pub fn follow(&self) -> Result<Vec<String>> {
        let store = Store::open(&self.folder.path().join("traces"))?;
        let writer = store.writer(serde_json::Value::Null);
        for result in self.traces.stages.iter().flat_map(|stage| stage.results.iter().chain(&stage.files)) {
            writer.note(Key(result.key.0), Digest(result.digest.0), result.size);
        }
        let (home, figures) = (self.home(), self.home().join(FIGURES));
        let context = Context { recorded: Some(&self.recorded), ..self.context(&store, &home, &figures) };
        let mut wrong = Vec::new();
        for name in self.manifest.targets.iter().filter(|name| self.graph.position(name).is_none()) {
            wrong.push(format!("{name}: not in the paper file"));
        }
        for plan in plan::plan(context, &self.targets())? {
            let name = &self.graph.stages[plan.stage].name;
            match plan.state {
                State::Current | State::Waits => {}
                State::Fault => {
                    wrong.extend(plan.resolved.faults.iter().map(|error| format!("{name}: {}", error.message)));
                }
                State::Stale if plan.units > 0 => {
                    let n = plan.units;
                    let results = if n == 1 { "1 result".to_string() } else { format!("{n} results") };
                    wrong.push(format!(
                        "{name}: the paper file and its inputs ask for {results} that the traces do not have"
                    ));
                }
                State::Stale => wrong.push(format!("{name}: its files are not those of the traces")),
            }
        }
        Ok(wrong)
    }

    /// The paper of the archive with a store and folders.
    fn context<'a>(&'a self, store: &'a Store, home: &'a Path, figures: &'a Path) -> Context<'a> {
        let graph = &self.graph;
        Context { graph, store, publish: &Publisher, figures, home, otherwise: None, recorded: None }
    }

    /// Build everything from the paper file and the inputs in the archive, in an empty cache, and compare with the traces bit for bit.
    pub fn rebuild(&self, options: &Options, observer: &mut dyn Observer) -> Result<Verification> {
        let store = Store::open(&self.folder.path().join("cache"))?;
        let writer = store.writer(serde_json::json!({"for": "verify"}));
        for file in self.manifest.files.iter().filter(|file| file.role == Role::Fetched) {
            writer.keep(&self.home().join(&file.path))?;
        }
        let (home, figures) = (self.home(), self.folder.path().join("figures"));
        let context = self.context(&store, &home, &figures);
        let targets = self.targets();
        let outcome = without_logs(exec::build(context, &targets, options, &writer, observer), store.dir());
        let mut artifacts = Vec::new();
        for plan in plan::plan(context, &targets)? {
            let stage = &self.graph.stages[plan.stage];
            let trace = self.traces.stages.iter().find(|trace| trace.stage == stage.name);
            let find = |results: Option<&Vec<ResultTrace>>, name: &str| {
                results.into_iter().flatten().find(|result| result.name == name).map(|result| result.digest)
            };
            let verdict = |was: Option<Hex>, is: Digest| match was {
                None => Verdict::New,
                Some(was) if was.0 == is.0 => Verdict::Same,
                Some(_) => Verdict::Differs(Vec::new()),
            };
            if matches!(stage.kind, Kind::Data(_)) {
                continue;
            }
            let layout = &self.graph.layouts[plan.stage];
            let known: BTreeMap<&str, &ResultTrace> = trace
                .iter()
                .flat_map(|trace| trace.results.iter().map(|result| (result.name.as_str(), result)))
                .collect();
            for (unit, state) in plan.resolved.units.iter().enumerate() {
                let UnitState::Current { key, digest } = *state else { continue };
                let name = layout.label(unit);
                let was = known.get(name.as_str());
                let verdict = verdict(was.map(|was| was.digest), digest);
                let parts_here = verdict != Verdict::Same && was.is_some_and(|was| was.key.0 == key.0);
                artifacts.push(Artifact { stage: plan.stage, unit: Some(unit), name, verdict, parts_here });
            }
            for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
                let Some(is) = state.digest() else { continue };
                let was = find(trace.map(|trace| &trace.files), &spec.name);
                let name = spec.name.clone();
                let verdict = verdict(was, is);
                artifacts.push(Artifact { stage: plan.stage, unit: None, name, verdict, parts_here: false });
            }
        }
        Ok(Verification { outcome, artifacts })
    }
}

/// Unpack one file and check it; the inner error says in what it is not as the manifest has it.
fn unpack<R: std::io::Read + std::io::Seek>(
    zip: &mut ArchiveReader<R>,
    file: &File,
    folder: &Path,
) -> Result<Result<(), String>> {
    let path = Path::new(&file.path);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_))) && !file.path.contains('\\');
    if !inside || file.path.is_empty() {
        return Ok(Err("a path that leads elsewhere".into()));
    }
    let full = folder.join(path);
    let parent = full.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|e| Error::io("make the folder", parent, &e))?;
    let out = std::fs::File::create(&full).map_err(|e| Error::io("write", &full, &e))?;
    let mut checked = Checked { out, hasher: blake3::Hasher::new(), size: 0, limit: file.size };
    match zip.copy(&file.path, &mut checked) {
        Ok(true) if checked.size == file.size && *checked.hasher.finalize().as_bytes() == file.blake3.0 => {}
        Ok(true) => return Ok(Err("other content".into())),
        Ok(false) => return Ok(Err("is missing".into())),
        Err(_) if checked.size > file.size => return Ok(Err("other content".into())),
        Err(error) if error.message.contains("is damaged") => return Ok(Err("damaged".into())),
        Err(error) => return Err(error),
    }
    #[cfg(unix)]
    if file.executable {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&full, permissions).map_err(|e| Error::io("write", &full, &e))?;
    }
    Ok(Ok(()))
}

/// Writes a file and hashes it on the way; no more is written than there should be.
struct Checked {
    out: std::fs::File,
    hasher: blake3::Hasher,
    size: u64,
    limit: u64,
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        self.hasher.update(bytes);
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
