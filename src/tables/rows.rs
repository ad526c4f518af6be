//! Selections by name: the rows of a table and the conditions of `where`.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use crate::error::Error;
use crate::spec::{Coordinate, Decode, Located, Node, Problems, Schemas, Yaml, decode_list, wrong_type};

/// The rows: the Cartesian product of the values of their keys, the first key outermost.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows(pub Vec<RowKey>);

/// An axis or array, and the values of it that have rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowKey {
    pub name: Located<String>,
    /// Values and their labels; `None` means every coordinate of the axis.
    pub values: Option<Vec<(Coordinate, String)>>,
}

/// The conditions on entries: the accepted values of each axis or array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions(pub Vec<(Located<String>, Vec<Coordinate>)>);

/// Reports duplicate coordinates and empty lists.
fn distinct<'a>(
    coordinates: impl IntoIterator<Item = &'a Coordinate>,
    name: &str,
    node: &Node,
    problems: &mut Problems,
) -> Option<()> {
    let mut seen = HashSet::new();
    let before = problems.len();
    for coordinate in coordinates {
        if !seen.insert(coordinate.canonical_text()) {
            let error = Error::user(format!("duplicate `{}` in `{name}`", coordinate.text()));
            problems.push(error.at(coordinate.span()));
        }
    }
    if seen.is_empty() {
        problems.push(Error::user(format!("`{name}` is empty: it selects nothing")).at(node.span));
    }
    (problems.len() == before).then_some(())
}

impl RowKey {
    fn decode(name: Located<String>, node: &Node, problems: &mut Problems) -> Option<RowKey> {
        let values: Vec<(Coordinate, String)> = match &node.value {
            Yaml::Null => return Some(RowKey { name, values: None }),
            Yaml::List(_) => {
                let coordinates: Vec<Coordinate> = decode_list(node, problems)?;
                let labelled = |c: Coordinate| (c.clone(), c.0.value);
                coordinates.into_iter().map(labelled).collect()
            }
            Yaml::Map(entries) => {
                let labelled = entries.iter().map(|(key, label)| {
                    let label = String::decode(label, problems)?;
                    Some((Coordinate(Located { value: key.name.clone(), span: key.span }), label))
                });
                labelled.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?
            }
            _ => {
                let message = format!("expected the values of `{}`, found {}", name.value, node.describe());
                problems.push(Error::user(message).at(node.span).hint(
                    "write them as a list, `[1, 2]`, or with labels, `{1: one, 2: two}`; nothing is every value of an axis",
                ));
                return None;
            }
        };
        distinct(values.iter().map(|(coordinate, _)| coordinate), &name, node, problems)?;
        Some(RowKey { name, values: Some(values) })
    }
}

impl Decode for Rows {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let before = problems.len();
        let mut keys: Vec<RowKey> = Vec::new();
        match &node.value {
            Yaml::Map(entries) => {
                for (key, values) in entries {
                    let name = Located { value: key.name.clone(), span: key.span };
                    keys.extend(RowKey::decode(name, values, problems));
                }
            }
            Yaml::List(items) => {
                for item in items {
                    let Some(name) = Located::<String>::decode(item, problems) else { continue };
                    if keys.iter().any(|key| key.name == name) {
                        problems.push(Error::user(format!("duplicate `{}` in `rows`", name.value)).at(name.span));
                    }
                    keys.push(RowKey { name, values: None });
                }
            }
            _ => return wrong_type(node, problems),
        }
        if keys.is_empty() && problems.len() == before {
            let error = Error::user("`rows` is empty: a table needs at least one row").at(node.span);
            problems.push(error.hint("name an axis: `rows: [model]`"));
        }
        (problems.len() == before).then_some(Rows(keys))
    }

    /// The order of rows is part of the content, so it is serialized beside the labels.
    fn manifest(&self) -> Json {
        let mut map = Map::new();
        map.insert("(order)".into(), self.0.iter().map(|key| json!(key.name.value)).collect());
        for key in &self.0 {
            let values = key.values.iter().flatten().map(|(value, label)| json!([value.manifest(), label]));
            let all = key.values.as_ref().map_or(json!("all"), |_| values.collect());
            map.insert(key.name.value.clone(), all);
        }
        Json::Object(map)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let coordinate = Coordinate::schema(schemas);
        let label = json!({"type": ["string", "integer"]});
        json!({"anyOf": [
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [
                {"type": "null"},
                {"type": "array", "items": coordinate, "minItems": 1},
                {"type": "object", "additionalProperties": label, "minProperties": 1},
            ]}},
        ]})
    }

    fn expected() -> String {
        "the axes and arrays that rows are made of: `[model]` or `{model: [dense, sparse]}`".into()
    }
}

impl Decode for Conditions {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Some(entries) = node.as_map() else { return wrong_type(node, problems) };
        let one = |(key, node): &(crate::spec::MapKey, Node)| {
            let values = super::OneOrMany::<Coordinate>::decode(node, problems)?.0;
            distinct(&values, &key.name, node, problems)?;
            Some((Located { value: key.name.clone(), span: key.span }, values))
        };
        entries.iter().map(one).collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Conditions)
    }

    fn manifest(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, values)| (name.value.clone(), values.manifest())).collect())
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let values = super::OneOrMany::<Coordinate>::schema(schemas);
        json!({"type": "object", "additionalProperties": values})
    }

    fn expected() -> String {
        "a mapping from axes and arrays to their values: `{scheme: xavier, run: [0, 1]}`".into()
    }
}
