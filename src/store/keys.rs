//! The keys of all results of a stage in the last build of a paper. `gc` of other papers in the same cache keeps these results; the paper itself
//! does not read them.
//!
//! ```text
//! repro keys 1 \n | 1 if the results are lists of files, else 0 | keys | BLAKE3 of everything before
//! ```

use std::path::Path;

use super::{Digest, Key, Store};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"repro keys 1\n";
const ENDING: &str = ".keys";

/// The keys of a stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageKeys {
    /// The results are lists of files; each content has a key of its own.
    pub lists_files: bool,
    pub keys: Vec<Key>,
}

impl StageKeys {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(u8::from(self.lists_files));
        self.keys.iter().for_each(|key| bytes.extend(key.as_bytes()));
        let sum = Digest::hash(&bytes);
        bytes.extend(sum.0);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<StageKeys> {
        let (all, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        let (flag, keys) = all.strip_prefix(MAGIC)?.split_first()?;
        let (keys, rest) = keys.as_chunks::<32>();
        let whole = Digest::hash(all).0 == sum && rest.is_empty();
        whole.then(|| StageKeys { lists_files: *flag == 1, keys: keys.iter().map(|key| Key(Digest(*key))).collect() })
    }
}

impl Store {
    /// The keys of a stage of this paper in its last build; `None` if there was none, or its record is damaged.
    pub fn keys(&self, name: &str) -> Option<StageKeys> {
        self.paper.as_ref()?;
        StageKeys::decode(&std::fs::read(self.last_build_folder().join(format!("{name}{ENDING}"))).ok()?)
    }

    /// Record the keys of a stage of this paper.
    pub fn set_keys(&self, name: &str, keys: &StageKeys) -> Result<()> {
        if self.paper.is_none() {
            return Ok(());
        }
        let (file, bytes) = (format!("{name}{ENDING}"), keys.encode());
        if std::fs::read(self.last_build_folder().join(&file)).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        self.write_last_build(&file, &bytes)
    }
}

/// The recorded keys of a paper, by stage. Errors: a file is damaged or cannot be read.
pub(super) fn read_all(folder: &Path) -> Result<Vec<(String, StageKeys)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("read", folder, &e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("read", folder, &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(ENDING) else { continue };
        let path = entry.path();
        let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, &e))?;
        let Some(keys) = StageKeys::decode(&bytes) else {
            return Err(Error::stage(format!(
                "`{}` is damaged: it lists the results of another paper",
                path.display()
            ))
            .hint("delete it and build that paper again"));
        };
        found.push((name.to_string(), keys));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_or_known_to_be_damaged() {
        let keys = StageKeys { lists_files: true, keys: vec![Key(Digest([1; 32])), Key(Digest([2; 32]))] };
        let bytes = keys.encode();
        assert_eq!(StageKeys::decode(&bytes), Some(keys));
        for end in 0..bytes.len() {
            assert_eq!(StageKeys::decode(&bytes[..end]), None);
            let mut other = bytes.clone();
            other[end] ^= 1;
            assert_eq!(StageKeys::decode(&other), None);
        }
    }
}
