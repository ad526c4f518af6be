//! The paper file as a tree of values with locations.

use crate::error::Span;

/// Longer texts are cut to this many characters in messages.
const MAX_SHOWN: usize = 80;

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(MapKey, Node)>),
}

/// A key of a mapping, with its location.
#[derive(Clone, Debug, PartialEq)]
pub struct MapKey {
    pub name: String,
    pub span: Span,
}

/// A YAML value and its location. An alias or a merged value has the location of its definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Yaml,
    pub span: Span,
}

impl Node {
    pub fn new(value: Yaml, span: Span) -> Self {
        Node { value, span }
    }

    /// Describe the value for messages: "the number `3`", "a list".
    pub fn describe(&self) -> String {
        match &self.value {
            Yaml::Null => "nothing".into(),
            Yaml::Bool(value) => format!("`{value}`"),
            Yaml::Int(value) => format!("the number `{value}`"),
            Yaml::Float(value) => format!("the number `{value}`"),
            Yaml::Text(value) => match value.char_indices().nth(MAX_SHOWN) {
                Some((end, _)) => format!("the text `{}...`", &value[..end]),
                None => format!("the text `{value}`"),
            },
            Yaml::List(_) => "a list".into(),
            Yaml::Map(_) => "a mapping".into(),
        }
    }

    /// The number of values in this tree, including itself.
    pub fn size(&self) -> usize {
        let inner: usize = match &self.value {
            Yaml::List(items) => items.iter().map(Node::size).sum(),
            Yaml::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
            _ => 0,
        };
        1 + inner
    }

    pub fn as_map(&self) -> Option<&[(MapKey, Node)]> {
        match &self.value {
            Yaml::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Yaml::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self.value {
            Yaml::Int(value) => Some(value as f64),
            Yaml::Float(value) => Some(value),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(k, _)| k.name == key).map(|(_, node)| node)
    }

    /// The node at a path of keys and indices, or its deepest existing ancestor. The kind of a tagged value
    /// (`data: {sparse-uniform: {...}}`) may be left out of the path.
    pub fn deepest<'a>(&'a self, path: &[&str]) -> &'a Node {
        let Some((first, rest)) = path.split_first() else { return self };
        match &self.value {
            Yaml::Map(entries) => {
                if let Some(node) = self.get(first) {
                    return node.deepest(rest);
                }
                match entries.as_slice() {
                    [(_, only)] if only.as_map().is_some() => {
                        let found = only.deepest(path);
                        if std::ptr::eq(found, only) { self } else { found }
                    }
                    _ => self,
                }
            }
            Yaml::List(items) => match first.parse::<usize>().ok().and_then(|i| items.get(i)) {
                Some(item) => item.deepest(rest),
                None => self,
            },
            _ => self,
        }
    }
}
