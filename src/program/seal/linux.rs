//! Seals on Linux. A seal is prepared before the fork, with all paths open, and entered in the child, where memory must not be allocated.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr,
};

use super::loopback::OwnLoopback;
use super::{NetworkAccess, Seal, SealSupport};

/// The accesses that are sealed. Older kernels know fewer of them; a newer kernel adds none that were not tested.
const FILES: ABI = ABI::V5;
const TCP: ABI = ABI::V4;

/// What the kernel can do for a seal; tried once, in a process of its own.
pub fn seal_support() -> SealSupport {
    static SUPPORT: OnceLock<SealSupport> = OnceLock::new();
    *SUPPORT.get_or_init(|| {
        let works = |network: NetworkAccess, tcp: bool| {
            ruleset(tcp).and_then(|ruleset| can_enter(PreparedSeal::new(ruleset, network))).is_ok()
        };
        let files = works(NetworkAccess::Open, false);
        let network = if files && works(NetworkAccess::OwnLoopback, false) {
            NetworkAccess::OwnLoopback
        } else if files && works(NetworkAccess::NoTcp, true) {
            NetworkAccess::NoTcp
        } else {
            NetworkAccess::Open
        };
        SealSupport { files, network }
    })
}

/// Seal a command before it is started. It prints into `log`.
pub fn seal_command(command: &mut Command, seal: &Seal, log: Option<BorrowedFd>) -> io::Result<()> {
    let mut seal = PreparedSeal::prepare(seal, log)?;
    // SAFETY: `enter` only makes system calls.
    unsafe { command.pre_exec(move || seal.enter()) };
    Ok(())
}

/// Whether a process can enter this seal: it enters, and ends before it becomes another program.
fn can_enter(mut seal: PreparedSeal) -> io::Result<()> {
    let entered = rustix::io::Errno::CANCELED;
    let mut command = Command::new("/");
    // SAFETY: `enter` only makes system calls.
    unsafe { command.pre_exec(move || seal.enter().and(Err(entered.into()))) };
    match command.spawn() {
        Err(cause) if cause.raw_os_error() == Some(entered.raw_os_error()) => Ok(()),
        Err(cause) => Err(cause),
        Ok(mut child) => child.wait().map(drop),
    }
}

/// A seal that a child process can enter.
#[derive(Debug)]
struct PreparedSeal {
    /// `None` once it was entered.
    ruleset: Option<RulesetCreated>,
    loopback: Option<OwnLoopback>,
}

impl PreparedSeal {
    fn new(ruleset: RulesetCreated, network: NetworkAccess) -> PreparedSeal {
        let loopback = (network == NetworkAccess::OwnLoopback).then(OwnLoopback::new);
        PreparedSeal { ruleset: Some(ruleset), loopback }
    }

    /// Prepare a seal for a program that prints into `log`, which it may also open by `/dev/stdout`.
    fn prepare(seal: &Seal, log: Option<BorrowedFd>) -> io::Result<PreparedSeal> {
        let mut ruleset = ruleset(seal.network == NetworkAccess::NoTcp)?;
        let read = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
        for path in &seal.read {
            ruleset = add(ruleset, path, read)?;
        }
        for path in &seal.write {
            ruleset = add(ruleset, path, AccessFs::from_all(FILES))?;
        }
        let print = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        if let Some(log) = log {
            ruleset = ruleset.add_rule(PathBeneath::new(log, print)).map_err(io::Error::other)?;
        }
        Ok(PreparedSeal::new(ruleset, seal.network))
    }

    /// Seal this process, for good. Only makes system calls, so that it may run between fork and exec.
    fn enter(&mut self) -> io::Result<()> {
        // First, because it writes to `/proc`.
        if let Some(loopback) = &self.loopback {
            loopback.enter()?;
        }
        let Some(ruleset) = self.ruleset.take() else { return Err(io::ErrorKind::InvalidInput.into()) };
        match ruleset.restrict_self() {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}

/// Rules that allow nothing. Errors: the kernel has no Landlock, or one that could not rename files between folders.
fn ruleset(tcp: bool) -> io::Result<RulesetCreated> {
    let files = || -> Result<Ruleset, landlock::RulesetError> {
        let needed = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        needed.handle_access(AccessFs::Refer)?.set_compatibility(CompatLevel::BestEffort).handle_access(all())
    };
    let mut rules = files().map_err(io::Error::other)?;
    if tcp {
        rules = rules.set_compatibility(CompatLevel::HardRequirement);
        rules = rules.handle_access(AccessNet::from_all(TCP)).map_err(io::Error::other)?;
        rules = rules.set_compatibility(CompatLevel::BestEffort);
    }
    rules.create().map_err(io::Error::other)
}

fn all() -> BitFlags<AccessFs> {
    AccessFs::from_all(FILES)
}

/// Allow this access below a path; one that does not exist is left out.
fn add(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> io::Result<RulesetCreated> {
    let Ok(open) = PathFd::new(path) else { return Ok(ruleset) };
    ruleset.add_rule(PathBeneath::new(open, access)).map_err(io::Error::other)
}
