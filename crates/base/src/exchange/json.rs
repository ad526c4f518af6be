//! Reads `.json`: numbers, rectangular nested lists of numbers, and objects of them; `{"test": {"loss": 0.1}}` is the array `test.loss`.
//! A list of objects is a table of records, as in `.csv`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;

use super::csv::{Column, MOST_CELLS, records};
use super::npy::MOST_AXES;
use super::{Axes, RawArray, RawValues, label};
use crate::error::{Error, Result};
use crate::value::{Dataset, Dtype};

pub fn read(bytes: &[u8], stem: &str, axes: &Axes) -> Result<Dataset> {
    let json: Json = serde_json::from_slice(bytes)
        .or_else(|error| serde_json::from_slice(&quoted_constants(bytes)).map_err(|_| error))
        .map_err(|error| Error::stage(format!("it is not JSON: {error}")))?;
    if let Some(columns) = columns(&json)? {
        return records(&columns, axes);
    }
    let mut arrays = BTreeMap::new();
    match &json {
        Json::Object(_) => walk("", &json, &mut arrays),
        other => walk(stem, other, &mut arrays),
    }
    label::label(arrays, axes)
}

/// Python's constants for numbers that JSON lacks, and the string that replaces each before parsing. The string begins with a control
/// character, which JSON allows only as an escape, so no file contains it.
const CONSTANTS: [(&str, &str); 3] =
    [("-Infinity", "\"\\u0001-inf\""), ("Infinity", "\"\\u0001inf\""), ("NaN", "\"\\u0001nan\"")];

/// The number of a replaced constant.
fn constant(text: &str) -> Option<f64> {
    text.strip_prefix('\u{1}')?.parse().ok()
}

/// Replace Python's constants with strings.
fn quoted_constants(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    let (mut inside, mut escaped) = (false, false);
    while let Some((&byte, tail)) = rest.split_first() {
        let found = |(name, text): &(&str, &str)| Some((rest.strip_prefix(name.as_bytes())?, text.to_string()));
        if !inside && let Some((tail, text)) = CONSTANTS.iter().find_map(found) {
            out.extend(text.as_bytes());
            rest = tail;
            continue;
        }
        inside ^= byte == b'"' && !escaped;
        escaped = inside && byte == b'\\' && !escaped;
        out.push(byte);
        rest = tail;
    }
    out
}

fn scalar(json: &Json) -> Option<f64> {
    match json {
        Json::Null => Some(f64::NAN),
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::Number(number) => number.as_f64(),
        Json::String(text) => constant(text),
        _ => None,
    }
}

/// The columns of a list of flat objects, by first appearance; missing fields are empty.
fn columns(json: &Json) -> Result<Option<Vec<Column>>> {
    let Some(rows) = json.as_array().filter(|rows| !rows.is_empty()) else { return Ok(None) };
    let flat = |value: &Json| !value.is_object() && !value.is_array();
    let rows: Option<Vec<_>> = rows.iter().map(|row| row.as_object().filter(|row| row.values().all(flat))).collect();
    let Some(rows) = rows else { return Ok(None) };
    let names: HashSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    let fields: usize = rows.iter().map(|row| row.len()).sum();
    if names.len().saturating_mul(rows.len()) > MOST_CELLS.max(fields) {
        let message = format!("a table of {} names is too large for {} records", names.len(), rows.len());
        return Err(Error::stage(message).hint("records of one list have the same names, and lack few of them"));
    }
    let mut columns: Vec<Column> = Vec::new();
    let mut known: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        for (name, value) in *row {
            let column = *known.entry(name).or_insert_with(|| {
                columns.push(Column { name: name.clone(), fields: vec![String::new(); rows.len()] });
                columns.len() - 1
            });
            columns[column].fields[i] = match value {
                Json::Null => String::new(),
                Json::String(text) => constant(text).map_or_else(|| text.clone(), |number| number.to_string()),
                other => other.to_string(),
            };
        }
    }
    Ok(Some(columns))
}

fn walk(name: &str, json: &Json, arrays: &mut BTreeMap<String, RawArray>) {
    match json {
        Json::Object(map) => {
            let inner = |key: &str| if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
            map.iter().for_each(|(key, value)| walk(&inner(key), value, arrays));
        }
        Json::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_string)).collect();
            let (mut shape, mut data) = (Vec::new(), Vec::new());
            if rectangle(json, 0, &mut shape, &mut data) {
                arrays
                    .insert(name.to_string(), RawArray { shape, values: RawValues::Numbers(Dtype::F64, data.into()) });
            } else if let Some(texts) = texts {
                arrays.insert(name.to_string(), RawArray::texts(texts));
            }
        }
        value => {
            if let Some(number) = scalar(value) {
                arrays.insert(
                    name.to_string(),
                    RawArray { shape: Vec::new(), values: RawValues::Numbers(Dtype::F64, vec![number].into()) },
                );
            }
        }
    }
}

