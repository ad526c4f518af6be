//! Garbage collection: finds and deletes the results that neither the paper as it is, nor the revisions to keep, nor the last builds of other
//! papers with the same cache need.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::plan::{self, Context, FileState, StageState, UnitState};
use crate::store::{Digest, Key, OtherPaper, Store, StoredResult, Unneeded, content_key, shared};
use crate::value::decode_tree;

/// The size of a record without its payload, in bytes.
const RECORD_BYTES: u64 = 96;

/// Which of the unneeded results may be deleted.
#[derive(Clone, Copy, Debug)]
pub struct GcLimits {
    /// Those that are older than this.
    pub age: Option<Duration>,
    /// The oldest, until the cache has at most this size in bytes.
    pub size: Option<u64>,
}

/// What is deleted, and what remains.
#[derive(Debug, Default)]
pub struct Garbage {
    pub unwanted: Unneeded,
    /// The bytes that are freed.
    pub bytes: u64,
    /// The number of needed results.
    pub results_kept: usize,
    /// The size of the cache afterwards.
    pub bytes_kept: u64,
    /// The number of unneeded results that the limits spare.
    pub spared: usize,
    /// Stages that are out of date: which of their old results they would use again is not known.
    pub stale: Vec<String>,
    /// Other papers that use this cache; their results are kept.
    pub others: Vec<PathBuf>,
    /// Papers whose paper file no longer exists; their results are not kept.
    pub gone: Vec<PathBuf>,
}

/// The results and stages that are needed.
#[derive(Default)]
struct Needed {
    keys: HashSet<Key>,
    /// The keys with a result: these need no checkpoint.
    done: HashSet<Key>,
    names: HashSet<String>,
    names_of_others: HashSet<String>,
    /// What environments are made from.
    environments: HashSet<Digest>,
    stale: Vec<String>,
}

/// Find what these papers do not need. Errors: a missing file or tool makes it impossible to know what is needed.
pub fn garbage(papers: &[Context], limits: GcLimits) -> Result<Garbage> {
    let Some(store) = papers.first().map(|context| context.store) else { return Ok(Garbage::default()) };
    let mut needed = Needed::default();
    papers.iter().try_for_each(|context| needed.add(*context))?;
    let other_papers = store.other_papers().map_err(|error| error.hint("nothing was deleted"))?;
    other_papers.iter().for_each(|other| needed.add_other_paper(store, other));
    let total = store.size();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let stored = store.stored();
    // Only the newest result of a unit is ever used.
    let mut newest: HashMap<Key, Digest> = HashMap::new();
    for stored in &stored {
        newest.entry(stored.key).or_insert(stored.trace.digest);
    }
    let papers_of = |gone: bool| {
        let papers = other_papers.iter().filter(|other| other.gone == gone);
        papers.map(|other| other.paper.clone()).collect()
    };
    let mut garbage =
        Garbage { stale: needed.stale.clone(), others: papers_of(false), gone: papers_of(true), ..Garbage::default() };
    let mut others = shared(&stored);
    let mut free = 0;
    let room = |free: u64| limits.size.is_some_and(|most| total.saturating_sub(free) <= most);
    let old = |age: Duration| limits.age.is_some_and(|least| age >= least);
    // The oldest first.
    for StoredResult { key, trace, external } in stored.iter().rev() {
        if needed.keys.contains(key) && newest.get(key) == Some(&trace.digest) {
            garbage.results_kept += 1;
            continue;
        }
        let age = Duration::from_millis(now.saturating_sub(trace.finished_ms));
        if !old(age) && (limits.size.is_none() || room(free)) {
            garbage.spared += 1;
            continue;
        }
        garbage.unwanted.results.insert((*key, trace.digest));
        let last = others.get_mut(&trace.digest).is_none_or(|count| {
            *count -= 1;
            *count == 0
        });
        free += RECORD_BYTES + if !external || last { trace.size } else { 0 };
    }
    let forgotten = other_papers.iter().filter(|other| other.gone).flat_map(|gone| store.files_of(gone));
    for (path, size, age) in loose_files(store, &needed).into_iter().chain(forgotten) {
        if old(age) || limits.size.is_some() && !room(free) {
            garbage.unwanted.files.push(path);
            free += size;
        }
    }
    let unfinished = needed.unfinished();
    for (key, path, size, age) in store.resume_folders() {
        if !unfinished.contains(&key) && (old(age) || limits.size.is_some() && !room(free)) {
            garbage.unwanted.folders.push(path);
            free += size;
        }
    }
    for environment in store.environments() {
        let is_needed = environment.identity.is_some_and(|identity| needed.environments.contains(&identity));
        if !is_needed && !environment.shared && (old(environment.age) || limits.size.is_some() && !room(free)) {
            garbage.unwanted.environments.push(environment.folder);
            free += environment.bytes;
        }
    }
    garbage.bytes = free;
    garbage.bytes_kept = total.saturating_sub(free);
    Ok(garbage)
}

