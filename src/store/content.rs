//! Files that programs wrote: stored by the digest of their content, verified when read.

use std::path::Path;

use super::writer::LARGE;
use super::{Digest, Key, Store, Writer, files, lock, stat};
use crate::error::{Error, Result};

/// The key of a file's content, derived from its digest alone.
pub fn content_key(digest: &Digest) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"repro content 1\n");
    hasher.update(&digest.0);
    Key(hasher.finalize().into())
}

impl Writer<'_> {
    /// Store the content of a file, which may be moved into the cache. Small files go into the next shard, large ones become object files.
    pub fn store_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?.len();
        if size < LARGE {
            let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
            let digest = Digest::hash(&bytes);
            let key = content_key(&digest);
            // A stored copy may be damaged: then it is written again.
            if self.store.trace(&key).is_none() || self.store.content(&digest).is_none() {
                self.put(key, &bytes, 0)?;
            }
            return Ok((digest, bytes.len() as u64));
        }
        let digest = stat::hash_file(path)?;
        self.prepare()?;
        let object = files::object_path(self.store.dir(), &digest);
        if !stat::hash_file(&object).is_ok_and(|found| found == digest) {
            files::move_file(path, &self.store.dir().join("tmp"), &object)?;
        }
        self.note(content_key(&digest), digest, size);
        Ok((digest, size))
    }
}

impl Store {
    /// Read the content of a stored file. If it is damaged or missing: `None`, a warning, and a cache miss from now on.
    pub fn content(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.load(&content_key(digest), digest)
    }

    /// Copy the content of a stored file to a path. False if it is damaged or missing.
    pub fn copy_content(&self, digest: &Digest, to: &Path) -> Result<bool> {
        let object = files::object_path(&self.dir, digest);
        // The file system may share the blocks of a copied file. The copy is verified.
        if object.is_file() && std::fs::copy(&object, to).is_ok() && stat::hash_file(to)? == *digest {
            return Ok(true);
        }
        let Some(bytes) = self.content(digest) else { return Ok(false) };
        std::fs::write(to, bytes).map_err(|e| Error::io("write", to, &e))?;
        Ok(true)
    }

    /// Forget a result whose files are damaged or missing: it is a cache miss from now on.
    pub fn forget(&self, key: Key, digest: Digest) {
        lock(&self.fresh).remove(&key);
        self.found_damaged(key, digest);
    }
}
