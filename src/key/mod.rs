//! Manifest to key, and the difference of two manifests.
//!
//! A *manifest* is the canonical description of everything that decides a unit's bytes; its BLAKE3 hash is the unit's *key*. This
//! module knows neither stages nor files.
//!
//! | in the key | not in the key |
//! |---|---|
//! | kind and its version | the stage's name, its place in the file |
//! | every setting, with defaults filled in | comments, key order, anchors, spelling of numbers (`1e-3`, `0.001`) |
//! | the value that each axis gives a point | the axis' name, the order of axes, the other points |
//! | version of the model, metric or mark | the version of the program |
//! | version of the numerics contract | threads, vector width, device, batching |
//! | digests of the content of inputs and of files of the project | when and where inputs were made |
//! | digests of the values of declared variables, versions of declared tools | time limits, cores, GPUs, memory of programs |
//! | the engine's name, if it is `reference` | time, host, user, paths |
//!
//! `tests/suite/invalidation.rs` holds one test for each row.

mod diff;

pub use diff::{Change, diff};

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::spec::canonical;
use crate::value::Digest;

/// The hash of a manifest and of the digests of its inputs: it names a result before the result is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Digest);

impl Key {
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The key of a manifest and of the digests of the unit's inputs, in order.
pub fn key(manifest: &Json, inputs: &[Digest]) -> Key {
    let mut text = String::with_capacity(1024);
    canonical(manifest, &mut text);
    key_of_text(&text, inputs)
}

/// The same from the manifest's canonical text.
pub fn key_of_text(text: &str, inputs: &[Digest]) -> Key {
    let mut hasher = blake3::Hasher::new();
    // The domain keeps keys and digests of content apart.
    hasher.update(b"repro key 1\n");
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
    update(&mut hasher, inputs);
    Key(hasher.finalize().into())
}

/// One digest for a list of them: what a stage hands on when it has many units.
pub fn combine(digests: &[Digest]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"repro list 1\n");
    update(&mut hasher, digests);
    hasher.finalize().into()
}

fn update(hasher: &mut blake3::Hasher, digests: &[Digest]) {
    for digest in digests {
        hasher.update(digest.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_is_not_content_and_everything_else_is() {
        let text = |s: &str| serde_json::from_str::<Json>(s).unwrap();
        let base = key(&text(r#"{"a": 1, "b": [1, 2]}"#), &[]);
        assert_eq!(base, key(&text(r#"{"b": [1, 2], "a": 1}"#), &[]));
        for other in
            [r#"{"a": 2, "b": [1, 2]}"#, r#"{"a": 1, "b": [2, 1]}"#, r#"{"a": 1}"#, r#"{"a": 1, "b": ["1", 2]}"#]
        {
            assert_ne!(base, key(&text(other), &[]));
        }
        assert_ne!(base, key(&json!({"a": 1, "b": [1, 2]}), &[Digest([0; 32])]));
    }
}
