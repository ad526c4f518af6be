//! What all threads of a build share: queues, counters, and the flags that end it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::Options;
use super::dataset_cache::DatasetCache;
use super::environment_places::EnvironmentPlaces;
use super::gpu_queue::GpuQueue;
use super::job_queue::JobQueue;
use crate::error::{Error, Result};
use crate::plan::Context;
use crate::program::{ProgramUsage, Readable};
use crate::store::{Scratch, Writer};
use crate::train::cuda;

/// What all threads of a build share.
pub struct BuildShared<'a> {
    pub context: Context<'a>,
    pub writer: &'a Writer<'a>,
    pub datasets: DatasetCache,
    /// Warnings of stages, by index, until the coordinator takes them.
    pub warnings: Mutex<Vec<(usize, Error)>>,
    pub queue: JobQueue,
    pub gpu_queue: GpuQueue,
    /// No new unit begins; training writes a checkpoint and ends.
    pub stop: AtomicBool,
    /// Programs end too: no one could store their results.
    abandoned: AtomicBool,
    interrupted: &'static AtomicBool,
    /// Progress inside running units, by stage, in millionths of a unit.
    pub inside: Vec<AtomicU64>,
    /// By stage: whether a unit of it has begun.
    pub started: Vec<AtomicBool>,
    /// By stage: the unit of it that began last.
    pub latest: Vec<AtomicUsize>,
    /// By stage: the most memory that one of its programs had, and the CPU time of all.
    pub usage: Mutex<HashMap<usize, ProgramUsage>>,
    /// The folder for the sandboxes of this build, once one is needed.
    scratch: OnceLock<Scratch>,
    /// What every sealed program may read, once one runs.
    readable: OnceLock<Readable>,
    /// The environments of programs.
    pub environments: EnvironmentPlaces,
}

impl<'a> BuildShared<'a> {
    pub fn new(context: Context<'a>, writer: &'a Writer<'a>, options: &Options) -> Self {
        BuildShared {
            context,
            writer,
            datasets: DatasetCache::default(),
            warnings: Mutex::default(),
            queue: JobQueue::new(options.jobs, cuda::visible_gpus().len()),
            gpu_queue: GpuQueue::default(),
            stop: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            interrupted: options.interrupted,
            inside: context.graph.stages.iter().map(|_| AtomicU64::new(0)).collect(),
            started: context.graph.stages.iter().map(|_| AtomicBool::new(false)).collect(),
            latest: context.graph.stages.iter().map(|_| AtomicUsize::new(0)).collect(),
            usage: Mutex::default(),
            scratch: OnceLock::new(),
            readable: OnceLock::new(),
            environments: EnvironmentPlaces::default(),
        }
    }

    /// The folder for the sandboxes of this build.
    pub fn scratch(&self) -> Result<&Scratch> {
        if let Some(scratch) = self.scratch.get() {
            return Ok(scratch);
        }
        // If two threads create one at the same time, the second is deleted again.
        let made = self.context.store.scratch()?;
        Ok(self.scratch.get_or_init(|| made))
    }

    /// What every sealed program may read on this machine.
    pub fn readable(&self) -> &Readable {
        self.readable.get_or_init(|| Readable::of_machine(&[self.context.home, self.context.store.dir()]))
    }

    /// The log of a program.
    pub fn log_path(&self, stage: usize, unit: usize) -> PathBuf {
        let Context { graph, store, .. } = self.context;
        store.log_path(&graph.stages[stage].name, &graph.layouts[stage].folder(unit))
    }

    /// Whether everything should end soon.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether programs should end too. They do not when another stage has failed: their work would be lost.
    pub fn cancelled(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) || self.interrupted.load(Ordering::Relaxed)
    }

    /// Closes the queues when it is dropped, so that the workers end.
    pub fn open(&self) -> CloseOnDrop<'_, 'a> {
        CloseOnDrop(self)
    }
}

pub struct CloseOnDrop<'b, 'a>(&'b BuildShared<'a>);

impl Drop for CloseOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        self.0.abandoned.store(true, Ordering::Relaxed);
        self.0.queue.close();
        self.0.gpu_queue.close();
    }
}
