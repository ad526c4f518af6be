//! What a stage needs besides other stages: files, environment variables and tools. Their content, values and versions are part of the key.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{FoundEnvironment, OutsideData};
use crate::error::Error;
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, wrong_type};
use crate::value::{Digest, Tree};

/// The names of files, environment variables and tools that a stage needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Normalized paths of files, folders and patterns in the project.
    pub files: Vec<Located<String>>,
    /// Environment variables.
    pub env: Vec<Located<String>>,
    /// Programs whose version is part of the key: a name, or a whole command.
    pub tools: Vec<Located<Tool>>,
    /// Data outside of the project.
    pub reads: Vec<OutsideData>,
}

/// The name of a tool, or the command that prints its version. Text is split at spaces, a list is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool(pub Vec<String>);

impl Tool {
    pub fn command_line(&self) -> String {
        self.0.join(" ")
    }
}

impl Decode for Tool {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let words = match &node.value {
            Yaml::Text(text) => text.split_whitespace().map(str::to_string).collect(),
            Yaml::List(_) => Vec::<String>::decode(node, problems)?,
            _ => return wrong_type(node, problems),
        };
        if words.first().is_none_or(|name| name.is_empty()) || words.iter().any(|word| word.contains('\0')) {
            problems.push(Error::user("the name of a tool is missing, or contains a zero byte").at(node.span));
            return None;
        }
        Some(Tool(words))
    }
    fn manifest(&self) -> Json {
        json!(self.command_line())
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}]})
    }
    fn expected() -> String {
        "a tool, `python3`, or the command that prints its version, `[R, --version]`".into()
    }
}

/// The value of an environment variable. It may be a password: it is passed to the program, and never written or shown.
#[derive(Clone, PartialEq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The digest that represents the value of an environment variable in keys, records and archives. It includes the name, so that equal values
/// of two variables have different digests.
pub fn variable_digest(name: &str, value: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("repro 1 value of an environment variable");
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(value.as_bytes());
    hasher.finalize().into()
}

/// The files, variables and tools that were found for [`Needs`], and the environment of the program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// All needed files, by their paths in the project.
    pub tree: Tree,
    /// The digest of each needed file, folder or pattern, sorted by name.
    pub sources: Vec<(String, Digest)>,
    /// Digests of the values of variables; `None` if a variable is not set.
    pub env: BTreeMap<String, Option<Digest>>,
    /// The values of the variables that are set, for the program.
    pub values: BTreeMap<String, Secret>,
    pub tools: BTreeMap<String, String>,
    /// Digests of data outside of the project, by its name.
    pub reads: BTreeMap<String, Digest>,
    /// The environment of the program.
    pub environment: Option<FoundEnvironment>,
    /// Tools whose versions are not known because no build has run them; the keys are not known either.
    pub unasked: Vec<String>,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.env.is_empty() && self.tools.is_empty() && self.reads.is_empty()
    }
}

impl Found {
    /// The digests of needed files by name, those of the environment included.
    pub fn sources_with_environment(&self) -> Vec<(String, Digest)> {
        let locks = self.environment.iter().flat_map(|environment| &environment.tree.files);
        let mut sources = self.sources.clone();
        sources.extend(locks.map(|file| (file.path.clone(), file.digest)));
        sources
    }

    /// Add digests of variables and data, versions of tools and the environment to a manifest, if there are any.
    pub fn add_to(&self, manifest: &mut Json) {
        let Some(map) = manifest.as_object_mut() else { return };
        if !self.env.is_empty() {
            map.insert("env".into(), json!(self.env));
        }
        if !self.tools.is_empty() {
            map.insert("tools".into(), json!(self.tools));
        }
        if !self.reads.is_empty() {
            map.insert("reads".into(), json!(self.reads));
        }
        if let Some(environment) = &self.environment {
            map.insert("environment".into(), environment.manifest());
        }
    }

    /// As [`Found::add_to`], with all that is needed to explain a change.
    pub fn record_in(&self, manifest: &mut Json) {
        self.add_to(manifest);
        if let (Some(environment), Some(map)) = (&self.environment, manifest.as_object_mut()) {
            map.insert("environment".into(), environment.record());
        }
    }
}
