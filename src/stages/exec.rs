//! `exec`: run a program in a sandbox directory that contains exactly its declared inputs. Its result is its declared outputs, all or none.

mod curve;
mod outputs;
mod secrets;
mod tensorboard;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::each::Each;
use super::files::read_tree;
use super::paths::{PathRole, Paths, is_pattern, normalize, overlap};
use super::quantity::{Memory, Time};
use super::{
    Declaration, Declared, Demand, Holds, Inputs, KindInfo, Layout, Needs, NodeShape, Outline, OutputFile, OutsideData,
    Published, Read, Report, Sandbox, SealSetting, Stage, Tool, Unit,
};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{self, Axes};
use crate::program::{self, ExitReason, Program, ProgramEnd};
use crate::spec::{Decode, Located, Node, OneOrMany, Problems, Schemas, Yaml, wrong_type};
use crate::train::{Control, cuda};
use crate::value::{Dataset, FileEntry, encode_tree};
use curve::CurveFollower;
pub use curve::path_beside as curve_beside;
use outputs::Outputs;
use secrets::LogMask;

/// Part of the key; increase it when programs are run or find their inputs in another way.
const VERSION: u32 = 1;
/// The file that holds the program's parameters.
const PARAMS: &str = "params.json";
/// Prefix of the environment variables that hold parameters.
const PREFIX: &str = "REPRO_PARAM_";
/// The number of log lines in the error of a failed program.
const TAIL: usize = 20;
/// With less free disk space than this, a program probably failed because of it.
const DISK_FULL_LIMIT: u64 = 256 << 10;
/// Environment variables that set the number of threads of numerical libraries.
const THREADS: [&str; 6] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
];
/// The variable with the GPUs that a program may use.
const VISIBLE_GPUS: &str = "CUDA_VISIBLE_DEVICES";
/// The folder of outputs that are copied into the project, as the paper file writes it.
pub const FIGURES: &str = "figures/";

