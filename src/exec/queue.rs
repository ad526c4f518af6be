//! Jobs that wait for a worker, and for the cores, the GPUs and the memory that they need.
//!
//! Those of short stages come first: a figure that takes seconds does not wait for a sweep that takes minutes. A job that does not fit beside
//! what runs holds up those behind it: otherwise small jobs would pass a large one for ever. One that asks for more than the machine has
//! runs alone.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::worker::Job;
use crate::stages::Demand;

pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    cpus: u32,
    /// The GPUs of the machine, by the names that CUDA knows them by.
    gpus: Vec<String>,
    /// Bytes of the machine, where that is known.
    memory: Option<u64>,
}

/// A job, and the GPUs that are its own while it runs.
pub struct Taken {
    pub job: Job,
    pub gpus: Vec<String>,
}

#[derive(Default)]
struct State {
    /// With the seconds that their stages take.
    jobs: VecDeque<(f64, Job)>,
    /// No more will come.
    closed: bool,
    running: usize,
    cpus: u32,
    /// GPUs that no job has.
    gpus: Vec<String>,
    memory: u64,
}

impl Queue {
    /// For so many units of one core each at once.
    pub fn new(jobs: usize) -> Queue {
        let cpus = u32::try_from(jobs.max(1)).unwrap_or(u32::MAX);
        let gpus = gpus();
        let state = State { gpus: gpus.clone(), ..State::default() };
        Queue { state: Mutex::new(state), changed: Condvar::new(), cpus, gpus, memory: memory() }
    }

    /// How many GPUs there are.
    pub fn gpus(&self) -> usize {
        self.gpus.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add jobs of a stage that takes about so many seconds; their order is kept.
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

    /// Forget the jobs that no worker has taken; returns how many.
    pub fn drop_waiting(&self) -> usize {
        let mut state = self.state();
        let dropped = state.jobs.len();
        state.jobs.clear();
        dropped
    }

    /// The next job, once it fits; `None` when no more will come.
    pub fn pop(&self) -> Option<Taken> {
        let mut state = self.state();
        loop {
            if let Some(demand) =
                state.jobs.front().map(|(_, job)| job.demand()).filter(|demand| self.fits(&state, *demand))
            {
                state.running += 1;
                state.cpus = state.cpus.saturating_add(demand.cpus);
                state.memory = state.memory.saturating_add(demand.memory);
                let gpus = state.gpus.drain(..demand.gpus as usize).collect();
                return state.jobs.pop_front().map(|(_, job)| Taken { job, gpus });
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fits(&self, state: &State, demand: Demand) -> bool {
        if state.gpus.len() < demand.gpus as usize {
            return false;
        }
        let memory = self.memory.is_none_or(|most| state.memory.saturating_add(demand.memory) <= most);
        state.running == 0 || state.cpus.saturating_add(demand.cpus) <= self.cpus && memory
    }

    /// A job has ended.
    pub fn give_back(&self, demand: Demand, gpus: Vec<String>) {
        let mut state = self.state();
        state.gpus.extend(gpus);
        state.gpus.sort_by_key(|gpu| self.gpus.iter().position(|known| known == gpu));
        state.running = state.running.saturating_sub(1);
        state.cpus = state.cpus.saturating_sub(demand.cpus);
        state.memory = state.memory.saturating_sub(demand.memory);
        self.changed.notify_all();
    }
}

/// The GPUs that CUDA would show to this process: those of `CUDA_VISIBLE_DEVICES`, or all that have a device file.
fn gpus() -> Vec<String> {
    if let Ok(named) = std::env::var("CUDA_VISIBLE_DEVICES") {
        let names = named.split(',').map(str::trim).take_while(|name| !name.is_empty() && *name != "-1");
        return names.map(str::to_string).collect();
    }
    (0..256).map(|i| i.to_string()).take_while(|i| std::path::Path::new(&format!("/dev/nvidia{i}")).exists()).collect()
}

/// All memory of this machine, in bytes.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}
