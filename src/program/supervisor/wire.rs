//! The protocol between a build and a supervisor. Texts are length-prefixed, so that no file name can be taken for a command.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::super::usage::ProgramUsage;

use super::super::seal::{NetworkAccess, Seal};

/// Command: send SIGTERM to the program and its processes.
pub const TERMINATE: u8 = b'T';
/// Command: kill the program and its processes.
pub const KILL: u8 = b'K';

/// A program to run.
#[derive(Debug, PartialEq, Eq)]
pub struct StartRequest {
    /// The file that is executed.
    pub path: OsString,
    /// The program's name as it sees it, and its arguments.
    pub words: Vec<OsString>,
    pub folder: OsString,
    pub environment: Vec<(OsString, OsString)>,
    pub seal: Option<Seal>,
}

/// What a supervisor reports about its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupervisorReply {
    /// It runs, as the leader of the process group with this id.
    Started(i32),
    /// It could not be started: the `errno`.
    Failed(i32),
    /// It exited, and none of its processes are left.
    Ended(ProgramReport),
}

/// What is known of a program that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramReport {
    /// Its wait status.
    pub status: i32,
    /// It tried to reach a network that it was cut off from.
    pub missed_network: bool,
    pub usage: ProgramUsage,
}

impl StartRequest {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let variables = self.environment.iter().flat_map(|(name, value)| [name, value]);
        let paths = |list: fn(&Seal) -> &Vec<PathBuf>| {
            self.seal.iter().flat_map(list).map(|path| path.as_os_str()).collect::<Vec<&OsStr>>()
        };
        let lists: [Vec<&OsStr>; 6] = [
            vec![&self.path, &self.folder],
            self.words.iter().map(OsString::as_os_str).collect(),
            variables.map(OsString::as_os_str).collect(),
            self.seal.iter().map(|seal| OsStr::new(seal.network.letter())).collect(),
            paths(|seal| &seal.read),
            paths(|seal| &seal.write),
        ];
        for list in lists {
            bytes.extend(length(list.len()));
            for text in list {
                bytes.extend(length(text.len()));
                bytes.extend(text.as_bytes());
            }
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<StartRequest> {
        let mut list = || -> Option<Vec<OsString>> {
            let mut texts = Vec::new();
            for _ in 0..take_length(&mut bytes)? {
                let length = take_length(&mut bytes)?;
                let (text, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                texts.push(OsString::from_vec(text.to_vec()));
            }
            Some(texts)
        };
        let (paths, words, variables) = (list()?, list()?, list()?);
        let (network, read, write) = (list()?, list()?, list()?);
        let seal = match network.first() {
            Some(letter) => Some(Seal {
                read: read.into_iter().map(PathBuf::from).collect(),
                write: write.into_iter().map(PathBuf::from).collect(),
                network: NetworkAccess::from_letter(letter.as_bytes())?,
            }),
            None => None,
        };
        let [path, folder] = <[OsString; 2]>::try_from(paths).ok()?;
        let environment = variables.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        bytes.is_empty().then_some(StartRequest { path, words, folder, environment, seal })
    }

    /// Send the request, with the open log file.
    pub fn send(&self, mut socket: &UnixStream, log: impl AsFd) -> io::Result<()> {
        let bytes = self.encode();
        let files = [log.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&files));
        let header = length(bytes.len());
        let sent = retry(|| sendmsg(socket, &[IoSlice::new(&header)], &mut control, SendFlags::empty()))?;
        socket.write_all(&header[sent..])?;
        socket.write_all(&bytes)
    }

    /// Receive the next request; `None` when the build is gone.
    pub fn receive(mut socket: &UnixStream) -> io::Result<Option<(StartRequest, OwnedFd)>> {
        let mut header = [0; 8];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::empty();
        let received = retry(|| recvmsg(socket, &mut [IoSliceMut::new(&mut header)], &mut control, flags))?.bytes;
        if received == 0 {
            return Ok(None);
        }
        let log = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        socket.read_exact(&mut header[received..])?;
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let log = log.ok_or_else(broken)?;
        rustix::io::fcntl_setfd(&log, rustix::io::FdFlags::CLOEXEC)?;
        let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(header)).map_err(|_| broken())?];
        socket.read_exact(&mut bytes)?;
        StartRequest::decode(&bytes).map(|request| Some((request, log))).ok_or_else(broken)
    }
}

