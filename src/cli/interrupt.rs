//! Ctrl-C, and the signals that ask a program to end.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// 128 + SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Watch for Ctrl-C from now on: the first sets the flag, the second ends the program at once.
pub fn watch() -> &'static AtomicBool {
    let again = || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            let _ = std::io::stderr()
                .write_all(b"\nstopped at once: of finished work, at most the last two seconds are lost\n");
            std::process::exit(i32::from(EXIT_CODE));
        }
    };
    if let Err(error) = ctrlc::set_handler(again) {
        // Ctrl-C then ends the program at once, which loses a few seconds of work at most.
        tracing::debug!("no handler for Ctrl-C: {error}");
    }
    &INTERRUPTED
}
