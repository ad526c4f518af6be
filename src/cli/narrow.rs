//! Standard error as a terminal for bars, a little narrower than it is: bars fill their line, and a `^C` that the terminal itself writes
//! behind them must not begin another line, or the bar above it would stay for ever.
//!
//! indicatif fills each line with spaces and relies on the terminal to go on to the next one by itself, which it does not at less than the full
//! width: a line that is followed by another one ends with a line feed here.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

/// Room for `^C`, three times.
const ROOM: u16 = 6;
/// Drawings a second, as indicatif has it.
const RATE: u8 = 20;

#[derive(Debug)]
struct Narrow {
    term: Term,
    /// A line was filled, and what is written next stands on another one.
    filled: AtomicBool,
}

/// Where bars are drawn.
pub fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(
        Box::new(Narrow { term: Term::buffered_stderr(), filled: AtomicBool::new(false) }),
        RATE,
    )
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        self.term.size().1.saturating_sub(ROOM).max(1)
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
            self.filled.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if self.filled.swap(false, Ordering::Relaxed) {
            self.term.write_line("")?;
        }
        self.term.write_str(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }
    fn flush(&self) -> io::Result<()> {
        self.filled.store(false, Ordering::Relaxed);
        self.term.flush()
    }
}
