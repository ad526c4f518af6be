//! Putting a paper into an archive.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::crates::{About, metadata};
use super::facts::{Facts, Kept};
use super::trace::Traces;
use super::{FETCHED, File, LONGEST_MANIFEST, MANIFEST, METADATA, Manifest, OWN, Role, TRACES, VERSION};
use crate::error::{Error, Result};
use crate::exchange::ArchiveWriter;
use crate::plan::{self, Context, StagePlan, StageState};
use crate::stages::{FIGURES, Holds};
use crate::store::hash_file;
use crate::value::{Digest, FileEntry, decode_tree};

/// Smaller files are packed; larger ones are stored as they are, and never held in memory.
const SMALL: u64 = 64 << 20;

/// What was put into an archive.
#[derive(Debug)]
pub struct Exported {
    /// Files, and artifacts among them.
    pub files: usize,
    pub artifacts: usize,
    /// Results whose traces are in it.
    pub results: usize,
    /// Bytes of the archive.
    pub bytes: u64,
    /// The digest of its manifest: it stands for the content of every file.
    pub digest: Digest,
    /// Environment variables of whose values digests are in the traces.
    pub variables: Vec<String>,
}

/// Where the content of a file is.
pub(super) enum Content {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

/// Files by their paths in the archive.
pub(super) type Pieces = BTreeMap<String, (File, Content)>;

/// Finds the content of a stage that was fetched from an address: its files, and where they are.
pub(super) type Fetched<'a> = &'a mut dyn FnMut(&StagePlan) -> Result<Vec<(FileEntry, PathBuf)>>;

/// All of an archive.
pub(super) struct Packed {
    pub pieces: Pieces,
    pub traces: Traces,
    pub manifest: Manifest,
}

impl Packed {
    /// The content of a file that was made here.
    pub fn bytes(&self, path: &str) -> &[u8] {
        match self.pieces.get(path) {
            Some((_, Content::Bytes(bytes))) => bytes,
            _ => &[],
        }
    }

    /// The manifest as it is written.
    pub fn listing(&self) -> Result<Vec<u8>> {
        json(&self.manifest)
    }
}

/// Write the archive `out` with the artifacts of the targets and all that they come from. `paper` is the name and the content of the
/// paper file. Errors: something is out of date, or changes meanwhile.
pub fn export(
    context: Context,
    paper: (&str, &[u8]),
    targets: &[usize],
    about: &About,
    out: &Path,
) -> Result<Exported> {
    // Nothing that is packed may be deleted meanwhile.
    let _shared = context.store.lock_shared();
    let graph = context.graph;
    let plans = plan::plan(context, targets)?;
    let stale: Vec<&str> = plans
        .iter()
        .filter(|plan| plan.state != StageState::UpToDate)
        .map(|plan| graph.stages[plan.stage].name.as_str())
        .collect();
    if !stale.is_empty() {
        let shown = stale.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let (more, verb) = (if stale.len() > 5 { ", ..." } else { "" }, if stale.len() == 1 { "is" } else { "are" });
        return Err(Error::stage(format!("{shown}{more} {verb} out of date"))
            .hint("an archive holds results that belong to the paper file as it is: `repro build` first"));
    }
    let scratch = context.store.scratch()?;
    let mut fetched = |plan: &StagePlan| -> Result<Vec<(FileEntry, PathBuf)>> {
        let folder = scratch.folder()?;
        let mut found = Vec::new();
        for file in tree(context, plan)? {
            let copy = folder.join("content");
            if !context.store.copy_content(&file.digest, &copy)? {
                return Err(lost(&graph.stages[plan.stage].name));
            }
            let here = folder.join(file.digest.to_string());
            std::fs::rename(&copy, &here).map_err(|e| Error::io("write", &here, &e))?;
            found.push((file, here));
        }
        Ok(found)
    };
    let facts = Kept { store: context.store, hosts: false };
    let packed = pack(context, &plans, paper, targets, about, &facts, &mut fetched)?;
    let listing = packed.listing()?;
    if listing.len() as u64 > LONGEST_MANIFEST {
        let error = Error::stage(format!("{} files are too many for one archive", packed.pieces.len()));
        return Err(error.hint("export some of the stages, or put the files of a folder into one"));
    }
    let (bytes, digest) = (write(&packed.pieces, &listing, out)?, Digest::hash(&listing));
    let variables = packed.traces.stages.iter().flat_map(|stage| stage.recorded.env.keys().cloned());
    let mut variables: Vec<String> = variables.collect();
    variables.sort();
    variables.dedup();
    Ok(Exported {
        files: packed.pieces.len() + 1,
        artifacts: packed.pieces.values().filter(|(file, _)| file.role == Role::Artifact).count(),
        results: packed.traces.stages.iter().map(|stage| stage.results.len()).sum(),
        bytes,
        digest,
        variables,
    })
}

/// All that an archive of current stages holds. Checking an archive makes this from its paper file and its inputs too, and compares.
pub(super) fn pack(
    context: Context,
    plans: &[StagePlan],
    paper: (&str, &[u8]),
    targets: &[usize],
    about: &About,
    facts: &dyn Facts,
    fetched: Fetched,
) -> Result<Packed> {
    let graph = context.graph;
    let mut pieces = Pieces::new();
    add(&mut pieces, entry(paper.0, Role::Paper, paper.1), Content::Bytes(paper.1.to_vec()))?;
    for plan in plans {
        let stage = &graph.stages[plan.stage];
        for file in &plan.resolved.found.tree.files {
            if file.path.starts_with(OWN) || file.path == METADATA {
                let error =
                    Error::stage(format!("`{}` is an input, and the archive keeps that name for itself", file.path));
                return Err(error.hint("rename it"));
            }
            add(&mut pieces, of(file, &file.path, Role::Input), Content::Path(context.home.join(&file.path)))?;
        }
        if stage.stage.source().is_some() && stage.stage.holds() == Holds::Files {
            for (file, here) in fetched(plan)? {
                let path = format!("{FETCHED}{}/{}", stage.name, file.path);
                add(&mut pieces, of(&file, &path, Role::Fetched), Content::Path(here))?;
            }
        }
        for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
            let digest = state.digest().ok_or_else(|| Error::internal("a current stage lacks a file"))?;
            let from = context.figures.join(&spec.name);
            let size = std::fs::metadata(&from).map_err(|e| Error::io("read", &from, &e))?.len();
            let path = format!("{FIGURES}{}", spec.name);
            let file = File { path, role: Role::Artifact, size, blake3: digest, executable: false };
            add(&mut pieces, file, Content::Path(from))?;
        }
    }
    let traces = Traces::of(context, plans, &graph.needed(targets), facts)?;
    let bytes = json(&traces)?;
    add(&mut pieces, entry(TRACES, Role::Traces, &bytes), Content::Bytes(bytes))?;
    let title = if graph.title.is_empty() { paper.0 } else { &graph.title };
    let files: Vec<File> = pieces.values().map(|(file, _)| file.clone()).collect();
    let bytes = metadata(title, about, &files, &traces).into_bytes();
    add(&mut pieces, entry(METADATA, Role::Metadata, &bytes), Content::Bytes(bytes))?;
    let manifest = Manifest {
        version: VERSION,
        repro: env!("CARGO_PKG_VERSION").into(),
        paper: paper.0.to_string(),
        targets: targets.iter().map(|&target| graph.stages[target].name.clone()).collect(),
        about: about.clone(),
        files: pieces.values().map(|(file, _)| file.clone()).collect(),
    };
    Ok(Packed { pieces, traces, manifest })
}

