//! The log of a program: its last lines, and keeping it short.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How many bytes at the end of a log are read.
const TAIL_BYTES: u64 = 64 << 10;

/// The last lines of a log as a terminal would show them, without colours and without trailing empty lines.
pub fn tail(log: &Path, lines: usize) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = console::strip_ansi_codes(&text);
    // A progress bar overwrites its line after `\r`: keep only the last text.
    let shown = |line: &str| line.trim_end().rsplit('\r').next().unwrap_or_default().to_string();
    let mut all: Vec<String> = text.trim_end().lines().map(shown).collect();
    all.split_off(all.len().saturating_sub(lines))
}

/// A long log is cut to this many bytes at its beginning and at its end.
const KEPT_BYTES: u64 = 16 << 20;

/// Free the disk space of a growing log's middle; `freed` is the end of the part that was freed before. Only on Linux; elsewhere a log is
/// shortened when the program has ended.
pub fn free_middle(log: &File, freed: &mut u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let length = log.metadata().map_or(0, |meta| meta.len());
        let start = KEPT_BYTES.max(*freed);
        // In large steps of whole blocks.
        let end = length.saturating_sub(KEPT_BYTES) >> 20 << 20;
        if end >= start + KEPT_BYTES
            && fallocate(log, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, start, end - start).is_ok()
        {
            *freed = end;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (log, freed);
}

/// Cut the middle out of the log of a program that has ended, and leave a note there.
pub fn shorten(path: &Path) -> io::Result<()> {
    shorten_to(path, KEPT_BYTES)
}

fn shorten_to(path: &Path, part: u64) -> io::Result<()> {
    let mut log = File::open(path)?;
    let length = log.metadata()?.len();
    if length <= 2 * part {
        return Ok(());
    }
    let mut short = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    io::copy(&mut Read::by_ref(&mut log).take(part), &mut short)?;
    let left_out = length - 2 * part;
    write!(short, "\n\n[{left_out} bytes omitted: a log keeps its first and last {part} bytes]\n\n")?;
    log.seek(SeekFrom::Start(length - part))?;
    io::copy(&mut log.take(part), &mut short)?;
    short.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
    short.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_beginning_and_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let read = || std::fs::read_to_string(&log).unwrap();
        std::fs::write(&log, "begin middle end").unwrap();
        shorten_to(&log, 8).unwrap();
        assert_eq!(read(), "begin middle end");
        shorten_to(&log, 5).unwrap();
        let left_out = "[6 bytes omitted: a log keeps its first and last 5 bytes]";
        assert_eq!(read(), format!("begin\n\n{left_out}\n\ne end"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_middle_of_a_growing_log_takes_no_disk_space() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = File::options().append(true).create_new(true).open(&path).unwrap();
        let mut freed = 0;
        for _ in 0..8 {
            log.write_all(&vec![b'x'; KEPT_BYTES as usize]).unwrap();
            free_middle(&log, &mut freed);
        }
        // File systems without holes keep all.
        if freed > 0 {
            log.sync_all().unwrap();
            assert!(std::fs::metadata(&path).unwrap().blocks() * 512 <= 4 * KEPT_BYTES);
        }
        shorten(&path).unwrap();
        let text = std::fs::read(&path).unwrap();
        assert!(text.len() as u64 <= 2 * KEPT_BYTES + 200 && !text.contains(&0));
    }

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
