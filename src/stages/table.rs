//! `table`: every cell is a unit of its own, so that a table recomputes only the cells whose inputs changed.

use serde_json::{Value as Json, json};

use super::{Inputs, Layout, Outline, Stage, Unit, once};
use crate::error::Result;
use crate::spec::{Decode, Located, Node, Problems, Schemas};
use crate::tables::TableSettings;
use crate::train::Control;

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableStage(pub TableSettings);

impl Decode for TableStage {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        TableSettings::decode(node, problems).map(TableStage)
    }
    fn manifest(&self) -> Json {
        self.0.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        TableSettings::schema(schemas)
    }
    fn expected() -> String {
        TableSettings::expected()
    }
}

impl Stage for TableStage {
    fn inputs(&self) -> Vec<Located<String>> {
        once([self.0.of.clone()])
    }

    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        super::figure::check_inputs(&self.inputs(), inputs, problems);
        Layout::of(Vec::new())
    }

    fn manifest(&self) -> Json {
        json!({"kind": "table", "table": Decode::manifest(self)})
    }

    fn unit(&self, _unit: usize, _layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        Ok(Unit { manifest: Stage::manifest(self), reads: super::figure::read_all(inputs), seconds: 0.01 })
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        inputs: &dyn Inputs,
        _control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        Ok(Some(crate::value::encode(&*inputs.whole(0)?)))
    }
}
