//! `record!`: declare settings with named fields.

use serde_json::{Map, Value as Json, json};

use super::{Decode, MapKey, Node, Problems, Schemas, suggest};
use crate::error::Error;

/// The paper file's name of a field: `feature_norm` in Rust is `feature-norm`.
pub fn kebab(name: &str) -> String {
    name.trim_start_matches("r#").replace('_', "-")
}

/// Whether a name in the paper file is that of a Rust field; does not allocate.
pub fn is_kebab(name: &str, field: &str) -> bool {
    let field = field.trim_start_matches("r#").bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    name.bytes().eq(field)
}

/// Decodes the fields of a mapping one by one, then reports unknown keys.
pub struct Fields<'a> {
    node: &'a Node,
    entries: &'a [(MapKey, Node)],
    known: Vec<String>,
}

impl<'a> Fields<'a> {
    /// `None` (and a problem) if the node is not a mapping. An absent body (`zero:`) is an empty mapping.
    pub fn from_node<T: Decode>(node: &'a Node, problems: &mut Problems) -> Option<Self> {
        let entries = match &node.value {
            super::Yaml::Map(entries) => entries.as_slice(),
            super::Yaml::Null => &[],
            _ => return super::wrong_type::<T>(node, problems).and(None),
        };
        Some(Fields { node, entries, known: Vec::new() })
    }

    fn find(&mut self, name: &str) -> Option<&'a Node> {
        self.known.push(name.to_string());
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Decode a required field.
    pub fn required<T: Decode>(&mut self, name: &str, problems: &mut Problems) -> Option<T> {
        match self.find(name) {
            Some(node) => T::decode(node, problems),
            None => {
                problems.push(Error::user(format!("`{name}` is missing here: {}", T::expected())).at(self.node.span));
                None
            }
        }
    }

    /// Decode a field with a default.
    pub fn optional<T: Decode>(
        &mut self,
        name: &str,
        default: impl FnOnce() -> T,
        problems: &mut Problems,
    ) -> Option<T> {
        match self.find(name) {
            Some(node) => T::decode(node, problems),
            None => Some(default()),
        }
    }

    /// Report all unknown keys.
    pub fn finish(self, problems: &mut Problems) {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        for (key, _) in self.entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            problems
                .push(Error::user(format!("unknown key `{}`", key.name)).at(key.span).hint(suggest(&key.name, &known)));
        }
    }
}

/// The JSON Schema of a mapping from `(name, description, schema, required)` of its fields.
pub fn object_schema(doc: &str, fields: Vec<(String, &str, Json, bool)>) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, description, mut schema, needed) in fields {
        if needed {
            required.push(name.clone());
        }
        if !description.trim().is_empty() {
            if schema.get("$ref").is_some() {
                schema = json!({"allOf": [schema]});
            }
            schema["description"] = json!(description.trim());
        }
        properties.insert(name, schema);
    }
    let mut schema =
        json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required});
    if !doc.trim().is_empty() {
        schema["description"] = json!(doc.trim());
    }
    schema
}

/// Define the schema of a type once and return a reference to it. A second type of the same name is prefixed with its module.
pub fn define_schema(module: &str, name: &str, schemas: &mut Schemas, make: impl FnOnce(&mut Schemas) -> Json) -> Json {
    let of = |schema: &Json| schema.get("$comment").and_then(Json::as_str) == Some(module);
    let long = format!("{}.{name}", module.rsplit("::").next().unwrap_or(module));
    let name = match schemas.get(name) {
        Some(other) if !of(other) => long.as_str(),
        _ => name,
    };
    if !schemas.contains_key(name) {
        schemas.insert(name.to_string(), json!({"$comment": module}));
        let mut schema = make(schemas);
        schema["$comment"] = json!(module);
        schemas.insert(name.to_string(), schema);
    }
    json!({"$ref": format!("#/$defs/{name}")})
}

/// Declare settings with named fields; `= default` makes a field optional. With `struct Name with function`, `function(&self, &mut map)`
/// edits the manifest. See the example in [`crate::spec`].
#[macro_export]
macro_rules! record {
    ($(#[doc = $doc:expr])* pub struct $name:ident $(with $finish:path)? {
        $($(#[doc = $field_doc:expr])* pub $field:ident : $type:ty $(= $default:expr)?),* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
        }

        impl $crate::spec::Decode for $name {
            fn decode(node: &$crate::spec::Node, problems: &mut $crate::spec::Problems) -> Option<Self> {
                #[allow(unused_mut)]
                let mut fields = $crate::spec::Fields::from_node::<Self>(node, problems)?;
                $(let $field: Option<$type> =
                    $crate::record!(@take fields, $crate::spec::kebab(stringify!($field)), problems $(, $default)?);)*
                fields.finish(problems);
                Some($name { $($field: $field?,)* })
            }

            fn assign(
                &mut self,
                path: &[&str],
                node: &$crate::spec::Node,
                problems: &mut $crate::spec::Problems,
            ) -> Option<()> {
                let Some((first, rest)) = path.split_first() else {
                    *self = Self::decode(node, problems)?;
                    return Some(());
                };
                $(if $crate::spec::is_kebab(first, stringify!($field)) {
                    return self.$field.assign(rest, node, problems);
                })*
                let _ = rest;
                let known = [$($crate::spec::kebab(stringify!($field))),*];
                $crate::spec::report_unknown_field(first, &known, node, problems);
                None
            }

            fn manifest(&self) -> serde_json::Value {
                #[allow(unused_mut)]
                let mut map = serde_json::Map::new();
                $(map.insert($crate::spec::kebab(stringify!($field)), $crate::spec::Decode::manifest(&self.$field));)*
                $($finish(self, &mut map);)?
                serde_json::Value::Object(map)
            }

            fn schema(schemas: &mut $crate::spec::Schemas) -> serde_json::Value {
                $crate::spec::define_schema(module_path!(), stringify!($name), schemas, |schemas| {
                    let _ = &schemas;
                    $crate::spec::object_schema(
                        concat!($($doc, "\n"),*),
                        vec![$((
                            $crate::spec::kebab(stringify!($field)),
                            concat!("", $($field_doc, "\n"),*),
                            <$type as $crate::spec::Decode>::schema(schemas),
                            $crate::record!(@needed $($default)?),
                        )),*],
                    )
                })
            }

            fn expected() -> String {
                let known = [$($crate::spec::kebab(stringify!($field))),*];
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                format!("a mapping with {}", $crate::spec::choices(&known).replace(" or ", " and "))
            }
        }
    };
    (@take $fields:ident, $key:expr, $problems:ident) => { $fields.required(&$key, $problems) };
    (@take $fields:ident, $key:expr, $problems:ident, $default:expr) => { $fields.optional(&$key, || $default, $problems) };
    (@needed) => { true };
    (@needed $default:expr) => { false };
}
