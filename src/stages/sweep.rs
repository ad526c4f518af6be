//! `sweep`: train the same recipe at every point of a grid of settings. Every point is cached like a `train` stage.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value as Json};

use super::axis::{AxisSpec, ResolvedAxis};
use super::grid::{Grid, GridSettings, ZipGroups, fix_axes, leave_out_unused};
use super::sample::SampleSettings;
use super::{Inputs, KindInfo, Layout, NodeShape, Outline, Stage, Unit, point};
use crate::error::{Error, Result, Span};
use crate::spec::{Decode, Located, Node, Problems, Schemas};
use crate::tables::Conditions;
use crate::train::{Control, Recipe, RecipeManifestText};
use crate::value::Axis;

/// Grids with more points than this, not counting seeds, are checked axis by axis instead of point by point.
const CHECKED_POINTS: usize = 2_000;

crate::record! {
    /// A grid of training runs.
    pub struct SweepSettings with canonical {
        /// The recipe that all points share.
        pub recipe: Recipe,
        /// The axes by name, in any order.
        pub axes: BTreeMap<String, AxisSpec>,
        /// Axes that run together instead of being crossed: `[lr, hidden]`, or a list of such groups.
        pub zip: ZipGroups = ZipGroups::default(),
        /// Points that are left out: `[{lr: 1, hidden: [256, 512]}]`.
        pub except: Vec<Conditions> = Vec::new(),
        /// Points drawn from ranges instead of a grid.
        pub sample: Option<SampleSettings> = None,
        /// Whether all points use the same random numbers.
        pub seeds: Seeds = Seeds::Shared,
    }
}

fn canonical(_: &SweepSettings, map: &mut Map<String, Json>) {
    leave_out_unused(map);
}

crate::union! {
    /// The seeds of a sweep's points.
    pub enum Seeds {
        /// Every point has the recipe's seed, or the one that an axis sets: points differ only by their settings.
        "shared" => Shared,
        /// Every point has its own seed, a hash of all its settings: points are independent samples.
        "distinct" => Distinct,
    }
}

thread_local! {
    /// Reused, because consecutive points share most of their text.
    static TEXTS: RefCell<RecipeManifestText> = RefCell::default();
}

/// A seed from the hash of the whole recipe, including its own seed. It has 52 bits, so that it is exact as a JSON number.
fn distinct_seed(recipe: &Recipe) -> u64 {
    let mut text = String::with_capacity(512);
    TEXTS.with_borrow_mut(|texts| texts.write(recipe, &mut text));
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"repro seed 1\n");
    hasher.update(text.as_bytes());
    let bytes = hasher.finalize();
    bytes.as_bytes()[..8].iter().fold(0u64, |seed, &byte| seed << 8 | u64::from(byte)) >> 12
}

/// A `sweep` stage, with its axes resolved once.
#[derive(Clone, Debug)]
pub struct Sweep {
    settings: SweepSettings,
    grid: OnceLock<Grid>,
}

impl PartialEq for Sweep {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Decode for Sweep {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let settings = SweepSettings::decode(node, problems);
        if let (None, Some(recipe)) = (&settings, node.get("recipe")) {
            point::suggest_models(recipe, problems);
        }
        settings.map(|settings| Sweep { settings, grid: OnceLock::new() })
    }
    /// A field of the sweep, or else of its recipe; where an axis varies the field, the axis gets this value alone.
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        self.grid = OnceLock::new();
        let path = path.strip_prefix(&["recipe"]).unwrap_or(path);
        if GridSettings::has_field(path) || path == ["seeds"] {
            return self.settings.assign(path, node, problems);
        }
        if path.is_empty() {
            return self.settings.recipe.assign(path, node, problems);
        }
        fix_axes::<Recipe>(&mut self.settings.axes, path, node, problems)?;
        self.settings.recipe.assign(path, node, problems)
    }
    fn manifest(&self) -> Json {
        self.settings.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        SweepSettings::schema(schemas)
    }
    fn expected() -> String {
        SweepSettings::expected()
    }
}

impl Sweep {
    fn grid(&self) -> &Grid {
        self.grid.get_or_init(|| self.resolve(Span::default(), &mut Problems::default()).unwrap_or_default())
    }

    fn resolve(&self, axes: Span, problems: &mut Problems) -> Option<Grid> {
        let s = &self.settings;
        let settings = GridSettings { axes: &s.axes, zip: &s.zip, except: &s.except, sample: s.sample.as_ref() };
        settings.resolve(&s.recipe, axes, "for a single model, use the kind `train`", problems)
    }

    /// Its axes by name.
    pub fn axes(&self) -> &BTreeMap<String, AxisSpec> {
        &self.settings.axes
    }

    /// Its axes by name, to change their values.
    pub fn axes_mut(&mut self) -> &mut BTreeMap<String, AxisSpec> {
        self.grid = OnceLock::new();
        &mut self.settings.axes
    }

    /// The recipe of one point.
    pub fn recipe(&self, unit: usize) -> Result<Recipe> {
        let mut recipe = self.assigned(unit)?;
        if self.settings.seeds == Seeds::Distinct {
            recipe.seed = distinct_seed(&recipe);
        }
        Ok(recipe)
    }

