//! A draw target for progress bars that is narrower than the terminal. Bars fill their line, and the terminal itself prints `^C` after them: if
//! that started a new line, the bar above would never be erased.
//!
//! indicatif fills each line with spaces and relies on the terminal to wrap. At less than the full width it does not wrap, so that this target
//! writes a line feed between lines.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

/// Columns that stay free: room for three times `^C`.
const FREE_COLUMNS: u16 = 6;
/// Redraws per second; the default of indicatif.
const REDRAW_HZ: u8 = 20;

#[derive(Debug)]
struct NarrowTerm {
    term: Term,
    /// The current line is full: the next text needs a line feed first.
    line_full: AtomicBool,
}

/// The draw target for progress bars on standard error.
pub fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(
        Box::new(NarrowTerm { term: Term::buffered_stderr(), line_full: AtomicBool::new(false) }),
        REDRAW_HZ,
    )
}

impl TermLike for NarrowTerm {
    fn width(&self) -> u16 {
        self.term.size().1.saturating_sub(FREE_COLUMNS).max(1)
    }
    fn height(&self) -> u16 {
        self.term.size().0
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_up(n)
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_down(n)
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_right(n)
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_left(n)
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.term.write_line(text)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.chars().all(|c| c == ' ') {
            self.line_full.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if self.line_full.swap(false, Ordering::Relaxed) {
            self.term.write_line("")?;
        }
        self.term.write_str(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }
    fn flush(&self) -> io::Result<()> {
        self.line_full.store(false, Ordering::Relaxed);
        self.term.flush()
    }
}
