//! `union!`: declare a tagged value, written as a mapping with one key (`rule: {x: 1}`) or, without settings, as its name.

use super::{MapKey, Node, Problems, Yaml, suggest};
use crate::error::Error;

/// The tag of a node, and its body.
pub struct Tag<'a> {
    pub name: &'a str,
    pub body: std::borrow::Cow<'a, Node>,
}

/// Read the one key of a tagged value; reports an error and returns `None` if there is not exactly one known key.
pub fn parse_tag<'a>(node: &'a Node, what: &str, known: &[&str], problems: &mut Problems) -> Option<Tag<'a>> {
    let unknown = |name: &str, span, problems: &mut Problems| {
        problems.push(Error::user(format!("unknown {what} `{name}`")).at(span).hint(suggest(name, known)));
    };
    match &node.value {
        Yaml::Text(name) if known.contains(&name.as_str()) => {
            Some(Tag { name, body: std::borrow::Cow::Owned(Node::new(Yaml::Null, node.span)) })
        }
        Yaml::Text(name) => {
            unknown(name, node.span, problems);
            None
        }
        Yaml::Map(entries) => match entries.as_slice() {
            [(MapKey { name, .. }, body)] if known.contains(&name.as_str()) => {
                Some(Tag { name, body: std::borrow::Cow::Borrowed(body) })
            }
            [(MapKey { name, span }, _)] => {
                unknown(name, *span, problems);
                None
            }
            _ => {
                let found = entries.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>();
                let message = match found.as_slice() {
                    [] => format!("expected one {what}, found an empty mapping"),
                    names => format!("expected exactly one {what}, found {} keys: {}", names.len(), names.join(", ")),
                };
                problems.push(Error::user(message).at(node.span).hint(format!("known: {}", super::choices(known))));
                None
            }
        },
        _ => {
            problems.push(
                Error::user(format!("expected a {what}, found {}", node.describe()))
                    .at(node.span)
                    .hint(format!("known: {}", super::choices(known))),
            );
            None
        }
    }
}

