//! The content of results: datasets and files, from the store or from the project.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::Context;
use crate::program::set_mode;
use crate::stages::Holds;
use crate::store::{Key, LARGE, hash_file};
use crate::value::{Dataset, Digest, FileEntry, decode_tree};

/// A result that should be in the store is not: the unit must run again.
pub fn lost() -> Error {
    Error::lost("a result was lost from the cache while building")
        .hint("run the same command again: missing results are rebuilt")
}

/// Read all results of a stage, so that the store knows everything in them that is damaged or gone.
pub fn find_damage(context: Context, stage: usize, results: &[(Key, Digest)]) {
    let files = context.graph.stages[stage].stage.holds() == Holds::Files;
    for &(key, digest) in results {
        let payload = context.store.load(&key, &digest);
        let Some(tree) = payload.filter(|_| files).and_then(|payload| decode_tree(&payload)) else { continue };
        if tree.files.iter().any(|file| context.store.content(&file.digest).is_none()) {
            context.store.forget(key, digest);
        }
    }
}

/// A file of the project has changed since the build began.
fn changed(context: Context, path: &str) -> Error {
    context.store.forget_file(&context.home.join(path));
    Error::stage(format!("`{path}` was changed while the build ran"))
        .hint("run the same command again: it begins with the new content")
}

/// The dataset in a unit's result.
pub fn dataset(context: Context, stage: usize, (key, digest): (Key, Digest)) -> Result<Dataset> {
    let payload = context.store.load(&key, &digest).ok_or_else(lost)?;
    let definition = &context.graph.stages[stage];
    let named = |error: Error| Error { message: format!("`{}`: {}", definition.name, error.message), ..error };
    let read = definition.stage.dataset(&payload, &|file| content(context, stage, (key, digest), file));
    read.map_err(|error| if error.kind == ErrorKind::Lost { error } else { named(error) })
}

/// The content of a file in a result that is files.
pub fn content(context: Context, stage: usize, unit: (Key, Digest), file: &FileEntry) -> Result<Vec<u8>> {
    let digest = file.digest;
    if context.graph.stages[stage].stage.holds() == Holds::ProjectFiles {
        let path = context.file(&file.path);
        let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, &e))?;
        return if Digest::hash(&bytes) == digest { Ok(bytes) } else { Err(changed(context, &file.path)) };
    }
    context.store.content(&digest).ok_or_else(|| {
        context.store.forget(unit.0, unit.1);
        lost()
    })
}

/// Copy the content of a file in a result.
pub fn copy(context: Context, stage: usize, unit: (Key, Digest), file: &FileEntry, to: &Path) -> Result<()> {
    if context.graph.stages[stage].stage.holds() == Holds::ProjectFiles {
        return copy_of_project(context, file, to);
    }
    let digest = file.digest;
    // A large one is a file of the cache, which the kernel can copy.
    let content = if file.size < LARGE { context.store.content(&digest) } else { None };
    if let Some(bytes) = content {
        return lay(&bytes, to, file.executable);
    }
    if context.store.copy_content(&digest, to)? {
        return set_mode(to, file.executable);
    }
    context.store.forget(unit.0, unit.1);
    Err(lost())
}

/// Copy a file of the project, if its content is still what it was when the key was made.
pub fn copy_of_project(context: Context, file: &FileEntry, to: &Path) -> Result<()> {
    let from = context.home.join(&file.path);
    if file.size < LARGE {
        let bytes = std::fs::read(&from).map_err(|e| Error::io("read", &from, &e))?;
        let same = Digest::hash(&bytes) == file.digest;
        return if same { lay(&bytes, to, file.executable) } else { Err(changed(context, &file.path)) };
    }
    std::fs::copy(&from, to).map_err(|e| Error::io("copy", &from, &e))?;
    if hash_file(to)? != file.digest {
        return Err(changed(context, &file.path));
    }
    set_mode(to, file.executable)
}

/// Write a file that a program may change.
fn lay(bytes: &[u8], to: &Path, executable: bool) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
    let written = options.open(to).and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| Error::io("write", to, &e))
}
