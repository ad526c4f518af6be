//! A coordinate of an axis in the paper file: text or a number.

use serde_json::{Value as Json, json};

use super::{Decode, Located, Node, Problems, Schemas, Yaml, wrong_type};
use crate::error::Span;

/// A coordinate of an axis, or a value of an array, as text with its location.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate(pub Located<String>);

impl Coordinate {
    /// Whether both are the same coordinate: `0.1` and `1e-1` are.
    pub fn is(&self, other: &str) -> bool {
        let text: &str = &self.0.value;
        text == other || matches!((text.parse::<f64>(), other.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
    }

    /// A text that is equal for equal coordinates.
    pub fn canonical_text(&self) -> String {
        match self.text().parse::<f64>() {
            Ok(number) if !number.is_nan() => format!("{:?}", number + 0.0),
            _ => format!("`{}", self.text()),
        }
    }

    pub fn text(&self) -> &str {
        &self.0.value
    }

    pub fn span(&self) -> Span {
        self.0.span
    }
}

impl Decode for Coordinate {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let value = match &node.value {
            Yaml::Text(text) => text.clone(),
            Yaml::Int(number) => number.to_string(),
            Yaml::Float(number) => number.to_string(),
            _ => return wrong_type(node, problems),
        };
        Some(Coordinate(Located { value, span: node.span }))
    }
    fn manifest(&self) -> Json {
        match self.text().parse::<f64>() {
            Ok(number) if number.is_finite() => json!(number),
            _ => json!(self.text()),
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": ["string", "number"]})
    }
    fn expected() -> String {
        "a coordinate: text or a number".into()
    }
}
