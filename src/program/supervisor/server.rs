//! The supervisor's side of the socket: start a program, wait for it, kill what it leaves behind.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::super::seal::{NetworkAccess, NetworkAttempts, seal_command};
use super::super::usage::ProgramUsage;
use super::wire::{KILL, ProgramReport, StartRequest, SupervisorReply, TERMINATE};

/// Give up on processes that SIGKILL has not ended after this time: they hang in the kernel.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Run the programs that are requested on standard input, which is a socket, until it is closed.
pub fn serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    #[cfg(target_os = "linux")]
    {
        // `pkill repro` must not kill the supervisor: it has to kill the programs.
        let _ = rustix::thread::set_name(c"supervisor");
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    // Termination signals are meant for the build. They are handled instead of ignored, because programs inherit ignored signals.
    let _ = ctrlc::set_handler(|| {});
    while let Some((request, log)) = StartRequest::receive(&socket)? {
        match start(&request, log) {
            Ok(child) => {
                // A closed socket is noticed below.
                let _ = SupervisorReply::Started(raw(&child)).send(&socket);
                let attempts = attempts(&request, &child);
                let report = supervise(child, &socket)?;
                let missed_network = attempts.is_some_and(NetworkAttempts::any);
                SupervisorReply::Ended(ProgramReport { missed_network, ..report }).send(&socket)?;
            }
            Err(cause) => SupervisorReply::Failed(cause.raw_os_error().unwrap_or(libc::EINVAL)).send(&socket)?,
        }
    }
    Ok(())
}

fn start(request: &StartRequest, log: OwnedFd) -> io::Result<Child> {
    let (name, arguments) = request.words.split_first().ok_or(io::ErrorKind::InvalidData)?;
    let mut command = Command::new(&request.path);
    command.arg0(name).args(arguments).current_dir(&request.folder);
    command.env_clear().envs(request.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).process_group(0);
    if let Some(seal) = &request.seal {
        seal_command(&mut command, seal, Some(log.as_fd()))?;
    }
    command.spawn()
}

/// The counters of a program that has its own network.
fn attempts(request: &StartRequest, child: &Child) -> Option<NetworkAttempts> {
    let seal = request.seal.as_ref()?;
    (seal.network == NetworkAccess::OwnLoopback).then(|| NetworkAttempts::of(child.id()))?
}

/// Wait until a program exits; kill it on request or when the build is gone. Returns its wait status and what it used when none of its processes are left.
fn supervise(child: Child, socket: &UnixStream) -> io::Result<ProgramReport> {
    wait_for_exit_or_kill(&child, socket)?;
    // Until the program is reaped, its process group id cannot be reused.
    if let Some(group) = group(&child) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let (status, usage) = reap(raw(&child))?;
    kill_orphans();
    Ok(ProgramReport { status, usage, missed_network: false })
}

/// Reap a child that has ended: its wait status, and what it and the children that it waited for have used.
fn reap(child: i32) -> io::Result<(i32, ProgramUsage)> {
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    loop {
        // SAFETY: both pointers are valid for writing for the duration of the call.
        let reaped = unsafe { libc::wait4(child, &mut status, 0, usage.as_mut_ptr()) };
        if reaped == child {
            break;
        }
        let cause = io::Error::last_os_error();
        if cause.kind() != io::ErrorKind::Interrupted {
            return Err(cause);
        }
    }
    // SAFETY: zero bytes are a valid `rusage`, and the kernel has filled it in.
    let usage = unsafe { usage.assume_init() };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    // Linux counts in kilobytes, macOS in bytes.
    let unit = if cfg!(target_os = "linux") { 1024 } else { 1 };
    let cpu_micros = micros(usage.ru_utime) + micros(usage.ru_stime);
    Ok((status, ProgramUsage { peak_memory: usage.ru_maxrss as u64 * unit, cpu_micros }))
}

/// Returns when the program has exited or has to be killed.
fn wait_for_exit_or_kill(child: &Child, mut socket: &UnixStream) -> io::Result<()> {
    let Some(group) = group(child) else { return Ok(()) };
    #[cfg(target_os = "linux")]
    let end = rustix::process::pidfd_open(group, rustix::process::PidfdFlags::empty()).ok();
    #[cfg(not(target_os = "linux"))]
    let end: Option<OwnedFd> = None;
    // Without a pidfd, the program has to be polled.
    let mut pause = if end.is_some() { Duration::from_secs(1) } else { Duration::from_micros(200) };
    loop {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(waitid(WaitId::Pid(group), ended), Ok(None) | Err(rustix::io::Errno::INTR)) {
            return Ok(());
        }
        let mut files = vec![PollFd::new(&socket, PollFlags::IN)];
        files.extend(end.iter().map(|end| PollFd::new(end, PollFlags::IN)));
        let timeout = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() };
        match poll(&mut files, Some(&timeout)) {
            Ok(0) => {
                if end.is_none() {
                    pause = (pause * 3 / 2).min(Duration::from_millis(20));
                }
                reap_orphans(group);
                continue;
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(cause) => return Err(cause.into()),
        }
        if files[0].revents().is_empty() {
            continue;
        }
        let mut commands = [0; 16];
        let read = match socket.read(&mut commands) {
            Ok(read) => read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        if read == 0 || commands[..read].contains(&KILL) {
            return Ok(());
        }
        if commands[..read].contains(&TERMINATE) {
            let _ = kill_process_group(group, Signal::TERM);
            for orphan in children().into_iter().filter(|orphan| *orphan != group) {
                let _ = kill_process(orphan, Signal::TERM);
            }
        }
    }
}

/// Kill children until there are none. Children of killed processes become children of this process.
fn kill_orphans() {
    let started = Instant::now();
    let mut pause = Duration::from_micros(100);
    loop {
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Err(rustix::io::Errno::CHILD) => return,
            Ok(Some(_)) => continue,
            Ok(None) | Err(_) => {}
        }
        if started.elapsed() > KILL_TIMEOUT {
            return;
        }
        for orphan in children() {
            let _ = kill_process(orphan, Signal::KILL);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Reap orphans that have exited.
fn reap_orphans(program: Pid) {
    for orphan in children().into_iter().filter(|child| *child != program) {
        let _ = waitid(WaitId::Pid(orphan), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// The children of this process, from `/proc`.
fn children() -> Vec<Pid> {
    let entries = |folder: &str| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).ok();
    let lists: Vec<Option<String>> =
        entries("/proc/self/task").map(|thread| read(thread.path().join("children"))).collect();
    let number = |text: &str| text.parse().ok().and_then(Pid::from_raw).filter(|pid| pid.as_raw_nonzero().get() > 1);
    if lists.iter().any(Option::is_some) {
        return lists.iter().flatten().flat_map(|list| list.split_whitespace()).filter_map(number).collect();
    }
    // On a kernel without these lists, search all processes for this parent.
    let own = std::process::id().to_string();
    let is_child = |stat: &String| {
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields.split_whitespace().nth(1).is_some_and(|parent| parent == own)
    };
    let processes = entries("/proc").filter(|entry| read(entry.path().join("stat")).as_ref().is_some_and(is_child));
    processes.filter_map(|entry| number(entry.file_name().to_str()?)).collect()
}

fn raw(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or(0)
}

fn group(child: &Child) -> Option<Pid> {
    Pid::from_raw(raw(child)).filter(|pid| pid.as_raw_nonzero().get() > 1)
}
