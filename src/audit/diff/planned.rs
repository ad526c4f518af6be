//! A planned stage at one of the two revisions.

use crate::plan::{Context, StagePlan, UnitState};
use crate::stages::{Definition, Layout};
use crate::store::{Digest, Key};
use crate::value::{Tree, decode_tree};

/// A stage at one of the two revisions.
#[derive(Clone, Copy)]
pub(super) struct PlannedStage<'a> {
    pub context: Context<'a>,
    pub plan: &'a StagePlan,
}

impl<'a> PlannedStage<'a> {
    pub fn definition(&self) -> &'a Definition {
        &self.context.graph.stages[self.plan.stage]
    }

    pub fn name(&self) -> &'a str {
        &self.definition().name
    }

    pub fn layout(&self) -> &'a Layout {
        &self.context.graph.layouts[self.plan.stage]
    }

    /// Key and digest of a result, if it is in the cache.
    pub fn result(&self, unit: usize) -> Option<(Key, Digest)> {
        match self.plan.resolved.units.get(unit) {
            Some(&UnitState::Cached { key, digest }) => Some((key, digest)),
            _ => None,
        }
    }

    /// The key of a unit, if its inputs are known.
    pub fn key(&self, unit: usize) -> Option<Key> {
        match self.plan.resolved.units.get(unit)? {
            UnitState::Cached { key, .. } | UnitState::Missing { key, .. } => Some(*key),
            UnitState::Unknown { .. } => None,
        }
    }

    /// The names of its inputs.
    pub fn inputs(&self) -> Vec<&'a str> {
        let graph = self.context.graph;
        graph.inputs[self.plan.stage].iter().map(|&input| graph.stages[input].name.as_str()).collect()
    }

    /// The bytes of a result, if it is in the cache and not damaged.
    pub fn payload(&self, unit: usize) -> Option<Vec<u8>> {
        let (key, digest) = self.result(unit)?;
        self.context.store.load(&key, &digest)
    }

    /// The files of a result that consists of files.
    pub fn tree(&self) -> Option<Tree> {
        decode_tree(&self.payload(0)?)
    }
}
