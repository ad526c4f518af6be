//! Axis names that the paper file gives to the arrays of a file.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, wrong_type};

/// Names of axes: for every array the same, or array by array. Of a table of records they are the columns that are axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Axes {
    /// For every array, the first names for its first axes.
    All(Vec<Located<String>>),
    /// For each array its own.
    Each(BTreeMap<String, Vec<Located<String>>>),
}

impl Default for Axes {
    fn default() -> Self {
        Axes::NONE
    }
}

impl Axes {
    /// Whether no names are given.
    pub const NONE: Axes = Axes::All(Vec::new());

    /// The names for one array, and whether they are given for this array alone.
    pub fn for_array(&self, array: &str) -> (&[Located<String>], bool) {
        match self {
            Axes::All(names) => (names, false),
            Axes::Each(arrays) => (arrays.get(array).map(Vec::as_slice).unwrap_or_default(), true),
        }
    }

    /// Whether any array has an axis of this name.
    pub fn names(&self, axis: &str) -> bool {
        let among = |names: &[Located<String>]| names.iter().any(|name| name.value == axis);
        match self {
            Axes::All(names) => among(names),
            Axes::Each(arrays) => arrays.values().any(|names| among(names)),
        }
    }
}

impl Decode for Axes {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.value {
            Yaml::Null => Some(Axes::default()),
            Yaml::Text(_) => Located::decode(node, problems).map(|name| Axes::All(vec![name])),
            Yaml::List(_) => Decode::decode(node, problems).map(Axes::All),
            Yaml::Map(_) => Decode::decode(node, problems).map(Axes::Each),
            _ => wrong_type(node, problems),
        }
    }

    fn manifest(&self) -> Json {
        match self {
            Axes::All(names) => names.manifest(),
            Axes::Each(arrays) => arrays.manifest(),
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        let names = json!({"type": "array", "items": {"type": "string"}});
        json!({"anyOf": [{"type": ["string", "null"]}, names, {"type": "object", "additionalProperties": names}]})
    }

    fn expected() -> String {
        "names of axes, `[epoch, class]`, or names for each array, `{loss: [epoch]}`".into()
    }
}
