//! The stage kinds, one file each: decode the settings, list the inputs, lay out the units, describe and run them.
//!
//! A *unit* is what is cached on its own: a point of a sweep, a metric of one point, a cell of a table, the scene of a figure. Stages do
//! not know where results are stored, nor on which machine or thread a unit runs.

mod axis;
mod best;
mod data;
mod each;
mod environment;
mod exec;
mod figure;
mod files;
mod found_environment;
mod grid;
mod group;
mod kind;
mod layout;
mod locked_packages;
mod metric;
mod need;
mod outside_data;
mod paths;
mod point;
mod program_sweep;
mod publish;
mod quantity;
mod sample;
mod seal_setting;
mod select;
mod sweep;
mod swept;
mod table;
mod train;

pub use axis::ComputedValues;
pub use data::DataStage;
pub use environment::{Environment, EnvironmentSettings, LockKind};
pub use exec::{FIGURES, curve_beside};
pub use found_environment::FoundEnvironment;
pub use kind::{Holds, KindInfo, NodeShape, Report};
pub use layout::Layout;
pub use locked_packages::LockedPackages;
pub use need::{Found, Needs, Secret, Tool, variable_digest};
pub use outside_data::{HashOf, OutsideData};
pub use paths::{file_name, is_pattern};
pub use point::payload as trained;
pub use publish::{FileSpec, OutputFile, Publish};
pub use seal_setting::SealSetting;
pub use select::units as select_units;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::figures::Figure;
use crate::program::ProgramUsage;
use crate::program::Seal;
use crate::spec::{Located, Node, Problems};
use crate::tables::TableSettings;
use crate::train::{Control, Recipe};
use crate::value::{Array, Coords, Dataset, Digest, FileEntry};

crate::union! {
    /// The kind of a stage, with its settings.
    pub enum Kind as dyn Declaration {
        /// Source files: tracked, or pinned by their digest.
        "data" => Data(data::DataStage),
        /// Run a program with declared inputs and outputs.
        "exec" => Exec(exec::ExecSettings),
        /// Train one model.
        "train" => Train(train::Train),
        /// Train one model, or run a program, at every point of a grid; points are cached one by one.
        "sweep" => Sweep(swept::SweepDeclaration),
        /// Compute named arrays from trained models.
        "metric" => Metric(metric::MetricStage),
        /// Draw a figure.
        "figure" => Figure(figure::FigureStage),
        /// Make a table; cells are cached one by one.
        "table" => Table(table::TableStage),
        /// One name for several stages.
        "group" => Group(group::Group),
    }
}

impl Kind {
    /// The values of axes that other stages make.
    pub fn computed_values(&self) -> Vec<ComputedValues> {
        match self {
            Kind::Sweep(sweep) => sweep.axes().values().filter_map(|axis| axis.computed().cloned()).collect(),
            _ => Vec::new(),
        }
    }

    /// Take the values of axes that other stages have made, as far as they are known.
    pub fn set_computed_values(&mut self, known: &dyn Fn(&ComputedValues) -> Option<Coords>) {
        let Kind::Sweep(sweep) = self else { return };
        for axis in sweep.axes_mut().values_mut() {
            if let Some(coords) = axis.computed().and_then(known) {
                axis.set_values(&coords);
            }
        }
    }
}

/// The settings of a stage, before the names of all stages are known.
pub trait Declaration {
    /// The stage, with its inputs resolved; reports unknown names.
    fn resolve(&self, names: &HashSet<&str>, problems: &mut Problems) -> Arc<dyn Stage>;
}

/// Kinds whose settings already separate stages from files.
impl<T: Stage + Clone + 'static> Declaration for T {
    fn resolve(&self, _names: &HashSet<&str>, _problems: &mut Problems) -> Arc<dyn Stage> {
        Arc::new(self.clone())
    }
}

/// What is known about an input before anything runs.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    pub name: &'a str,
    pub stage: &'a dyn Stage,
    pub layout: &'a Layout,
}

