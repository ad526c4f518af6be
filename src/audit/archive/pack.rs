//! Packs a paper into an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::facts::{CacheFacts, FactSource};
use super::manifest::{
    ArchiveFile, FETCHED, FileRole, MANIFEST, MAX_MANIFEST_BYTES, METADATA, Manifest, OWN_FOLDER, PublicationInfo,
    TRACES, VERSION,
};
use super::ro_crate;
use super::traces::Traces;
use crate::error::{Error, Result};
use crate::exchange::ArchiveWriter;
use crate::plan::{self, Context, StagePlan, StageState};
use crate::stages::{FIGURES, Holds};
use crate::store::hash_file;
use crate::value::{Digest, FileEntry, decode_tree};

/// Up to this size files are compressed. Larger ones are stored uncompressed and never held in memory.
const MAX_COMPRESSED_BYTES: u64 = 64 << 20;

/// What an export wrote.
#[derive(Debug)]
pub struct ExportSummary {
    /// The number of files, the manifest included.
    pub files: usize,
    pub artifacts: usize,
    /// The number of results with a trace.
    pub results: usize,
    /// The size of the archive.
    pub bytes: u64,
    /// The digest of the manifest; it covers the content of every file.
    pub digest: Digest,
    /// The environment variables whose values have digests in the traces.
    pub variables: Vec<String>,
    /// Data outside of the project that programs read: it is not in the archive.
    pub reads: Vec<String>,
}

/// Where the content of an archived file comes from.
pub(super) enum Content {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

/// Files by their paths in the archive.
pub(super) type Members = BTreeMap<String, (ArchiveFile, Content)>;

/// Finds the files of a stage that were fetched from its URL, and their paths on disk.
pub(super) type FindFetched<'a> = &'a mut dyn FnMut(&StagePlan) -> Result<Vec<(FileEntry, PathBuf)>>;

/// An archive before it is written.
pub(super) struct PackedArchive {
    pub members: Members,
    pub traces: Traces,
    pub manifest: Manifest,
}

impl PackedArchive {
    /// The content of a file that packing generated: the traces or the metadata.
    pub fn generated(&self, path: &str) -> &[u8] {
        match self.members.get(path) {
            Some((_, Content::Bytes(bytes))) => bytes,
            _ => &[],
        }
    }

    /// The manifest as it is written.
    pub fn manifest_bytes(&self) -> Result<Vec<u8>> {
        json(&self.manifest)
    }
}

/// Write the archive `out` with the artifacts of the targets and everything that they were made from. `paper` is the name and the content of
/// the paper file. Errors: something is out of date, or changes during the export.
pub fn export(
    context: Context,
    paper: (&str, &[u8]),
    targets: &[usize],
    about: &PublicationInfo,
    out: &Path,
) -> Result<ExportSummary> {
    // A concurrent `repro gc` must not delete what is packed.
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
            .hint("an archive needs up-to-date results: run `repro build` first"));
    }
    let scratch = context.store.scratch()?;
    let mut fetched = |plan: &StagePlan| -> Result<Vec<(FileEntry, PathBuf)>> {
        let folder = scratch.folder()?;
        let mut found = Vec::new();
        for file in result_files(context, plan)? {
            let copy = folder.join("content");
            if !context.store.copy_content(&file.digest, &copy)? {
                return Err(damaged(&graph.stages[plan.stage].name));
            }
            let here = folder.join(file.digest.to_string());
            std::fs::rename(&copy, &here).map_err(|e| Error::io("write", &here, &e))?;
            found.push((file, here));
        }
        Ok(found)
    };
    let facts = CacheFacts { store: context.store, hosts: false };
    let packed = pack(context, &plans, paper, targets, about, &facts, &mut fetched)?;
    let manifest = packed.manifest_bytes()?;
    if manifest.len() as u64 > MAX_MANIFEST_BYTES {
        let error = Error::stage(format!("{} files are too many for one archive", packed.members.len()));
        return Err(error.hint("export fewer stages, or combine the files of a folder into one"));
    }
    let (bytes, digest) = (write(&packed.members, &manifest, out)?, Digest::hash(&manifest));
    let recorded = packed.traces.stages.iter().map(|stage| &stage.recorded);
    let variables: BTreeSet<&String> = recorded.clone().flat_map(|recorded| recorded.env.keys()).collect();
    let reads: BTreeSet<&String> = recorded.flat_map(|recorded| recorded.reads.keys()).collect();
    Ok(ExportSummary {
        files: packed.members.len() + 1,
        artifacts: packed.members.values().filter(|(file, _)| file.role == FileRole::Artifact).count(),
        results: packed.traces.stages.iter().map(|stage| stage.results.len()).sum(),
        bytes,
        digest,
        variables: variables.into_iter().cloned().collect(),
        reads: reads.into_iter().cloned().collect(),
    })
}

