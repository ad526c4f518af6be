//! The lock file: for every stage what its last complete build was made from and what it made. It is text for git, one line for each stage.
//!
//! ```text
//! # comment
//! repro-lock 1
//!
//! fig1 key=DIGEST result=DIGEST settings=SHORT stage:train=SHORT file:fig1.svg=DIGEST sum=SHORT
//! ```
//!
//! | field | |
//! |---|---|
//! | `key` | the hash of everything that decides the result (see `fingerprint.rs`) |
//! | `result` | the digest of the results of all units |
//! | `file:NAME` | the digest of a file in `figures/`, as `b3sum` prints it |
//! | `env:NAME`, `tool:COMMAND`, `read:NAME` | the digest of a variable's value, the version of a tool, the digest of data outside of the project |
//! | `python:COMMAND` | the version of the interpreter of the program's environment |
//! | `settings`, `stage:NAME`, `input:PATH` | short digests that only say which part of `key` has changed |
//! | `sum` | the checksum of the line |
//!
//! Lines are sorted by name, and empty lines between them let git merge changes of neighbours. A line is read whole or not at all: whatever git
//! or an editor made of it, no stage is put together from two builds.

use std::collections::BTreeMap;

use super::Recorded;
use crate::error::{Error, Result, Span};
use crate::value::Digest;

/// Increase it when older programs would misread the file.
const VERSION: u32 = 1;
/// The first word of the line with the version.
const MAGIC: &str = "repro-lock";
const COMMENT: &str = "\
# Written by `repro build`, not by hand. Commit it together with the figures: `repro check` compares them with it.
# After a merge conflict take either side, and run `repro build`.
";
/// The value of a variable that is not set.
const UNSET: &str = "unset";
/// What git writes at the beginning of lines around a conflict.
const CONFLICT: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
/// What to do about a damaged line.
const REPAIR: &str = "`repro build` writes it anew; or take the file from git: `git checkout HEAD -- FILE`";

/// What is recorded of one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct LockedStage {
    pub key: Digest,
    pub result: Digest,
    /// A short digest of all settings.
    pub settings: String,
    /// Short digests of the results of the stages that it reads.
    pub stages: BTreeMap<String, String>,
    /// Short digests of the files, folders and patterns that it reads.
    pub sources: BTreeMap<String, String>,
    /// Digests of variables, versions of tools and digests of data outside of the project.
    pub outside: Recorded,
    /// The files in `figures/`.
    pub files: BTreeMap<String, Digest>,
}

/// The content of a lock file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockFile {
    /// By name.
    pub stages: BTreeMap<String, LockedStage>,
}

/// A lock file as it was read.
#[derive(Debug, Default)]
pub struct ReadLock {
    pub lock: LockFile,
    /// What is damaged, each with its line. All other lines are in `lock`.
    pub damage: Vec<Error>,
}

impl LockFile {
    /// Read the text of a lock file; `name` is that of the file. Errors: it is of a newer version, or no lock file.
    pub fn parse(name: &str, text: &str) -> Result<ReadLock> {
        let mut stages: BTreeMap<String, Option<LockedStage>> = BTreeMap::new();
        let mut damage = Vec::new();
        let (mut has_version, mut in_conflict) = (false, false);
        for (at, line) in text.lines().enumerate() {
            let span = whole(at, line);
            let damaged = |message: String| Error::stage(message).at(span).hint(REPAIR.replace("FILE", name));
            if let Some(marker) = CONFLICT.iter().find(|marker| line.starts_with(**marker)) {
                if !in_conflict {
                    let error = Error::stage(format!("`{name}` has a merge conflict of git")).at(span);
                    damage.push(error.hint("take either side, and run `repro build`"));
                }
                in_conflict = *marker != CONFLICT[3];
                continue;
            }
            if in_conflict || line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(version) = line.strip_prefix(MAGIC) {
                match version.trim().parse::<u32>() {
                    Ok(VERSION) => has_version = true,
                    Ok(newer) if newer > VERSION => {
                        let message =
                            format!("`{name}` is of version {newer}, and this program reads version {VERSION}");
                        return Err(Error::stage(message).at(span).hint("install a newer `repro`"));
                    }
                    _ => damage.push(damaged(format!("`{line}` is no version of lock files"))),
                }
                continue;
            }
            match parse_line(line) {
                Some((stage, locked)) => {
                    let twice = stages.contains_key(stage);
                    if twice {
                        damage.push(damaged(format!("the stage `{stage}` has two lines")));
                    }
                    stages.insert(stage.to_string(), Some(locked).filter(|_| !twice));
                }
                None => damage.push(damaged("this line is damaged: it does not match its checksum".into())),
            }
        }
        let foreign = !has_version && stages.is_empty() && !text.contains(MAGIC) && !text.trim().is_empty();
        if foreign {
            let error = Error::stage(format!("`{name}` is no lock file of repro"));
            return Err(error
                .at(whole(0, text.lines().next().unwrap_or_default()))
                .hint("move it, and run `repro build`"));
        }
        if !has_version && damage.is_empty() {
            let error = Error::stage(format!("`{name}` lacks the line `{MAGIC} {VERSION}`")).at(whole(0, ""));
            damage.push(error.hint(REPAIR.replace("FILE", name)));
        }
        let stages = stages.into_iter().filter_map(|(stage, locked)| Some((stage, locked?))).collect();
        Ok(ReadLock { lock: LockFile { stages }, damage })
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!("{COMMENT}{MAGIC} {VERSION}\n");
        for (name, stage) in &self.stages {
            text += &format!("\n{}\n", line(name, stage));
        }
        text
    }

