//! Records of no-op builds, one file for each command (see `plan/noop.rs`). A record is valid while every shard that it names exists.
//!
//! ```text
//! fingerprint | number of shards | their names | content | BLAKE3 of everything before
//! ```

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Digest, Store};
use crate::error::Result;
use crate::value::ByteReader;

impl Store {
    fn noop_path(&self, name: &str) -> PathBuf {
        self.last_build_folder().join(format!("{name}.memo"))
    }

    /// The names of all readable shards.
    fn shard_names(&self) -> HashSet<Digest> {
        let name = |path: &PathBuf| Digest::parse(path.file_name()?.to_str()?);
        self.shards().iter().filter_map(|shard| name(&shard.path)).collect()
    }

    /// The content of a record with this fingerprint; a miss if a shard is gone or any result is known to be damaged.
    pub fn noop_record(&self, name: &str, fingerprint: &Digest) -> Option<Vec<u8>> {
        if !self.is_undamaged() {
            return None;
        }
        let bytes = std::fs::read(self.noop_path(name)).ok()?;
        let (all, sum) = bytes.split_last_chunk::<32>()?;
        if Digest::hash(all) != Digest(*sum) {
            return None;
        }
        let mut reader = ByteReader(all);
        if reader.array()? != fingerprint.0 {
            return None;
        }
        let shards = reader.length()?;
        let (names, _) = reader.take(shards.checked_mul(32)?)?.as_chunks::<32>();
        let present = self.shard_names();
        names.iter().all(|name| present.contains(&Digest(*name))).then(|| reader.0.to_vec())
    }

    /// Write a record that is valid while all present shards exist.
    pub fn set_noop_record(&self, name: &str, fingerprint: &Digest, content: &[u8]) -> Result<()> {
        let mut names: Vec<Digest> = self.shard_names().into_iter().collect();
        names.sort();
        let mut bytes = fingerprint.0.to_vec();
        bytes.extend((names.len() as u64).to_le_bytes());
        names.iter().for_each(|name| bytes.extend(name.as_bytes()));
        bytes.extend(content);
        let sum = Digest::hash(&bytes);
        bytes.extend(sum.as_bytes());
        self.write_last_build(&format!("{name}.memo"), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;

    #[test]
    fn a_record_is_valid_while_it_is_whole_and_its_shards_exist() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(dir.path()).unwrap();
        let store = open();
        let writer = store.writer(serde_json::Value::Null);
        writer.put(Key(Digest([1; 32])), b"result", 1).unwrap();
        writer.finish().unwrap();
        let fingerprint = Digest::hash(b"settings");
        store.set_noop_record("build", &fingerprint, b"content").unwrap();
        assert_eq!(open().noop_record("build", &fingerprint).as_deref(), Some(&b"content"[..]));
        assert_eq!(open().noop_record("build", &Digest::hash(b"other settings")), None);
        let path = dir.path().join("last/build.memo");
        let whole = std::fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..20], b""] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(open().noop_record("build", &fingerprint), None);
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(open().noop_record("build", &fingerprint).is_some());
        for shard in std::fs::read_dir(dir.path().join("shards")).unwrap() {
            std::fs::remove_file(shard.unwrap().path()).unwrap();
        }
        assert_eq!(open().noop_record("build", &fingerprint), None);
    }
}
