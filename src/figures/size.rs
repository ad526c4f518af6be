//! Figure sizes: inches, or relative to the text width or the figure's width.

use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::spec::{Decode, Node, Problems, Schemas, Yaml, wrong_type};

crate::record! {
    /// A width relative to the paper's text.
    pub struct TextColumns {
        /// The number of text columns; the theme's `column` is the width of one.
        pub columns: f64,
    }
}

crate::record! {
    /// A height relative to the width.
    pub struct Aspect {
        /// Height divided by width.
        pub aspect: f64,
    }
}

/// Inches, or relative to another length.
#[derive(Clone, Debug, PartialEq)]
pub enum Length<S> {
    Inches(f64),
    Share(S),
}

/// A length relative to another one.
pub trait Share: Decode {
    fn share(&self) -> f64;
}

impl Share for TextColumns {
    fn share(&self) -> f64 {
        self.columns
    }
}

impl Share for Aspect {
    fn share(&self) -> f64 {
        self.aspect
    }
}

impl<S: Share> Length<S> {
    /// Returns the length in inches, given the length it is relative to.
    pub fn inches(&self, whole: f64) -> f64 {
        match self {
            Length::Inches(inches) => *inches,
            Length::Share(share) => share.share() * whole,
        }
    }

    /// Reports a length that is not positive or too large for a page.
    pub fn check(&self, name: &str, whole: f64, node: &Node, problems: &mut Problems) {
        let inches = self.inches(whole);
        if !(inches > 0.0 && inches <= 200.0) {
            let message = format!("`{name}` must be above 0 and at most 200 inches, this is {inches}");
            problems.push(Error::user(message).at(node.deepest(&[name]).span));
        }
    }
}

impl<S: Share> Decode for Length<S> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Yaml::Int(_) | Yaml::Float(_) => f64::decode(node, problems).map(Length::Inches),
            Yaml::Map(_) => S::decode(node, problems).map(Length::Share),
            _ => wrong_type(node, problems),
        }
    }

    fn manifest(&self) -> Json {
        match self {
            Length::Inches(inches) => json!(inches),
            Length::Share(share) => share.manifest(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": "number"}, S::schema(schemas)]})
    }

    fn expected() -> String {
        format!("inches, or {}", S::expected())
    }
}
