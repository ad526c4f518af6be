//! The permission that makes a file a program.

use std::fs::Metadata;
use std::path::Path;

use crate::error::{Error, Result};

/// Whether the owner of a file may run it as a program.
pub fn is_executable(meta: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0
}

/// Make a file readable by all and writable by its owner, and a program if it should be one.
pub fn set_mode(path: &Path, executable: bool) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if executable { 0o755 } else { 0o644 };
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).map_err(|e| Error::io("write", path, &e))?;
    Ok(())
}
