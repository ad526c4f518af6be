//! `exec`: any program. It runs in a folder of its own that holds exactly its declared inputs, and its result is the files that it is
//! declared to make, all of them or none.

mod outputs;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::files::read_tree;
use super::paths::{Paths, is_pattern, normal};
use super::quantity::{Memory, Time};
use super::{
    Declaration, Demand, Holds, Inputs, KindInfo, Layout, Needs, NodeShape, Outline, Published, Read, Report, Sandbox,
    Stage, Tool, Unit,
};
use crate::error::{Error, Result};
use crate::exchange::{self, Axes};
use crate::program::{self, End, Program};
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, wrong_type};
use crate::train::Control;
use crate::value::{Dataset, FileEntry, encode_tree};
use outputs::Outputs;

/// Raised when the same inputs are laid out or run in another way.
const VERSION: u32 = 1;
/// Where a program finds its parameters.
const PARAMS: &str = "params.json";
/// What is put before the name of a parameter as an environment variable.
const PREFIX: &str = "REPRO_PARAM_";
/// Lines of its log that a failed program shows.
const TAIL: usize = 20;
/// With less free space than this, a program probably failed for the want of it.
const CROWDED: u64 = 256 << 10;
/// Variables by which libraries are told how many threads to use.
const THREADS: [&str; 6] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
];
/// Published outputs lie in this folder, as the paper file writes it.
pub const FIGURES: &str = "figures/";

crate::record! {
    /// A program of the user.
    pub struct ExecSettings {
        /// The command: text for the shell (`sh -e`), or a list of the program and its arguments, without one.
        pub run: Located<Run>,
        /// Stages by name, and files, folders and patterns of the project. The program sees these and nothing else.
        pub inputs: Vec<Located<String>> = Vec::new(),
        /// The files that it makes, or folders with all in them (`runs/`); files in `figures/` are put into the project.
        pub outputs: Outputs,
        /// Settings, which the program finds in `params.json`, and plain ones as `REPRO_PARAM_NAME` too.
        pub params: BTreeMap<String, Param> = BTreeMap::new(),
        /// Environment variables that it may read; their values are part of the key.
        pub env: Vec<Located<String>> = Vec::new(),
        /// Tools whose versions are part of the key: names (`python3 --version` is asked), or whole commands, as text or as lists.
        pub tools: Vec<Located<Tool>> = Vec::new(),
        /// It is ended after this time: `90 s`, `10 min`, `2 h`.
        pub timeout: Option<Time> = None,
        /// Cores that it uses; no more run at once than `-j` says.
        pub cpus: NonZeroU32 = NonZeroU32::MIN,
        /// Memory that it needs, such as `4 GB`; no more runs at once than the machine has.
        pub memory: Option<Memory> = None,
        /// Graphics cards that it uses: no other unit uses them meanwhile, and `CUDA_VISIBLE_DEVICES` names them.
        pub gpus: u32 = 0,
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    Shell(String),
    Words(Vec<String>),
}

/// Any value, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Param(Json);

/// A program, with its inputs separated into stages and files.
#[derive(Clone, Debug, PartialEq)]
pub struct Exec {
    settings: ExecSettings,
    stages: Vec<Located<String>>,
    files: Vec<Located<String>>,
}

impl Run {
    fn words(&self) -> Vec<String> {
        match self {
            Run::Shell(script) => vec!["/bin/sh".into(), "-ec".into(), script.clone()],
            Run::Words(words) => words.clone(),
        }
    }

    /// The command in a line, for messages. Of a script of several lines nobody knows which one it was.
    fn short(&self) -> String {
        let text = match self {
            Run::Shell(script) => match script.trim().lines().count() {
                0 | 1 => script.trim().to_string(),
                lines => return format!("its script of {lines} lines"),
            },
            Run::Words(words) => words.join(" "),
        };
        let long = text.chars().count() > 70;
        let text = if long { text.chars().take(67).chain("...".chars()).collect() } else { text };
        format!("`{text}`")
    }
}

impl Decode for Run {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let run = match &node.value {
            Yaml::Text(script) => Run::Shell(script.trim_end().to_string()),
            Yaml::List(_) => Run::Words(Decode::decode(node, problems)?),
            _ => return wrong_type(node, problems),
        };
        let words = run.words();
        if words.iter().any(|word| word.contains('\0')) || words.iter().all(|word| word.trim().is_empty()) {
            problems.push(Error::user("the command is empty, or holds a zero byte").at(node.span));
            return None;
        }
        Some(run)
    }
    fn manifest(&self) -> Json {
        match self {
            Run::Shell(script) => json!(script),
            Run::Words(words) => json!(words),
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}]})
    }
    fn expected() -> String {
        "a command, `python3 train.py`, or a list of its words".into()
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
    /// An input is a stage if there is one of its name, else a file.
    fn resolve(&self, names: &HashSet<&str>, problems: &mut Problems) -> Arc<dyn Stage> {
        let mut exec = Exec { settings: self.clone(), stages: Vec::new(), files: Vec::new() };
        let mut taken = HashSet::new();
        for input in &self.inputs {
            if names.contains(input.value.as_str()) {
                if taken.insert(input.value.as_str()) {
                    exec.stages.push(input.clone());
                }
                continue;
            }
            match normal(input) {
                Ok(value) => exec.files.push(Located { value, span: input.span }),
                Err(error) => problems.push(error),
            }
        }
        Arc::new(exec)
    }
}

