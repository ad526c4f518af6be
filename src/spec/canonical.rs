//! The one spelling of a manifest: keys ascending, no spaces, the shortest digits that read back to the same number.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Append the canonical text of a value.
pub fn canonical(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{number}");
        }
        Json::String(text) => string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(key, out);
                out.push(':');
                canonical(item, out);
            }
            out.push('}');
        }
    }
}

fn string(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Json::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_spelled_as_json_without_spaces_and_with_sorted_keys() {
        let value = json!({"b": [1, -2.5, 1e-30, 1e300, null, true], "a": "x\"\\\n\u{1}é", "c": {}, "empty": []});
        let mut text = String::new();
        canonical(&value, &mut text);
        assert_eq!(text, value.to_string());
        assert!(text.starts_with(r#"{"a":"#));
    }
}
