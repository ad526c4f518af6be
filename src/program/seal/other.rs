//! Systems without Landlock seal nothing.

use std::io;
use std::os::fd::BorrowedFd;
use std::process::Command;

use super::{NetworkAccess, Seal, SealSupport};

/// No command can be sealed.
pub fn seal_command(_command: &mut Command, _seal: &Seal, _log: Option<BorrowedFd>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are no counters of a network that programs have for themselves.
#[derive(Debug)]
pub struct NetworkAttempts;

impl NetworkAttempts {
    pub fn of(_process: u32) -> Option<NetworkAttempts> {
        None
    }

    pub fn any(self) -> bool {
        false
    }
}

/// What the kernel can do for a seal.
pub fn seal_support() -> SealSupport {
    SealSupport { files: false, network: NetworkAccess::Open }
}
