//! Which stage may run next: a pure data structure over the graph, without threads or clocks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::Graph;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StageProgress {
    NotNeeded,
    Waiting,
    Started,
    Done,
    /// It failed, or a stage that it needs did.
    Failed,
}

/// The state of every stage of a build. Operations take time in proportion to the edges of a stage, not to the number of stages.
#[derive(Debug)]
pub struct Schedule {
    states: Vec<StageProgress>,
    /// Needed stages, inputs first.
    order: Vec<usize>,
    /// The index of each stage in `order`.
    place: Vec<usize>,
    /// The needed stages that read each stage.
    readers: Vec<Vec<usize>>,
    /// For each stage the number of inputs that are not done.
    awaited: Vec<usize>,
    /// Indices in `order` of stages whose inputs are all done, the smallest first.
    ready: BinaryHeap<Reverse<usize>>,
}

impl Schedule {
    pub fn new(graph: &Graph, targets: &[usize]) -> Schedule {
        let order = graph.needed(targets);
        let count = graph.stages.len();
        let mut schedule = Schedule {
            states: vec![StageProgress::NotNeeded; count],
            place: vec![0; count],
            readers: vec![Vec::new(); count],
            awaited: vec![0; count],
            ready: BinaryHeap::new(),
            order,
        };
        for (place, &stage) in schedule.order.iter().enumerate() {
            schedule.states[stage] = StageProgress::Waiting;
            schedule.place[stage] = place;
            schedule.awaited[stage] = graph.inputs[stage].len();
            graph.inputs[stage].iter().for_each(|&input| schedule.readers[input].push(stage));
            if graph.inputs[stage].is_empty() {
                schedule.ready.push(Reverse(place));
            }
        }
        schedule
    }

    /// The number of needed stages.
    pub fn stage_count(&self) -> usize {
        self.order.len()
    }

    /// Start the first stage whose inputs are all done.
    pub fn take(&mut self) -> Option<usize> {
        while let Some(Reverse(place)) = self.ready.pop() {
            let stage = self.order[place];
            if self.states[stage] == StageProgress::Waiting {
                self.states[stage] = StageProgress::Started;
                return Some(stage);
            }
        }
        None
    }

    pub fn done(&mut self, stage: usize) {
        self.states[stage] = StageProgress::Done;
        for &reader in &self.readers[stage] {
            self.awaited[reader] -= 1;
            if self.awaited[reader] == 0 {
                self.ready.push(Reverse(self.place[reader]));
            }
        }
    }

    /// Mark a stage failed; returns the stages that now cannot run, in order.
    pub fn failed(&mut self, stage: usize) -> Vec<usize> {
        self.states[stage] = StageProgress::Failed;
        let mut skipped = Vec::new();
        let mut hit = vec![stage];
        while let Some(stage) = hit.pop() {
            for &reader in &self.readers[stage] {
                if self.states[reader] == StageProgress::Waiting {
                    self.states[reader] = StageProgress::Failed;
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
        self.order.iter().copied().filter(|&stage| self.states[stage] == StageProgress::Waiting).collect()
    }
}
