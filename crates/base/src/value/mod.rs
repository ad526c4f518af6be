//! The values that stages exchange: labelled arrays, datasets, scenes, tables and file trees, each with a canonical encoding.
//!
//! It knows neither the stages that produce values nor those that consume them.

mod array;
mod bytes;
mod digest;
mod encode;
mod fix;
mod hint;
mod nan;
mod numbers;
mod scene;
mod table;
mod tree;

pub use array::{Array, Axis, Coords, Dataset, Dtype, Unread};
pub use bytes::ByteReader;
pub use digest::Digest;
pub use encode::{decode, encode};
pub use hint::{Field, FieldValues, Hint, Spots, four_digits};
pub use nan::NanPolicy;
pub use numbers::{Numbers, NumbersIter};
pub use scene::*;
pub use table::{Cell, Column, HeaderCell, KeyColumn, Row, Table};
pub use tree::{FileEntry, Tree, decode_tree, encode_tree};
