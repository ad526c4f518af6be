//! What flows along the edges of the graph: labelled arrays, datasets of them, scenes and tables, with one canonical encoding.
//!
//! It knows neither where a value came from nor what will be done with it.

mod array;
mod encode;
mod scene;
mod table;

pub use array::{Array, Axis, Coords, Dataset, Dtype};
pub use encode::{decode, encode};
pub use scene::*;
pub use table::{Cell, Column, Header, Key, Row, Table};