/// The units of one input that a unit reads; `input` is an index into [`Stage::inputs`].
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub input: usize,
    pub units: Vec<usize>,
    /// How these units lie, if the unit sees them as a whole of their own; otherwise they are part of the layout of the input.
    pub points: Option<Layout>,
}

impl Read {
    /// All units of an input.
    pub fn all(input: usize, outline: &Outline) -> Read {
        Read { input, units: (0..outline.layout.units).collect(), points: None }
    }
}

/// The description of one unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Everything that decides the unit's bytes besides its inputs.
    pub manifest: Json,
    pub reads: Vec<Read>,
    /// The estimated work, in seconds on one core of a typical machine.
    pub seconds: f64,
}

/// Gives a running unit its inputs.
pub trait Inputs: Sync {
    /// The dataset of one unit of an input.
    fn unit(&self, input: usize, unit: usize) -> Result<Arc<Dataset>>;
    /// All units of an input, stacked along its axes.
    fn whole(&self, input: usize) -> Result<Arc<Dataset>>;
    /// Print a warning.
    fn warn(&self, warning: Error);
    /// The stage's files, variables and tools, as they are in its key.
    fn found(&self) -> &Found;
    /// A folder of its own for a program to run in; it is deleted with everything in it when this is dropped.
    fn sandbox(&self) -> Result<Box<dyn Sandbox + '_>>;
}

/// A folder for a program, and the way of files into it and out of it.
pub trait Sandbox {
    fn folder(&self) -> &Path;
    /// Lay out all needed files and all inputs: files of the project at their own paths; `NAME.npz` for arrays; in a folder `NAME` what a
    /// program made or was fetched; in `figures` the files of figures and tables.
    fn materialize_inputs(&self) -> Result<()>;
    /// Make folders whose content is kept until the unit has succeeded; returns whether an earlier attempt has left something in them.
    fn link_resumed(&self, folders: &[&str]) -> Result<bool>;
    /// Where these folders are kept.
    fn resume_folder(&self) -> PathBuf;
    /// The variables that every program sees, and the stage's own.
    fn environment(&self) -> Vec<(String, OsString)>;
    /// A new log, and where users find it.
    fn log(&self) -> Result<(File, PathBuf)>;
    /// Record what the program has used, which is in no key.
    fn record_usage(&self, usage: ProgramUsage);
    /// Whether the log remains after the command ends, so that an error message may refer to it.
    fn keeps_log(&self) -> bool;
    /// What the program may touch; `None` if it is not sealed.
    fn seal(&self, program: &Declared) -> Option<Seal>;
    /// Hints at files that a text speaks of and that the program does not see: those of the project, those that other stages make, and those
    /// that it is sealed from.
    fn undeclared_paths(&self, lines: &[String], seal: Option<&Seal>) -> Vec<String>;
    /// Take a file's content into the store: its digest and size. The file may be gone afterwards.
    fn store_output(&self, file: &Path) -> Result<(Digest, u64)>;
    /// The size of content that is in the store already.
    fn stored_size(&self, digest: &Digest) -> Option<u64>;
}

/// What a program declares of the world outside of its sandbox.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// Its own setting; `None` for that of the paper.
    pub seal: Option<SealSetting>,
    pub network: bool,
    pub reads: &'a [OutsideData],
    /// The program and its arguments.
    pub words: &'a [String],
}

/// The resources of the machine that a unit uses while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// GPUs, used exclusively.
    pub gpus: u32,
}