crate::record! {
    /// A program of the user.
    pub struct ExecSettings {
        /// The command: text for the shell (`sh -e`), or a list of the program and its arguments, run without a shell.
        pub run: Located<ExecCommand>,
        /// Stages by name, and files, folders and patterns of the project. The program sees these and nothing else.
        pub inputs: Vec<Located<String>> = Vec::new(),
        /// Run once for every point of this stage, on the files of that point; the result has its axes.
        pub each: Option<Located<String>> = None,
        /// With `each`: axes along which points are gathered into one run.
        pub over: OneOrMany<Located<String>> = OneOrMany::default(),
        /// The files that it writes, or folders with everything in them (`runs/`); files in `figures/` are copied into the project.
        pub outputs: Outputs,
        /// Parameters: all are in `params.json`, scalars also in environment variables `REPRO_PARAM_NAME`.
        pub params: BTreeMap<String, Param> = BTreeMap::new(),
        /// Environment variables that it may read; their values are part of the key.
        pub env: Vec<Located<String>> = Vec::new(),
        /// Environment variables with passwords and tokens: passed to the program, masked in its log, and not part of the key.
        pub secrets: Vec<Located<String>> = Vec::new(),
        /// Tools whose versions are part of the key: names (`python3 --version` is run), or whole commands, as text or as lists.
        pub tools: Vec<Located<Tool>> = Vec::new(),
        /// Time limit, after which it is terminated: `90 s`, `10 min`, `2 h`.
        pub timeout: Option<Time> = None,
        /// A file that it writes while it runs, or a folder of TensorBoard event files: its last values are shown, and the curve is kept beside
        /// the log.
        pub progress: Option<Located<String>> = None,
        /// Folders of checkpoints, which are kept while the program has not succeeded: the next attempt continues with them.
        pub resume: Vec<Located<String>> = Vec::new(),
        /// How often the program is started again after a failure.
        pub retries: u32 = 0,
        /// CPU cores that it uses; programs share the cores of `-j`.
        pub cpus: NonZeroU32 = NonZeroU32::MIN,
        /// Memory that it needs, such as `4 GB`; programs share the memory of the machine.
        pub memory: Option<Memory> = None,
        /// GPUs that it uses exclusively; `CUDA_VISIBLE_DEVICES` lists them.
        pub gpus: u32 = 0,
        /// Data outside of the project, by absolute paths: it is read where it is, and its listing is part of the key.
        pub reads: Vec<OutsideData> = Vec::new(),
        /// Whether it may use the network.
        pub network: bool = false,
        /// `off`: it may touch everything that its user may. By default the setting of the paper, which is `on`.
        pub seal: Option<SealSetting> = None,
        /// It takes long, as training does: `--no-train` does not run it.
        pub expensive: bool = false,
        /// The environment that it runs in, by its name in `environments`; `none` for none. By default the one called `default`, if there is one.
        pub r#in: Option<Located<String>> = None,
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecCommand {
    Shell(String),
    Args(Vec<String>),
}

/// A parameter: any value, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Param(Json);

/// An `exec` stage, with its inputs separated into stages and files.
#[derive(Clone, Debug, PartialEq)]
pub struct Exec {
    pub(super) settings: ExecSettings,
    stages: Vec<Located<String>>,
    files: Vec<Located<String>>,
}

impl ExecCommand {
    fn argv(&self) -> Vec<String> {
        match self {
            ExecCommand::Shell(script) => vec!["/bin/sh".into(), "-ec".into(), script.clone()],
            ExecCommand::Args(words) => words.clone(),
        }
    }

    /// The command in one line, for messages; a script of several lines is not quoted, as the failed line is not known.
    fn summary(&self) -> String {
        let text = match self {
            ExecCommand::Shell(script) => match script.trim().lines().count() {
                0 | 1 => script.trim().to_string(),
                lines => return format!("its script of {lines} lines"),
            },
            ExecCommand::Args(words) => words.join(" "),
        };
        let long = text.chars().count() > 70;
        let text = if long { text.chars().take(67).chain("...".chars()).collect() } else { text };
        format!("`{text}`")
    }
}

impl Decode for ExecCommand {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let run = match &node.value {
            Yaml::Text(script) => ExecCommand::Shell(script.trim_end().to_string()),
            Yaml::List(_) => ExecCommand::Args(Decode::decode(node, problems)?),
            _ => return wrong_type(node, problems),
        };
        let argv = run.argv();
        if argv.iter().any(|word| word.contains('\0')) || argv.iter().all(|word| word.trim().is_empty()) {
            problems.push(Error::user("the command is empty, or contains a zero byte").at(node.span));
            return None;
        }
        Some(run)
    }
    fn manifest(&self) -> Json {
        match self {
            ExecCommand::Shell(script) => json!(script),
            ExecCommand::Args(words) => json!(words),
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}]})
    }
    fn expected() -> String {
        "a command, such as `python3 train.py`, or a list of a program and its arguments".into()
    }
}

impl Decode for Param {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let json = match &node.value {
            Yaml::Null => Json::Null,
            Yaml::Bool(value) => json!(value),
            Yaml::Int(value) => json!(value),
            Yaml::Float(value) if value.is_finite() => json!(value),
            Yaml::Float(_) => f64::decode(node, problems).map(|value| json!(value))?,
            Yaml::Text(text) => json!(text),
            Yaml::List(items) => {
                let items: Option<Vec<Json>> =
                    items.iter().map(|item| Param::decode(item, problems).map(|p| p.0)).collect();
                Json::Array(items?)
            }
            Yaml::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, node)| Some((key.name.clone(), Param::decode(node, problems)?.0)));
                Json::Object(entries.collect::<Option<_>>()?)
            }
        };
        Some(Param(json))
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        let mut place = &mut self.0;
        for name in path {
            let Some(inner) = place.get_mut(*name) else {
                problems.push_unknown_field(Error::user(format!("this parameter has no `{name}`")).at(node.span));
                return None;
            };
            place = inner;
        }
        *place = Param::decode(node, problems)?.0;
        Some(())
    }
    fn manifest(&self) -> Json {
        self.0.clone()
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({})
    }
    fn expected() -> String {
        "a value".into()
    }
}

