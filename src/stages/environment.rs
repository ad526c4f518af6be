//! `environments`: packages that programs run with, installed from lock files. A program chooses one with `in`.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::paths::{PathRole, is_pattern, normalize};
use crate::error::{Error, Span};
use crate::spec::{Decode, Located, Node, OneOrMany, Problems, Schemas, Yaml, suggest, wrong_type};

/// The environment of programs that name none.
const DEFAULT: &str = "default";
/// `in: none`: a program runs without an environment.
const NONE: &str = "none";
/// The only name of a lock file that uv reads, and the file that it reads beside it.
const UV_LOCK: &str = "uv.lock";
const UV_PROJECT: &str = "pyproject.toml";

crate::record! {
    /// Packages that programs run with, installed once from a lock file: exactly one of `pip` and `uv`.
    pub struct EnvironmentSettings {
        /// Requirements files, such as `requirements.txt`; installed by uv if it is there, otherwise by pip.
        pub pip: OneOrMany<Located<String>> = OneOrMany::default(),
        /// The `uv.lock` of a project; its `pyproject.toml` is beside it.
        pub uv: Option<Located<String>> = None,
        /// The interpreter: a version, as in `"3.12"`, or a program. By default `python3`.
        pub python: Option<Interpreter> = None,
    }
}

/// The Python interpreter of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpreter(pub Located<String>);

/// What reads the lock files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    Pip,
    Uv,
}

/// An environment of the paper file, checked.
#[derive(Clone, Debug)]
pub struct Environment {
    pub name: String,
    pub kind: LockKind,
    /// The lock files, by their paths in the project.
    pub locks: Vec<Located<String>>,
    /// Other files that are read with them.
    pub beside: Vec<Located<String>>,
    /// The command of the interpreter, and where it is set.
    pub interpreter: Located<String>,
}

impl Interpreter {
    /// `3.12` is `python3.12`.
    fn command(&self) -> String {
        let text = self.0.as_str();
        if text.starts_with(|c: char| c.is_ascii_digit()) { format!("python{text}") } else { text.to_string() }
    }
}

impl Decode for Interpreter {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Yaml::Float(value) = node.value {
            let error = Error::user(format!("`{value}` is a number, and a version is text")).at(node.span);
            problems.push(error.hint("write it in quotes, `python: \"3.12\"`: as a number, 3.10 is 3.1"));
            return None;
        }
        let text = Located::<String>::decode(node, problems)?;
        if text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return wrong_type::<Self>(node, problems);
        }
        Some(Interpreter(text))
    }
    fn manifest(&self) -> Json {
        json!(self.0.value)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "string", "minLength": 1})
    }
    fn expected() -> String {
        "a version of Python, such as `\"3.12\"`, or the name of an interpreter".into()
    }
}

impl LockKind {
    /// Its key in the paper file.
    pub fn name(self) -> &'static str {
        match self {
            LockKind::Pip => "pip",
            LockKind::Uv => "uv",
        }
    }
}

impl Environment {
    /// The environments of a paper file; those with problems are left out.
    pub fn decode_all(node: &Node, problems: &mut Problems) -> Vec<Arc<Environment>> {
        let Some(entries) = node.as_map() else {
            let message = format!("expected a mapping from names to environments, found {}", node.describe());
            problems.push(Error::user(message).at(node.span).hint("for example `py: {pip: requirements.txt}`"));
            return Vec::new();
        };
        let one = |(key, node): &(crate::spec::MapKey, Node)| {
            check_name(&key.name, key.span, problems)?;
            let settings = EnvironmentSettings::decode(node, problems)?;
            Environment::new(&key.name, key.span, settings, problems).map(Arc::new)
        };
        entries.iter().filter_map(one).collect()
    }

    fn new(name: &str, span: Span, settings: EnvironmentSettings, problems: &mut Problems) -> Option<Environment> {
        let EnvironmentSettings { pip, uv, python } = settings;
        let (kind, written) = match (pip.0, uv) {
            (pip, None) if !pip.is_empty() => (LockKind::Pip, pip),
            (pip, Some(uv)) if pip.is_empty() => (LockKind::Uv, vec![uv]),
            (_, both) => {
                let what = if both.is_some() { "both `pip` and `uv`" } else { "neither `pip` nor `uv`" };
                let error = Error::user(format!("the environment `{name}` has {what}")).at(span);
                problems.push(
                    error.hint(format!("write `{name}: {{pip: requirements.txt}}` or `{name}: {{uv: uv.lock}}`")),
                );
                return None;
            }
        };
        let before = problems.len();
        let mut locks = Vec::new();
        for path in &written {
            if is_pattern(path) {
                problems
                    .push(Error::user(format!("`{}` is a pattern", path.value)).at(path.span).hint("list the files"));
                continue;
            }
            match normalize(path, PathRole::Input) {
                Ok(value) => locks.push(Located { value, span: path.span }),
                Err(error) => problems.push(error),
            }
        }
        let beside = locks.iter().filter(|_| kind == LockKind::Uv).map(|lock| {
            let folder = lock.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            Located { value: format!("{folder}{UV_PROJECT}"), span: lock.span }
        });
        let beside = beside.collect();
        if kind == LockKind::Uv
            && let Some(lock) = locks.iter().find(|lock| lock.rsplit('/').next() != Some(UV_LOCK))
        {
            let error = Error::user(format!("`{}`: uv reads a file of the name `{UV_LOCK}` only", lock.value));
            problems.push(error.at(lock.span).hint("`uv lock` writes it beside `pyproject.toml`"));
        }
        let interpreter = match &python {
            Some(python) => Located { value: python.command(), span: python.0.span },
            None => Located { value: "python3".into(), span },
        };
        (problems.len() == before).then(|| Environment { name: name.to_string(), kind, locks, beside, interpreter })
    }

    /// The environment of a program whose `in` is this, or that has no `in`; unknown names are reported.
    pub fn choose(
        all: &[Arc<Environment>],
        wanted: Option<&Located<String>>,
        names: &[&str],
        problems: &mut Problems,
    ) -> Option<Arc<Environment>> {
        let name = wanted.map_or(DEFAULT, |wanted| wanted.as_str());
        let found = all.iter().find(|environment| environment.name == name).cloned();
        if let Some(wanted) = wanted.filter(|wanted| wanted.as_str() != NONE && !names.contains(&wanted.as_str())) {
            let error = Error::user(format!("there is no environment `{}`", wanted.value)).at(wanted.span);
            problems.push(match names {
                [] => {
                    error.hint(format!("declare it: `environments: {{{}: {{pip: requirements.txt}}}}`", wanted.value))
                }
                names => error.hint(suggest(wanted, &names.iter().copied().chain([NONE]).collect::<Vec<_>>())),
            });
        }
        found
    }

    /// All files that the paper file names for it.
    pub fn files(&self) -> impl Iterator<Item = &Located<String>> {
        self.locks.iter().chain(&self.beside)
    }

    /// Where errors about its lock files are shown.
    pub fn span(&self) -> Span {
        self.locks.first().map_or(self.interpreter.span, |lock| lock.span)
    }
}

fn check_name(name: &str, span: Span, problems: &mut Problems) -> Option<()> {
    let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 100;
    if !fine {
        let error = Error::user(format!("`{name}` is not a valid name of an environment")).at(span);
        problems
            .push(error.hint("names start with a letter or digit and contain only letters, digits, `-`, `_` and `.`"));
    } else if name == NONE {
        let error = Error::user("an environment cannot be called `none`").at(span);
        problems.push(error.hint("`in: none` is a program without an environment; choose another name"));
    }
    (fine && name != NONE).then_some(())
}