    /// The recipe with the assignments of the axes.
    fn assigned(&self, unit: usize) -> Result<Recipe> {
        let mut recipe = self.settings.recipe.clone();
        let mut problems = Problems::default();
        for (path, node) in self.grid().assignments(unit) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            recipe.assign(&path, node, &mut problems);
        }
        match problems.into_errors().pop() {
            Some(error) => Err(error),
            None => Ok(recipe),
        }
    }
}

impl Sweep {
    /// Names of the arrays of all points: an axis may replace the recipe's model.
    fn arrays_of_points(&self) -> Vec<String> {
        let mut names = point::arrays(&self.settings.recipe);
        for (path, node) in self.grid().axes().iter().flat_map(|axis| axis.settings.iter().flatten()) {
            if path.as_slice() == ["model"] {
                let mut recipe = self.settings.recipe.clone();
                recipe.assign(&["model"], node, &mut Problems::default());
                names.extend(point::arrays(&recipe));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// The points that are checked before anything runs: all of a small grid; of a large grid, all values of each axis with the other axes at
    /// their first and at their last value. Seeds need no check.
    fn samples(&self, layout: &Layout) -> Vec<usize> {
        let only_seed =
            |axis: &ResolvedAxis| axis.settings.iter().flatten().all(|(path, _)| path.as_slice() == ["seed"]);
        let lengths: Vec<usize> =
            self.grid().axes().iter().map(|axis| if only_seed(axis) { 1 } else { axis.axis.len() }).collect();
        let reduced = Layout::new(lengths.iter().map(|&length| Axis::index("", length)).collect());
        if reduced.units <= CHECKED_POINTS {
            return (0..reduced.units).filter_map(|unit| layout.unit(&reduced.positions(unit))).collect();
        }
        let first = vec![0; lengths.len()];
        let last: Vec<usize> = lengths.iter().map(|length| length - 1).collect();
        let mut points = Vec::new();
        for corner in [first, last] {
            for (axis, &length) in lengths.iter().enumerate() {
                points.extend((0..length).filter_map(|value| {
                    let mut positions = corner.clone();
                    positions[axis] = value;
                    layout.unit(&positions)
                }));
            }
        }
        points
    }

    /// The location of the axis value that sets a field at a point.
    fn value_span(&self, unit: usize, field: &str) -> Option<Span> {
        // An axis' path may contain kinds (`data.sparse-uniform.probability`); `field` does not.
        let last = field.rsplit('.').next();
        self.grid()
            .assignments(unit)
            .find(|(path, _)| path.last().map(String::as_str) == last)
            .map(|(_, node)| node.span)
    }
}

static KIND: KindInfo = KindInfo {
    name: "sweep",
    unit: "point",
    verb: "train",
    past: "trained",
    shape: NodeShape::Model,
    trains: true,
    ..KindInfo::COMPUTED
};

impl Stage for Sweep {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn arrays(&self) -> Option<Vec<String>> {
        Some(self.arrays_of_points())
    }

    fn inputs(&self) -> Vec<Located<String>> {
        Vec::new()
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        let before = problems.len();
        let Some(grid) = self.resolve(body.deepest(&["axes"]).span, problems) else { return };
        let layout = &grid.layout;
        let recipe_node = body.deepest(&["recipe"]);
        for unit in self.samples(layout) {
            if let Ok(recipe) = self.assigned(unit)
                && !recipe.check().is_empty()
            {
                point::check(&self.settings.recipe, recipe_node, problems);
                if problems.len() == before {
                    // The recipe is valid, but not at this point.
                    for fault in recipe.check() {
                        let message = format!("at {}: {}", layout.label(unit), fault.message);
                        let span = self.value_span(unit, &fault.field).unwrap_or(body.deepest(&["axes"]).span);
                        problems.push(Error::user(message).at(span));
                    }
                }
                return;
            }
        }
    }

    fn layout(&self, _inputs: &[Outline], _problems: &mut Problems) -> Layout {
        self.grid().layout.clone()
    }

    fn manifest(&self) -> Json {
        Decode::manifest(self)
    }

    fn unit(&self, unit: usize, _layout: &Layout, _inputs: &[Outline]) -> Result<Unit> {
        Ok(point::unit(&self.recipe(unit)?))
    }

    fn text(&self, unit: usize, _layout: &Layout) -> Option<Result<(String, f64)>> {
        let recipe = self.recipe(unit);
        Some(recipe.map(|recipe| TEXTS.with_borrow_mut(|texts| point::text(&recipe, texts))))
    }

    fn run(
        &self,
        unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        _inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        point::run(&self.recipe(unit)?, control)
    }

    fn training(&self, unit: usize, _layout: &Layout) -> Option<Result<Recipe>> {
        Some(self.recipe(unit))
    }

    fn steps(&self, unit: usize, _layout: &Layout) -> u32 {
        self.recipe(unit).map_or(0, |recipe| recipe.steps)
    }
}
