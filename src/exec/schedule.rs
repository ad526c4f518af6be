//! Which stage may run next: pure bookkeeping over the graph, without threads or clocks.

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

/// The state of every stage of a build.
#[derive(Debug)]
pub struct Schedule {
    states: Vec<State>,
    /// Needed stages, inputs first.
    order: Vec<usize>,
}

impl Schedule {
    pub fn new(graph: &Graph, targets: &[usize]) -> Schedule {
        let order = graph.needed(targets);
        let mut states = vec![State::NotNeeded; graph.stages.len()];
        order.iter().for_each(|&stage| states[stage] = State::Waiting);
        Schedule { states, order }
    }

    /// A stage whose inputs are all done; it counts as started from now on.
    pub fn next(&mut self, graph: &Graph) -> Option<usize> {
        let ready = |&stage: &usize| {
            self.states[stage] == State::Waiting
                && graph.inputs[stage].iter().all(|&input| self.states[input] == State::Done)
        };
        let stage = self.order.iter().copied().find(ready)?;
        self.states[stage] = State::Started;
        Some(stage)
    }

    pub fn done(&mut self, stage: usize) {
        self.states[stage] = State::Done;
    }

    /// Mark a stage failed; returns the stages that now cannot run, in order.
    pub fn failed(&mut self, graph: &Graph, stage: usize) -> Vec<usize> {
        self.states[stage] = State::Failed;
        let mut skipped = Vec::new();
        for &other in &self.order {
            let hit = graph.inputs[other].iter().any(|&input| self.states[input] == State::Failed);
            if self.states[other] == State::Waiting && hit {
                self.states[other] = State::Failed;
                skipped.push(other);
            }
        }
        skipped
    }

    /// Stages that never started.
    pub fn waiting(&self) -> Vec<usize> {
        self.order.iter().copied().filter(|&stage| self.states[stage] == State::Waiting).collect()
    }
}