/// Whether nested lists are rectangular; fills in the shape and the numbers.
fn rectangle(json: &Json, depth: usize, shape: &mut Vec<usize>, data: &mut Vec<f64>) -> bool {
    match json {
        Json::Array(items) => {
            if shape.len() == depth && data.is_empty() && depth < MOST_AXES {
                shape.push(items.len());
            }
            shape.get(depth) == Some(&items.len()) && items.iter().all(|item| rectangle(item, depth + 1, shape, data))
        }
        value => match scalar(value) {
            Some(number) if depth == shape.len() => {
                data.push(number);
                true
            }
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, Vec<usize>, Vec<f64>)> {
        let dataset = read(text.as_bytes(), "result", &Axes::default()).unwrap();
        dataset.arrays.into_iter().map(|(name, array)| (name, array.shape().to_vec(), array.values())).collect()
    }

    #[test]
    fn numbers_and_rectangles_are_arrays() {
        let text = r#"{"loss": 0.5, "test": {"top-1": [1, 2], "grid": [[1, 2], [3, 4]]}, "note": "x", "ok": true, "ragged": [[1], [2, 3]]}"#;
        assert_eq!(
            parsed(text),
            [
                ("loss".into(), vec![], vec![0.5]),
                ("ok".into(), vec![], vec![1.0]),
                ("test.grid".into(), vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]),
                ("test.top-1".into(), vec![2], vec![1.0, 2.0]),
            ]
        );
        assert_eq!(parsed("[1, 2]"), [("result".into(), vec![2], vec![1.0, 2.0])]);
        assert_eq!(parsed(r#"{"empty": []}"#), [("empty".into(), vec![0], vec![])]);
    }

    #[test]
    fn a_list_of_mappings_is_records() {
        let found = parsed(r#"[{"epoch": 1, "loss": 0.5, "name": "a"}, {"epoch": 2, "name": "b"}]"#);
        assert_eq!(found[0], ("epoch".into(), vec![2], vec![1.0, 2.0]));
        assert!(found[1].2[0] == 0.5 && found[1].2[1].is_nan() && found.len() == 2);
    }

    #[test]
    fn what_no_memory_or_format_holds_is_refused_or_left_out() {
        // Every record has a different field: as many columns as records.
        let records: Vec<String> = (0..20_000).map(|i| format!("{{\"c{i}\": 1}}")).collect();
        let told = read(format!("[{}]", records.join(",")).as_bytes(), "x", &Axes::default()).unwrap_err();
        assert_eq!(told.message, "a table of 20000 names is too large for 20000 records");
        let deep = |depth: usize| format!("{{\"a\": {}1{}, \"b\": 2}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parsed(&deep(MOST_AXES)).len(), 2);
        assert_eq!(parsed(&deep(MOST_AXES + 1)).len(), 1, "no format of arrays has so many axes");
    }

    #[test]
    fn many_arrays_take_time_by_their_number() {
        let arrays: Vec<String> = (0..25_000).map(|i| format!("\"a{i}\": [1, 2]")).collect();
        let dataset = read(format!("{{{}}}", arrays.join(",")).as_bytes(), "x", &Axes::default()).unwrap();
        assert_eq!(dataset.arrays.len(), 25_000);
        assert!(super::super::npz(&dataset).is_ok());
    }

    #[test]
    fn what_python_writes_for_no_number_is_read_outside_of_text() {
        let found = parsed(r#"{"a": [1, NaN], "b \"NaN": 2}"#);
        assert!(found[0].2[1].is_nan());
        assert_eq!(found[1].0, "b \"NaN");
        let found = parsed(r#"{"a": [-Infinity, Infinity, 1], "b": Infinity, "c": ["Infinity"]}"#);
        assert_eq!(found[0].2, [f64::NEG_INFINITY, f64::INFINITY, 1.0]);
        assert_eq!((found[1].2.as_slice(), found.len()), (&[f64::INFINITY][..], 2));
        let records = parsed(r#"[{"threshold": Infinity}, {"threshold": NaN}, {"threshold": 0.5}]"#);
        assert!(records[0].2[0] == f64::INFINITY && records[0].2[1].is_nan() && records[0].2[2] == 0.5);
        assert!(read(b"{\"a\": Nan}", "x", &Axes::default()).unwrap_err().message.starts_with("it is not JSON: "));
    }
}
