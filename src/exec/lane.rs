//! Training runs that wait for a graphics card, which takes many at once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::worker::Job;

/// The most runs that a card takes at once: results of others shall not wait for long.
const MOST: usize = 1 << 15;

#[derive(Default)]
pub struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Cards at work; those that failed are gone.
    cards: usize,
    closed: bool,
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many cards begin to work.
    pub fn open(&self, cards: usize) {
        self.state().cards = cards;
    }

    /// Add jobs; gives them back if no card is there to take them.
    pub fn push(&self, jobs: Vec<Job>) -> Result<(), Vec<Job>> {
        let mut state = self.state();
        if state.cards == 0 {
            return Err(jobs);
        }
        state.jobs.extend(jobs);
        self.changed.notify_all();
        Ok(())
    }

    /// Jobs for one card: its share, so that several cards finish together. Empty when no more will come.
    pub fn take(&self) -> Vec<Job> {
        let mut state = self.state();
        while state.jobs.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let share = match state.cards {
            0 | 1 => state.jobs.len(),
            // Half of its part now, the rest by who is quicker.
            cards => state.jobs.len().div_ceil(2 * cards),
        };
        let count = share.min(MOST).min(state.jobs.len());
        state.jobs.drain(..count).collect()
    }

    /// A card has failed; returns the jobs that wait if it was the last one.
    pub fn lose_card(&self) -> Vec<Job> {
        let mut state = self.state();
        state.cards = state.cards.saturating_sub(1);
        if state.cards == 0 { state.jobs.drain(..).collect() } else { Vec::new() }
    }

    /// Forget the jobs that no card has taken; returns how many.
    pub fn drop_waiting(&self) -> usize {
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
