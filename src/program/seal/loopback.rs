//! A network namespace with nothing but its own loopback.

use std::io;

use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;

/// A network of its own for a process. Without the right to make one, the process first gets a user namespace, in which it keeps its user and
/// group; files keep their owners.
#[derive(Debug)]
pub struct OwnLoopback {
    /// What is written to `uid_map` and `gid_map`.
    user: String,
    group: String,
}

impl OwnLoopback {
    pub fn new() -> OwnLoopback {
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        OwnLoopback { user: format!("{user} {user} 1"), group: format!("{group} {group} 1") }
    }

    /// Move this process there; it must have one thread. Only makes system calls.
    pub fn enter(&self) -> io::Result<()> {
        // SAFETY: the process has one thread, and only its own namespaces change.
        match unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) } {
            Ok(()) => return start_loopback(),
            Err(rustix::io::Errno::PERM) => {}
            Err(cause) => return Err(cause.into()),
        }
        // SAFETY: as above.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) }?;
        write(c"/proc/self/uid_map", &self.user)?;
        // The kernel lets an ordinary user map a group only then.
        write(c"/proc/self/setgroups", "deny")?;
        write(c"/proc/self/gid_map", &self.group)?;
        start_loopback()
    }
}

fn write(path: &std::ffi::CStr, text: &str) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes())?;
    Ok(())
}

/// Start the network device `lo`.
fn start_loopback() -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all zeros are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads an `ifreq` here, and nothing keeps the pointer.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