/// What a stage writes into `figures/`.
#[derive(Debug)]
pub enum Published<'a> {
    Nothing,
    Figure(&'a Figure),
    Table(&'a TableSettings),
    /// Output files of programs.
    Outputs(Vec<OutputFile>),
}

/// The interface of all stage kinds.
pub trait Stage: Debug + Send + Sync {
    /// The properties of its kind.
    fn kind(&self) -> &'static KindInfo;

    /// What its results are.
    fn holds(&self) -> Holds {
        Holds::Arrays
    }

    /// What it writes into `figures/`.
    fn publishes(&self) -> Published<'_> {
        Published::Nothing
    }

    /// Names of the arrays in its results; `None` if they are only known after it ran.
    fn arrays(&self) -> Option<Vec<String>> {
        None
    }

    /// Itself, if it is a `data` stage.
    fn source(&self) -> Option<&DataStage> {
        None
    }

    /// The full command that it runs, for users who decide whether to allow it.
    fn command(&self) -> Option<String> {
        None
    }

    /// Whether its program may use the network.
    fn uses_network(&self) -> bool {
        false
    }

    /// The environment that its program chooses; `None` if it does not say.
    fn environment(&self) -> Option<&Located<String>> {
        None
    }

    /// Paths of its declared output files.
    fn outputs(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The stages that it reads, without duplicates.
    fn inputs(&self) -> Vec<Located<String>>;

    /// Whether the paper file declares an axis of its arrays with this name, whose coordinates are known only after it ran.
    fn declares_axis(&self, _name: &str) -> bool {
        false
    }

    /// Files, environment variables and tools that it needs.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Report errors in the settings beyond their types.
    fn check(&self, _body: &Node, _problems: &mut Problems) {}

    /// Warnings about settings that are allowed but probably mistakes, on a machine with this number of cores and bytes of memory.
    fn warnings(&self, _body: &Node, _cores: u32, _memory: Option<u64>) -> Vec<Error> {
        Vec::new()
    }

    /// The layout of the result, from the layouts of the inputs; reports unsuitable inputs.
    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout;

    /// All settings that decide the result; `explain` compares them.
    fn manifest(&self) -> Json;

    /// Describe one unit.
    fn unit(&self, unit: usize, layout: &Layout, inputs: &[Outline]) -> Result<Unit>;

    /// A fast path for stages with many units that read nothing: the canonical text of [`Unit::manifest`], and [`Unit::seconds`].
    fn text(&self, _unit: usize, _layout: &Layout) -> Option<Result<(String, f64)>> {
        None
    }

    /// Run one unit; `None` when `control` stopped it.
    fn run(
        &self,
        unit: usize,
        layout: &Layout,
        outlines: &[Outline],
        inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>>;

    /// The recipe of a unit that is one training run, for devices that train many at once; its result is [`trained`].
    fn training(&self, _unit: usize, _layout: &Layout) -> Option<Result<Recipe>> {
        None
    }

    /// Optimizer steps that a unit takes, for progress inside a unit; 0 where it does not train.
    fn steps(&self, _unit: usize, _layout: &Layout) -> u32 {
        0
    }

    /// Whether the paper file says that its program takes long, so that `--no-train` forbids to run it.
    fn is_expensive(&self) -> bool {
        false
    }

    /// The resources that one unit uses while it runs.
    fn demand(&self) -> Demand {
        Demand { cpus: 1, memory: 0, gpus: 0 }
    }

    /// Whether units read the files that figures and tables write into `figures/`, not only their data.
    fn reads_files(&self) -> bool {
        false
    }

    /// Whether its units see an input as one: its arrays stacked along its axes, with the coordinates. These are part of the key then.
    fn reads_axes(&self) -> bool {
        false
    }

    /// Settings that decide how its results become datasets. They are not in its own key, but in the keys of stages that read it.
    fn reading(&self) -> Json {
        Json::Null
    }

    /// Decode a result into a dataset. `content` returns the content of a file in it.
    fn dataset(&self, payload: &[u8], _content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>) -> Result<Dataset> {
        dataset(payload)
    }
}

/// A stage of the paper, decoded.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: String,
    pub span: crate::error::Span,
    pub stage: Arc<dyn Stage>,
    /// The environment that its program runs in.
    pub environment: Option<Arc<Environment>>,
    pub body: Node,
}

impl Definition {
    /// The files that it writes into `figures/`, each with the location that declares it.
    pub fn files(&self) -> Vec<(String, crate::error::Span)> {
        let named = |ending: &str| (format!("{}.{ending}", self.name), self.span);
        match self.stage.publishes() {
            Published::Figure(figure) => figure.formats().iter().map(|format| named(format.name())).collect(),
            Published::Table(table) => table.formats.iter().map(|format| named(format.extension())).collect(),
            Published::Outputs(paths) => {
                paths.into_iter().map(|file| (file.path.replacen(FIGURES, "", 1), file.span)).collect()
            }
            Published::Nothing => Vec::new(),
        }
    }

    /// The files of the project that it names, those of its environment included.
    pub fn files_needed(&self) -> Vec<Located<String>> {
        let of_environment = self.environment.iter().flat_map(|environment| environment.files().cloned());
        self.stage.needs().files.into_iter().chain(of_environment).collect()
    }

    /// The path at which a program that reads this stage finds one of its declared outputs; `None` if it is not one.
    pub fn output_path(&self, path: &str) -> Option<String> {
        self.stage.outputs().into_iter().find(|output| paths::overlap(output, path))?;
        Some(if path.starts_with(FIGURES) { path.to_string() } else { format!("{}/{path}", self.name) })
    }
}

/// Names without duplicates, each with its first location.
fn deduplicate(names: impl IntoIterator<Item = Located<String>>) -> Vec<Located<String>> {
    let mut known = HashSet::new();
    names.into_iter().filter(|name| known.insert(name.value.clone())).collect()
}

/// Decode a dataset.
pub fn dataset(bytes: &[u8]) -> Result<Dataset> {
    crate::value::decode(bytes).ok_or_else(|| Error::internal("a stored result is not a dataset"))
}

/// Stack the results of all units along the layout's axes; points without a unit are NaN. An array that some units lack, or that has another
/// shape or other axes in some, is left out, with the reason. Values along the axes are arrays too, where the results have none of that name.
pub fn stack(layout: &Layout, units: &[Arc<Dataset>]) -> Dataset {
    let mut stacked = Dataset::default();
    if layout.axes.is_empty() {
        return units.first().map(|unit| (**unit).clone()).unwrap_or_default();
    }
    let Some(first) = units.first() else { return stacked };
    stacked.unread.clone_from(&first.unread);
    for secondary in layout.secondary() {
        if let Coords::Numbers(values) = &secondary.coords
            && let Ok(array) = Array::f64(vec![layout.axes[secondary.dim].clone()], values.clone())
        {
            stacked.insert(&secondary.name, array);
        }
    }
    let names: BTreeSet<&String> = units.iter().flat_map(|unit| unit.arrays.keys()).collect();
    for name in names {
        let present = units.iter().all(|unit| unit.get(name).is_some());
        let parts = layout.grid().map(|unit| units.get(unit?)?.get(name));
        match present.then(|| Array::stack(&layout.axes, &parts.collect::<Vec<_>>())).flatten() {
            Some(array) => stacked.insert(name, array),
            None => stacked.leave_out(name, why_not_stacked(name, layout, units)),
        }
    }
    stacked
}

/// Why an array of all units cannot be stacked: two units that differ.
fn why_not_stacked(name: &str, layout: &Layout, units: &[Arc<Dataset>]) -> String {
    let at = |unit: usize| format!("at `{}`", layout.label(unit));
    if let Some(missing) = units.iter().position(|unit| unit.get(name).is_none()) {
        return format!("it is missing {}", at(missing));
    }
    let axes = |unit: &Arc<Dataset>| unit.get(name).map(|array| array.axes.clone());
    let Some(other) = units.iter().position(|unit| axes(unit) != units.first().and_then(axes)) else {
        return "it cannot be stacked".into();
    };
    let (first, second) = (shape(&units[0], name), shape(&units[other], name));
    if first == second {
        return format!("its axes differ {} and {}", at(0), at(other));
    }
    format!("its shape is {first} {} and {second} {}", at(0), at(other))
}

/// `3 x 4`: the shape of an array.
fn shape(dataset: &Dataset, name: &str) -> String {
    let lengths = dataset.get(name).into_iter().flat_map(|array| array.axes.iter().map(|axis| axis.len().to_string()));
    let lengths: Vec<String> = lengths.collect();
    if lengths.is_empty() { "one number".into() } else { lengths.join(" x ") }
}
