//! Times and amounts of memory, as people write them: `90 s`, `10 min`, `2 h`; `512 MB`, `4 GB`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::spec::{Decode, Node, Problems, Schemas, choices, wrong_type};

/// A time. A plain number is seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub Duration);

/// An amount of memory. A plain number is bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory(pub u64);

const TIMES: [(&str, f64); 4] = [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0)];
const MEMORIES: [(&str, f64); 8] = [
    ("B", 1.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

/// A number and perhaps a unit, as a number of the smallest unit.
fn quantity<T: Decode>(node: &Node, units: &[(&str, f64)], most: f64, problems: &mut Problems) -> Option<f64> {
    let value = match (node.as_number(), node.as_text()) {
        (Some(number), _) => number,
        (None, Some(text)) => {
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (number, unit) = (text[..end].parse::<f64>().ok(), text[end..].trim());
            let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            match (number, known) {
                (Some(number), Some((_, factor))) => number * factor,
                _ => {
                    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
                    let error =
                        Error::user(format!("expected {}, found the text `{text}`", T::expected())).at(node.span);
                    problems.push(error.hint(format!("units are {}", choices(&names))));
                    return None;
                }
            }
        }
        _ => return wrong_type::<T>(node, problems).and(None),
    };
    if value > 0.0 && value <= most {
        return Some(value);
    }
    problems.push(Error::user(format!("expected {} above 0, found `{value}`", T::expected())).at(node.span));
    None
}

impl Decode for Time {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        quantity::<Self>(node, &TIMES, 3.2e9, problems).map(|seconds| Time(Duration::from_secs_f64(seconds)))
    }
    fn manifest(&self) -> Json {
        json!(self.0.as_secs_f64())
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": ["number", "string"]})
    }
    fn expected() -> String {
        "a time such as `90 s`, `10 min` or `2 h`".into()
    }
}

impl Decode for Memory {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        quantity::<Self>(node, &MEMORIES, 1e15, problems).map(|bytes| Memory(bytes as u64))
    }
    fn manifest(&self) -> Json {
        json!(self.0)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": ["number", "string"]})
    }
    fn expected() -> String {
        "an amount of memory such as `512 MB` or `4 GB`".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T: Decode>(text: &str) -> Result<T, String> {
        let mut problems = Problems::default();
        let node = crate::spec::read(text, &mut problems).unwrap();
        T::decode(&node, &mut problems).ok_or_else(|| problems.into_errors().remove(0).message)
    }

    #[test]
    fn times_and_amounts_have_units() {
        for (text, seconds) in [("90", 90.0), ("1.5 min", 90.0), ("90s", 90.0), ("2 h", 7200.0)] {
            assert_eq!(parse::<Time>(text), Ok(Time(Duration::from_secs_f64(seconds))));
        }
        for (text, bytes) in [("4 GB", 4_000_000_000), ("1gib", 1 << 30), ("1e6", 1_000_000)] {
            assert_eq!(parse::<Memory>(text), Ok(Memory(bytes)));
        }
        let expected = "expected a time such as `90 s`, `10 min` or `2 h`";
        assert_eq!(parse::<Time>("10 minutes"), Err(format!("{expected}, found the text `10 minutes`")));
        assert_eq!(parse::<Time>("-1"), Err(format!("{expected} above 0, found `-1`")));
        assert_eq!(parse::<Time>("[1]"), Err(format!("{expected}, found a list")));
    }
}
