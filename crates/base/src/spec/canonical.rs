//! The canonical text of a manifest: compact JSON with ascending keys, as `serde_json` writes it without its feature `preserve_order`.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Append a value as canonical JSON.
pub fn canonical(value: &Json, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_numbers_have_their_shortest_digits() {
        let value = json!({"b": [1, -2.5, 1e-30, 1e300, null, true], "a": "x\"\\\n\u{1}é", "c": {}, "empty": []});
        let mut text = String::new();
        canonical(&value, &mut text);
        assert_eq!(text, r#"{"a":"x\"\\\n\u0001é","b":[1,-2.5,1e-30,1e+300,null,true],"c":{},"empty":[]}"#);
    }
}