fn lost(stage: &str) -> Error {
    Error::stage(format!("a result of `{stage}` is damaged"))
        .hint(format!("run `repro build {stage}`: it is made again"))
}

/// The files of a result that is files.
fn tree(context: Context, plan: &StagePlan) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for unit in &plan.resolved.units {
        if let plan::UnitState::Cached { key, digest } = *unit {
            let tree = context.store.load(&key, &digest).and_then(|payload| decode_tree(&payload));
            files.extend(tree.ok_or_else(|| lost(&context.graph.stages[plan.stage].name))?.files);
        }
    }
    Ok(files)
}

fn entry(path: &str, role: Role, bytes: &[u8]) -> File {
    let (size, blake3) = (bytes.len() as u64, Digest::hash(bytes));
    File { path: path.to_string(), role, size, blake3, executable: false }
}

fn of(file: &FileEntry, path: &str, role: Role) -> File {
    File { path: path.to_string(), role, size: file.size, blake3: file.digest, executable: file.executable }
}

/// Add a file, unless it is there already; two contents at one path cannot be.
fn add(pieces: &mut Pieces, file: File, from: Content) -> Result<()> {
    match pieces.get(&file.path) {
        Some((known, _)) if known.blake3 == file.blake3 => Ok(()),
        Some(_) => Err(Error::stage(format!("two files of the archive would be called `{}`", file.path))
            .hint("an input and an artifact share this name: rename one of them")),
        None => {
            pieces.insert(file.path.clone(), (file, from));
            Ok(())
        }
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|cause| Error::internal(format!("not written as JSON: {cause}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Write all files, the metadata first, and the manifest; all or nothing. Returns the size of the archive.
fn write(pieces: &Pieces, manifest: &[u8], out: &Path) -> Result<u64> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fail = |cause: std::io::Error| Error::io("write", out, &cause);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".repro-");
    // As open as the umask allows.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let aside = builder.tempfile_in(folder).map_err(fail)?;
    let mut writer = ArchiveWriter::new(BufWriter::new(aside));
    let ordered = pieces.get(METADATA).into_iter().chain(pieces.values().filter(|(file, _)| file.path != METADATA));
    for (file, from) in ordered {
        let changed = || {
            Error::stage(format!("`{}` is not what it was when it was built", file.path)).hint(
                "`repro build --reread` reads every file again, also one that was changed without changing its times",
            )
        };
        match from {
            Content::Bytes(bytes) => writer.add(&file.path, bytes).map_err(fail)?,
            Content::Path(path) if file.size <= SMALL => {
                let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
                if Digest::hash(&bytes) != file.blake3 {
                    return Err(changed());
                }
                writer.add(&file.path, &bytes).map_err(fail)?;
            }
            Content::Path(path) => {
                let mut content = std::fs::File::open(path).map_err(|e| Error::io("read", path, &e))?;
                writer.add_file(&file.path, &mut content).map_err(fail)?;
                // Looked at afterwards, so that what was packed is what was hashed, or this says otherwise.
                if hash_file(path)? != file.blake3 {
                    return Err(changed());
                }
            }
        }
    }
    writer.add(MANIFEST, manifest).map_err(fail)?;
    let aside = writer.finish().and_then(|out| out.into_inner().map_err(|error| error.into_error())).map_err(fail)?;
    aside.as_file().sync_all().map_err(fail)?;
    let file = aside.persist(out).map_err(|error| fail(error.error))?;
    Ok(file.metadata().map_err(fail)?.len())
}
