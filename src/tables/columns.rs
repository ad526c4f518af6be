//! The columns of a table: which entries each one selects and how it shows them.

use serde_json::{Map, Value as Json, json};

use super::{Conditions, Format, OneOrMany};
use crate::error::Error;
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, wrong_type};
use crate::value::NanPolicy;

crate::record! {
    /// A column: a summary of the entries of an array that each row selects.
    pub struct ColumnSettings {
        /// The array to show; by default the one with the column's name.
        pub value: Option<Located<String>> = None,
        /// Count the entries that the rows select instead of showing an array.
        pub count: bool = false,
        /// The stage, or list of pooled stages, that the entries come from; defaults to the table's.
        pub of: OneOrMany<Located<String>> = OneOrMany::default(),
        /// Only use entries at these coordinates of axes and values of arrays.
        pub r#where: Conditions = Conditions::default(),
        /// The header; by default the column's name.
        pub label: Option<String> = None,
        /// The header shared with neighbouring columns, or a list of them, outermost first.
        pub group: OneOrMany<String> = OneOrMany::default(),
        /// The cell format, such as `{mean:.3f} ± {std:.3f}`.
        pub format: Option<Format> = None,
        /// How its statistics treat NaN; defaults to the table's setting: `propagate`, or `skip` to leave NaN out and show how many entries
        /// remain.
        pub nan: Option<NanPolicy> = None,
        /// The cell to set in bold; never a cell that is NaN.
        pub best: Option<Extreme> = None,
    }
}

crate::union! {
    /// Which number is best.
    pub enum Extreme {
        /// The largest number.
        "highest" => Highest(BestOf),
        /// The smallest number.
        "lowest" => Lowest(BestOf),
    }
}

crate::record! {
    /// The cells of a column that are compared.
    pub struct BestOf {
        /// A row key: only compare rows with the same value of it. By default all rows are compared.
        pub within: Option<Located<String>> = None,
    }
}

/// A column and its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedColumn {
    pub name: Located<String>,
    pub settings: ColumnSettings,
}

/// The columns, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns(pub Vec<NamedColumn>);

impl NamedColumn {
    /// Returns the array to show; `None` if it counts the selected entries.
    pub fn value(&self) -> Option<&Located<String>> {
        let own = self.settings.value.as_ref();
        if self.settings.count { own } else { own.or(Some(&self.name)) }
    }
}

impl Extreme {
    pub fn within(&self) -> Option<&Located<String>> {
        match self {
            Extreme::Highest(of) | Extreme::Lowest(of) => of.within.as_ref(),
        }
    }
}

impl Decode for Columns {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let before = problems.len();
        let nothing = Node::new(Yaml::Null, node.span);
        let mut columns: Vec<NamedColumn> = Vec::new();
        match &node.value {
            Yaml::Map(entries) => {
                for (key, node) in entries {
                    let name = Located { value: key.name.clone(), span: key.span };
                    let settings = ColumnSettings::decode(node, problems);
                    columns.extend(settings.map(|settings| NamedColumn { name, settings }));
                }
            }
            Yaml::List(items) => {
                for item in items {
                    let Some(name) = Located::<String>::decode(item, problems) else { continue };
                    if columns.iter().any(|column| column.name == name) {
                        let error = Error::user(format!("duplicate `{}` in `columns`", name.value)).at(name.span);
                        problems
                            .push(error.hint("give both names of their own: `{a: {value: loss}, b: {value: loss}}`"));
                    }
                    let settings = ColumnSettings::decode(&nothing, problems);
                    columns.extend(settings.map(|settings| NamedColumn { name, settings }));
                }
            }
            _ => return wrong_type(node, problems),
        }
        if columns.is_empty() && problems.len() == before {
            let error = Error::user("`columns` is empty: a table needs at least one column").at(node.span);
            problems.push(error.hint("name an array: `columns: [loss]`"));
        }
        (problems.len() == before).then_some(Columns(columns))
    }

    /// The order of columns is part of the content, so it is serialized beside their settings.
    fn manifest(&self) -> Json {
        let mut map = Map::new();
        map.insert("(order)".into(), self.0.iter().map(|column| json!(column.name.value)).collect());
        for column in &self.0 {
            map.insert(column.name.value.clone(), column.settings.manifest());
        }
        Json::Object(map)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let settings = ColumnSettings::schema(schemas);
        json!({"anyOf": [
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [settings, {"type": "null"}]}},
        ]})
    }

    fn expected() -> String {
        "the columns: names of arrays, `[loss]`, or `{loss: {format: \"{mean:.3f}\"}}`".into()
    }
}