impl Declaration for ExecSettings {
    fn resolve(&self, names: &HashSet<&str>, problems: &mut Problems) -> Arc<dyn Stage> {
        Arc::new(self.separate_inputs(names, problems))
    }
}

impl ExecSettings {
    /// The program with its inputs separated: an input is a stage if there is one with its name, otherwise a file.
    pub(super) fn separate_inputs(&self, names: &HashSet<&str>, problems: &mut Problems) -> Exec {
        let mut exec = Exec { settings: self.clone(), stages: Vec::new(), files: Vec::new() };
        for folder in &mut exec.settings.resume {
            match normalize(folder, PathRole::Output) {
                Ok(value) => folder.value = value,
                Err(error) => {
                    problems.push(error.hint("folders of checkpoints are relative to the program's working directory"))
                }
            }
        }
        let mut taken = HashSet::new();
        if let Some(of) = &self.each {
            taken.insert(of.value.as_str());
            exec.stages.push(of.clone());
        }
        for input in &self.inputs {
            if self.each.as_ref().is_some_and(|of| of.value == input.value) {
                let error = Error::user(format!("`{}` is both in `each` and in `inputs`", input.value)).at(input.span);
                problems.push(error.hint("`each` gives the program the files of one point: remove it from `inputs`"));
                continue;
            }
            if names.contains(input.value.as_str()) {
                if taken.insert(input.value.as_str()) {
                    exec.stages.push(input.clone());
                }
                continue;
            }
            match normalize(input, PathRole::Input) {
                Ok(value) => exec.files.push(Located { value, span: input.span }),
                Err(error) => problems.push(error),
            }
        }
        exec
    }
}

impl Exec {
    /// The stage whose points it follows.
    fn each(&self) -> Option<Each> {
        let of = self.settings.each.clone()?;
        Some(Each { of, over: self.settings.over.0.clone() })
    }

    /// Report `over` without `each`, and published files of which every point would write the same.
    fn check_each(&self, problems: &mut Problems) {
        if self.settings.each.is_none()
            && let Some(axis) = self.settings.over.0.first()
        {
            let error = Error::user("`over` needs `each`: the stage whose points are gathered").at(axis.span);
            problems.push(error.hint("for example `each: train`"));
        }
        if let (Some(of), Some(file)) = (&self.settings.each, self.published(0).next()) {
            let error = Error::user(format!("all points of `{}` would write `{}`", of.value, file.path)).at(file.span);
            problems
                .push(error.hint("keep the files as outputs, and publish them with a program that reads this stage"));
        }
    }

