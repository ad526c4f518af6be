//! A paper in one zip file: artifacts, paper file, inputs, and the traces that link them. An archive is verified without the cache that it was
//! exported from.
//!
//! ```text
//! ro-crate-metadata.json         who, what and when, as RO-Crate 1.1 metadata
//! paper.yaml                     the paper file
//! data/points.csv, train.py ...  files of the project that stages read, at their own paths
//! figures/fig1.svg ...           the files that stages wrote
//! repro-archive/fetched/...      content of `data` stages with a URL
//! repro-archive/traces.json      every result: its inputs, when, where and by which version it was made
//! repro-archive/manifest.json    every other file with its size and BLAKE3 digest
//! ```

mod error;
mod facts;
mod manifest;
mod pack;
mod rebuild;
mod recorded;
mod ro_crate;
mod traces;
mod unpack;
mod verify;

pub use error::ArchiveError;
pub use facts::{CacheFacts, Maker};
pub use manifest::PublicationInfo;
pub use pack::{ExportSummary, export};
pub use ro_crate::iso_date;
pub use traces::{ResultTrace, StageTrace, Traces};
pub use unpack::is_archive;
pub use verify::Archive;
