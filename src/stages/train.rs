//! `train`: train one model.

use serde_json::Value as Json;

use super::{Inputs, KindInfo, Layout, NodeShape, Outline, Stage, Unit, point};
use crate::error::Result;
use crate::spec::{Decode, Located, Node, Problems, Schemas};
use crate::train::{Control, Recipe};

/// The recipe of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Train(pub Recipe);

impl Decode for Train {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let recipe = Recipe::decode(node, problems);
        if recipe.is_none() {
            point::suggest_models(node, problems);
        }
        recipe.map(Train)
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        self.0.assign(path, node, problems)
    }
    fn manifest(&self) -> Json {
        self.0.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        Recipe::schema(schemas)
    }
    fn expected() -> String {
        Recipe::expected()
    }
}

static KIND: KindInfo = KindInfo {
    name: "train",
    unit: "model",
    verb: "train",
    past: "trained",
    shape: NodeShape::Model,
    trains: true,
    ..KindInfo::COMPUTED
};

impl Stage for Train {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn arrays(&self) -> Option<Vec<String>> {
        Some(point::arrays(&self.0))
    }

    fn inputs(&self) -> Vec<Located<String>> {
        Vec::new()
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        point::check(&self.0, body, problems);
    }

    fn layout(&self, _inputs: &[Outline], _problems: &mut Problems) -> Layout {
        Layout::new(Vec::new())
    }

    fn manifest(&self) -> Json {
        Decode::manifest(self)
    }

    fn unit(&self, _unit: usize, _layout: &Layout, _inputs: &[Outline]) -> Result<Unit> {
        Ok(point::unit(&self.0))
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        _inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        point::run(&self.0, control)
    }

    fn training(&self, _unit: usize, _layout: &Layout) -> Option<Result<Recipe>> {
        Some(Ok(self.0.clone()))
    }

    fn steps(&self, _unit: usize, _layout: &Layout) -> u32 {
        self.0.steps
    }
}
