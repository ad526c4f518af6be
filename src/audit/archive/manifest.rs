//! The manifest of an archive: every file with its role, size and digest; and the paths that belong to the archive itself.

use serde::{Deserialize, Serialize};

use crate::value::Digest;

/// The version of the archive's layout.
pub const VERSION: u32 = 2;
/// The longest manifest that is written and read, in bytes: about 300,000 files.
pub const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// The folder of the files that belong to the archive and not to the project.
pub const OWN_FOLDER: &str = "repro-archive/";
pub const MANIFEST: &str = "repro-archive/manifest.json";
pub const TRACES: &str = "repro-archive/traces.json";
pub const FETCHED: &str = "repro-archive/fetched/";
pub const METADATA: &str = "ro-crate-metadata.json";

/// The content of `repro-archive/manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the layout.
    #[serde(rename = "repro-archive")]
    pub version: u32,
    /// The version of the program that made the archive.
    pub repro: String,
    /// The name of the paper file.
    pub paper: String,
    /// The exported stages; the archive has what they need too.
    pub targets: Vec<String>,
    /// What the command line said about the publication.
    pub about: PublicationInfo,
    /// All other files, by ascending path.
    pub files: Vec<ArchiveFile>,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchiveFile {
    pub path: String,
    pub role: FileRole,
    pub size: u64,
    pub blake3: Digest,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// What a file is to the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileRole {
    Metadata,
    Paper,
    Input,
    Fetched,
    Artifact,
    Traces,
}

/// What the paper file does not say about a publication.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PublicationInfo {
    /// `A. Turing`, or `A. Turing (University of Manchester)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// `ACM`, or `ACM https://acm.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The URL of a licence, or its SPDX identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}
