//! An environment as it was found: its lock files and its interpreter. The content of the first and the version of the second are in the key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::environment::LockKind;
use crate::value::{Digest, Tree, encode_tree};

/// Part of the key; increase it when environments are made in another way.
const VERSION: u32 = 1;

/// The lock files and the interpreter of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundEnvironment {
    pub name: String,
    pub kind: LockKind,
    /// The lock files, and all files that they name.
    pub tree: Tree,
    /// Versions of packages, by name.
    pub packages: BTreeMap<String, String>,
    /// Lines of lock files that name no version.
    pub others: Vec<String>,
    /// Packages without a version.
    pub unpinned: Vec<String>,
    /// The command of the interpreter.
    pub interpreter: String,
    /// The version of the interpreter, `cpython 3.12.1`; `None` if no build has asked for it.
    pub python: Option<String>,
    /// The file of the interpreter; only builds ask for it.
    pub executable: Option<PathBuf>,
}

impl FoundEnvironment {
    /// What of it is in the key of a program.
    pub fn manifest(&self) -> Json {
        let digest = Digest::hash(&encode_tree(&self.tree));
        json!({"version": VERSION, "kind": self.kind.name(), "locks": digest, "python": self.python})
    }

    /// What is recorded of it, to explain changes.
    pub fn record(&self) -> Json {
        let mut record = self.manifest();
        record["name"] = json!(self.name);
        record["interpreter"] = json!(self.interpreter);
        record["packages"] = json!(self.packages);
        record["others"] = json!(self.others);
        record
    }

    /// One digest for all that decides what is installed.
    pub fn identity(&self) -> Digest {
        Digest::hash(self.manifest().to_string().as_bytes())
    }
}
