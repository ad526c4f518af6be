//! `group`: one name for several stages, so that `repro build fig6` builds all panels of Figure 6. A group has no result.

use serde_json::Value as Json;

use super::{Holds, Inputs, KindInfo, Layout, Outline, Stage, Unit, deduplicate};
use crate::error::{Error, Result};
use crate::spec::{Decode, Located, Node, Problems, Schemas};
use crate::train::Control;

/// The stages of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group(Vec<Located<String>>);

static KIND: KindInfo = KindInfo { name: "group", unit: "stage", ..KindInfo::COMPUTED };

impl Decode for Group {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let members = Vec::<Located<String>>::decode(node, problems)?;
        if members.is_empty() {
            problems.push(Error::user("this group is empty").at(node.span).hint("list the stages that belong to it"));
            return None;
        }
        Some(Group(members))
    }
    fn manifest(&self) -> Json {
        self.0.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        Vec::<Located<String>>::schema(schemas)
    }
    fn expected() -> String {
        "a list of stages".into()
    }
}

impl Stage for Group {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn holds(&self) -> Holds {
        Holds::Nothing
    }

    fn inputs(&self) -> Vec<Located<String>> {
        deduplicate(self.0.iter().cloned())
    }

    fn layout(&self, _inputs: &[Outline], _problems: &mut Problems) -> Layout {
        Layout::default()
    }

    fn manifest(&self) -> Json {
        Decode::manifest(self)
    }

    fn unit(&self, _unit: usize, _layout: &Layout, _inputs: &[Outline]) -> Result<Unit> {
        Err(Error::internal("a group has no units"))
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        _inputs: &dyn Inputs,
        _control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        Err(Error::internal("a group has no units"))
    }
}
