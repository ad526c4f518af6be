//! The paper file as a tree, each node with its place in the file.

use crate::error::Span;

/// Of longer texts so many characters are shown in messages.
const SHOWN: usize = 80;

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub name: String,
    pub span: Span,
}

/// A YAML value and its place. For an alias or a merged value that is where the value is written, not where it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Yaml,
    pub span: Span,
}

impl Node {
    pub fn new(value: Yaml, span: Span) -> Self {
        Node { value, span }
    }

    /// What the node is, in words for messages.
    pub fn describe(&self) -> String {
        match &self.value {
            Yaml::Null => "nothing".into(),
            Yaml::Bool(value) => format!("`{value}`"),
            Yaml::Int(value) => format!("the number `{value}`"),
            Yaml::Float(value) => format!("the number `{value}`"),
            Yaml::Text(value) => match value.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("the text `{}...`", &value[..end]),
                None => format!("the text `{value}`"),
            },
            Yaml::List(_) => "a list".into(),
            Yaml::Map(_) => "a mapping".into(),
        }
    }

    /// How many values it holds, with itself.
    pub fn size(&self) -> usize {
        let inner: usize = match &self.value {
            Yaml::List(items) => items.iter().map(Node::size).sum(),
            Yaml::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
            _ => 0,
        };
        1 + inner
    }

    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
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

    /// The node at a path of keys and positions, or the deepest that exists on the way there. The kind of a tagged value
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
