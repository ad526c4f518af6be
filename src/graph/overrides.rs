//! Settings from the command line that replace those of the paper file: `train.params.lr=0.3`.

use crate::error::{Error, Span};
use crate::spec::{Decode, MapKey, Node, Problems, StageEntry, Yaml, read, suggest};
use crate::stages::Kind;

/// One setting and its value.
#[derive(Clone, Debug)]
pub struct Override {
    /// As typed.
    text: String,
    path: Vec<String>,
    value: Node,
}

impl Override {
    /// Parse `[STAGE.]FIELD=VALUE`; the value is YAML. Errors: there is no `=`, no field, or the value is no YAML.
    pub fn parse(text: &str) -> Result<Override, Error> {
        let wrong = |what: &str| {
            Error::user(format!("`--set {text}`: {what}"))
                .hint("write `--set STAGE.FIELD=VALUE`, or `--set FIELD=VALUE` for all stages with this field")
        };
        let (path, value) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
        let path: Vec<String> = path.split('.').map(|part| part.trim().to_string()).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong("a name is empty"));
        }
        let mut problems = Problems::default();
        let value = if value.trim().is_empty() {
            Some(Node::new(Yaml::Null, Span::default()))
        } else {
            read(value, &mut problems)
        };
        match (value, problems.into_errors().pop()) {
            (Some(value), None) => Ok(Override { text: text.to_string(), path, value }),
            (_, error) => Err(wrong(&error.map_or("the value is not YAML".into(), |error| error.message))),
        }
    }

    fn error(&self, error: Error) -> Error {
        Error { message: format!("`--set {}`: {}", self.text, error.message), span: None, ..error }
    }
}

/// The settings of the command line, and which of them found a stage.
pub struct Overrides<'a> {
    all: &'a [Override],
    used: Vec<bool>,
    names: Vec<&'a str>,
    /// Why a setting without a stage did not fit any.
    unknown: Vec<Option<Error>>,
}

impl<'a> Overrides<'a> {
    pub fn new(all: &'a [Override], entries: &'a [StageEntry]) -> Overrides<'a> {
        let names = entries.iter().map(|entry| entry.name.as_str()).collect();
        Overrides { all, used: vec![false; all.len()], names, unknown: vec![None; all.len()] }
    }

    /// Change the settings of one stage. Reports values of the wrong type, and unknown fields of a stage that is named.
    pub fn apply(&mut self, entry: &StageEntry, kind: &mut Kind, problems: &mut Problems) {
        for (at, setting) in self.all.iter().enumerate() {
            let named = self.names.contains(&setting.path[0].as_str());
            if named && setting.path[0] != entry.name {
                continue;
            }
            let path: Vec<&str> = setting.path.iter().skip(usize::from(named)).map(String::as_str).collect();
            let mut found = Problems::default();
            let mut changed = kind.clone();
            // Complaints of later checks point at the stage.
            let value = Node { span: entry.name_span, ..setting.value.clone() };
            let mut done = if path.is_empty() {
                let key = MapKey { name: entry.kind.clone(), span: entry.kind_span };
                changed.assign(&[], &Node::new(Yaml::Map(vec![(key, value.clone())]), entry.name_span), &mut found)
            } else {
                changed.assign(&path, &value, &mut found)
            };
            if found.unknown_field().is_some() && !path.is_empty() {
                // `lr` is short for `params.lr`.
                let (path, mut short) = ([&["params"], path.as_slice()].concat(), Problems::default());
                let assigned = changed.assign(&path, &value, &mut short);
                if short.unknown_field().is_none() {
                    (done, found) = (assigned, short);
                }
            }
            if done.is_some() && found.is_empty() {
                *kind = changed;
                self.used[at] = true;
                continue;
            }
            let unknown = found.unknown_field().cloned();
            if named || unknown.is_none() {
                self.used[at] = true;
                found.into_errors().into_iter().for_each(|error| problems.push(setting.error(error)));
            } else {
                self.unknown[at] = self.unknown[at].take().or(unknown);
            }
        }
    }

    /// Report settings that no stage has.
    pub fn finish(self, problems: &mut Problems) {
        for ((setting, used), why) in self.all.iter().zip(self.used).zip(self.unknown) {
            if used {
                continue;
            }
            let error = match why {
                // With one stage, what is known there helps.
                Some(why) if self.names.len() == 1 => why,
                _ => {
                    let first = setting.path[0].as_str();
                    let error = Error::user("no stage has this setting");
                    if setting.path.len() > 1 { error.hint(suggest(first, &self.names)) } else { error }
                }
            };
            problems.push(setting.error(error));
        }
    }
}