    /// What comes from outside of the project, by stage.
    pub fn environment(&self) -> BTreeMap<String, Recorded> {
        self.stages.iter().map(|(name, stage)| (name.clone(), stage.outside.clone())).collect()
    }
}

/// The span of a whole line; `at` counts from 0.
fn whole(at: usize, line: &str) -> Span {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { line: number(at + 1), column: 1, length: number(line.chars().count().max(1)) }
}

/// The line of a stage, with its checksum.
fn line(name: &str, stage: &LockedStage) -> String {
    let mut line = format!("{name} key={} result={} settings={}", stage.key, stage.result, stage.settings);
    let mut add =
        |field: &str, name: &str, value: &str| line += &format!(" {field}:{}={}", escape(name), escape(value));
    stage.stages.iter().for_each(|(name, digest)| add("stage", name, digest));
    stage.sources.iter().for_each(|(name, digest)| add("input", name, digest));
    for (name, digest) in &stage.outside.env {
        add("env", name, &digest.map_or_else(|| UNSET.to_string(), |digest| digest.to_string()));
    }
    stage.outside.tools.iter().for_each(|(tool, version)| add("tool", tool, version));
    stage.outside.python.iter().for_each(|(command, version)| add("python", command, version));
    stage.outside.reads.iter().for_each(|(name, digest)| add("read", name, &digest.to_string()));
    stage.files.iter().for_each(|(name, digest)| add("file", name, &digest.to_string()));
    let sum = Digest::hash(line.as_bytes()).short();
    format!("{line} sum={sum}")
}

/// A stage and what its line says; `None` if the line is damaged.
fn parse_line(line: &str) -> Option<(&str, LockedStage)> {
    let (content, sum) = line.rsplit_once(" sum=")?;
    (Digest::hash(content.as_bytes()).short() == sum).then_some(())?;
    let mut fields = content.split(' ');
    let name = fields.next()?;
    let mut next = |field: &str| fields.next()?.strip_prefix(field)?.strip_prefix('=');
    let (key, result) = (Digest::parse(next("key")?)?, Digest::parse(next("result")?)?);
    let settings = next("settings")?.to_string();
    let (stages, sources) = (BTreeMap::new(), BTreeMap::new());
    let (outside, files) = (Recorded::default(), BTreeMap::new());
    let mut stage = LockedStage { key, result, settings, stages, sources, outside, files };
    for field in fields {
        let (field, value) = field.split_once('=')?;
        let (field, name) = field.split_once(':')?;
        let (name, value) = (unescape(name)?, unescape(value)?);
        match field {
            "stage" => drop(stage.stages.insert(name, value)),
            "input" => drop(stage.sources.insert(name, value)),
            "env" => {
                let digest = if value == UNSET { None } else { Some(Digest::parse(&value)?) };
                stage.outside.env.insert(name, digest);
            }
            "tool" => drop(stage.outside.tools.insert(name, value)),
            "python" => drop(stage.outside.python.insert(name, value)),
            "read" => drop(stage.outside.reads.insert(name, Digest::parse(&value)?)),
            "file" => drop(stage.files.insert(name, Digest::parse(&value)?)),
            _ => return None,
        }
    }
    Some((name, stage))
}

