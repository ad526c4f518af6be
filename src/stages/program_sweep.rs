//! `sweep` with `exec`: run a program at every point of a grid of its parameters. Every point is cached like the equal `exec` stage.

use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use super::axis::{AxisSpec, Varied};
use super::exec::{Exec, ExecSettings};
use super::grid::{Grid, GridSettings, ZipGroups, fix_axes, leave_out_unused};
use super::sample::SampleSettings;
use super::{Demand, Holds, Inputs, KindInfo, Layout, Needs, NodeShape, Outline, Published, Stage, Unit};
use crate::error::{Error, Result, Span};
use crate::spec::{Decode, Located, Node, Problems, suggest};
use crate::tables::Conditions;
use crate::train::Control;
use crate::value::{Dataset, FileEntry};

crate::record! {
    /// A program that runs at every point of a grid.
    pub struct ProgramSweepSettings {
        /// The program that all points share.
        pub exec: ExecSettings,
        /// The axes by name, in any order.
        pub axes: BTreeMap<String, AxisSpec>,
        /// Axes that run together instead of being crossed: `[lr, hidden]`, or a list of such groups.
        pub zip: ZipGroups = ZipGroups::default(),
        /// Points that are left out: `[{lr: 1, hidden: [256, 512]}]`.
        pub except: Vec<Conditions> = Vec::new(),
        /// Points drawn from ranges instead of a grid.
        pub sample: Option<SampleSettings> = None,
    }
}

impl ProgramSweepSettings {
    /// Set a field of the sweep, or else of its program; where an axis varies the field, the axis gets this value alone.
    pub fn assign_field(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        let path = path.strip_prefix(&["exec"]).unwrap_or(path);
        if GridSettings::has_field(path) {
            return self.assign(path, node, problems);
        }
        fix_axes::<ProgramFields>(&mut self.axes, path, node, problems)?;
        self.exec.assign(path, node, problems)
    }

    /// The stage, with its inputs resolved.
    pub fn resolve(&self, names: &HashSet<&str>, problems: &mut Problems) -> ProgramSweep {
        let base = self.exec.separate_inputs(names, problems);
        ProgramSweep { settings: self.clone(), base, grid: OnceLock::new() }
    }

    fn grid(&self, axes: Span, problems: &mut Problems) -> Option<Grid> {
        let settings =
            GridSettings { axes: &self.axes, zip: &self.zip, except: &self.except, sample: self.sample.as_ref() };
        settings.resolve(&ProgramFields(self.exec.clone()), axes, "for a single run, use the kind `exec`", problems)
    }
}

/// The fields of a program that axes vary: its parameters, and its command.
#[derive(Clone)]
struct ProgramFields(ExecSettings);

impl Varied for ProgramFields {
    const NAME: &'static str = "program";

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        match path {
            ["run"] => self.0.run.assign(&[], node, problems),
            ["params", name, rest @ ..] => match self.0.params.get_mut(*name) {
                Some(param) => param.assign(rest, node, problems),
                None => {
                    let known: Vec<&str> = self.0.params.keys().map(String::as_str).collect();
                    let error = Error::user(format!("the program has no parameter `{name}`")).at(node.span);
                    let list = format!("list it with its usual value: `params: {{{name}: ...}}`");
                    let error = if known.is_empty() { error } else { error.hint(suggest(name, &known)) };
                    problems.push_unknown_field(error.hint(list));
                    None
                }
            },
            _ => {
                let error = Error::user(format!("an axis cannot set `{}`", path.join("."))).at(node.span);
                problems.push_unknown_field(error.hint("an axis of a program sets `params.NAME` or `run`"));
                None
            }
        }
    }

    fn manifest(&self) -> Json {
        json!({"run": self.0.run.manifest(), "params": self.0.params.manifest()})
    }

    fn default_field(axis: &str) -> Option<String> {
        Some(format!("params.{axis}"))
    }
}

/// A sweep over a program.
#[derive(Clone, Debug)]
pub struct ProgramSweep {
    settings: ProgramSweepSettings,
    /// The program before the axes change it.
    base: Exec,
    /// Resolved once.
    grid: OnceLock<Grid>,
}

impl ProgramSweep {
    fn grid(&self) -> &Grid {
        let resolve = || self.settings.grid(Span::default(), &mut Problems::default()).unwrap_or_default();
        self.grid.get_or_init(resolve)
    }

    /// The point of the grid, and with `each` the point of that stage.
    fn split(&self, unit: usize, layout: &Layout) -> (usize, usize) {
        let followed = layout.units / self.grid().layout.units.max(1);
        (unit / followed.max(1), unit % followed.max(1))
    }