impl Exec {
    fn check_outputs(&self, body: &Node, problems: &mut Problems) {
        let outputs = &self.settings.outputs.0;
        if outputs.is_empty() {
            problems.push(
                Error::user("`outputs` is empty: name the files that the program makes")
                    .at(body.deepest(&["outputs"]).span),
            );
        }
        let files: Vec<&Located<String>> = self.files.iter().filter(|input| !is_pattern(input)).collect();
        let inputs = Paths::of(files.iter().map(|input| input.value.as_str()));
        let mut before = Paths::default();
        for (i, output) in outputs.iter().enumerate() {
            let path = &output.path;
            if let Some(other) = before.overlapping(path) {
                let other = &outputs[other].path.value;
                let error = Error::user(format!("`{other}` and `{}` are one output", path.value)).at(path.span);
                problems.push(error.hint("name a file once, or the folder alone"));
            }
            before.insert(path, i);
            if let Some(input) = inputs.overlapping(path).map(|input| files[input]) {
                let error =
                    Error::user(format!("`{}` is an input and `{}` an output", input.value, path.value)).at(path.span);
                problems.push(error.hint("inputs are not written: give what is made another name"));
            }
            if path.value == FIGURES.trim_end_matches('/') {
                let error = Error::user("name the files in `figures` one by one").at(path.span);
                problems.push(error.hint("they are put into the project, where no two stages may write one file"));
            }
            if path.value == PARAMS {
                problems.push(
                    Error::user(format!("`{PARAMS}` holds the parameters; it cannot be an output")).at(path.span),
                );
            }
        }
    }

    /// A file that another stage makes is not the one that lies in the project under the same name. A folder of the project may have the name of
    /// one in which it makes files.
    fn check_twice(&self, stage: &str, outputs: Vec<&str>, problems: &mut Problems) {
        let made = Paths::of(outputs);
        let own = |file: &&Located<String>| !is_pattern(file) && !file.starts_with(FIGURES);
        for file in self.files.iter().filter(own).filter(|file| made.holding(file).is_some()) {
            let name = &file.value;
            let error = Error::user(format!("`{name}` is what `{stage}` makes, and a file of the project too"));
            let hint = format!("what `{stage}` makes lies at `{stage}/{name}`: take `{name}` out of `inputs`");
            problems.push(error.at(file.span).hint(hint));
        }
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

/// `learning-rate` is `REPRO_PARAM_LEARNING_RATE`.
fn variable(param: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{PREFIX}{}", param.chars().map(fine).collect::<String>())
}

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
        &KIND
    }

