//! How much room a file system has.

use std::path::Path;

/// Free bytes of the file system that holds this path; `None` where that is not known.
pub fn free_space(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let system = rustix::fs::statvfs(path).ok()?;
        Some(system.f_bavail.saturating_mul(system.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}
