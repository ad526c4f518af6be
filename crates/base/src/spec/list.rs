//! Settings that accept one value or a list: `of: usage`, `of: [dense, sparse]`.

use serde_json::{Value as Json, json};

use super::{Decode, Node, Problems, Schemas, decode_list};
use crate::error::Error;

/// One value or a list of values; the manifest always has a list.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.as_list() {
            Some([]) => {
                problems.push(Error::user(format!("this list is empty; expected {}", T::expected())).at(node.span));
                None
            }
            Some(_) => decode_list(node, problems).map(OneOrMany),
            None => T::decode(node, problems).map(|value| OneOrMany(vec![value])),
        }
    }

    fn manifest(&self) -> Json {
        self.0.manifest()
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let one = T::schema(schemas);
        json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }

    fn expected() -> String {
        format!("{} or a list of these", T::expected())
    }
}