    fn holds(&self) -> Holds {
        Holds::Files
    }

    /// Outputs that are put into the project.
    fn publishes(&self) -> Published<'_> {
        let paths = self.settings.outputs.0.iter().map(|output| &output.path);
        Published::Outputs(paths.filter(|path| path.starts_with(FIGURES)).collect())
    }

    fn command(&self) -> Option<String> {
        Some(match &self.settings.run.value {
            Run::Shell(script) => script.clone(),
            Run::Words(words) => words.join(" "),
        })
    }

    fn outputs(&self) -> Vec<&str> {
        self.settings.outputs.0.iter().map(|output| output.path.as_str()).collect()
    }

    fn inputs(&self) -> Vec<Located<String>> {
        self.stages.clone()
    }

    fn needs(&self) -> Needs {
        Needs { files: self.files.clone(), env: self.settings.env.clone(), tools: self.settings.tools.clone() }
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        self.check_outputs(body, problems);
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for name in self.settings.params.keys() {
            if let Some(other) = seen.insert(variable(name), name) {
                let error =
                    Error::user(format!("the parameters `{other}` and `{name}` are one variable, {}", variable(name)));
                problems.push(error.at(body.deepest(&["params", name]).span).hint("rename one of them"));
            }
        }
        for name in &self.settings.env {
            let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(fine) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let error =
                    Error::user(format!("`{}` is not the name of an environment variable", name.value)).at(name.span);
                problems
                    .push(error.hint("names hold letters, digits and `_`; values come from outside, or use `params`"));
            }
        }
    }

    fn doubts(&self, body: &Node, cores: u32, memory: Option<u64>) -> Vec<Error> {
        let at = |setting: &str, message: String| Error::user(message).at(body.deepest(&[setting]).span);
        let mut doubts = Vec::new();
        let ExecSettings { cpus, memory: needed, .. } = &self.settings;
        if cpus.get() > cores {
            doubts.push(at("cpus", format!("`cpus` is {cpus}, and this machine has {cores}: nothing runs beside it")));
        }
        match (needed.map(|needed| needed.0), memory) {
            (Some(needed), _) if needed < 1 << 20 => {
                doubts.push(at("memory", format!("`memory` is {needed} bytes: with a unit it is written `4 GB`")));
            }
            (Some(needed), Some(memory)) if needed > memory => {
                let gigabytes = |bytes: u64| bytes as f64 / 1e9;
                doubts.push(at(
                    "memory",
                    format!(
                        "`memory` is {:.1} GB, and this machine has {:.1} GB: nothing runs beside it",
                        gigabytes(needed),
                        gigabytes(memory)
                    ),
                ));
            }
            _ => {}
        }
        let unset = self.settings.env.iter().filter(|name| std::env::var_os(&name.value).is_none());
        doubts.extend(
            unset.map(|name| Error::user(format!("the variable `{}` of `env` is not set", name.value)).at(name.span)),
        );
        doubts
    }

    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        let outputs = &self.settings.outputs.0;
        let paths = Paths::of(outputs.iter().map(|output| output.path.as_str()));
        for input in inputs {
            self.check_twice(input.name, input.stage.outputs(), problems);
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
                    "the input `{}` lies at `{place}`, where `{}` would be made",
                    input.name, output.path.value
                ));
                problems.push(error.at(output.path.span).hint("give the output another name"));
            }
        }
        Layout::of(Vec::new())
    }

    fn manifest(&self) -> Json {
        let mut manifest = Decode::manifest(&self.settings);
        if let Some(map) = manifest.as_object_mut() {
            // They say how to run it, not what it makes; `env` and `tools` are compared by what was found.
            ["timeout", "cpus", "memory", "gpus", "env", "tools", "inputs"]
                .iter()
                .for_each(|name| drop(map.remove(*name)));
            map.insert("outputs".into(), json!(self.settings.outputs.paths()));
        }
        manifest
    }

    fn unit(&self, _unit: usize, _layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        // Neither the order of inputs nor that of outputs is content. Where an input lies is: the program sees it.
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
        let reads =
            order.iter().map(|(input, outline)| Read { input: *input, units: (0..outline.layout.units).collect() });
        Ok(Unit { manifest, reads: reads.collect(), seconds: 1.0 })
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        let place = inputs.sandbox()?;
        // First of all: what an earlier run printed is not shown as this one's.
        let (log, path) = place.log()?;
        place.materialize_inputs()?;
        self.prepare(&*place)?;
        let mut environment = place.environment();
        let threads = THREADS.iter().map(|name| (name.to_string(), self.settings.cpus.to_string().into()));
        environment.extend(threads.filter(|(name, _)| !inputs.found().env.contains_key(name)).collect::<Vec<_>>());
        environment.extend(self.variables().into_iter().map(|(name, value)| (name, value.into())));
        let words = self.settings.run.words();
        let limit = self.settings.timeout.map(|time| time.0);
        let program = Program { words: &words, folder: place.folder(), environment: &environment, log: &log, limit };
        let failed = |what: String| {
            // Where the folder lies is nothing to the user, and another place every time.
            let folder = format!("{}/", place.folder().display());
            let printed: Vec<String> =
                program::tail(&path, TAIL).into_iter().map(|line| line.replace(&folder, "")).collect();
            let mut error = Error::stage(what).at(self.settings.run.span);
            for hint in place.undeclared_paths(&printed) {
                error = error.hint(hint);
            }
            if let Some(left) = program::free_space(place.folder()).filter(|left| *left < CROWDED) {
                // Such a program can often not even say so: its log has no room either.
                let left = left / 1024;
                error = error.hint(format!(
                    "there is no space left on the disk ({left} kB): free some space, then run the same command again"
                ));
            }
            if !printed.is_empty() {
                error = error.hint(format!("all that it printed is in {}", path.display()));
            }
            Err(error.output(printed))
        };
        let command = self.settings.run.short();
        let end = program::run(&program, &|| control.stop());
        // A log that stays long does no harm but to the disk.
        let _ = program::shorten(&path);
        match end.map_err(|error| error.at(self.settings.run.span))? {
            End::Stopped => Ok(None),
            End::TimedOut => {
                let limit = limit.unwrap_or_default().as_secs_f64();
                failed(format!("{command} did not end within its time limit of {limit} s"))
            }
            End::Exited(status) if !status.success() => {
                failed(format!("{command} ended with {}", program::words(status)))
            }
            End::Exited(_) => match outputs::collect(&self.settings.outputs, &*place)? {
                Ok(tree) => Ok(Some(encode_tree(&tree))),
                Err(wrong) => {
                    let Error { message, span, hints, .. } = wrong;
                    let error = failed(format!("{command} {message}"))
                        .map_err(|error| Error { span: span.or(error.span), ..error });
                    error.map_err(|error| hints.into_iter().fold(error, Error::hint))
                }
            },
        }
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

    fn reading(&self) -> Json {
        json!({"version": exchange::VERSION, "axes": self.settings.outputs.axes()})
    }

    fn dataset(&self, payload: &[u8], content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>) -> Result<Dataset> {
        const NONE: &Axes = &Axes::NONE;
        let outputs = &self.settings.outputs.0;
        let paths = Paths::of(outputs.iter().map(|output| output.path.as_str()));
        let axes = |path: &str| paths.overlapping(path).map_or(NONE, |output| &outputs[output].axes);
        read_tree(payload, false, content, axes)
    }
}

impl Exec {
    /// What is in the folder besides inputs: parameters, and the folders of outputs.
    fn prepare(&self, place: &dyn Sandbox) -> Result<()> {
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