    fn check_outputs(&self, body: &Node, problems: &mut Problems) {
        let outputs = &self.settings.outputs.0;
        if outputs.is_empty() {
            problems.push(
                Error::user("`outputs` is empty: list the files that the program writes")
                    .at(body.deepest(&["outputs"]).span),
            );
        }
        let files: Vec<&Located<String>> = self.files.iter().filter(|input| !is_pattern(input)).collect();
        let inputs = Paths::new(files.iter().map(|input| input.value.as_str()));
        let mut before = Paths::default();
        for (i, output) in outputs.iter().enumerate() {
            let path = &output.path;
            if let Some(other) = before.overlapping(path) {
                let other = &outputs[other].path.value;
                let error = Error::user(format!("outputs `{other}` and `{}` overlap", path.value)).at(path.span);
                problems.push(error.hint("list each file once, or only the folder"));
            }
            before.insert(path, i);
            if let Some(input) = inputs.overlapping(path).map(|input| files[input]) {
                let error =
                    Error::user(format!("input `{}` and output `{}` overlap", input.value, path.value)).at(path.span);
                problems.push(error.hint("a program must not write its inputs: rename the output"));
            }
            if path.value == FIGURES.trim_end_matches('/') {
                let error = Error::user("list the files in `figures` one by one").at(path.span);
                problems.push(
                    error.hint("they are copied into the project, where two stages must not write the same file"),
                );
            }
            if let Some(folder) = self.settings.resume.iter().find(|folder| overlap(folder, path)) {
                let error =
                    Error::user(format!("`{}` is both in `resume` and an output", folder.value)).at(folder.span);
                problems.push(
                    error.hint("checkpoints are deleted when the program has succeeded; copy what is to be kept"),
                );
            }
            let links = self.settings.reads.iter().filter_map(|data| data.link.as_ref());
            if let Some(link) = links.into_iter().find(|link| overlap(link, path)) {
                let error = Error::user(format!("the link `{}` and the output `{}` overlap", link.value, path.value));
                problems.push(error.at(link.span).hint("`as` must be a path that the program does not write"));
            }
            if path.value == PARAMS {
                problems.push(
                    Error::user(format!("`{PARAMS}` holds the parameters; it cannot be an output")).at(path.span),
                );
            }
        }
    }

    /// Report a file that is both an output of an input stage and a file of the project: they would be confused. A folder of the project may
    /// have the same name as a folder of outputs.
    fn check_ambiguous_files(&self, stage: &str, outputs: Vec<&str>, problems: &mut Problems) {
        let made = Paths::new(outputs);
        let own = |file: &&Located<String>| !is_pattern(file) && !file.starts_with(FIGURES);
        for file in self.files.iter().filter(own).filter(|file| made.containing(file).is_some()) {
            let name = &file.value;
            let error = Error::user(format!("`{name}` is both an output of `{stage}` and a file of the project"));
            let hint = format!("the output of `{stage}` is at `{stage}/{name}`: remove `{name}` from `inputs`");
            problems.push(error.at(file.span).hint(hint));
        }
    }

    /// The outputs that are copied into the project, as those of this unit.
    pub(super) fn published(&self, unit: usize) -> impl Iterator<Item = OutputFile> {
        let paths = self.settings.outputs.0.iter().map(|output| &output.path);
        let figures = paths.filter(|path| path.starts_with(FIGURES));
        figures.map(move |path| OutputFile { unit, path: path.value.clone(), span: path.span })
    }

    /// Whether a file of the sandbox was there before the program: a file of the project, of an input stage, or the parameters.
    fn is_input(&self, inputs: &dyn Inputs, file: &str) -> bool {
        let of_stage = |stage: &Located<String>| overlap(file, stage) || file == format!("{}.npz", stage.value);
        file == PARAMS || inputs.found().tree.get(file).is_some() || self.stages.iter().any(of_stage)
    }

    /// Parameters as environment variables.
    fn variables(&self) -> Vec<(String, String)> {
        let plain = |(name, param): (&String, &Param)| {
            let value = match &param.0 {
                Json::String(text) => text.clone(),
                Json::Null | Json::Array(_) | Json::Object(_) => return None,
                other => other.to_string(),
            };
            Some((variable(name), value))
        };
        self.settings.params.iter().filter_map(plain).collect()
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Why a program was probably killed: how much memory it had, and how much there is.
fn memory_hint(peak: u64) -> String {
    let free = program::available_memory().map(|free| format!(", and {} are free now", gigabytes(free)));
    let of = program::memory().map(|memory| format!(" of {}", gigabytes(memory))).unwrap_or_default();
    format!(
        "its largest process had {}{of}{}: with `memory: 8 GB` less runs at the same time",
        gigabytes(peak),
        free.unwrap_or_default()
    )
}

/// `learning-rate` is `REPRO_PARAM_LEARNING_RATE`.
fn variable(param: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{PREFIX}{}", param.chars().map(fine).collect::<String>())
}

/// A program that runs once for every point of another stage.
static KIND_OF_EACH: KindInfo = KindInfo { unit: "point", report: Report::StartAndEnd, single: false, ..KIND };

static KIND: KindInfo = KindInfo {
    name: "exec",
    unit: "program",
    verb: "run",
    past: "run",
    shape: NodeShape::Program,
    report: Report::End,
    single: true,
    is_program: true,
    ..KindInfo::COMPUTED
};

impl Stage for Exec {
    fn kind(&self) -> &'static KindInfo {
        if self.settings.each.is_some() { &KIND_OF_EACH } else { &KIND }
    }

    fn holds(&self) -> Holds {
        Holds::Files
    }

    /// Outputs that are copied into the project.
    fn publishes(&self) -> Published<'_> {
        Published::Outputs(self.published(0).collect())
    }

