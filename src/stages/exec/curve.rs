//! `progress`: the numbers that a program writes while it runs (CSV, JSON lines or TensorBoard event files), as JSON lines beside its log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use super::tensorboard;
use crate::error::Error;
use crate::spec::{Located, Problems};

/// How often the file is read.
const PAUSE: Duration = Duration::from_millis(500);
/// The most bytes of a curve that are kept.
const LONGEST: u64 = 16 << 20;
/// The most bytes that are read at once.
const PART: u64 = 4 << 20;
/// The deepest folder that is searched for event files.
const DEPTH: usize = 4;

/// How a file of progress is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CurveFormat {
    Csv,
    JsonLines,
    EventFiles,
}

fn format(path: &str) -> Option<CurveFormat> {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    match ending {
        _ if path.ends_with('/') => Some(CurveFormat::EventFiles),
        Some("csv") => Some(CurveFormat::Csv),
        Some("jsonl" | "ndjson" | "json") => Some(CurveFormat::JsonLines),
        _ => None,
    }
}

/// Report a file whose name does not say how it is read.
pub fn check(path: &Located<String>, problems: &mut Problems) {
    if format(path).is_none() {
        let error = Error::user(format!("`{}` is no file of progress that can be read", path.value)).at(path.span);
        problems.push(
            error.hint("name a `.csv`, a `.jsonl`, or the folder of TensorBoard event files with a `/` at the end"),
        );
    }
}

/// The curve beside a log.
pub fn path_beside(log: &Path) -> PathBuf {
    log.with_extension("jsonl")
}

/// Follows the file of one running program.
pub struct CurveFollower {
    source: PathBuf,
    format: CurveFormat,
    /// `None` if it cannot be written: it is only for looking at.
    out: Option<File>,
    written: u64,
    /// How far each file was read.
    read: BTreeMap<PathBuf, u64>,
    header: Vec<String>,
    looked: Option<Instant>,
}

impl CurveFollower {
    /// Begin a new curve beside this log. `source` is the file or folder that the program writes; `name` is it as written in the paper file.
    pub fn new(source: PathBuf, name: &str, log: &Path) -> Option<CurveFollower> {
        let path = path_beside(log);
        let _ = std::fs::remove_file(&path);
        let out = File::options().append(true).create_new(true).open(&path).ok();
        let (read, header) = (BTreeMap::new(), Vec::new());
        Some(CurveFollower { source, format: format(name)?, out, written: 0, read, header, looked: None })
    }

    /// Copy what is new, if it is time.
    pub fn poll(&mut self) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= PAUSE) {
            self.looked = Some(Instant::now());
            self.copy();
        }
    }

    /// Copy what is new.
    pub fn copy(&mut self) {
        let files = match self.format {
            CurveFormat::EventFiles => event_files(&self.source, DEPTH),
            _ => vec![self.source.clone()],
        };
        for path in files {
            while self.copy_part(&path).is_some_and(|more| more) {}
        }
    }

    /// Copy the next part of a file. Returns whether there may be more; `None` if nothing could be read.
    fn copy_part(&mut self, path: &Path) -> Option<bool> {
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut from = self.read.get(path).copied().unwrap_or(0);
        if length < from {
            // It was written anew.
            from = 0;
            self.header.clear();
        }
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.take(PART).read_to_end(&mut bytes).ok()?;
        let (points, used) = match self.format {
            CurveFormat::EventFiles => event_points(&bytes)?,
            CurveFormat::Csv => self.csv_points(&bytes),
            CurveFormat::JsonLines => json_points(&bytes),
        };
        self.read.insert(path.to_path_buf(), from + used as u64);
        for point in points {
            self.write(&point);
        }
        Some(used > 0 && from + (used as u64) < length)
    }

    fn write(&mut self, point: &Json) {
        let line = format!("{point}\n");
        self.written += line.len() as u64;
        if self.written <= LONGEST
            && let Some(out) = &mut self.out
        {
            let _ = out.write_all(line.as_bytes());
        }
    }

    /// The rows of a table; its first line holds the names.
    fn csv_points(&mut self, bytes: &[u8]) -> (Vec<Json>, usize) {
        let (lines, used) = whole_lines(bytes);
        let mut points = Vec::new();
        for line in lines {
            let cells: Vec<&str> = line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
            if self.header.is_empty() {
                self.header = cells.iter().map(|cell| cell.to_string()).collect();
                continue;
            }
            let value = |cell: &str| cell.parse::<f64>().map_or_else(|_| json!(cell), |number| json!(number));
            let point: Map<String, Json> = self
                .header
                .iter()
                .zip(cells)
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(n, c)| (n.clone(), value(c)))
                .collect();
            points.push(Json::Object(point));
        }
        (points, used)
    }
}

