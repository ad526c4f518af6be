//! The error type of the crate: a message, a location in the paper file, hints, and a kind that decides the exit code.
//!
//! Nothing outside `cli` prints errors.

use std::fmt;

/// The class of an error; decides the exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The paper file or the arguments are wrong (exit code 2).
    User,
    /// A stage failed while it ran, or the machine refused something (exit code 1).
    Stage,
    /// A result that was in the cache is damaged or gone: its unit must run again (exit code 1 if it cannot).
    Lost,
    /// A bug in `repro` (exit code 3).
    Internal,
}

/// A location in the paper file: 1-based line and column (in characters), and the number of characters to underline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

/// One error, with everything that a user needs to fix it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    /// The location in the paper file, if there is one.
    pub span: Option<Span>,
    /// A short text beside the caret.
    pub label: Option<String>,
    /// The last lines of output of a failed program.
    pub output: Vec<String>,
    /// What to do, one hint per line.
    pub hints: Vec<String>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), span: None, label: None, output: Vec::new(), hints: Vec::new() }
    }

    /// The paper file or an argument is wrong.
    pub fn user(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::User, message)
    }

    /// A stage failed, or the machine refused something (a full disk, a folder that cannot be written).
    pub fn stage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Stage, message)
    }

    /// A result that should be in the cache is not.
    pub fn lost(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Lost, message)
    }

    /// A bug in `repro`.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Internal, message)
            .hint("this is a bug in repro; please report it with the paper file that shows it")
    }

    /// A file operation failed: `cannot read `x`: permission denied`, with a hint where there is one.
    pub fn io(attempt: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        let error = Error::stage(format!("cannot {attempt} `{}`: {}", path.display(), os_message(cause)));
        match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                error.hint("free some space, then run the same command again: finished work is kept")
            }
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                error.hint("there is a file where a folder should be; move it, then run the same command again")
            }
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                error.hint("make it writable for this user, then run the same command again: finished work is kept")
            }
            _ => error,
        }
    }

    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub fn output(mut self, lines: Vec<String>) -> Self {
        self.output = lines;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// 1 a stage failed, 2 the paper file or arguments are wrong, 3 internal.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Stage | ErrorKind::Lost => 1,
            ErrorKind::User => 2,
            ErrorKind::Internal => 3,
        }
    }
}

/// The operating system's message without its error number.
fn os_message(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