/// Find and delete what these papers do not need, with exclusive access to the cache.
pub fn collect(papers: &[Context], limits: GcLimits) -> Result<Garbage> {
    let Some(store) = papers.first().map(|context| context.store) else { return Ok(Garbage::default()) };
    if !store.exists() {
        return Ok(Garbage::default());
    }
    let alone = store.lock_exclusive()?;
    // A build may have finished since the cache was opened.
    store.rescan();
    let found = garbage(papers, limits)?;
    store.sweep(&found.unwanted, &alone)?;
    Ok(found)
}

/// Unneeded files outside of results: pages and pictures, unneeded checkpoints, kernels, records and logs of removed stages, orphans.
fn loose_files(store: &Store, needed: &Needed) -> Vec<(std::path::PathBuf, u64, Duration)> {
    let stem = |path: &std::path::Path| path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
    let checkpoints = needed.unfinished();
    let mut found = store.orphans();
    found.extend(store.files_in("diff"));
    found.extend(store.files_in("view"));
    found.extend(store.files_in("partial").into_iter().filter(|(path, ..)| !checkpoints.contains(&stem(path))));
    // Which kernels are needed is not known; they are compiled again in seconds.
    found.extend(store.files_in("kernels"));
    // Memos of no-op builds belong to no stage; their names begin with a dot.
    let kept = |path: &std::path::Path| stem(path).starts_with('.') || needed.names.contains(&stem(path));
    let kept_always = |path: &std::path::Path| path.file_name().is_some_and(|name| name == "published");
    for folder in store.own_folders() {
        found.extend(store.files_in(&folder).into_iter().filter(|(path, ..)| !kept(path) && !kept_always(path)));
    }
    for (stage, folder) in store.log_folders() {
        if !needed.names.contains(&stage) && !needed.names_of_others.contains(&stage) {
            found.extend(store.files_in(&folder));
        }
    }
    // Files that several papers share.
    for folder in ["last", "logs"] {
        let shared = store.files_in(folder).into_iter();
        found.extend(shared.filter(|(path, ..)| !kept(path) && !needed.names_of_others.contains(&stem(path))));
    }
    found
}

impl Needed {
    /// The keys, as text, of results that are needed and not there: their checkpoints are kept.
    fn unfinished(&self) -> HashSet<String> {
        self.keys.difference(&self.done).map(Key::to_string).collect()
    }

    /// Add everything that a paper needs.
    fn add(&mut self, context: Context) -> Result<()> {
        let graph = context.graph;
        if let Some(stage) = graph.pending.first() {
            let message = format!("cannot determine what `{}` needs: its points are not known", stage.name);
            let hint = format!("nothing was deleted; `repro build {}` makes them known", stage.waits_for);
            return Err(Error::stage(message).hint(hint));
        }
        let all: Vec<usize> = (0..graph.stages.len()).collect();
        for plan in plan::plan(context, &all)? {
            let name = &graph.stages[plan.stage].name;
            if let Some(fault) = plan.resolved.faults.first() {
                let message = format!("cannot determine what `{name}` needs: {}", fault.message);
                let error = Error { message, ..fault.clone() };
                return Err(error.hint("nothing was deleted"));
            }
            if let Some(tool) = plan.resolved.found.unasked.first() {
                let error = Error::stage(format!(
                    "cannot determine what `{name}` needs: no build has recorded the version of `{tool}`"
                ));
                return Err(error.hint(format!("nothing was deleted; `repro build {name}` records it")));
            }
            self.names.insert(name.clone());
            if let Some(environment) = &plan.resolved.found.environment {
                self.names.insert(format!("environment-{}", environment.name));
                self.environments.insert(environment.identity());
            }
            if plan.state != StageState::UpToDate && !self.stale.contains(name) {
                self.stale.push(name.clone());
            }
            for unit in &plan.resolved.units {
                match *unit {
                    UnitState::Cached { key, digest } => {
                        self.keys.insert(key);
                        self.done.insert(key);
                        if graph.stages[plan.stage].stage.holds().is_files() {
                            self.add_files(context.store, key, digest);
                        }
                    }
                    UnitState::Missing { key, .. } => drop(self.keys.insert(key)),
                    UnitState::Unknown { .. } => {}
                }
            }
            for file in &plan.resolved.files {
                match *file {
                    FileState::UpToDate { key, .. } | FileState::Stored { key, .. } | FileState::Missing(key) => {
                        self.keys.insert(key);
                    }
                    FileState::Unknown => {}
                }
            }
        }
        Ok(())
    }

    /// Add what another paper built last.
    fn add_other_paper(&mut self, store: &Store, other: &OtherPaper) {
        for (name, stage) in &other.stages {
            self.names_of_others.insert(name.clone());
            for key in &stage.keys {
                self.keys.insert(*key);
                let Some(trace) = store.trace(key) else { continue };
                self.done.insert(*key);
                if stage.lists_files {
                    self.add_files(store, *key, trace.digest);
                }
            }
        }
    }

    /// Add the files that a result consists of.
    fn add_files(&mut self, store: &Store, key: Key, digest: Digest) {
        let tree = store.load(&key, &digest).and_then(|payload| decode_tree(&payload));
        let files = tree.iter().flat_map(|tree| &tree.files);
        self.keys.extend(files.map(|file| content_key(&file.digest)));
    }
}
