//! Converts files to datasets and back: `.npz`, `.npy`, `.csv`, `.tsv` and `.json`, one module per format. Other files are opaque.
//!
//! It works on bytes and names, not on folders. Malformed input is an error, never a panic. Arrays from other programs have unnamed axes;
//! the paper file may name them ([`Axes`]), and `label` applies the names.

mod archive;
mod axes;
mod csv;
mod json;
mod label;
mod npy;
mod npz;
mod zip;

pub use archive::ArchiveWriter;
pub use axes::Axes;
pub use npz::npz;
pub use zip::{ArchiveReader, Copied, is_own_npz};

use crate::error::{Error, Result};
use crate::value::{Dataset, Dtype, Numbers};

/// Version of the readers, part of the key of their users: raised when the same bytes are read as different arrays.
pub const VERSION: u32 = 1;

/// File extensions that hold arrays.
pub const ENDINGS: [&str; 5] = ["npz", "npy", "csv", "tsv", "json"];

/// An array of numbers or text with unnamed axes.
#[derive(Clone, Debug, PartialEq)]
struct RawArray {
    shape: Vec<usize>,
    values: RawValues,
}

#[derive(Clone, Debug, PartialEq)]
enum RawValues {
    /// In row-major order.
    Numbers(Dtype, Numbers),
    Text(Vec<String>),
}

impl RawArray {
    fn list(dtype: Dtype, numbers: Vec<f64>) -> RawArray {
        RawArray { shape: vec![numbers.len()], values: RawValues::Numbers(dtype, numbers.into()) }
    }

    fn texts(texts: Vec<String>) -> RawArray {
        RawArray { shape: vec![texts.len()], values: RawValues::Text(texts) }
    }
}

/// Whether a file of this name holds arrays.
pub fn holds_arrays(path: &str) -> bool {
    ENDINGS.contains(&ending(path).as_str())
}

/// Read the arrays of a file, by its extension. Errors describe what is wrong inside the file, but do not name it.
pub fn read(path: &str, bytes: &[u8], axes: &Axes) -> Result<Dataset> {
    match ending(path).as_str() {
        "npz" => {
            let (arrays, others) = npz::read(bytes)?;
            let mut dataset = label::label(arrays, axes)?;
            others.into_iter().for_each(|(name, what)| dataset.leave_out(&name, what));
            Ok(dataset)
        }
        "npy" => match npy::read(bytes)? {
            npy::Contents::Array(array) => label::label([(stem(path).to_string(), array)].into(), axes),
            npy::Contents::Other(what) => Err(Error::stage(what)),
        },
        "csv" => csv::read(bytes, ',', axes),
        "tsv" => csv::read(bytes, '\t', axes),
        "json" => json::read(bytes, stem(path), axes),
        _ => Err(Error::stage("its name does not end in .npz, .npy, .csv, .tsv or .json")),
    }
}

fn ending(path: &str) -> String {
    name(path).rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

fn stem(path: &str) -> &str {
    name(path).rsplit_once('.').map_or(name(path), |(stem, _)| stem)
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
