//! Standard output and standard error: verbosity, colour, and escaping of control characters.

use std::io::{IsTerminal, Write};

use super::Global;
use super::args::When;
use super::words;
use crate::error::{Error, Result};

/// Text styles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalStyle {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// The output streams and the user's output options.
#[derive(Debug)]
pub struct Console {
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
    /// When the program started.
    pub started: std::time::Instant,
    /// Colours on standard output and standard error.
    out: bool,
    err: bool,
}

impl Console {
    pub fn new(global: &Global) -> Console {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let color = |terminal: bool| match global.color {
            When::Auto => terminal && allowed,
            When::Always => true,
            When::Never => false,
        };
        Console {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            started: std::time::Instant::now(),
            out: color(std::io::stdout().is_terminal()),
            err: color(std::io::stderr().is_terminal()),
        }
    }

    /// TerminalStyle text for standard output.
    pub fn paint(&self, style: TerminalStyle, text: &str) -> String {
        paint(self.out, style, text)
    }

    /// TerminalStyle text for standard error.
    pub fn paint_err(&self, style: TerminalStyle, text: &str) -> String {
        paint(self.err, style, text)
    }

    /// Whether colours can be used on standard output.
    pub fn colors(&self) -> bool {
        self.out
    }

    /// Print a result to standard output, with control characters escaped. A closed pipe (`repro status | head`) is not an error.
    pub fn print(&self, text: &str) -> Result<()> {
        let text = match (self.json, self.out) {
            (true, _) => words::harmless_json(text),
            (false, true) => words::harmless_but_colors(text),
            (false, false) => words::harmless(text),
        };
        self.print_exact(&text)
    }

    /// Print the text of a file verbatim.
    pub fn print_exact(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Error::io("write", std::path::Path::new("standard output"), &error))
            }
            _ => Ok(()),
        }
    }

    /// Print a JSON object on one line.
    pub fn print_json(&self, json: &serde_json::Value) -> Result<()> {
        self.print_exact(&words::harmless_json(&format!("{json}\n")))
    }

    /// Print a note to standard error; write errors are ignored.
    pub fn note(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.write_all(b"\n"));
    }

    /// Print a prompt to standard error, without a newline.
    pub fn ask(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    pub fn warning(&self, text: &str) {
        let text = words::harmless(text);
        if self.json {
            let _ = self.print_json(&serde_json::json!({"event": "warning", "message": text}));
        } else {
            self.note(&format!("{}: {text}", self.paint_err(TerminalStyle::Yellow, "warning")));
        }
    }
}

fn paint(on: bool, style: TerminalStyle, text: &str) -> String {
    let code = match style {
        TerminalStyle::Bold => "1",
        TerminalStyle::Dim => "2",
        TerminalStyle::Red => "1;31",
        TerminalStyle::Green => "32",
        TerminalStyle::Yellow => "33",
        TerminalStyle::Cyan => "36",
    };
    if on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}
