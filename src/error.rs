//! What goes wrong: a message, the place in the paper file, hints, and the kind that decides the exit code.
//!
//! Every fallible function of the crate returns this error; nothing outside `cli` prints it.

use std::fmt;

/// Whose mistake it is; decides the exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The paper file or the arguments are wrong (exit code 2).
    User,
    /// A stage failed while it ran, or the machine refused something (exit code 1).
    Stage,
    /// A result that was in the cache is damaged or gone: its unit must run again (exit code 1 if it cannot).
    Lost,
    /// A promise of the program itself was broken (exit code 3).
    Internal,
}

/// A place in the paper file: 1-based line and column (in characters), and how many characters to underline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

/// One problem, with all that a user needs to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// Where in the paper file, if it is about a place there.
    pub span: Option<Span>,
    /// A few words beside the caret.
    pub label: Option<String>,
    /// The last words of a program that failed.
    pub output: Vec<String>,
    /// What to do, one line each.
    pub hints: Vec<String>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), span: None, label: None, output: Vec::new(), hints: Vec::new() }
    }

    /// The paper file or an argument is wrong.
    pub fn user(message: impl Into<String>) -> Self {
        Error::new(Kind::User, message)
    }

    /// A stage failed, or the machine refused something (a full disk, a folder that cannot be written).
    pub fn stage(message: impl Into<String>) -> Self {
        Error::new(Kind::Stage, message)
    }

    /// A result that should be in the cache is not.
    pub fn lost(message: impl Into<String>) -> Self {
        Error::new(Kind::Lost, message)
    }

    /// A bug in `repro`.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Kind::Internal, message)
            .hint("this is a bug in repro; please report it with the paper file that shows it")
    }

    /// An operation on a file or folder failed: names the path, the attempt, and what to do where that is known.
    pub fn io(attempt: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        let error = Error::stage(format!("cannot {attempt} `{}`: {}", path.display(), plain(cause)));
        match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                error.hint("free some space, then run the same command again: finished work is kept")
            }
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                error.hint("a file stands where a folder should be; move it, then run the same command again")
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
            Kind::Stage | Kind::Lost => 1,
            Kind::User => 2,
            Kind::Internal => 3,
        }
    }
}

/// The operating system's words without its error number.
fn plain(cause: &std::io::Error) -> String {
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
