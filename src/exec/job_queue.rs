//! Jobs that wait for a worker, and for the cores, the memory and the GPUs that they need.
//!
//! Jobs of short stages come first: a figure that takes seconds does not wait for a sweep that takes minutes. A job that does not fit
//! blocks those behind it, or small jobs would starve a large one. A job that needs more than the machine has
//! runs alone.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::job::Job;
use crate::program;
use crate::stages::Demand;

pub struct JobQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
    cpus: u32,
    /// Memory of the machine in bytes, if known.
    memory: Option<u64>,
}

#[derive(Default)]
struct QueueState {
    /// Each with the estimated seconds of its stage.
    jobs: VecDeque<(f64, Job)>,
    /// No more jobs will be added.
    closed: bool,
    running: usize,
    cpus: u32,
    memory: u64,
    /// The free GPUs, and how many there are in all.
    gpus: Vec<usize>,
    all_gpus: usize,
}

/// The resources that a running job has.
#[derive(Debug)]
pub struct Allocation {
    demand: Demand,
    pub gpus: Vec<usize>,
}

impl JobQueue {
    /// A queue for `jobs` cores and `gpus` GPUs.
    pub fn new(jobs: usize, gpus: usize) -> JobQueue {
        let cpus = u32::try_from(jobs.max(1)).unwrap_or(u32::MAX);
        let state = QueueState { gpus: (0..gpus).collect(), all_gpus: gpus, ..QueueState::default() };
        JobQueue { state: Mutex::new(state), changed: Condvar::new(), cpus, memory: program::memory() }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add jobs of a stage with this estimate of seconds; their order is kept.
    pub fn push(&self, seconds: f64, jobs: impl IntoIterator<Item = Job>) {
        let waiting = &mut self.state().jobs;
        let at = waiting.partition_point(|(other, _)| *other <= seconds);
        let longer = waiting.split_off(at);
        waiting.extend(jobs.into_iter().map(|job| (seconds, job)));
        waiting.extend(longer);
        self.changed.notify_all();
    }

    pub fn close(&self) {
        let mut state = self.state();
        state.jobs.clear();
        state.closed = true;
        self.changed.notify_all();
    }

    /// Drop the jobs that no worker has taken; returns how many.
    pub fn clear_waiting(&self) -> usize {
        let mut state = self.state();
        let dropped = state.jobs.len();
        state.jobs.clear();
        dropped
    }

    /// The number of GPUs, as far as it is known.
    pub fn gpus(&self) -> usize {
        self.state().all_gpus
    }

    /// There are at least `count` GPUs.
    pub fn add_gpus(&self, count: usize) {
        let mut state = self.state();
        let known = state.all_gpus;
        state.gpus.extend(known..count);
        state.all_gpus = known.max(count);
    }

    /// Wait until this GPU is free and allocate it; `None` once the queue is closed.
    pub fn take_gpu(&self, gpu: usize) -> Option<Allocation> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(at) = state.gpus.iter().position(|free| *free == gpu) {
                state.gpus.remove(at);
                return Some(Allocation { demand: Demand { cpus: 0, memory: 0, gpus: 1 }, gpus: vec![gpu] });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next job, once its resources are free; `None` once the queue is closed.
    pub fn pop(&self) -> Option<(Job, Allocation)> {
        let mut state = self.state();
        loop {
            if let Some(demand) =
                state.jobs.front().map(|(_, job)| job.demand()).filter(|demand| self.fits(&state, *demand))
            {
                state.running += 1;
                state.cpus = state.cpus.saturating_add(demand.cpus);
                state.memory = state.memory.saturating_add(demand.memory);
                let gpus = state.gpus.len().min(demand.gpus as usize);
                let gpus = state.gpus.drain(..gpus).collect();
                return state.jobs.pop_front().map(|(_, job)| (job, Allocation { demand, gpus }));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fits(&self, state: &QueueState, demand: Demand) -> bool {
        let memory = self.memory.is_none_or(|most| state.memory.saturating_add(demand.memory) <= most);
        // The GPU workers release the GPUs that they took.
        let gpus = state.gpus.len() >= demand.gpus as usize;
        gpus && (state.running == 0 || state.cpus.saturating_add(demand.cpus) <= self.cpus && memory)
    }

    /// A job has ended: its resources are free again.
    pub fn release(&self, Allocation { demand, gpus }: Allocation) {
        let mut state = self.state();
        // A GPU worker's allocation is not a job of this queue.
        state.running = state.running.saturating_sub(usize::from(demand.cpus > 0));
        state.gpus.extend(gpus);
        state.gpus.sort_unstable();
        state.cpus = state.cpus.saturating_sub(demand.cpus);
        state.memory = state.memory.saturating_sub(demand.memory);
        self.changed.notify_all();
    }
}
