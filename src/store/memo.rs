//! What the units of a large stage resolved to (see `plan/memo.rs`), one file a stage, which holds as long as the shards that it names are there.
//!
//! ```text
//! hash of what it holds for | number of shards | their names | content | BLAKE3 of all before
//! ```

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Digest, Store, lock};
use crate::error::Result;

impl Store {
    fn memo_path(&self, name: &str) -> PathBuf {
        self.last_folder().join(format!("{name}.memo"))
    }

    /// The names of all shards that can be read.
    fn shard_names(&self) -> HashSet<Digest> {
        let name = |path: &PathBuf| Digest::parse(path.file_name()?.to_str()?);
        self.shards().iter().filter_map(|shard| name(&shard.path)).collect()
    }

    /// What is remembered under a stage's name for this hash. A miss if anything of the results it was made from may be gone.
    pub fn memo(&self, name: &str, hash: &Digest) -> Option<Vec<u8>> {
        if !lock(&self.damaged).is_empty() {
            return None;
        }
        let bytes = std::fs::read(self.memo_path(name)).ok()?;
        let (all, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        let (found, rest) = all.split_at_checked(32)?;
        if found != hash.0 || Digest::hash(all).0 != sum {
            return None;
        }
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let (names, content) = rest.split_at_checked(count.checked_mul(32)?)?;
        let there = self.shard_names();
        let (names, _) = names.as_chunks::<32>();
        names.iter().all(|name| there.contains(&Digest(*name))).then(|| content.to_vec())
    }

    /// Forget what is remembered under a stage's name: its results are about to be made again.
    pub fn forget_memo(&self, name: &str) {
        let _ = std::fs::remove_file(self.memo_path(name));
    }

    /// Remember something that holds while all shards of now are there.
    pub fn set_memo(&self, name: &str, hash: &Digest, content: &[u8]) -> Result<()> {
        let mut names: Vec<Digest> = self.shard_names().into_iter().collect();
        names.sort();
        let mut bytes = hash.0.to_vec();
        bytes.extend((names.len() as u64).to_le_bytes());
        names.iter().for_each(|name| bytes.extend(name.0));
        bytes.extend(content);
        let sum = Digest::hash(&bytes);
        bytes.extend(sum.0);
        self.write_last(&format!("{name}.memo"), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;

    #[test]
    fn a_memo_holds_while_the_shards_are_there_and_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(dir.path()).unwrap();
        let store = open();
        let writer = store.writer(serde_json::Value::Null);
        writer.put(Key(Digest([1; 32])), b"result", 1).unwrap();
        writer.finish().unwrap();
        let hash = Digest::hash(b"settings");
        store.set_memo("grid", &hash, b"content").unwrap();
        assert_eq!(open().memo("grid", &hash).as_deref(), Some(&b"content"[..]));
        assert_eq!(open().memo("grid", &Digest::hash(b"other settings")), None);
        let path = dir.path().join("last/grid.memo");
        let whole = std::fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..20], b""] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(open().memo("grid", &hash), None);
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(open().memo("grid", &hash).is_some());
        for shard in std::fs::read_dir(dir.path().join("shards")).unwrap() {
            std::fs::remove_file(shard.unwrap().path()).unwrap();
        }
        assert_eq!(open().memo("grid", &hash), None);
    }
}
