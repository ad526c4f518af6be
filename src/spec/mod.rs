//! YAML to entries with spans, and the macros that declare what the entries may hold.
//!
//! `read` turns text into a tree of [`Node`]s, each with its place in the file; `paper` cuts the tree into named stages of one kind
//! each. It knows no stage kind: the settings of stages, models, metrics and marks are declared where they are used, with two macros
//! that generate from one declaration the Rust type, its decoder (all problems at once, "did you mean"), its JSON Schema and its
//! canonical manifest:
//!
//! ```
//! use repro::spec::{Decode, Problems, read};
//!
//! repro::record! {
//!     /// A straight line across a panel.
//!     pub struct Rule {
//!         /// Where it crosses the x axis, in data units.
//!         pub x: Option<f64> = None,
//!         /// Line width in points.
//!         pub width: f64 = 1.0,
//!     }
//! }
//! repro::union! {
//!     /// What can be drawn.
//!     pub enum Mark {
//!         /// A straight line.
//!         "rule" => Rule(Rule),
//!         /// Nothing.
//!         "nothing" => Nothing,
//!     }
//! }
//! let mut problems = Problems::default();
//! let node = read("{rule: {x: 5.5}}", &mut problems).unwrap();
//! let mark = Mark::decode(&node, &mut problems).unwrap();
//! assert!(matches!(mark, Mark::Rule(Rule { x: Some(5.5), width: 1.0 })));
//! ```

mod canonical;
mod coordinate;
mod decode;
mod glob;
mod list;
mod node;
mod paper;
mod problems;
mod read;
mod record;
mod suggest;
mod union;

pub use canonical::canonical;
pub use coordinate::Coordinate;
pub use decode::{Decode, Located, Schemas, decode_list, wrong_type};
pub use glob::glob;
pub use list::OneOrMany;
pub use node::{Key, Node, Yaml};
pub use paper::{Entry, Paper};
pub use problems::Problems;
pub use read::{MAX_BYTES, read, too_large};
pub use record::{Fields, define, is_kebab, kebab, no_field, object_schema};
pub use suggest::{choices, nearest, suggest};
pub use union::{Tag, kebab_words, no_body, tag, variant_schema};

#[cfg(test)]
mod tests;