    /// The program of one point.
    fn program(&self, unit: usize) -> Result<Exec> {
        let grid = self.grid();
        let mut fields = ProgramFields(self.base.settings.clone());
        let mut problems = Problems::default();
        for (path, node) in grid.assignments(unit) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            fields.assign(&path, node, &mut problems);
        }
        if let Some(error) = problems.into_errors().pop() {
            return Err(error);
        }
        let values = grid.layout.values(unit).into_iter();
        let values: Vec<_> = values.map(|(name, coords, at)| (name.to_string(), coords.label(at))).collect();
        let mut exec = self.base.clone();
        exec.settings = fields.0;
        exec.settings.outputs = exec.settings.outputs.with_names(&values);
        Ok(exec)
    }

    /// Report published names that several points would write.
    fn check_published(&self, problems: &mut Problems) {
        let layout = &self.grid().layout;
        for file in self.base.published(0) {
            let named = |name: &str| file.path.contains(&format!("{{{name}}}"));
            let told = |dim: usize| {
                let mut along = layout.secondary().iter().filter(|secondary| secondary.dim == dim);
                named(&layout.axes[dim].name)
                    || along.any(|secondary| named(&secondary.name) && secondary.is_distinct())
            };
            let missing = (0..layout.axes.len()).filter(|&dim| layout.axes[dim].len() > 1 && !told(dim));
            let missing: Vec<String> = missing.map(|dim| format!("{{{}}}", layout.axes[dim].name)).collect();
            if !missing.is_empty() {
                let error = Error::user(format!("all points would write `{}`", file.path)).at(file.span);
                let (stem, ending) = file.path.rsplit_once('.').unwrap_or((&file.path, ""));
                let dot = if ending.is_empty() { "" } else { "." };
                let name = format!("{stem}-{}{dot}{ending}", missing.join("-"));
                problems.push(error.hint(format!("name the axes that tell the points apart: `{name}`")));
            }
        }
    }

    /// Report names in output paths that are not axes: `{lrr}`.
    fn check_names(&self, problems: &mut Problems) {
        let known: Vec<&str> = self.grid().layout.names().collect();
        for output in &self.base.settings.outputs.0 {
            for part in output.path.split('{').skip(1) {
                let Some((name, _)) = part.split_once('}') else { continue };
                if !known.contains(&name) {
                    let error = Error::user(format!("`{{{name}}}` in `{}` is not an axis", output.path.value));
                    problems.push(error.at(output.path.span).hint(suggest(name, &known)));
                }
            }
        }
    }
}

static KIND: KindInfo = KindInfo {
    name: "sweep",
    unit: "point",
    verb: "run",
    past: "run",
    shape: NodeShape::Program,
    is_program: true,
    ..KindInfo::COMPUTED
};

impl Stage for ProgramSweep {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn holds(&self) -> Holds {
        Holds::Files
    }

    fn publishes(&self) -> Published<'_> {
        if self.base.published(0).next().is_none() {
            return Published::Outputs(Vec::new());
        }
        let programs = (0..self.grid().layout.units).filter_map(|unit| Some((unit, self.program(unit).ok()?)));
        Published::Outputs(programs.flat_map(|(unit, exec)| exec.published(unit).collect::<Vec<_>>()).collect())
    }

    fn command(&self) -> Option<String> {
        self.base.command()
    }

    fn uses_network(&self) -> bool {
        self.base.uses_network()
    }

    fn environment(&self) -> Option<&Located<String>> {
        self.base.environment()
    }

    fn outputs(&self) -> Vec<&str> {
        self.base.outputs()
    }

    fn inputs(&self) -> Vec<Located<String>> {
        self.base.inputs()
    }

    fn needs(&self) -> Needs {
        self.base.needs()
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        self.base.check(body.get("exec").unwrap_or(body), problems);
        if self.settings.grid(body.deepest(&["axes"]).span, problems).is_some() {
            self.check_published(problems);
            self.check_names(problems);
        }
    }

    fn warnings(&self, body: &Node, cores: u32, memory: Option<u64>) -> Vec<Error> {
        self.base.warnings(body.get("exec").unwrap_or(body), cores, memory)
    }

    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        self.grid().layout.product(&self.base.layout(inputs, problems))
    }

    fn manifest(&self) -> Json {
        let mut manifest = Decode::manifest(&self.settings);
        manifest["exec"] = Stage::manifest(&self.base);
        if let Some(map) = manifest.as_object_mut() {
            leave_out_unused(map);
        }
        manifest
    }

    fn unit(&self, unit: usize, layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        let (point, of) = self.split(unit, layout);
        self.program(point)?.unit(of, layout, inputs)
    }

    fn run(
        &self,
        unit: usize,
        layout: &Layout,
        outlines: &[Outline],
        inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        let (point, of) = self.split(unit, layout);
        self.program(point)?.run(of, layout, outlines, inputs, control)
    }

    fn is_expensive(&self) -> bool {
        self.base.is_expensive()
    }

    fn demand(&self) -> Demand {
        self.base.demand()
    }

    fn declares_axis(&self, name: &str) -> bool {
        self.base.declares_axis(name)
    }

    fn reads_files(&self) -> bool {
        true
    }

    fn reads_axes(&self) -> bool {
        true
    }

    fn reading(&self) -> Json {
        self.base.reading()
    }

    fn dataset(&self, payload: &[u8], content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>) -> Result<Dataset> {
        self.base.dataset(payload, content)
    }
}