    fn command(&self) -> Option<String> {
        Some(match &self.settings.run.value {
            ExecCommand::Shell(script) => script.clone(),
            ExecCommand::Args(words) => words.join(" "),
        })
    }

    fn uses_network(&self) -> bool {
        self.settings.network
    }

    fn environment(&self) -> Option<&Located<String>> {
        self.settings.r#in.as_ref()
    }

    fn outputs(&self) -> Vec<&str> {
        self.settings.outputs.0.iter().map(|output| output.path.as_str()).collect()
    }

    fn inputs(&self) -> Vec<Located<String>> {
        self.stages.clone()
    }

    fn needs(&self) -> Needs {
        let ExecSettings { env, tools, reads, .. } = &self.settings;
        Needs { files: self.files.clone(), env: env.clone(), tools: tools.clone(), reads: reads.clone() }
    }

    fn is_expensive(&self) -> bool {
        self.settings.expensive
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        self.check_each(problems);
        self.check_outputs(body, problems);
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for name in self.settings.params.keys() {
            if let Some(other) = seen.insert(variable(name), name) {
                let error = Error::user(format!(
                    "the parameters `{other}` and `{name}` set the same environment variable, {}",
                    variable(name)
                ));
                problems.push(error.at(body.deepest(&["params", name]).span).hint("rename one of them"));
            }
        }
        for name in self.settings.env.iter().chain(&self.settings.secrets) {
            let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(fine) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let error = Error::user(format!("`{}` is not a valid name of an environment variable", name.value))
                    .at(name.span);
                problems.push(error.hint("names consist of letters, digits and `_`; to set a value, use `params`"));
            }
        }
        if let Some(path) = &self.settings.progress {
            curve::check(path, problems);
            if let Err(error) = normalize(path, PathRole::Output) {
                problems.push(error);
            }
        }
        secrets::check(&self.settings.env, &self.settings.secrets, problems);
    }

    fn warnings(&self, body: &Node, cores: u32, memory: Option<u64>) -> Vec<Error> {
        let at = |setting: &str, message: String| Error::user(message).at(body.deepest(&[setting]).span);
        let mut warnings = Vec::new();
        let ExecSettings { cpus, memory: needed, .. } = &self.settings;
        if cpus.get() > cores {
            warnings.push(at(
                "cpus",
                format!("`cpus` is {cpus}, and this machine has {cores}: nothing else runs at the same time"),
            ));
        }
        match (needed.map(|needed| needed.0), memory) {
            (Some(needed), _) if needed < 1 << 20 => {
                warnings.push(at("memory", format!("`memory` is {needed} bytes: write a unit, such as `4 GB`")));
            }
            (Some(needed), Some(memory)) if needed > memory => {
                let gigabytes = |bytes: u64| bytes as f64 / 1e9;
                warnings.push(at(
                    "memory",
                    format!(
                        "`memory` is {:.1} GB, and this machine has {:.1} GB: nothing else runs at the same time",
                        gigabytes(needed),
                        gigabytes(memory)
                    ),
                ));
            }
            _ => {}
        }
        if let Some(number) = body.get("timeout").and_then(Node::as_number) {
            warnings.push(at("timeout", format!("`timeout` is {number} seconds: write a unit, such as `10 min`")));
        }
        let unset = self.settings.env.iter().filter(|name| std::env::var_os(&name.value).is_none());
        warnings.extend(unset.map(|name| {
            Error::user(format!("the environment variable `{}` in `env` is not set", name.value)).at(name.span)
        }));
        warnings
    }

    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        let outputs = &self.settings.outputs.0;
        let paths = Paths::new(outputs.iter().map(|output| output.path.as_str()));
        for input in inputs {
            self.check_ambiguous_files(input.name, input.stage.outputs(), problems);
            let place = match input.stage.holds() {
                Holds::Nothing => {
                    let error = Error::user(format!("`{}` is a group, which has no files of its own", input.name));
                    let span = self.stages.iter().find(|stage| stage.value == input.name).map(|stage| stage.span);
                    problems.push(error.at(span.unwrap_or_default()).hint("name the stages of the group"));
                    continue;
                }
                Holds::ProjectFiles | Holds::Scene | Holds::Cells => continue,
                Holds::Files => input.name.to_string(),
                Holds::Arrays => format!("{}.npz", input.name),
            };
            if let Some(output) = paths.overlapping(&place).map(|output| &outputs[output]) {
                let error = Error::user(format!(
                    "the input `{}` is at `{place}`, which overlaps the output `{}`",
                    input.name, output.path.value
                ));
                problems.push(error.at(output.path.span).hint("rename the output"));
            }
        }
        let of = self.each().and_then(|each| Some((inputs.iter().find(|input| input.name == each.of.value)?, each)));
        of.map_or_else(|| Layout::new(Vec::new()), |(input, each)| each.layout(input, problems))
    }

    fn manifest(&self) -> Json {
        let mut manifest = Decode::manifest(&self.settings);
        if let Some(map) = manifest.as_object_mut() {
            // The first do not decide the result; the others are compared by their content, digests and versions.
            let free =
                ["timeout", "progress", "resume", "retries", "cpus", "memory", "gpus", "secrets", "network", "seal"];
            free.iter()
                .chain(&["expensive", "in", "env", "tools", "inputs", "reads"])
                .for_each(|name| drop(map.remove(*name)));
            if self.settings.each.is_none() {
                ["each", "over"].iter().for_each(|name| drop(map.remove(*name)));
            }
            map.insert("outputs".into(), json!(self.settings.outputs.paths()));
        }
        manifest
    }

    fn unit(&self, unit: usize, _layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        // The order of inputs and outputs does not matter. The paths of inputs do: the program sees them.
        let mut order: Vec<(usize, &Outline)> = inputs.iter().enumerate().collect();
        order.sort_by_key(|(_, input)| input.name);
        let places: Vec<&str> = order
            .iter()
            .map(|(_, input)| if input.stage.holds() == Holds::ProjectFiles { "" } else { input.name })
            .collect();
        let manifest = json!({
            "kind": "exec", "version": VERSION, "run": self.settings.run.manifest(), "params": self.settings.params.manifest(),
            "outputs": self.settings.outputs.paths(), "inputs": places,
        });
        let each = self.each();
        let read = |(input, outline): &(usize, &Outline)| match &each {
            Some(each) if each.of.value == outline.name => each.read(unit, *input, outline),
            _ => Read::all(*input, outline),
        };
        Ok(Unit { manifest, reads: order.iter().map(read).collect(), seconds: 1.0 })
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        let mut place = inputs.sandbox()?;
        // Start a new log first, so that the output of an earlier run is never shown as this one's.
        let (mut log, path) = place.log()?;
        // The curve of an earlier run is not that of this one.
        let _ = std::fs::remove_file(curve_beside(&path));
        let hidden = self.settings.gpus == 0 && !inputs.found().env.contains_key(VISIBLE_GPUS);
        if hidden && !cuda::visible_gpus().is_empty() {
            // Without this line the log is less clear, nothing else.
            let _ = writeln!(log, "[repro: {VISIBLE_GPUS} is empty; `gpus: 1` gives this program a GPU]");
        }
        for attempt in 1..=self.settings.retries {
            match self.attempt(inputs, &*place, &log, &path, control) {
                Err(error) if error.kind == ErrorKind::Stage && !control.stop() => {
                    let attempts = self.settings.retries + 1;
                    // Without this line the log is less clear, nothing else.
                    let why = error.message.strip_prefix(&self.settings.run.summary()).unwrap_or(&error.message).trim();
                    let _ = writeln!(log, "[repro: attempt {attempt} of {attempts} {why}; trying again]");
                    place = inputs.sandbox()?;
                }
                ended => return ended,
            }
        }
        self.attempt(inputs, &*place, &log, &path, control)
    }

    fn demand(&self) -> Demand {
        let ExecSettings { cpus, memory, gpus, .. } = &self.settings;
        Demand { cpus: cpus.get(), memory: memory.map_or(0, |memory| memory.0), gpus: *gpus }
    }

    fn declares_axis(&self, name: &str) -> bool {
        self.settings.outputs.0.iter().any(|output| output.axes.names(name))
    }

    fn reads_files(&self) -> bool {
        true
    }

    fn reads_axes(&self) -> bool {
        true
    }

    fn reading(&self) -> Json {
        json!({"version": exchange::VERSION, "axes": self.settings.outputs.axes()})
    }

    fn dataset(&self, payload: &[u8], content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>) -> Result<Dataset> {
        const NONE: &Axes = &Axes::NONE;
        let outputs = &self.settings.outputs.0;
        let paths = Paths::new(outputs.iter().map(|output| output.path.as_str()));
        // In a sweep, paths may have the values of axes.
        let swept = |path: &str| outputs.iter().position(|output| output.is_template_of(path));
        let axes = |path: &str| paths.overlapping(path).or_else(|| swept(path)).map_or(NONE, |at| &outputs[at].axes);
        read_tree(payload, false, content, axes)
    }
}

