//! Which units run right now, so that two builds never run the same program: each locks one byte of the file `claims`, at the place that its
//! key gives. The kernel releases the locks of a process that dies, also over NFS; there is nothing to unlock by hand.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, OnceLock};

use super::{Key, Store, lock};

/// The claims of this process.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// `None` if the cache cannot be written.
    file: OnceLock<Option<File>>,
    held: Mutex<HashSet<Key>>,
}

impl Store {
    /// Claim a unit; false if another process has claimed it. Where the file system has no locks everything can be claimed.
    pub fn claim(&self, key: &Key) -> bool {
        let open = || {
            let options = File::options().read(true).write(true).create(true).truncate(false).clone();
            options.open(self.dir.join("claims")).ok()
        };
        let Some(file) = self.claims.file.get_or_init(open) else { return true };
        let free = set_lock(file, key, libc::F_WRLCK as libc::c_short).is_ok_and(|free| free);
        if free {
            lock(&self.claims.held).insert(*key);
        }
        free
    }

    /// Release a claim of this process, if it holds one.
    pub fn release(&self, key: &Key) {
        if lock(&self.claims.held).remove(key)
            && let Some(Some(file)) = self.claims.file.get()
        {
            let _ = set_lock(file, key, libc::F_UNLCK as libc::c_short);
        }
    }
}

/// Lock or unlock the byte of a key. Returns whether it is free for this process.
fn set_lock(file: &File, key: &Key, kind: libc::c_short) -> std::io::Result<bool> {
    let mut place = [0; 8];
    place.copy_from_slice(&key.0.as_bytes()[..8]);
    // SAFETY: all fields of this C structure are integers, for which zero is a value.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = kind;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_start = (u64::from_le_bytes(place) >> 2) as libc::off_t;
    range.l_len = 1;
    // SAFETY: the descriptor is open, and the structure lives through the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &range) } {
        0 => Ok(true),
        _ => match std::io::Error::last_os_error() {
            error if [Some(libc::EAGAIN), Some(libc::EACCES)].contains(&error.raw_os_error()) => Ok(false),
            // No locks here: claims do not keep anything from running.
            _ => Ok(true),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Digest;

    #[test]
    fn a_claim_keeps_others_out_until_it_is_released_or_its_store_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = || Store::open(dir.path()).unwrap();
        let (one, other) = (store(), store());
        one.prepare().unwrap();
        let (a, b) = (Key(Digest::hash(b"a")), Key(Digest::hash(b"b")));
        assert!(one.claim(&a) && one.claim(&a), "a process has its own claims");
        assert!(!other.claim(&a) && other.claim(&b));
        other.release(&a);
        assert!(!other.claim(&a), "only the holder releases");
        one.release(&a);
        assert!(other.claim(&a));
        drop(other);
        assert!(one.claim(&a) && one.claim(&b));
    }
}
