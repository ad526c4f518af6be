//! Cache keys: the hash of a manifest, and the differences between two manifests.
//!
//! A *manifest* describes everything that determines a unit's result. The BLAKE3 hash of its canonical text and of the digests of the unit's
//! inputs is the unit's *key*. This module knows neither stages nor files.
//!
//! | in the key | not in the key |
//! |---|---|
//! | kind and its version | the stage's name and position in the file |
//! | every setting, with defaults filled in | comments, key order, anchors, spelling of numbers (`1e-3`, `0.001`) |
//! | the value that each axis gives a point | the axis' name, the order of axes, the other points |
//! | version of the model, metric or mark | the version of the program |
//! | version of the numerics contract | threads, vector width, device, batching |
//! | digests of the content of inputs and of files of the project | when and where inputs were made |
//! | digests of the values of declared variables, versions of declared tools | time limits, cores, GPUs, memory, network and seal of programs |
//! | the lock files and the interpreter's version of a program's environment | the name and the place of the environment |
//! | the listing, or the content, of declared data outside of the project | |
//! | the engine's name, if it is `reference` | time, host, user, paths |
//!
//! `tests/suite/invalidation.rs` tests each row.

mod diff;

pub use diff::{Change, diff};

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::spec::canonical;
use crate::value::Digest;

/// The hash of a manifest and of the digests of the inputs. It identifies a result before the result exists.
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

/// The key of a unit: from its manifest and the digests of its inputs, in order.
pub fn key(manifest: &Json, inputs: &[Digest]) -> Key {
    let mut text = String::with_capacity(1024);
    canonical(manifest, &mut text);
    key_of_text(&text, inputs)
}

/// Like [`key`], from the manifest's canonical text.
pub fn key_of_text(text: &str, inputs: &[Digest]) -> Key {
    let mut hasher = blake3::Hasher::new();
    // Domain separation: a key never equals a digest of content.
    hasher.update(b"repro key 1\n");
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
    update(&mut hasher, inputs);
    Key(hasher.finalize().into())
}

/// One digest for a list of digests: the content of a stage with many units.
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
    fn only_the_order_of_mapping_keys_does_not_change_the_key() {
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
