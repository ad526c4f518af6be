//! What nothing else tells about a result: its size, when it was made, how long that took, and who made it. An archive states these facts, and
//! checking it cannot find out whether they are true.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::trace::ResultTrace;
use crate::error::{Error, Result};
use crate::plan::Recorded;
use crate::store::{Digest, Key, Store, Trace};

/// A program and a machine that made results, and the revision of the paper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Maker {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repro: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The name of the machine; not in archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The digest of the paper file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Revision>,
}

/// A revision of git, and whether files differed from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    pub revision: String,
    pub changed: bool,
}

/// The facts of one result.
#[derive(Clone, Debug)]
pub struct Fact {
    pub size: u64,
    /// In milliseconds since 1970.
    pub finished: u64,
    pub micros: u64,
    /// `None` where nobody knows any more.
    pub maker: Option<Maker>,
}

/// Where facts come from.
pub trait Facts {
    fn of(&self, key: &Key, digest: &Digest) -> Result<Fact>;
}

/// Facts from the cache.
pub struct Kept<'a> {
    pub store: &'a Store,
    /// Whether the names of machines are told.
    pub hosts: bool,
}

impl Facts for Kept<'_> {
    fn of(&self, key: &Key, digest: &Digest) -> Result<Fact> {
        let Trace { size, finished_ms, micros, .. } = self
            .store
            .trace(key)
            .ok_or_else(|| Error::stage("a result was lost from the cache").hint("`repro build` makes it again"))?;
        let maker = self.store.provenance(key, digest);
        let mut maker: Option<Maker> = maker.and_then(|maker: Json| serde_json::from_value(maker).ok());
        if let Some(maker) = maker.as_mut().filter(|_| !self.hosts) {
            maker.host = None;
        }
        Ok(Fact { size, finished: finished_ms, micros, maker })
    }
}

/// The traces of an archive as far as nothing else tells them; the rest is not read.
#[derive(Debug, Deserialize)]
pub struct Stated {
    makers: Vec<Maker>,
    stages: Vec<StatedStage>,
}

#[derive(Debug, Deserialize)]
struct StatedStage {
    stage: String,
    #[serde(default)]
    env: BTreeMap<String, Option<Digest>>,
    #[serde(default)]
    tools: BTreeMap<String, String>,
    results: Vec<ResultTrace>,
    files: Vec<ResultTrace>,
}

impl Stated {
    /// All results and files.
    pub fn results(&self) -> impl Iterator<Item = &ResultTrace> {
        self.stages.iter().flat_map(|stage| stage.results.iter().chain(&stage.files))
    }

    /// The results of a stage, by the labels of its units.
    pub fn of(&self, stage: &str) -> BTreeMap<&str, &ResultTrace> {
        let own = self.stages.iter().filter(|known| known.stage == stage).flat_map(|stage| &stage.results);
        own.map(|result| (result.name.as_str(), result)).collect()
    }

    /// What was found of variables and tools, by stage.
    pub fn recorded(&self) -> BTreeMap<String, Recorded> {
        let recorded = |stage: &StatedStage| Recorded { env: stage.env.clone(), tools: stage.tools.clone() };
        self.stages.iter().map(|stage| (stage.stage.clone(), recorded(stage))).collect()
    }

    /// By key. Results of one key have the same facts.
    pub fn facts(&self) -> StatedFacts<'_> {
        StatedFacts { makers: &self.makers, results: self.results().map(|result| (result.key, result)).collect() }
    }
}

/// Facts as an archive states them.
pub struct StatedFacts<'a> {
    makers: &'a [Maker],
    results: HashMap<Key, &'a ResultTrace>,
}

impl Facts for StatedFacts<'_> {
    fn of(&self, key: &Key, _: &Digest) -> Result<Fact> {
        let result = self.results.get(key).ok_or_else(|| Error::stage("a result has no trace"))?;
        let maker = result.maker.and_then(|maker| self.makers.get(maker)).cloned();
        Ok(Fact { size: result.size, finished: result.finished, micros: result.micros, maker })
    }
}
