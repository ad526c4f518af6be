//! What the last build of a stage recorded: for explanations and estimates only. It never decides whether something is up to date.

use serde_json::{Value as Json, json};

use crate::store::Store;

/// A program that took more seconds than this counts as training for `--no-train`.
const LONG: f64 = 60.0;

#[derive(Clone, Debug, PartialEq)]
pub struct LastBuild {
    pub manifest: Json,
    /// Names and digests of the inputs.
    pub inputs: Vec<(String, String)>,
    /// Measured time over estimated time of its units.
    pub pace: Option<f64>,
    /// How long all of its units took, in seconds on one core.
    pub seconds: Option<f64>,
    /// Of the programs that ran last: the most memory that one had, in bytes, and the CPU seconds of all.
    pub peak_memory: Option<u64>,
    pub cpu_seconds: Option<f64>,
    /// The digest of its layout; `None` for a single unit, and in older records.
    pub layout: Option<String>,
}

impl LastBuild {
    /// `None` if no stage of this name was built, or its record cannot be read.
    pub fn read(store: &Store, name: &str) -> Option<LastBuild> {
        let json = store.last_build(name)?;
        let inputs = json
            .get("inputs")?
            .as_array()?
            .iter()
            .filter_map(|pair| Some((pair.get(0)?.as_str()?.to_string(), pair.get(1)?.as_str()?.to_string())));
        Some(LastBuild {
            manifest: json.get("manifest")?.clone(),
            inputs: inputs.collect(),
            pace: json.get("pace").and_then(Json::as_f64).filter(|pace| pace.is_finite() && *pace > 0.0),
            seconds: json.get("seconds").and_then(Json::as_f64).filter(|seconds| seconds.is_finite()),
            peak_memory: json.get("peak-memory").and_then(Json::as_u64),
            cpu_seconds: json.get("cpu-seconds").and_then(Json::as_f64),
            layout: json.get("layout").and_then(Json::as_str).map(str::to_string),
        })
    }

    /// Whether a run of its program took over a minute. Programs are estimated at one second, so that their pace is their time.
    pub fn took_long(&self) -> bool {
        self.pace.is_some_and(|pace| pace > LONG)
    }

    pub fn write(&self, store: &Store, name: &str) {
        let json = json!({
            "manifest": self.manifest, "inputs": self.inputs, "pace": self.pace, "seconds": self.seconds, "layout": self.layout,
            "peak-memory": self.peak_memory, "cpu-seconds": self.cpu_seconds,
        });
        // Losing this costs an explanation, not a result.
        if let Err(error) = store.set_last_build(name, &json) {
            tracing::debug!("last build of {name} not recorded: {error}");
        }
    }
}