/// Declare a tagged value. `"name" => Variant(Settings)` has a body, `"name" => Variant` has none. With `as dyn Trait`, every body
/// implements that trait and `entry()` gives it. See the example in [`crate::spec`].
#[macro_export]
macro_rules! union {
    ($(#[doc = $doc:expr])* pub enum $name:ident $(as dyn $trait:path)? {
        $($(#[doc = $variant_doc:expr])* $key:literal => $variant:ident $(($body:ty))?),* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($(#[doc = $variant_doc])* $variant $(($body))?,)*
        }

        impl $name {
            /// The names that the paper file uses.
            pub const NAMES: &'static [&'static str] = &[$($key),*];

            /// The name of this one.
            pub fn name(&self) -> &'static str {
                match self {
                    $($crate::union!(@pattern $name $variant $($body)?) => $key,)*
                }
            }
        }

        $crate::union!(@entry $name [$($trait)?] [$($variant)*]);

        impl $crate::spec::Decode for $name {
            fn decode(node: &$crate::spec::Node, problems: &mut $crate::spec::Problems) -> Option<Self> {
                let what = $crate::spec::split_camel_case(stringify!($name));
                let tag = $crate::spec::parse_tag(node, &what, Self::NAMES, problems)?;
                match tag.name {
                    $($key => $crate::union!(@decode $name $variant (tag, problems) $($body)?),)*
                    _ => None,
                }
            }

            fn assign(
                &mut self,
                path: &[&str],
                node: &$crate::spec::Node,
                problems: &mut $crate::spec::Problems,
            ) -> Option<()> {
                if path.is_empty() {
                    *self = Self::decode(node, problems)?;
                    return Some(());
                }
                // The kind may be left out of the path.
                let path = if path[0] == self.name() { &path[1..] } else { path };
                match self {
                    $($crate::union!(@bind $name $variant body $($body)?) =>
                        $crate::union!(@assign body (path, node, problems) $($body)?),)*
                }
            }

            fn manifest(&self) -> serde_json::Value {
                let (name, body) = match self {
                    $($crate::union!(@bind $name $variant body $($body)?) =>
                        ($key, $crate::union!(@manifest body $($body)?)),)*
                };
                let mut map = serde_json::Map::new();
                map.insert(name.to_string(), body);
                serde_json::Value::Object(map)
            }

            fn schema(schemas: &mut $crate::spec::Schemas) -> serde_json::Value {
                $crate::spec::define_schema(module_path!(), stringify!($name), schemas, |schemas| {
                    let _ = &schemas;
                    let names: &[&str] = Self::NAMES;
                    let kinds = vec![
                        serde_json::json!({"enum": names}),
                        $($crate::spec::variant_schema(
                            $key,
                            concat!("", $($variant_doc, "\n"),*),
                            $crate::union!(@schema schemas $($body)?),
                        ),)*
                    ];
                    serde_json::json!({"anyOf": kinds, "description": concat!("", $($doc, "\n"),*).trim()})
                })
            }

            fn expected() -> String {
                match Self::NAMES {
                    [only] => format!("`{only}`"),
                    all => format!("one of {}", $crate::spec::choices(all)),
                }
            }
        }
    };
    (@entry $name:ident [] [$($variant:ident)*]) => {};
    (@entry $name:ident [$trait:path] [$($variant:ident)*]) => {
        impl $name {
            /// The settings, as the trait that all variants implement.
            pub fn entry(&self) -> &dyn $trait {
                match self {
                    $($name::$variant(body) => body,)*
                }
            }
        }
    };
    (@pattern $name:ident $variant:ident) => { $name::$variant };
    (@pattern $name:ident $variant:ident $body:ty) => { $name::$variant(_) };
    (@bind $name:ident $variant:ident $bound:ident) => { $name::$variant };
    (@bind $name:ident $variant:ident $bound:ident $body:ty) => { $name::$variant($bound) };
    (@decode $name:ident $variant:ident ($tag:ident, $problems:ident)) => {
        $crate::spec::reject_body(&$tag, $problems).map(|()| $name::$variant)
    };
    (@decode $name:ident $variant:ident ($tag:ident, $problems:ident) $body:ty) => {
        $crate::spec::hint_body(&$tag, <$body as $crate::spec::Decode>::decode(&$tag.body, $problems), $problems).map($name::$variant)
    };
    (@assign $bound:ident ($path:ident, $node:ident, $problems:ident)) => {{
        $crate::spec::report_unknown_field($path.first().copied().unwrap_or_default(), &[], $node, $problems);
        None
    }};
    (@assign $bound:ident ($path:ident, $node:ident, $problems:ident) $body:ty) => {
        $bound.assign($path, $node, $problems)
    };
    (@manifest $bound:ident) => { serde_json::Value::Null };
    (@manifest $bound:ident $body:ty) => { $crate::spec::Decode::manifest($bound) };
    (@schema $schemas:ident) => { serde_json::json!({"type": ["null", "object"], "maxProperties": 0}) };
    (@schema $schemas:ident $body:ty) => { <$body as $crate::spec::Decode>::schema($schemas) };
}

/// Where a kind stands without the settings that it needs, say how they are written: `reduce: mean` lacks an axis.
pub fn hint_body<T>(tag: &Tag, decoded: Option<T>, problems: &mut Problems) -> Option<T> {
    if decoded.is_none() && matches!(tag.body.value, Yaml::Null) {
        problems.add_hint(tag.body.span, &format!("`{}` needs more: write `{{{}: ...}}`", tag.name, tag.name));
    }
    decoded
}

/// Report settings of a kind that has none.
pub fn reject_body(tag: &Tag, problems: &mut Problems) -> Option<()> {
    let empty = match &tag.body.value {
        Yaml::Null => true,
        Yaml::Map(entries) => entries.is_empty(),
        _ => false,
    };
    if !empty {
        let error = Error::user(format!("`{}` takes no settings, found {}", tag.name, tag.body.describe()));
        problems.push(error.at(tag.body.span));
        return None;
    }
    Some(())
}

/// A type name for messages: `LoadBalance` becomes "load balance".
pub fn split_camel_case(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

/// The JSON Schema of one kind of a tagged value.
pub fn variant_schema(key: &str, doc: &str, body: serde_json::Value) -> serde_json::Value {
    let mut properties = serde_json::Map::new();
    properties.insert(key.to_string(), body);
    serde_json::json!({
        "type": "object", "additionalProperties": false, "properties": properties, "required": [key],
        "description": doc.trim(),
    })
}
