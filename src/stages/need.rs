//! What a stage needs of the world outside of the paper file, besides other stages. What is found there is part of the key: the content of
//! files, the values of environment variables, the versions of tools.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, wrong_type};
use crate::value::{Digest, Tree};

/// What is needed, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Files, folders and patterns inside the project, in their one spelling.
    pub files: Vec<Located<String>>,
    /// Environment variables.
    pub env: Vec<Located<String>>,
    /// Programs that tell their version: a name, or a whole command.
    pub tools: Vec<Located<Tool>>,
}

/// A name, or a command: text is cut at spaces, a list is taken as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool(pub Vec<String>);

impl Tool {
    pub fn words(&self) -> String {
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
            problems.push(Error::user("the name of a tool is missing, or holds a zero byte").at(node.span));
            return None;
        }
        Some(Tool(words))
    }
    fn manifest(&self) -> Json {
        json!(self.words())
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}]})
    }
    fn expected() -> String {
        "a tool, `python3`, or the command that prints its version, `[R, --version]`".into()
    }
}

/// The value of an environment variable. It may be a password: it is handed to the program, and neither written nor shown anywhere.
#[derive(Clone, PartialEq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What stands for the value of an environment variable in keys, records and archives. The name is hashed too, so that equal values of two
/// variables cannot be told from their digests.
pub fn variable_digest(name: &str, value: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("repro 1 value of an environment variable");
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(value.as_bytes());
    hasher.finalize().into()
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// All needed files by their paths in the project.
    pub tree: Tree,
    /// For each needed file, folder or pattern the digest of what it stands for, by ascending name.
    pub sources: Vec<(String, Digest)>,
    /// Digests of the values of variables; `None` where a variable is not set.
    pub env: BTreeMap<String, Option<Digest>>,
    /// The values of those that are set, for the program.
    pub values: BTreeMap<String, Secret>,
    pub tools: BTreeMap<String, String>,
    /// Tools whose versions are not known, because no build has asked for them: the keys are not known then either.
    pub unasked: Vec<String>,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.env.is_empty() && self.tools.is_empty()
    }
}

impl Found {
    /// A manifest with digests of variables and versions of tools added, where there are any.
    pub fn add_to(&self, manifest: &mut Json) {
        let Some(map) = manifest.as_object_mut() else { return };
        if !self.env.is_empty() {
            map.insert("env".into(), json!(self.env));
        }
        if !self.tools.is_empty() {
            map.insert("tools".into(), json!(self.tools));
        }
    }
}
