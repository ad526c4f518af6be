//! Provenance of new results: stored with them, not part of any key.

use serde_json::{Value as Json, json};

use super::Project;
use crate::audit::git;
use crate::store::Provenance;

/// The provenance of this run. Computed lazily, so that a no-op build does not run git.
pub fn of(project: &Project) -> Provenance<'_> {
    Provenance::lazy(|| json(project))
}

fn json(project: &Project) -> Json {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_string());
    let host = host.or_else(|| std::env::var("HOSTNAME").ok());
    let mut json = json!({
        "repro": env!("CARGO_PKG_VERSION"), "engine": "cpu", "os": std::env::consts::OS, "arch": std::env::consts::ARCH,
        "host": host, "paper": blake3::hash(project.source.text.as_bytes()).to_hex().as_str(),
    });
    if let Some((revision, changed)) = git::head(&project.home) {
        json["git"] = json!({"revision": revision, "changed": changed});
    }
    json
}
