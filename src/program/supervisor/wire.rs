//! What a build and a supervisor say to each other: lengths and bytes, so that no name of a file can be taken for a command.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Ask the program and what it started to end.
pub const TERMINATE: u8 = b'T';
/// Kill it.
pub const KILL: u8 = b'K';

/// A program to run.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The file that is executed.
    pub path: OsString,
    /// The program's name as it sees it, and its arguments.
    pub words: Vec<OsString>,
    pub folder: OsString,
    pub environment: Vec<(OsString, OsString)>,
}

/// What a supervisor says of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It runs, as the leader of the process group of this number.
    Started(i32),
    /// It could not be started, for this reason (`errno`).
    Failed(i32),
    /// It has ended with this wait status, and nothing of it is left.
    Ended(i32),
}

impl Request {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let variables = self.environment.iter().flat_map(|(name, value)| [name, value]);
        let lists: [Vec<&OsString>; 3] =
            [vec![&self.path, &self.folder], self.words.iter().collect(), variables.collect()];
        for list in lists {
            bytes.extend(length(list.len()));
            for text in list {
                bytes.extend(length(text.len()));
                bytes.extend(text.as_bytes());
            }
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Request> {
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
        let (places, words, variables) = (list()?, list()?, list()?);
        let [path, folder] = <[OsString; 2]>::try_from(places).ok()?;
        let environment = variables.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        bytes.is_empty().then_some(Request { path, words, folder, environment })
    }

    /// Send it, with the open file that takes what the program prints.
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

    /// The next one; `None` when the build is gone.
    pub fn receive(mut socket: &UnixStream) -> io::Result<Option<(Request, OwnedFd)>> {
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
        Request::decode(&bytes).map(|request| Some((request, log))).ok_or_else(broken)
    }
}

impl Answer {
    pub fn send(self, mut socket: &UnixStream) -> io::Result<()> {
        let (kind, number) = match self {
            Answer::Started(number) => (b'+', number),
            Answer::Failed(number) => (b'!', number),
            Answer::Ended(number) => (b'-', number),
        };
        let [a, b, c, d] = number.to_le_bytes();
        socket.write_all(&[kind, a, b, c, d])
    }

    pub fn receive(mut socket: &UnixStream) -> io::Result<Answer> {
        let mut bytes = [0; 5];
        socket.read_exact(&mut bytes)?;
        let [kind, a, b, c, d] = bytes;
        let number = i32::from_le_bytes([a, b, c, d]);
        match kind {
            b'+' => Ok(Answer::Started(number)),
            b'!' => Ok(Answer::Failed(number)),
            b'-' => Ok(Answer::Ended(number)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Try again what a signal has interrupted.
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

/// A text for a request.
pub fn owned(text: impl AsRef<OsStr>) -> OsString {
    text.as_ref().to_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_arrives_with_every_byte_of_its_names_and_with_the_open_file() {
        let request = Request {
            path: "/bin/echo".into(),
            words: vec!["echo".into(), "".into(), "a\n+ 1\n".into(), OsString::from_vec(vec![b'x', 0xff])],
            folder: "/tmp/x\n+ 1\n".into(),
            environment: vec![("A".into(), "b=c\n- 1".into()), ("EMPTY".into(), "".into())],
        };
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        request.send(&here, &file).unwrap();
        let (received, log) = Request::receive(&there).unwrap().unwrap();
        assert_eq!(received, request);
        std::fs::File::from(log).write_all(b"through the other").unwrap();
        let mut text = String::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through the other");
        drop(here);
        assert!(Request::receive(&there).unwrap().is_none());
    }

    #[test]
    fn a_damaged_request_is_no_program() {
        let request =
            Request { path: "a".into(), words: vec!["a".into()], folder: "/".into(), environment: Vec::new() };
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes), Some(request));
        for end in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..end]), None);
        }
    }

    #[test]
    fn answers_arrive_as_they_were_sent() {
        let (here, there) = UnixStream::pair().unwrap();
        for answer in [Answer::Started(7), Answer::Failed(2), Answer::Ended(i32::MIN)] {
            answer.send(&here).unwrap();
            assert_eq!(Answer::receive(&there).unwrap(), answer);
        }
    }
}
