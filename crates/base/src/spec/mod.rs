//! Parse the paper file, and macros that declare settings.
//!
//! `read` parses YAML into a tree of [`Node`]s with locations; `paper` splits the tree into named stages. The settings of stages, models,
//! metrics and marks are declared where they are used, with two macros. From one declaration they generate the Rust type, its decoder
//! (reports all errors at once, with "did you mean"), its JSON Schema and its canonical manifest:
//!
//! ```
//! use repro_base::spec::{Decode, Problems, read};
//!
//! repro_base::record! {
//!     /// A straight line across a panel.
//!     pub struct Rule {
//!         /// Where it crosses the x axis, in data units.
//!         pub x: Option<f64> = None,
//!         /// Line width in points.
//!         pub width: f64 = 1.0,
//!     }
//! }
//! repro_base::union! {
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
mod quantity;
mod read;
mod record;
mod suggest;
mod union;

pub use canonical::canonical;
pub use coordinate::Coordinate;
pub use decode::{Decode, Located, Schemas, decode_list, report_unknown_field, wrong_type};
pub use glob::glob;
pub use list::OneOrMany;
pub use node::{MapKey, Node, Yaml};
pub use paper::{Paper, StageEntry};
pub use problems::Problems;
pub use quantity::{SIZE_UNITS, TIME_UNITS, parse_quantity, unit_names};
pub use read::{MAX_BYTES, hint_at_colors, read, too_large};
pub use record::{Fields, define_schema, is_kebab, kebab, object_schema};
pub use suggest::{choices, nearest, suggest};
pub use union::{Tag, hint_body, parse_tag, reject_body, split_camel_case, variant_schema};

#[cfg(test)]
mod tests;