/// Percent-encode what would end a field or a name.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || "%=".contains(c) {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| out += &format!("%{byte:02X}"));
        } else {
            out.push(c);
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> LockFile {
        let digest = |n: u8| Digest([n; 32]);
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        let outside = Recorded {
            env: BTreeMap::from([("MOOD".into(), Some(digest(5))), ("NONE".into(), None)]),
            tools: text(&[("python3", "Python 3.12.1\n100% = \u{a0}fine")]),
            reads: BTreeMap::from([("/data/a b".into(), digest(6))]),
            python: text(&[("python3", "cpython 3.12.1")]),
        };
        let stage = LockedStage {
            key: digest(1),
            result: digest(2),
            settings: "abc".into(),
            stages: text(&[("train", "def")]),
            sources: text(&[("my data/*.csv", "012"), ("a=b%20", "345")]),
            outside,
            files: BTreeMap::from([("a figure.svg".into(), digest(3))]),
        };
        let plain = LockedStage { outside: Recorded::default(), sources: BTreeMap::new(), ..stage.clone() };
        LockFile { stages: BTreeMap::from([("fig1".into(), stage), ("fig2".into(), plain)]) }
    }

    #[test]
    fn what_is_written_is_read_also_with_the_line_ends_of_windows() {
        let text = lock().text();
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let read = LockFile::parse("paper.lock", &text).unwrap();
            assert_eq!((read.lock, read.damage), (lock(), Vec::new()));
        }
    }

    #[test]
    fn every_changed_character_damages_its_line_alone() {
        let text = lock().text();
        let start = text.find("fig1 ").unwrap();
        let end = text.find("\n\nfig2 ").unwrap();
        for at in start..end {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let read = LockFile::parse("paper.lock", &String::from_utf8(bytes).unwrap()).unwrap();
            assert_eq!(read.damage.len(), 1, "{at}");
            assert_eq!(read.damage[0].span.unwrap().line, 5, "{at}");
            assert_eq!(read.lock.stages.keys().collect::<Vec<_>>(), ["fig2"], "{at}");
        }
    }

    #[test]
    fn every_truncation_is_noticed_or_lacks_whole_stages() {
        let text = lock().text();
        for end in 0..text.len() {
            let Ok(read) = LockFile::parse("paper.lock", &text[..end]) else { continue };
            for (name, stage) in read.lock.stages {
                assert_eq!(stage, lock().stages[&name]);
            }
        }
    }

    #[test]
    fn a_stage_with_two_lines_and_both_sides_of_a_conflict_are_not_read() {
        let text = lock().text();
        let line = text.lines().find(|line| line.starts_with("fig1 ")).unwrap();
        let twice = LockFile::parse("paper.lock", &format!("{text}\n{line}\n")).unwrap();
        assert_eq!(twice.damage[0].message, "the stage `fig1` has two lines");
        assert_eq!(twice.lock.stages.len(), 1);
        let conflict = text.replace(line, &format!("<<<<<<< HEAD\n{line}\n=======\n{line}\n>>>>>>> other"));
        let read = LockFile::parse("paper.lock", &conflict).unwrap();
        assert_eq!(read.damage.iter().map(|error| error.span.unwrap().line).collect::<Vec<_>>(), [5]);
        assert_eq!(read.lock.stages.keys().collect::<Vec<_>>(), ["fig2"]);
    }

    #[test]
    fn a_newer_version_and_another_file_are_errors() {
        let error = |text: &str| LockFile::parse("paper.lock", text).unwrap_err().message;
        let newer = lock().text().replace("repro-lock 1", "repro-lock 2");
        assert_eq!(error(&newer), "`paper.lock` is of version 2, and this program reads version 1");
        assert_eq!(error("# poetry\n[[package]]\n"), "`paper.lock` is no lock file of repro");
        let empty = LockFile::parse("paper.lock", "").unwrap();
        assert_eq!(empty.damage[0].message, "`paper.lock` lacks the line `repro-lock 1`");
    }
}