/// The length of a reply.
const REPLY: usize = 22;

impl SupervisorReply {
    pub fn send(self, mut socket: &UnixStream) -> io::Result<()> {
        let none = ProgramReport::default();
        let (kind, report) = match self {
            SupervisorReply::Started(group) => (b'+', ProgramReport { status: group, ..none }),
            SupervisorReply::Failed(cause) => (b'!', ProgramReport { status: cause, ..none }),
            SupervisorReply::Ended(report) => (b'-', report),
        };
        let mut bytes = vec![kind, u8::from(report.missed_network)];
        bytes.extend(report.status.to_le_bytes());
        bytes.extend(report.usage.peak_memory.to_le_bytes());
        bytes.extend(report.usage.cpu_micros.to_le_bytes());
        socket.write_all(&bytes)
    }

    pub fn receive(mut socket: &UnixStream) -> io::Result<SupervisorReply> {
        let mut bytes = [0; REPLY];
        socket.read_exact(&mut bytes)?;
        let [kind, missed, rest @ ..] = bytes;
        let number = |from: usize| -> [u8; 8] { std::array::from_fn(|at| rest[from + at]) };
        let status = i32::from_le_bytes(std::array::from_fn(|at| rest[at]));
        let usage =
            ProgramUsage { peak_memory: u64::from_le_bytes(number(4)), cpu_micros: u64::from_le_bytes(number(12)) };
        match kind {
            b'+' => Ok(SupervisorReply::Started(status)),
            b'!' => Ok(SupervisorReply::Failed(status)),
            b'-' => Ok(SupervisorReply::Ended(ProgramReport { status, missed_network: missed != 0, usage })),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Repeat a call while a signal interrupts it.
pub fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            done => return done,
        }
    }
}

fn length(length: usize) -> [u8; 8] {
    (length as u64).to_le_bytes()
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}

/// Copy a text for a request.
pub fn owned(text: impl AsRef<OsStr>) -> OsString {
    text.as_ref().to_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_every_byte_and_passes_the_log_file() {
        let request = StartRequest {
            path: "/bin/echo".into(),
            words: vec!["echo".into(), "".into(), "a\n+ 1\n".into(), OsString::from_vec(vec![b'x', 0xff])],
            folder: "/tmp/x\n+ 1\n".into(),
            environment: vec![("A".into(), "b=c\n- 1".into()), ("EMPTY".into(), "".into())],
            seal: Some(Seal {
                read: vec!["/usr".into(), "/a\nb".into()],
                write: vec!["/tmp/x".into()],
                network: NetworkAccess::OwnLoopback,
            }),
        };
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        request.send(&here, &file).unwrap();
        let (received, log) = StartRequest::receive(&there).unwrap().unwrap();
        assert_eq!(received, request);
        std::fs::File::from(log).write_all(b"through the other").unwrap();
        let mut text = String::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through the other");
        drop(here);
        assert!(StartRequest::receive(&there).unwrap().is_none());
    }

    #[test]
    fn a_truncated_request_is_rejected() {
        let request = StartRequest {
            path: "a".into(),
            words: vec!["a".into()],
            folder: "/".into(),
            environment: Vec::new(),
            seal: Some(Seal { read: vec!["/".into()], write: Vec::new(), network: NetworkAccess::NoTcp }),
        };
        let bytes = request.encode();
        assert_eq!(StartRequest::decode(&bytes), Some(request));
        for end in 0..bytes.len() {
            assert_eq!(StartRequest::decode(&bytes[..end]), None);
        }
    }

    #[test]
    fn replies_round_trip() {
        let (here, there) = UnixStream::pair().unwrap();
        let usage = ProgramUsage { peak_memory: 1 << 40, cpu_micros: 7 };
        let ended = SupervisorReply::Ended(ProgramReport { status: i32::MIN, missed_network: true, usage });
        for answer in [SupervisorReply::Started(7), SupervisorReply::Failed(2), ended] {
            answer.send(&here).unwrap();
            assert_eq!(SupervisorReply::receive(&there).unwrap(), answer);
        }
    }
}
