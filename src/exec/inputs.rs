//! Hands results from the store to running units, and keeps what several units share.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::worker::{Results, Shop};
use super::workplace::Place;
use crate::error::{Error, Result};
use crate::plan::{Context, stage_digest};
use crate::program::set_mode;
use crate::stages::{self, Found, Holds, Inputs, Workplace};
use crate::store::{Digest, Key, LARGE, hash_file};
use crate::value::{Dataset, FileEntry, Unread, decode_tree};

const LOST: &str = "a result was lost from the cache while building";

/// A result that should be in the store and is not, after all: the unit must run again.
pub fn lost() -> Error {
    Error::stage(LOST).hint("run the same command again: what is missing is made again")
}

pub fn is_lost(error: &Error) -> bool {
    error.message == LOST
}

/// Look at all results of a stage, so that everything of them that is damaged or gone is known to the store.
pub fn look_through(context: Context, stage: usize, results: &[(Key, Digest)]) {
    let files = context.graph.stages[stage].stage.holds() == Holds::Files;
    for &(key, digest) in results {
        let payload = context.store.load(&key, &digest);
        let Some(tree) = payload.filter(|_| files).and_then(|payload| decode_tree(&payload)) else { continue };
        if tree.files.iter().any(|file| context.store.content(&file.digest).is_none()) {
            context.store.forget(key, digest);
        }
    }
}

/// A file of the project that is not what it was when the build began, or not what was believed of it.
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
    read.map_err(|error| if is_lost(&error) { error } else { named(error) })
}

/// What is in a file of a result that is files.
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

/// The same, as a file.
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
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = executable;
    let written = options.open(to).and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| Error::io("write", to, &e))
}

/// Stacked datasets of whole stages, by stage and digest, so that the cells of a table do not stack them again and again.
#[derive(Default)]
pub struct Shared {
    whole: Mutex<HashMap<(usize, Digest), Arc<Dataset>>>,
    loaded: Mutex<Loaded>,
}

impl Shared {
    /// Forget everything: called when a stage is done, so that memory follows what runs.
    pub fn clear(&self) {
        if let Ok(mut whole) = self.whole.lock() {
            whole.clear();
        }
    }
}

/// Bytes of arrays that are kept in memory, so that files are read once in a build. What is in use does not count.
const MOST_LOADED: usize = 1 << 30;

/// A dataset, once it is loaded; locked while a thread loads it.
type Slot = Arc<Mutex<Option<Arc<Dataset>>>>;

/// Arrays read from files, by stage and digest.
#[derive(Default)]
struct Loaded {
    datasets: HashMap<(usize, Digest), Slot>,
    /// The ones that are kept and their sizes, the one read first in front.
    order: VecDeque<((usize, Digest), usize)>,
    bytes: usize,
}

impl Shared {
    /// The dataset of this name, loaded once even if several threads ask for it at once.
    fn load(&self, name: (usize, Digest), load: impl FnOnce() -> Result<Dataset>) -> Result<Arc<Dataset>> {
        let slot = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.datasets.entry(name).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dataset) = &*slot {
            return Ok(dataset.clone());
        }
        let dataset = Arc::new(load()?);
        *slot = Some(dataset.clone());
        drop(slot);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let size = dataset.bytes();
        loaded.order.push_back((name, size));
        loaded.bytes += size;
        while loaded.bytes > MOST_LOADED
            && let Some((oldest, size)) = loaded.order.pop_front()
        {
            loaded.datasets.remove(&oldest);
            loaded.bytes -= size;
        }
        Ok(dataset)
    }
}

/// The inputs of one stage.
pub struct StageInputs<'a, 'b> {
    pub shop: &'b Shop<'a>,
    pub stage: usize,
    /// For each input the key and digest of each unit.
    pub results: Vec<Results>,
    pub found: Arc<Found>,
    /// Graphics cards that the unit has for itself.
    pub cards: Vec<usize>,
}

impl StageInputs<'_, '_> {
    /// The stage that an input is, and the key and digest of one of its units.
    fn source(&self, input: usize, unit: usize) -> Result<(usize, (Key, Digest))> {
        let stage = self.shop.context.graph.inputs[self.stage].get(input);
        let result = self.results.get(input).and_then(|units| units.get(unit));
        match (stage, result) {
            (Some(&stage), Some(&result)) => Ok((stage, result)),
            _ => Err(Error::internal("a unit reads an input that it does not have")),
        }
    }
}

impl Inputs for StageInputs<'_, '_> {
    fn unit(&self, input: usize, unit: usize) -> Result<Arc<Dataset>> {
        let (stage, result) = self.source(input, unit)?;
        let read = || dataset(self.shop.context, stage, result);
        if !self.shop.context.graph.stages[stage].stage.holds().is_files() {
            return read().map(Arc::new);
        }
        self.shop.shared.load((stage, result.1), || {
            let dataset = read()?;
            let files = dataset.unread.iter().filter(|(_, unread)| unread.file);
            let warning = |(path, unread): (&String, &Unread)| {
                (stage, Error::stage(format!("`{path}` was not read: {}", unread.why)))
            };
            self.shop.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(files.map(warning));
            Ok(dataset)
        })
    }

    fn whole(&self, input: usize) -> Result<Arc<Dataset>> {
        let units =
            self.results.get(input).ok_or_else(|| Error::internal("a stage reads an input that it does not have"))?;
        let digests: Vec<Digest> = units.iter().map(|(_, digest)| *digest).collect();
        let graph = self.shop.context.graph;
        let stage = graph.inputs[self.stage][input];
        let name = (stage, stage_digest(&digests));
        let shared = &self.shop.shared.whole;
        let poisoned = |_| Error::internal("a thread that shared a dataset panicked");
        if let Some(whole) = shared.lock().map_err(poisoned)?.get(&name) {
            return Ok(whole.clone());
        }
        let parts: Vec<Arc<Dataset>> = (0..units.len()).map(|unit| self.unit(input, unit)).collect::<Result<_>>()?;
        let whole = Arc::new(stages::stack(&graph.layouts[stage], &parts));
        let poisoned = |_| Error::internal("a thread that shared a dataset panicked");
        shared.lock().map_err(poisoned)?.insert(name, whole.clone());
        Ok(whole)
    }

    fn warn(&self, warning: Error) {
        self.shop.warnings.lock().unwrap_or_else(PoisonError::into_inner).push((self.stage, warning));
    }

    fn found(&self) -> &Found {
        &self.found
    }

    fn workplace(&self) -> Result<Box<dyn Workplace + '_>> {
        Ok(Box::new(Place::new(self)?))
    }
}
