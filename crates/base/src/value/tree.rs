//! File trees: paths and content digests. The content itself is stored elsewhere.

use serde::{Deserialize, Serialize};

use super::Digest;

const MAGIC: &[u8] = b"repro-t1\n";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative, with `/` between its parts.
    pub path: String,
    /// BLAKE3 of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
    /// The executable bit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// Files by ascending path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    pub files: Vec<FileEntry>,
}

/// Encode a tree canonically: equal trees have equal bytes.
pub fn encode_tree(tree: &Tree) -> Vec<u8> {
    let mut files = tree.files.clone();
    files.sort();
    let mut bytes = MAGIC.to_vec();
    // Plain structs: serialisation cannot fail.
    bytes.extend(serde_json::to_vec(&Tree { files }).unwrap_or_default());
    bytes
}

/// Decode a tree; `None` if the bytes are not a valid encoding.
pub fn decode_tree(bytes: &[u8]) -> Option<Tree> {
    serde_json::from_slice(bytes.strip_prefix(MAGIC)?).ok()
}

impl Tree {
    pub fn get(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, executable: bool) -> FileEntry {
        FileEntry { path: path.into(), digest: Digest([7; 32]), size: 3, executable }
    }

    #[test]
    fn a_tree_survives_the_round_trip_whatever_the_order_of_its_files() {
        let tree = Tree { files: vec![file("a", false), file("b/c", true)] };
        let bytes = encode_tree(&tree);
        assert_eq!(decode_tree(&bytes), Some(tree));
        assert_eq!(bytes, encode_tree(&Tree { files: vec![file("b/c", true), file("a", false)] }));
    }

    #[test]
    fn invalid_bytes_are_rejected() {
        let bytes = encode_tree(&Tree { files: vec![file("a", false)] });
        assert!((0..bytes.len()).all(|end| decode_tree(&bytes[..end]).is_none()));
        assert_eq!(decode_tree(&super::super::encode(&Default::default())), None);
    }
}
