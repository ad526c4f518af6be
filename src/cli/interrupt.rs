//! Handles Ctrl-C and termination signals.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// 128 + SIGINT, as in shells.
pub const EXIT_CODE: u8 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Install the handler: the first Ctrl-C sets the flag, the second exits immediately.
pub fn watch() -> &'static AtomicBool {
    let again = || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            let _ = std::io::stderr()
                .write_all(b"\nstopped at once: of finished work, at most the last two seconds are lost\n");
            std::process::exit(i32::from(EXIT_CODE));
        }
    };
    if let Err(error) = ctrlc::set_handler(again) {
        // Without a handler, Ctrl-C exits immediately, which loses at most a few seconds of work.
        tracing::debug!("no handler for Ctrl-C: {error}");
    }
    &INTERRUPTED
}
