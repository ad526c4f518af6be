//! Settings with units: times (`90 s`, `10 min`, `2 h`) and amounts of memory (`512 MB`, `4 GB`).

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::spec::{
    Decode, Node, Problems, SIZE_UNITS, Schemas, TIME_UNITS, choices, parse_quantity, unit_names, wrong_type,
};

/// A time. A plain number is seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub Duration);

/// An amount of memory. A plain number is bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory(pub u64);

/// Decode a number with an optional unit, in the base unit.
fn decode_quantity<T: Decode>(node: &Node, units: &[(&str, f64)], most: f64, problems: &mut Problems) -> Option<f64> {
    let value = match (node.as_number(), node.as_text()) {
        (Some(number), _) => number,
        (None, Some(text)) => {
            let Some(value) = parse_quantity(text, units) else {
                let error = Error::user(format!("expected {}, found the text `{text}`", T::expected())).at(node.span);
                problems.push(error.hint(format!("units are {}", choices(&unit_names(units)))));
                return None;
            };
            value
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
        decode_quantity::<Self>(node, &TIME_UNITS, 3.2e9, problems)
            .map(|seconds| Time(Duration::from_secs_f64(seconds)))
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
        decode_quantity::<Self>(node, &SIZE_UNITS, 1e15, problems).map(|bytes| Memory(bytes as u64))
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
