//! Files that programs made: kept by the digest of their content, like every result, and given back checked.

use std::path::Path;

use super::writer::LARGE;
use super::{Digest, Key, Store, Writer, files, lock, stat};
use crate::error::{Error, Result};

/// The key under which a file's content is kept: content has no manifest but itself.
pub fn content_key(digest: &Digest) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"repro content 1\n");
    hasher.update(&digest.0);
    Key(hasher.finalize().into())
}

impl Writer<'_> {
    /// Take a file's content; the file itself may be gone afterwards. Small ones go into the next shard, large ones are renamed into
    /// their place where that is possible.
    pub fn store_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?.len();
        if size < LARGE {
            let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
            let digest = Digest::hash(&bytes);
            let key = content_key(&digest);
            // What is there already may be damaged, and this is how it is made again.
            if self.store.trace(&key).is_none() || self.store.content(&digest).is_none() {
                self.put(key, &bytes, 0)?;
            }
            return Ok((digest, bytes.len() as u64));
        }
        let digest = stat::hash(path)?;
        self.prepare()?;
        let object = files::object_path(self.store.dir(), &digest);
        if !stat::hash(&object).is_ok_and(|found| found == digest) {
            files::move_file(path, &self.store.dir().join("tmp"), &object)?;
        }
        self.note(content_key(&digest), digest, size);
        Ok((digest, size))
    }
}

impl Store {
    /// The content of a kept file; `None` (and a warning, and a miss from now on) if it is damaged or gone.
    pub fn content(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.load(&content_key(digest), digest)
    }

    /// Copy the content of a kept file to a path. False if it is damaged or gone.
    pub fn copy_content(&self, digest: &Digest, to: &Path) -> Result<bool> {
        let object = files::object_path(&self.dir, digest);
        // A copy lets the file system share the blocks of large files; it is checked afterwards.
        if object.is_file() && std::fs::copy(&object, to).is_ok() && stat::hash(to)? == *digest {
            return Ok(true);
        }
        let Some(bytes) = self.content(digest) else { return Ok(false) };
        std::fs::write(to, bytes).map_err(|e| Error::io("write", to, &e))?;
        Ok(true)
    }

    /// Forget a result whose files are damaged or gone: it is a miss from now on.
    pub fn forget(&self, key: Key, digest: Digest) {
        lock(&self.fresh).remove(&key);
        self.found_damaged(key, digest);
    }
}
