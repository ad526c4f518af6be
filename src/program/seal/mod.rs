//! What a sealed program may touch: some paths to read, some to write, the network or not. The kernel enforces it for the program and
//! everything that it starts.
//!
//! Files are sealed by Landlock: a path that is not allowed can be seen by name, and not be opened, changed or run. The network is sealed by a
//! network namespace that has only its own loopback, so that programs still reach themselves at 127.0.0.1; where namespaces are not allowed,
//! by Landlock's rules for TCP, if the kernel has them.

#[cfg(target_os = "linux")]
mod attempts;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod loopback;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use attempts::NetworkAttempts;
#[cfg(target_os = "linux")]
pub use linux::{seal_command, seal_support};
#[cfg(not(target_os = "linux"))]
pub use other::{NetworkAttempts, seal_command, seal_support};

use std::path::{Path, PathBuf};

/// What a program may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Files and folders with everything in them. Those that do not exist are left out.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may change too.
    pub write: Vec<PathBuf>,
    pub network: NetworkAccess,
}

/// What a program may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkAccess {
    /// Everything.
    Open,
    /// A loopback of its own: only itself.
    OwnLoopback,
    /// Everything but TCP.
    NoTcp,
}

/// What the kernel can do for a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealSupport {
    pub files: bool,
    /// The tightest that it can enforce.
    pub network: NetworkAccess,
}

impl NetworkAccess {
    /// As one letter, for the supervisor.
    pub fn letter(self) -> &'static str {
        match self {
            NetworkAccess::Open => "o",
            NetworkAccess::OwnLoopback => "l",
            NetworkAccess::NoTcp => "t",
        }
    }

    pub fn from_letter(letter: &[u8]) -> Option<NetworkAccess> {
        let all = [NetworkAccess::Open, NetworkAccess::OwnLoopback, NetworkAccess::NoTcp];
        all.into_iter().find(|access| access.letter().as_bytes() == letter)
    }
}

impl Seal {
    /// Whether the program may read this path. Links in it are followed.
    pub fn allows(&self, path: &Path) -> bool {
        let real = std::fs::canonicalize(path);
        let real = real.as_deref().unwrap_or(path);
        self.read.iter().chain(&self.write).any(|allowed| real.starts_with(allowed))
    }
}
