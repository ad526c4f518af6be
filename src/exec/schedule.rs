//! Which stage may run next: pure bookkeeping over the graph, without threads or clocks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::Graph;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotNeeded,
    Waiting,
    Started,
    Done,
    /// It failed, or something it needs did.
    Failed,
}

/// The state of every stage of a build. Whatever is asked of it takes time by the links between stages, not by their number.
#[derive(Debug)]
pub struct Schedule {
    states: Vec<State>,
    /// Needed stages, inputs first.
    order: Vec<usize>,
    /// Where each stage stands in `order`.
    place: Vec<usize>,
    /// Who reads each stage, of those that are needed.
    readers: Vec<Vec<usize>>,
    /// For each stage the inputs that are not done.
    awaited: Vec<usize>,
    /// Places of stages whose inputs are all done, the first of the order on top.
    ready: BinaryHeap<Reverse<usize>>,
}

impl Schedule {
    pub fn new(graph: &Graph, targets: &[usize]) -> Schedule {
        let order = graph.needed(targets);
        let count = graph.stages.len();
        let mut schedule = Schedule {
            states: vec![State::NotNeeded; count],
            place: vec![0; count],
            readers: vec![Vec::new(); count],
            awaited: vec![0; count],
            ready: BinaryHeap::new(),
            order,
        };
        for (place, &stage) in schedule.order.iter().enumerate() {
            schedule.states[stage] = State::Waiting;
            schedule.place[stage] = place;
            schedule.awaited[stage] = graph.inputs[stage].len();
            graph.inputs[stage].iter().for_each(|&input| schedule.readers[input].push(stage));
            if graph.inputs[stage].is_empty() {
                schedule.ready.push(Reverse(place));
            }
        }
        schedule
    }

    /// A stage whose inputs are all done, the first in order; it counts as started from now on.
    pub fn take(&mut self) -> Option<usize> {
        while let Some(Reverse(place)) = self.ready.pop() {
            let stage = self.order[place];
            if self.states[stage] == State::Waiting {
                self.states[stage] = State::Started;
                return Some(stage);
            }
        }
        None
    }

    pub fn done(&mut self, stage: usize) {
        self.states[stage] = State::Done;
        for &reader in &self.readers[stage] {
            self.awaited[reader] -= 1;
            if self.awaited[reader] == 0 {
                self.ready.push(Reverse(self.place[reader]));
            }
        }
    }

    /// Mark a stage failed; returns the stages that now cannot run, in order.
    pub fn failed(&mut self, stage: usize) -> Vec<usize> {
        self.states[stage] = State::Failed;
        let mut skipped = Vec::new();
        let mut hit = vec![stage];
        while let Some(stage) = hit.pop() {
            for &reader in &self.readers[stage] {
                if self.states[reader] == State::Waiting {
                    self.states[reader] = State::Failed;
                    skipped.push(reader);
                    hit.push(reader);
                }
            }
        }
        skipped.sort_by_key(|&stage| self.place[stage]);
        skipped
    }

    /// Stages that never started.
    pub fn waiting(&self) -> Vec<usize> {
        self.order.iter().copied().filter(|&stage| self.states[stage] == State::Waiting).collect()
    }
}
