//! Temporary papers, built by the real program: write a paper, run a command, say what should have happened.
//!
//! ```ignore
//! let paper = Paper::new().yaml(GRID);
//! paper.build("measures").ok().trained(6);
//! paper.edit("0.7", "0.8").explain("measures").stdout("...");
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;

/// One model, a sweep of six and a metric of them: trains in milliseconds.
pub const GRID: &str = "\
repro: 1
title: Test
stages:
  one:
    train: &recipe
      model: {moe-autoencoder: {features: 4, hidden: 2, experts: 2, active: 1}}
      data: {sparse-uniform: {probability: 0.3, importance: {powers: 0.7}}}
      optimizer: {adamw: {lr: 1e-3, weight-decay: 0.01}}
      batch: 16
      steps: 20
      seed: 1
  grid:
    sweep:
      recipe: *recipe
      axes:
        probability: {field: data.probability, values: [0.1, 0.2, 0.5]}
        run: {field: seed, count: 2}
  measures:
    metric: {of: grid, compute: [loss, feature-geometry]}
";

/// A project in a temporary folder.
pub struct Paper {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Paper {
    pub fn new() -> Paper {
        Paper { folder: tempfile::tempdir().expect("a temporary folder"), environment: Vec::new() }
    }

    /// With this paper file.
    pub fn yaml(self, text: &str) -> Paper {
        self.write("paper.yaml", text);
        self
    }

    /// With programs that are not sealed: they tell a test of themselves by files in the project.
    pub fn unsealed(self) -> Paper {
        // At the end, so that all lines keep their numbers.
        self.write("paper.yaml", &format!("{}seal: off\n", self.read("paper.yaml")));
        self
    }

    /// With this file.
    pub fn file(self, name: &str, text: &str) -> Paper {
        self.write(name, text);
        self
    }

    /// With this environment variable in every run.
    pub fn env(mut self, name: &str, value: &str) -> Paper {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Write a file of the project, and the folders that it is in.
    pub fn write(&self, name: &str, text: &str) -> &Paper {
        std::fs::create_dir_all(self.path(name).parent().expect("a folder")).expect("make a folder");
        std::fs::write(self.path(name), text).expect("write a file of the project");
        self
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Replace what stands once in the paper file.
    pub fn edit(&self, from: &str, to: &str) -> &Paper {
        let text = self.read("paper.yaml");
        assert_eq!(text.matches(from).count(), 1, "`{from}` should stand once in:\n{text}");
        self.write("paper.yaml", &text.replace(from, to))
    }

    /// Put other text in the place of the paper file.
    pub fn rewrite(&self, text: &str) -> &Paper {
        self.write("paper.yaml", text)
    }

    /// The program with these arguments, ready to start in the project's folder.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        for name in ["REPRO_CACHE", "REPRO_CPU", "REPRO_CUDA", "CUDA_VISIBLE_DEVICES", "NO_COLOR", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).env("COLUMNS", "100");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Run the program to its end.
    pub fn run(&self, arguments: &str) -> Run {
        finish(self.command(arguments).spawn().expect("start repro"), arguments)
    }

    pub fn build(&self, targets: &str) -> Run {
        self.run(&format!("build --json {targets}"))
    }

    pub fn plan(&self, targets: &str) -> Run {
        self.run(&format!("plan {targets}"))
    }

    pub fn explain(&self, targets: &str) -> Run {
        self.run(&format!("explain {targets}"))
    }

    /// Every file below a folder with its content.
    pub fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(self.folder.path()).expect("below").display().to_string();
                    found.insert(name, std::fs::read(entry.path()).expect("read"));
                }
            }
        }
        found
    }

    /// Names, sizes and times of everything in the project: equal if nothing was written.
    pub fn fingerprint(&self) -> BTreeMap<String, (u64, SystemTime)> {
        let meta = |name: &String| std::fs::metadata(self.path(name)).expect("metadata");
        let names: Vec<String> = self.files("").into_keys().collect();
        names
            .into_iter()
            .map(|name| (name.clone(), (meta(&name).len(), meta(&name).modified().expect("time"))))
            .collect()
    }

    /// Everything that `show` says of a stage, as JSON: the bytes behind it, number by number.
    pub fn result(&self, stage: &str) -> String {
        self.run(&format!("show --json {stage}")).ok().stdout
    }

    /// A file of what was built last: `cache/last/<id of the paper>/<name>`.
    pub fn last(&self, name: &str) -> String {
        let folders = std::fs::read_dir(self.path("cache/last")).into_iter().flatten().flatten();
        let folder = folders.map(|entry| entry.path()).find(|path| path.is_dir()).expect("a paper was built");
        format!("cache/last/{}/{name}", folder.file_name().expect("a name").to_string_lossy())
    }

    pub fn shards(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("cache/shards")).into_iter().flatten().flatten();
        let mut shards: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        shards.sort();
        shards
    }
}

