//! What a stage needs of the world outside of the paper file, besides other stages. What is found there is part of the key: the content of
//! files, the values of environment variables, the versions of tools.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::spec::Located;
use crate::value::Tree;

/// What is needed, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Files, folders and patterns inside the project, in their one spelling.
    pub files: Vec<Located<String>>,
    /// Environment variables.
    pub env: Vec<Located<String>>,
    /// Programs that tell their version.
    pub tools: Vec<Located<String>>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// All needed files by their paths in the project.
    pub tree: Tree,
    /// For each needed file, folder or pattern the digest of what it stands for, by ascending name.
    pub sources: Vec<(String, [u8; 32])>,
    /// Values of variables; `None` where a variable is not set.
    pub env: BTreeMap<String, Option<String>>,
    pub tools: BTreeMap<String, String>,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.env.is_empty() && self.tools.is_empty()
    }
}

impl Found {
    /// A manifest with variables and versions added, where there are any.
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
