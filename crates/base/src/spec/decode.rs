//! The trait of all settings: decode a node, assign one field (as axes do), the canonical manifest and the JSON Schema. `record!` and
//! `union!` implement it for structs and tagged values; this file for scalars, lists and mappings.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde_json::{Value as Json, json};

use super::{Node, Problems, Yaml, suggest};
use crate::error::{Error, Span};

/// The shared definitions of a JSON Schema, by type name.
pub type Schemas = BTreeMap<String, Json>;

/// A type that can be decoded from the paper file.
pub trait Decode: Sized {
    /// Decode a node; `None` if it reported at least one error.
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self>;

    /// Set the field at `path` (empty: the value itself) from a node, as an axis of a sweep does.
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        if let Some(first) = path.first() {
            let message = format!("there is no field `{first}` here: the value is not a mapping");
            problems.push_unknown_field(Error::user(message).at(node.span));
            return None;
        }
        *self = Self::decode(node, problems)?;
        Some(())
    }

    /// The canonical description of the value for keys, with defaults filled in.
    fn manifest(&self) -> Json;

    /// The JSON Schema of the type; named types are defined in `schemas` and referenced.
    fn schema(schemas: &mut Schemas) -> Json;

    /// What is expected, for messages: "a whole number", "a list of numbers".
    fn expected() -> String;
}

/// Report that a node has the wrong type.
pub fn wrong_type<T: Decode>(node: &Node, problems: &mut Problems) -> Option<T> {
    problems.push(Error::user(format!("expected {}, found {}", T::expected(), node.describe())).at(node.span));
    None
}

/// Report an assignment to a field that a record does not have.
pub fn report_unknown_field(first: &str, known: &[String], node: &Node, problems: &mut Problems) {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let error = Error::user(format!("there is no field `{first}` here")).at(node.span);
    problems.push_unknown_field(error.hint(suggest(first, &known)));
}

/// A value and its location, which is not part of the manifest.
#[derive(Clone, Debug)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> std::ops::Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Decode> Decode for Located<T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        Some(Located { value: T::decode(node, problems)?, span: node.span })
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        self.value.assign(path, node, problems)
    }
    fn manifest(&self) -> Json {
        self.value.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
    fn expected() -> String {
        T::expected()
    }
}

impl Decode for bool {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.value {
            Yaml::Bool(value) => Some(value),
            _ => wrong_type(node, problems),
        }
    }
    fn manifest(&self) -> Json {
        json!(self)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "boolean"})
    }
    fn expected() -> String {
        "`true` or `false`".into()
    }
}

impl Decode for String {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Yaml::Text(text) => Some(text.clone()),
            Yaml::Int(value) => Some(value.to_string()),
            _ => wrong_type(node, problems),
        }
    }
    fn manifest(&self) -> Json {
        json!(self)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "string"})
    }
    fn expected() -> String {
        "text".into()
    }
}

impl Decode for f64 {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.as_number() {
            Some(value) if value.is_finite() => Some(if value == 0.0 { 0.0 } else { value }),
            Some(value) => {
                problems.push(Error::user(format!("expected a finite number, found `{value}`")).at(node.span));
                None
            }
            None => {
                let error = Error::user(format!("expected a number, found {}", node.describe())).at(node.span);
                problems.push(number_hint(error, node));
                None
            }
        }
    }
    fn manifest(&self) -> Json {
        json!(self)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "number"})
    }
    fn expected() -> String {
        "a number".into()
    }
}

/// Add a hint where text was found instead of a number.
fn number_hint(error: Error, node: &Node) -> Error {
    match node.as_text().map(str::trim) {
        Some(text) if text.parse::<f64>().is_ok() => error.hint("remove the quotes"),
        Some(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            error.hint("write a plain number, without unit, suffix or separators")
        }
        _ => error,
    }
}

/// Decode a whole number in a range; `1e4` is one, `1.5` is not.
fn whole_number(node: &Node, least: u64, most: u64, problems: &mut Problems) -> Option<u64> {
    let mut fail = |message: String| {
        problems.push(number_hint(Error::user(message).at(node.span), node));
        None
    };
    let Some(number) = node.as_number() else {
        return fail(format!("expected a whole number, found {}", node.describe()));
    };
    if number.fract() != 0.0 {
        return fail(format!("expected a whole number, found `{number}`"));
    }
    let value = match node.value {
        Yaml::Int(value) => u64::try_from(value).ok(),
        _ => (0.0..9e15).contains(&number).then_some(number as u64),
    };
    match value {
        Some(value) if (least..=most).contains(&value) => Some(value),
        _ if number < least as f64 => fail(format!("expected a whole number of at least {least}, found `{number}`")),
        _ => fail(format!("expected a whole number up to {}, found `{number}`", most.min(9_000_000_000_000_000))),
    }
}

