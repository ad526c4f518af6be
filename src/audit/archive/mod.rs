//! The whole paper in one zip file: artifacts, paper file, inputs, and the traces of how one came from the other; and how such an archive
//! is checked elsewhere, without the cache that it came from.
//!
//! ```text
//! ro-crate-metadata.json         who, what and when, in the terms of RO-Crate 1.1
//! paper.yaml                     the paper file
//! data/points.csv, train.py ...  files of the project that its stages read, at their own paths
//! figures/fig1.svg ...           what stages left there
//! repro-archive/fetched/...      content of stages that name a URL
//! repro-archive/traces.json      every result: what it was made from, when, where, by which version
//! repro-archive/manifest.json    every other file with its size and BLAKE3 digest
//! ```

mod check;
mod crates;
mod facts;
mod pack;
mod rebuild;
mod trace;
mod unpack;

pub use check::{Archive, Refused};
pub use crates::{About, date};
pub use facts::{Kept, Maker};
pub use pack::{Exported, export};
pub use trace::{ResultTrace, StageTrace, Traces};
pub use unpack::is_archive;

use serde::{Deserialize, Serialize};

use crate::value::Digest;

/// The version of this layout.
const VERSION: u32 = 2;
/// The longest manifest that is written and read, in bytes: some 300,000 files.
const LONGEST_MANIFEST: u64 = 64 << 20;
/// What belongs to the archive and not to the project.
const OWN: &str = "repro-archive/";
const MANIFEST: &str = "repro-archive/manifest.json";
const TRACES: &str = "repro-archive/traces.json";
const FETCHED: &str = "repro-archive/fetched/";
const METADATA: &str = "ro-crate-metadata.json";

/// What is in an archive.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// The version of the layout.
    #[serde(rename = "repro-archive")]
    version: u32,
    /// The version of the program that made it.
    repro: String,
    /// The paper file.
    paper: String,
    /// The stages that were asked for; it holds what they need too.
    targets: Vec<String>,
    /// What the metadata say and the paper file does not.
    about: About,
    /// All files but this one, by ascending path.
    files: Vec<File>,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct File {
    path: String,
    role: Role,
    size: u64,
    blake3: Digest,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    executable: bool,
}

/// What a file is to the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Metadata,
    Paper,
    Input,
    Fetched,
    Artifact,
    Traces,
}