/// Wait for a program and take what it says.
pub fn finish(child: Child, arguments: &str) -> Run {
    let output = child.wait_with_output().expect("wait for repro");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program speaks UTF-8");
    Run {
        arguments: arguments.to_string(),
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Wait until something is there, for at most ten seconds.
pub fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a run of the program did and said.
pub struct Run {
    pub arguments: String,
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn code(self, code: i32) -> Run {
        let Run { arguments, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "repro {arguments}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        self
    }

    #[track_caller]
    pub fn ok(self) -> Run {
        self.code(0)
    }

    /// The whole of standard output, times replaced by `TIME`.
    #[track_caller]
    pub fn stdout(self, text: &str) -> Run {
        assert_eq!(timeless(&self.stdout), text, "standard output of repro {}", self.arguments);
        self
    }

    /// The whole of standard error, times replaced by `TIME`.
    #[track_caller]
    pub fn stderr(self, text: &str) -> Run {
        assert_eq!(timeless(&self.stderr), text, "standard error of repro {}", self.arguments);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Run {
        let Run { arguments, stdout, stderr, .. } = &self;
        let there = stdout.contains(text) || stderr.contains(text);
        assert!(there, "`{text}` is missing in repro {arguments}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        self
    }

    /// The objects that `--json` prints.
    #[track_caller]
    pub fn events(&self) -> Vec<Json> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in the line `{line}`"));
        self.stdout.lines().map(parse).collect()
    }

    /// The events of one type.
    pub fn events_of(&self, name: &str) -> Vec<Json> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// Stage and coordinates of every model that was trained, sorted.
    pub fn trained_models(&self) -> Vec<String> {
        let trained = self.events_of("unit-finished").into_iter().filter(|event| event["trained"] == true);
        let name = |event: Json| format!("{} {}", text(&event["stage"]), text(&event["unit"])).trim().to_string();
        let mut names: Vec<String> = trained.map(name).collect();
        names.sort();
        names
    }

    /// How many models were trained.
    #[track_caller]
    pub fn trained(self, count: usize) -> Run {
        let models = self.trained_models();
        assert_eq!(models.len(), count, "{models:?}");
        self
    }

    /// The stages of which something ran or was written.
    pub fn built(&self) -> Vec<String> {
        let end = self.events_of("build-finished");
        end.iter().flat_map(|end| end["built"].as_array().cloned().unwrap_or_default()).map(|v| text(&v)).collect()
    }

    /// The same by name: stages that run side by side end in any order.
    pub fn built_by_name(&self) -> Vec<String> {
        let mut built = self.built();
        built.sort();
        built
    }

    pub fn warnings(&self) -> Vec<String> {
        self.events_of("warning").iter().map(|event| text(&event["message"])).collect()
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_string()
}

/// The text with every time (`8 ms`, `1.2 s`) replaced by `TIME`.
pub fn timeless(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let digits = from.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from.len());
        let (number, after) = from.split_at(digits);
        out += before;
        let unit = [" ms", " s"].into_iter().find(|unit| {
            after.strip_prefix(*unit).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        });
        match unit {
            Some(unit) => {
                out += "TIME";
                rest = &after[unit.len()..];
            }
            None => {
                out += number;
                rest = after;
            }
        }
    }
    out + rest
}

/// A file's modification time set back, so that caches of file times trust it.
pub fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("open to age");
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("age");
}