macro_rules! integer {
    ($type:ty, $least:expr, $most:expr, $make:expr) => {
        impl Decode for $type {
            fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
                let make: fn(u64) -> Option<$type> = $make;
                whole_number(node, $least, $most, problems).and_then(make)
            }
            fn manifest(&self) -> Json {
                json!(self)
            }
            fn schema(_: &mut Schemas) -> Json {
                json!({"type": "integer", "minimum": $least})
            }
            fn expected() -> String {
                "a whole number".into()
            }
        }
    };
}

integer!(u32, 0u64, u64::from(u32::MAX), |n| u32::try_from(n).ok());
integer!(u64, 0u64, u64::MAX, Some);
integer!(usize, 0u64, u64::from(u32::MAX), |n| usize::try_from(n).ok());
integer!(NonZeroU32, 1u64, u64::from(u32::MAX), |n| u32::try_from(n).ok().and_then(NonZeroU32::new));

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.value {
            Yaml::Null => Some(None),
            _ => T::decode(node, problems).map(Some),
        }
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        match self {
            Some(value) if !path.is_empty() => value.assign(path, node, problems),
            None if !path.is_empty() => {
                problems.push(
                    Error::user("this field is not set in the recipe, so nothing inside it can vary").at(node.span),
                );
                None
            }
            _ => {
                *self = Self::decode(node, problems)?;
                Some(())
            }
        }
    }
    fn manifest(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::manifest)
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let inner = T::schema(schemas);
        json!({"anyOf": [inner, {"type": "null"}]})
    }
    fn expected() -> String {
        T::expected()
    }
}

/// Decode the items of a list, reporting the errors of all.
pub fn decode_list<T: Decode>(node: &Node, problems: &mut Problems) -> Option<Vec<T>> {
    let Some(items) = node.as_list() else {
        problems.push(
            Error::user(format!("expected a list, each item {}, found {}", T::expected(), node.describe()))
                .at(node.span),
        );
        return None;
    };
    let decoded: Vec<Option<T>> = items.iter().map(|item| T::decode(item, problems)).collect();
    decoded.into_iter().collect()
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        decode_list(node, problems)
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::decode(node, problems)?;
            return Some(());
        };
        let length = self.len();
        match first.parse::<usize>().ok().and_then(|i| self.get_mut(i)) {
            Some(item) => item.assign(rest, node, problems),
            None => {
                problems.push(
                    Error::user(format!("`{first}` is not an index of this list of {length} (indices start at 0)"))
                        .at(node.span),
                );
                None
            }
        }
    }
    fn manifest(&self) -> Json {
        Json::Array(self.iter().map(T::manifest).collect())
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let items = T::schema(schemas);
        json!({"type": "array", "items": items})
    }
    fn expected() -> String {
        format!("a list, each item {}", T::expected())
    }
}

/// A mapping with free keys, such as labels, in ascending order of the keys.
impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Some(entries) = node.as_map() else { return wrong_type(node, problems) };
        let decoded: Vec<_> =
            entries.iter().map(|(key, node)| Some((key.name.clone(), T::decode(node, problems)?))).collect();
        decoded.into_iter().collect()
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::decode(node, problems)?;
            return Some(());
        };
        if let Some(value) = self.get_mut(*first) {
            return value.assign(rest, node, problems);
        }
        let known: Vec<String> = self.keys().cloned().collect();
        report_unknown_field(first, &known, node, problems);
        None
    }
    fn manifest(&self) -> Json {
        Json::Object(self.iter().map(|(key, value)| (key.clone(), value.manifest())).collect())
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let values = T::schema(schemas);
        json!({"type": "object", "additionalProperties": values})
    }
    fn expected() -> String {
        format!("a mapping whose values are each {}", T::expected())
    }
}

/// A mapping with free keys in the order of the file, where that order is content (rows of a table, series of a figure).
impl<T: Decode> Decode for Vec<(String, T)> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Some(entries) = node.as_map() else { return wrong_type(node, problems) };
        let decoded: Vec<_> =
            entries.iter().map(|(key, node)| Some((key.name.clone(), T::decode(node, problems)?))).collect();
        decoded.into_iter().collect()
    }
    fn manifest(&self) -> Json {
        Json::Array(self.iter().map(|(key, value)| json!([key, value.manifest()])).collect())
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let values = T::schema(schemas);
        json!({"type": "object", "additionalProperties": values})
    }
    fn expected() -> String {
        format!("a mapping whose values are each {}", T::expected())
    }
}

/// Any YAML value, to be decoded later.
impl Decode for Node {
    fn decode(node: &Node, _problems: &mut Problems) -> Option<Self> {
        Some(node.clone())
    }

    fn manifest(&self) -> Json {
        match &self.value {
            Yaml::Null => Json::Null,
            Yaml::Bool(value) => json!(value),
            Yaml::Int(value) => json!(*value as f64),
            Yaml::Float(value) => json!(value),
            Yaml::Text(text) => json!(text),
            Yaml::List(items) => Json::Array(items.iter().map(Decode::manifest).collect()),
            Yaml::Map(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.name.clone(), node.manifest())).collect())
            }
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({})
    }

    fn expected() -> String {
        "a value".into()
    }
}
