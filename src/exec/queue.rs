//! Jobs that wait for a worker, and for the cores, the memory and the graphics cards that they need.
//!
//! Those of short stages come first: a figure that takes seconds does not wait for a sweep that takes minutes. A job that does not fit beside
//! what runs holds up those behind it: otherwise small jobs would pass a large one for ever. One that asks for more than the machine has
//! runs alone.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::worker::Job;
use crate::program;
use crate::stages::Demand;

pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    cpus: u32,
    /// Bytes of the machine, where that is known.
    memory: Option<u64>,
}

#[derive(Default)]
struct State {
    /// With the seconds that their stages take.
    jobs: VecDeque<(f64, Job)>,
    /// No more will come.
    closed: bool,
    running: usize,
    cpus: u32,
    memory: u64,
    /// Graphics cards that nobody uses, and how many there are.
    cards: Vec<usize>,
    all_cards: usize,
}

/// What a running job takes of the machine.
#[derive(Debug)]
pub struct Taken {
    demand: Demand,
    pub cards: Vec<usize>,
}

impl Queue {
    /// For so many units of one core each at once, on a machine with so many graphics cards.
    pub fn new(jobs: usize, cards: usize) -> Queue {
        let cpus = u32::try_from(jobs.max(1)).unwrap_or(u32::MAX);
        let state = State { cards: (0..cards).collect(), all_cards: cards, ..State::default() };
        Queue { state: Mutex::new(state), changed: Condvar::new(), cpus, memory: program::memory() }
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

    /// How many graphics cards there are, as far as is known.
    pub fn cards(&self) -> usize {
        self.state().all_cards
    }

    /// There are at least so many graphics cards after all.
    pub fn know_cards(&self, count: usize) {
        let mut state = self.state();
        let known = state.all_cards;
        state.cards.extend(known..count);
        state.all_cards = known.max(count);
    }

    /// A graphics card for itself alone, once nobody else uses it; `None` when no more jobs will come.
    pub fn take_card(&self, card: usize) -> Option<Taken> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(at) = state.cards.iter().position(|free| *free == card) {
                state.cards.remove(at);
                return Some(Taken { demand: Demand { cpus: 0, memory: 0, gpus: 1 }, cards: vec![card] });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next job, once it fits; `None` when no more will come.
    pub fn pop(&self) -> Option<(Job, Taken)> {
        let mut state = self.state();
        loop {
            if let Some(demand) =
                state.jobs.front().map(|(_, job)| job.demand()).filter(|demand| self.fits(&state, *demand))
            {
                state.running += 1;
                state.cpus = state.cpus.saturating_add(demand.cpus);
                state.memory = state.memory.saturating_add(demand.memory);
                let cards = state.cards.len().min(demand.gpus as usize);
                let cards = state.cards.drain(..cards).collect();
                return state.jobs.pop_front().map(|(_, job)| (job, Taken { demand, cards }));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fits(&self, state: &State, demand: Demand) -> bool {
        let memory = self.memory.is_none_or(|most| state.memory.saturating_add(demand.memory) <= most);
        // The trainer gives back the cards that it took.
        let cards = state.cards.len() >= demand.gpus as usize;
        cards && (state.running == 0 || state.cpus.saturating_add(demand.cpus) <= self.cpus && memory)
    }

    /// A job has ended.
    pub fn give_back(&self, Taken { demand, cards }: Taken) {
        let mut state = self.state();
        // The trainer's use of a card is no job of this queue.
        state.running = state.running.saturating_sub(usize::from(demand.cpus > 0));
        state.cards.extend(cards);
        state.cards.sort_unstable();
        state.cpus = state.cpus.saturating_sub(demand.cpus);
        state.memory = state.memory.saturating_sub(demand.memory);
        self.changed.notify_all();
    }
}
