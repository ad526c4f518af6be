//! Training runs that wait for a GPU, which takes many at once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::job::Job;

/// At most this many runs are given to a GPU at once, so that results do not wait for long.
const MOST: usize = 1 << 15;

#[derive(Default)]
pub struct GpuQueue {
    state: Mutex<GpuQueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct GpuQueueState {
    jobs: VecDeque<Job>,
    /// Number of GPUs that work; a failed one is taken off.
    gpus: usize,
    closed: bool,
}

impl GpuQueue {
    fn state(&self) -> MutexGuard<'_, GpuQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `gpus` GPUs begin to work.
    pub fn open(&self, gpus: usize) {
        self.state().gpus = gpus;
    }

    /// Add jobs; returns them if there is no GPU to take them.
    pub fn push(&self, jobs: Vec<Job>) -> Result<(), Vec<Job>> {
        let mut state = self.state();
        if state.gpus == 0 {
            return Err(jobs);
        }
        state.jobs.extend(jobs);
        self.changed.notify_all();
        Ok(())
    }

    /// The next jobs for one GPU: its share, so that all GPUs finish together. Empty once the queue is closed.
    pub fn take(&self) -> Vec<Job> {
        let mut state = self.state();
        while state.jobs.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let share = match state.gpus {
            0 | 1 => state.jobs.len(),
            // Half of its share now; the rest goes to the GPU that is free first.
            gpus => state.jobs.len().div_ceil(2 * gpus),
        };
        let count = share.min(MOST).min(state.jobs.len());
        state.jobs.drain(..count).collect()
    }

    /// A GPU has failed; returns the waiting jobs if it was the last one.
    pub fn lose_gpu(&self) -> Vec<Job> {
        let mut state = self.state();
        state.gpus = state.gpus.saturating_sub(1);
        if state.gpus == 0 { state.jobs.drain(..).collect() } else { Vec::new() }
    }

    /// Drop the jobs that no GPU has taken; returns how many.
    pub fn clear_waiting(&self) -> usize {
        let mut state = self.state();
        let dropped = state.jobs.len();
        state.jobs.clear();
        dropped
    }

    pub fn close(&self) {
        let mut state = self.state();
        state.jobs.clear();
        state.closed = true;
        self.changed.notify_all();
    }
}
