//! What a program printed.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// So much of the end of a log is looked at.
const END: u64 = 64 << 10;

/// The last lines of a log, as a terminal without colours would have shown them; empty lines at the end are left out.
pub fn tail(log: &Path, lines: usize) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
        let mut bytes = Vec::new();
        file.take(END).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = console::strip_ansi_codes(&text);
    // A progress bar draws its line again and again from the left: only the last drawing stays.
    let shown = |line: &str| line.trim_end().rsplit('\r').next().unwrap_or_default().to_string();
    let mut all: Vec<String> = text.trim_end().lines().map(shown).collect();
    all.split_off(all.len().saturating_sub(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_what_a_terminal_would_show() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, b"one\n10 %\r50 %\r100 %\nbad \xff\r\n\n\n").unwrap();
        assert_eq!(tail(&log, 2), ["100 %", "bad \u{fffd}"]);
        assert_eq!(tail(&log, 9).len(), 3);
        std::fs::write(&log, "x\n".repeat(100_000)).unwrap();
        assert_eq!(tail(&log, 3), ["x", "x", "x"]);
        std::fs::write(&log, "\x1b[31mred\x1b[0m 10 %\r\x1b[1;32mgreen\x1b[0m 20 %").unwrap();
        assert_eq!(tail(&log, 3), ["green 20 %"]);
        assert_eq!(tail(&folder.path().join("none"), 3), [""; 0]);
    }
}
