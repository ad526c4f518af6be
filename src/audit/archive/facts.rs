//! Facts about a result that do not follow from the paper file and the inputs: its size, when it was made, how long that took, and by what. An
//! archive records them; verifying it cannot tell whether they are true.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::store::{Digest, Key, Store, Trace};

/// The program, the machine and the revision of the paper that made a result.
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
    /// The host name; not in archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The digest of the paper file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// What has changed since the result was made, although it was taken for the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Vec<String>>,
}

/// A commit, and whether the working tree differed from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GitState {
    pub revision: String,
    pub changed: bool,
}

/// The facts about one result.
#[derive(Clone, Debug)]
pub struct ResultFacts {
    pub size: u64,
    /// In milliseconds since 1970.
    pub finished: u64,
    pub micros: u64,
    /// `None` if it is no longer known.
    pub maker: Option<Maker>,
}

/// Where facts come from: the cache, or an archive.
pub trait FactSource {
    fn facts(&self, key: &Key, digest: &Digest) -> Result<ResultFacts>;
}

/// Facts from the cache.
pub struct CacheFacts<'a> {
    pub store: &'a Store,
    /// Whether host names are included.
    pub hosts: bool,
}

impl FactSource for CacheFacts<'_> {
    fn facts(&self, key: &Key, digest: &Digest) -> Result<ResultFacts> {
        let Trace { size, finished_ms, micros, .. } = self
            .store
            .trace(key)
            .ok_or_else(|| Error::stage("a result is no longer in the cache").hint("`repro build` recomputes it"))?;
        let maker = self.store.provenance(key, digest);
        let mut maker: Option<Maker> = maker.and_then(|maker: Json| serde_json::from_value(maker).ok());
        if let Some(maker) = maker.as_mut().filter(|_| !self.hosts) {
            maker.host = None;
        }
        Ok(ResultFacts { size, finished: finished_ms, micros, maker })
    }
}
