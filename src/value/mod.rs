//! What flows along the edges of the graph: labelled arrays, datasets of them, scenes, tables and trees of files, with one canonical encoding.
//!
//! It knows neither where a value came from nor what will be done with it.

mod array;
mod bytes;
mod digest;
mod encode;
mod nan;
mod scene;
mod table;
mod tree;

pub use array::{Array, Axis, Coords, Dataset, Dtype, Unread};
pub use bytes::ByteReader;
pub use digest::Digest;
pub use encode::{decode, encode};
pub use nan::NanPolicy;
pub use scene::*;
pub use table::{Cell, Column, Header, Key, Row, Table};
pub use tree::{FileEntry, Tree, decode_tree, encode_tree};