/// The complete lines that are not empty, and how many bytes they take.
fn whole_lines(bytes: &[u8]) -> (Vec<String>, usize) {
    let used = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&bytes[..used]).into_owned();
    (text.lines().filter(|line| !line.trim().is_empty()).map(str::to_string).collect(), used)
}

fn json_points(bytes: &[u8]) -> (Vec<Json>, usize) {
    let (lines, used) = whole_lines(bytes);
    let points = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(Json::is_object);
    (points.collect(), used)
}

fn event_points(bytes: &[u8]) -> Option<(Vec<Json>, usize)> {
    let (events, used) = tensorboard::events(bytes)?;
    // Scalars of one step are one point.
    let mut points: Vec<Map<String, Json>> = Vec::new();
    for event in events {
        let step = json!(event.step);
        if points.last().is_none_or(|point| point.get("step") != Some(&step)) {
            points.push(Map::from_iter([("step".to_string(), step)]));
        }
        if let Some(point) = points.last_mut() {
            point.extend(event.values.into_iter().map(|(name, value)| (name, json!(value))));
        }
    }
    Some((points.into_iter().map(Json::Object).collect(), used))
}

/// Event files in a folder and the folders in it, by name.
fn event_files(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            found.extend(event_files(&entry.path(), depth - 1));
        } else if kind.is_file() && entry.file_name().to_string_lossy().contains("tfevents") {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(name: &str, parts: &[&[u8]]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (source, log) = (folder.path().join(name), folder.path().join("train.log"));
        let mut follower = CurveFollower::new(source.clone(), name, &log).unwrap();
        let mut file = File::options().append(true).create(true).open(&source).unwrap();
        for part in parts {
            file.write_all(part).unwrap();
            follower.copy();
        }
        std::fs::read_to_string(path_beside(&log)).unwrap()
    }

    #[test]
    fn rows_are_points_as_soon_as_they_are_whole() {
        let text = follow("m.csv", &[b"epoch,loss,no", b"te\n1,0.5,a\n2,0.", b"25,\n3,nan,b\n"]);
        assert_eq!(
            text,
            "{\"epoch\":1.0,\"loss\":0.5,\"note\":\"a\"}\n{\"epoch\":2.0,\"loss\":0.25}\n{\"epoch\":3.0,\"loss\":null,\"note\":\"b\"}\n"
        );
        let text = follow("m.jsonl", &[b"{\"loss\": 1}\nno json\n{\"lo", b"ss\": 2}\n{\"loss\": 3}"]);
        assert_eq!(text, "{\"loss\":1}\n{\"loss\":2}\n");
    }

    #[test]
    fn event_files_in_a_folder_are_followed_step_by_step() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("train.log");
        std::fs::create_dir_all(folder.path().join("runs/a")).unwrap();
        std::fs::write(folder.path().join("runs/a/events.out.tfevents.1"), include_bytes!("events.out.tfevents"))
            .unwrap();
        let mut follower = CurveFollower::new(folder.path().join("runs"), "runs/", &log).unwrap();
        follower.copy();
        follower.copy();
        let text = std::fs::read_to_string(path_beside(&log)).unwrap();
        let last: Json = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((text.lines().count(), &last["step"]), (3, &json!(2)));
    }

    #[test]
    fn a_file_that_is_written_anew_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let (source, log) = (folder.path().join("m.csv"), folder.path().join("train.log"));
        let mut follower = CurveFollower::new(source.clone(), "m.csv", &log).unwrap();
        std::fs::write(&source, "epoch\n1\n2\n").unwrap();
        follower.copy();
        std::fs::write(&source, "step\n7\n").unwrap();
        follower.copy();
        assert_eq!(std::fs::read_to_string(path_beside(&log)).unwrap().lines().last(), Some("{\"step\":7.0}"));
    }
}