/// Pack up-to-date stages. `repro verify` packs an archive again with this and compares.
pub(super) fn pack(
    context: Context,
    plans: &[StagePlan],
    paper: (&str, &[u8]),
    targets: &[usize],
    about: &PublicationInfo,
    facts: &dyn FactSource,
    fetched: FindFetched,
) -> Result<PackedArchive> {
    let graph = context.graph;
    let mut members = Members::new();
    add(&mut members, entry_of_bytes(paper.0, FileRole::Paper, paper.1), Content::Bytes(paper.1.to_vec()))?;
    for plan in plans {
        let stage = &graph.stages[plan.stage];
        let found = &plan.resolved.found;
        let of_environment = found.environment.iter().flat_map(|environment| &environment.tree.files);
        for file in found.tree.files.iter().chain(of_environment) {
            if file.path.starts_with(OWN_FOLDER) || file.path == METADATA {
                let error = Error::stage(format!("the input `{}` has a name that archives reserve", file.path));
                return Err(error.hint("rename it"));
            }
            add(
                &mut members,
                entry_of_file(file, &file.path, FileRole::Input),
                Content::Path(context.home.join(&file.path)),
            )?;
        }
        if stage.stage.source().is_some() && stage.stage.holds() == Holds::Files {
            for (file, here) in fetched(plan)? {
                let path = format!("{FETCHED}{}/{}", stage.name, file.path);
                add(&mut members, entry_of_file(&file, &path, FileRole::Fetched), Content::Path(here))?;
            }
        }
        for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
            let digest = state.digest().ok_or_else(|| Error::internal("an up-to-date stage has no such file"))?;
            let from = context.figures.join(&spec.name);
            let size = std::fs::metadata(&from).map_err(|e| Error::io("read", &from, &e))?.len();
            let path = format!("{FIGURES}{}", spec.name);
            let file = ArchiveFile { path, role: FileRole::Artifact, size, blake3: digest, executable: false };
            add(&mut members, file, Content::Path(from))?;
        }
    }
    let traces = Traces::collect(context, plans, &graph.needed(targets), facts)?;
    let bytes = json(&traces)?;
    add(&mut members, entry_of_bytes(TRACES, FileRole::Traces, &bytes), Content::Bytes(bytes))?;
    let title = if graph.title.is_empty() { paper.0 } else { &graph.title };
    let files: Vec<ArchiveFile> = members.values().map(|(file, _)| file.clone()).collect();
    let bytes = ro_crate::metadata(title, about, &files, &traces).into_bytes();
    add(&mut members, entry_of_bytes(METADATA, FileRole::Metadata, &bytes), Content::Bytes(bytes))?;
    let manifest = Manifest {
        version: VERSION,
        repro: env!("CARGO_PKG_VERSION").into(),
        paper: paper.0.to_string(),
        targets: targets.iter().map(|&target| graph.stages[target].name.clone()).collect(),
        about: about.clone(),
        files: members.values().map(|(file, _)| file.clone()).collect(),
    };
    Ok(PackedArchive { members, traces, manifest })
}

fn damaged(stage: &str) -> Error {
    Error::stage(format!("a result of `{stage}` is damaged")).hint(format!("run `repro build {stage}` to recompute it"))
}

/// The files that the results of a stage consist of.
fn result_files(context: Context, plan: &StagePlan) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for unit in &plan.resolved.units {
        if let plan::UnitState::Cached { key, digest } = *unit {
            let tree = context.store.load(&key, &digest).and_then(|payload| decode_tree(&payload));
            files.extend(tree.ok_or_else(|| damaged(&context.graph.stages[plan.stage].name))?.files);
        }
    }
    Ok(files)
}

/// The manifest entry of content in memory.
fn entry_of_bytes(path: &str, role: FileRole, bytes: &[u8]) -> ArchiveFile {
    let (size, blake3) = (bytes.len() as u64, Digest::hash(bytes));
    ArchiveFile { path: path.to_string(), role, size, blake3, executable: false }
}

/// The manifest entry of a file on disk.
fn entry_of_file(file: &FileEntry, path: &str, role: FileRole) -> ArchiveFile {
    ArchiveFile { path: path.to_string(), role, size: file.size, blake3: file.digest, executable: file.executable }
}

/// Add a file. Adding the same content twice is fine; other content at the same path is an error.
fn add(members: &mut Members, file: ArchiveFile, from: Content) -> Result<()> {
    match members.get(&file.path) {
        Some((known, _)) if known.blake3 == file.blake3 => Ok(()),
        Some(_) => Err(Error::stage(format!("two files of the archive have the path `{}`", file.path))
            .hint("an input and an artifact have the same name: rename one of them")),
        None => {
            members.insert(file.path.clone(), (file, from));
            Ok(())
        }
    }
}

/// Pretty-printed JSON with a newline at the end.
fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|cause| Error::internal(format!("not written as JSON: {cause}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Write all files, the metadata first and the manifest last, and rename the finished archive into place. Returns its size.
fn write(members: &Members, manifest: &[u8], out: &Path) -> Result<u64> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fail = |cause: std::io::Error| Error::io("write", out, &cause);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".repro-");
    // The permissions are those that the umask allows.
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder).map_err(fail)?;
    let mut writer = ArchiveWriter::new(BufWriter::new(temporary));
    let ordered = members.get(METADATA).into_iter().chain(members.values().filter(|(file, _)| file.path != METADATA));
    for (file, from) in ordered {
        let changed = || {
            Error::stage(format!("`{}` has changed since it was built", file.path))
                .hint("`repro build --reread` reads every file again, even if its modification time is unchanged")
        };
        match from {
            Content::Bytes(bytes) => writer.add(&file.path, bytes).map_err(fail)?,
            Content::Path(path) if file.size <= MAX_COMPRESSED_BYTES => {
                let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
                if Digest::hash(&bytes) != file.blake3 {
                    return Err(changed());
                }
                writer.add(&file.path, &bytes).map_err(fail)?;
            }
            Content::Path(path) => {
                let mut content = std::fs::File::open(path).map_err(|e| Error::io("read", path, &e))?;
                writer.add_file(&file.path, &mut content).map_err(fail)?;
                // Hashed after packing: a file that changed in between is noticed.
                if hash_file(path)? != file.blake3 {
                    return Err(changed());
                }
            }
        }
    }
    writer.add(MANIFEST, manifest).map_err(fail)?;
    let temporary =
        writer.finish().and_then(|out| out.into_inner().map_err(|error| error.into_error())).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    let file = temporary.persist(out).map_err(|error| fail(error.error))?;
    Ok(file.metadata().map_err(fail)?.len())
}