impl Exec {
    /// Run the program once in a sandbox.
    fn attempt(
        &self,
        inputs: &dyn Inputs,
        place: &dyn Sandbox,
        log: &File,
        path: &Path,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        place.materialize_inputs()?;
        self.write_params_and_folders(place)?;
        let mut environment = place.environment();
        let threads = THREADS.iter().map(|name| (name.to_string(), self.settings.cpus.to_string().into()));
        environment.extend(threads.filter(|(name, _)| !inputs.found().env.contains_key(name)).collect::<Vec<_>>());
        environment.extend(self.variables().into_iter().map(|(name, value)| (name, value.into())));
        let folders: Vec<&str> = self.settings.resume.iter().map(|folder| folder.as_str()).collect();
        let resumed = place.link_resumed(&folders)?;
        let secrets = secrets::values(&self.settings.secrets)?;
        environment.extend(secrets.iter().map(|(name, value)| (name.clone(), value.0.clone().into())));
        let mask = RefCell::new(LogMask::new(path, secrets.into_iter().map(|(_, value)| value).collect()));
        let follow = |name: &Located<String>| CurveFollower::new(place.folder().join(&name.value), name, path);
        let curve = RefCell::new(self.settings.progress.as_ref().and_then(follow));
        let words = self.settings.run.argv();
        let limit = self.settings.timeout.map(|time| time.0);
        let ExecSettings { seal, network, reads, .. } = &self.settings;
        let seal = place.seal(&Declared { seal: *seal, network: *network, reads, words: &words });
        let seal = seal.as_ref();
        let program = Program { words: &words, folder: place.folder(), environment: &environment, log, limit, seal };
        let end = program::run_sealed(&program, &|| {
            mask.borrow_mut().apply();
            curve.borrow_mut().iter_mut().for_each(CurveFollower::poll);
            control.stop()
        });
        mask.borrow_mut().apply();
        curve.borrow_mut().iter_mut().for_each(CurveFollower::copy);
        let missed_network = end.as_ref().is_ok_and(|end| end.missed_network);
        if let Ok(end) = &end {
            place.record_usage(end.usage);
            // A few bytes are a slip, which has a warning of its own.
            let too_little = |memory: &Memory| memory.0 < end.usage.peak_memory && memory.0 >= 1 << 20;
            if let Some(Memory(memory)) = self.settings.memory.filter(too_little) {
                let (had, said) = (gigabytes(end.usage.peak_memory), gigabytes(memory));
                let warning = format!("a process of it had {had} of memory, more than its `memory` of {said}");
                inputs.warn(Error::stage(warning).at(self.settings.run.span));
            }
        }
        let failed = |message: String| {
            // The sandbox path means nothing to the user and changes with every run.
            let folder = format!("{}/", place.folder().display());
            let printed: Vec<String> =
                program::tail(path, TAIL).into_iter().map(|line| line.replace(&folder, "")).collect();
            let mut error = Error::stage(message).at(self.settings.run.span);
            for hint in place.undeclared_paths(&printed, seal) {
                error = error.hint(hint);
            }
            if missed_network {
                error = error.hint(
                    "it tried to reach the network, from which it is cut off: if it needs it, add `network: true`",
                );
            }
            if let Ok(ProgramEnd { reason: ExitReason::Exited(status), usage, .. }) = &end
                && program::is_killed(*status)
            {
                error = error.hint(memory_hint(usage.peak_memory));
            }
            if let Some(left) = program::free_space(place.folder()).filter(|left| *left < DISK_FULL_LIMIT) {
                // The program could often not log this itself, for lack of space.
                let left = left / 1024;
                error = error.hint(format!(
                    "there is no space left on the disk ({left} kB): free some space, then run the same command again"
                ));
            }
            if resumed {
                error = error.hint(format!(
                    "it continued with the checkpoints of an earlier attempt; to begin anew, delete `{}`",
                    place.resume_folder().display()
                ));
            }
            if !printed.is_empty() && place.keeps_log() {
                error = error.hint(format!("the full log is in {}", path.display()));
            }
            Err(error.output(printed))
        };
        let command = self.settings.run.summary();
        // If this fails, the log only uses more disk space.
        let _ = program::shorten(path);
        match end.as_ref().map_err(|error| error.clone().at(self.settings.run.span))?.reason {
            ExitReason::Stopped => Ok(None),
            ExitReason::TimedOut => {
                let limit = limit.unwrap_or_default().as_secs_f64();
                failed(format!("{command} timed out after {limit} s (`timeout`)"))
            }
            ExitReason::Exited(status) if !status.success() => {
                failed(format!("{command} failed with {}", program::describe_exit(status)))
            }
            ExitReason::Exited(_) => {
                match outputs::collect(&self.settings.outputs, place, &|file| self.is_input(inputs, file))? {
                    Ok(tree) => Ok(Some(encode_tree(&tree))),
                    Err(wrong) => {
                        let Error { message, span, hints, .. } = wrong;
                        let error = failed(format!("{command} {message}"))
                            .map_err(|error| Error { span: span.or(error.span), ..error });
                        error.map_err(|error| hints.into_iter().fold(error, Error::hint))
                    }
                }
            }
        }
    }

    /// Write the parameters and create the folders of outputs.
    fn write_params_and_folders(&self, place: &dyn Sandbox) -> Result<()> {
        if !self.settings.params.is_empty() {
            let path = place.folder().join(PARAMS);
            let text = format!("{:#}\n", Decode::manifest(&self.settings.params));
            std::fs::write(&path, text).map_err(|e| Error::io("write", &path, &e))?;
        }
        for output in &self.settings.outputs.0 {
            let path = place.folder().join(&output.path.value);
            if let Some(folder) = if output.folder { Some(path.as_path()) } else { path.parent() } {
                std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
            }
        }
        Ok(())
    }
}
