//! `figure`: a scene drawn from the datasets of other stages. Files are rendered from the scene later.

use serde_json::{Value as Json, json};

use super::{Holds, Inputs, KindInfo, Layout, NodeShape, Outline, Published, Read, Stage, Unit, deduplicate};
use crate::error::{Error, Result};
use crate::figures::{self, Figure};
use crate::metrics::AXES;
use crate::spec::{Decode, Located, Node, Problems, Schemas, suggest};
use crate::train::Control;
use crate::value::encode_scene;

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureStage(pub Figure);

impl Decode for FigureStage {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        Figure::decode(node, problems).map(FigureStage)
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        self.0.assign(path, node, problems)
    }
    fn manifest(&self) -> Json {
        self.0.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        Figure::schema(schemas)
    }
    fn expected() -> String {
        Figure::expected()
    }
}

impl FigureStage {
    /// Report unknown arrays, axes and coordinates before anything trains.
    fn check_names(&self, inputs: &[Outline], problems: &mut Problems) {
        let find = |of: &Located<String>| inputs.iter().find(|input| input.name == of.value);
        for (of, name) in self.0.names() {
            let Some(input) = find(of) else { continue };
            let Some(mut known) = input.stage.arrays() else { continue };
            known.extend(input.layout.names().map(str::to_string));
            if !known.contains(&name.value) && !AXES.contains(&name.value.as_str()) {
                let known: Vec<&str> = known.iter().map(String::as_str).chain(AXES).collect();
                let error = Error::user(format!("`{}` has no array or axis `{}`", of.value, name.value)).at(name.span);
                problems.push(error.hint(suggest(&name.value, &known)));
            }
        }
        for (of, axis, coordinate) in self.0.coordinates() {
            let Some(axis) = find(of).and_then(|input| input.layout.axes.iter().find(|known| known.name == axis))
            else {
                continue;
            };
            if axis.coords.position(coordinate.text()).is_none() {
                let known: Vec<String> = (0..axis.len().min(12)).map(|i| axis.coords.label(i)).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let message =
                    format!("axis `{}` of `{}` has no coordinate `{}`", axis.name, of.value, coordinate.text());
                problems.push(Error::user(message).at(coordinate.span()).hint(suggest(coordinate.text(), &known)));
            }
        }
    }
}

/// Read all units of all inputs.
pub(super) fn read_all(inputs: &[Outline]) -> Vec<Read> {
    inputs.iter().enumerate().map(|(input, outline)| Read::all(input, outline)).collect()
}

/// Report inputs without arrays.
pub(super) fn check_inputs(names: &[Located<String>], inputs: &[Outline], problems: &mut Problems) {
    for (name, input) in names.iter().zip(inputs) {
        if !input.stage.holds().has_arrays() {
            let error = Error::user(format!("`{}` is a {}; it holds no arrays", input.name, input.stage.kind().name));
            problems.push(error.at(name.span).hint("name the `train`, `sweep` or `metric` stage that it shows"));
        }
    }
}

static KIND: KindInfo = KindInfo {
    name: "figure",
    unit: "figure",
    verb: "draw",
    past: "drawn",
    shape: NodeShape::Artifact,
    single: true,
    ..KindInfo::COMPUTED
};

impl Stage for FigureStage {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn holds(&self) -> Holds {
        Holds::Scene
    }

    fn publishes(&self) -> Published<'_> {
        Published::Figure(&self.0)
    }

    fn inputs(&self) -> Vec<Located<String>> {
        deduplicate(self.0.stages())
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        self.0.check(body, problems);
    }

    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        let before = problems.len();
        check_inputs(&self.inputs(), inputs, problems);
        if problems.len() == before {
            self.check_names(inputs, problems);
        }
        Layout::new(Vec::new())
    }

    fn manifest(&self) -> Json {
        let mut settings = Decode::manifest(self);
        if let Some(map) = settings.as_object_mut() {
            // The scene does not depend on its file formats.
            for setting in ["formats", "dpi", "reference"] {
                map.remove(setting);
            }
            if let Some(theme) = map.get_mut("theme").and_then(Json::as_object_mut) {
                theme.remove("formats");
                theme.remove("dpi");
            }
        }
        json!({"kind": "figure", "version": figures::VERSION, "figure": settings})
    }

    fn reads_axes(&self) -> bool {
        true
    }

    fn unit(&self, _unit: usize, _layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        Ok(Unit { manifest: Stage::manifest(self), reads: read_all(inputs), seconds: 0.05 })
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        outlines: &[Outline],
        inputs: &dyn Inputs,
        _control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        let mut datasets = std::collections::HashMap::new();
        for (i, outline) in outlines.iter().enumerate() {
            datasets.insert(outline.name.to_string(), inputs.whole(i)?);
        }
        let scene = self.0.draw(&|name: &str| datasets.get(name).cloned(), &mut |warning| inputs.warn(warning))?;
        if !scene.is_finite() {
            // Its encoding could not be read back.
            let error = Error::stage("a number of this figure is too extreme to be drawn");
            return Err(error.hint("set the limits of the axes: `x: {from: ..., to: ...}`, `y: {from: ..., to: ...}`"));
        }
        Ok(Some(encode_scene(scene)))
    }
}
