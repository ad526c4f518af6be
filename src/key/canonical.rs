//! The one spelling of a manifest.

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// Append the canonical text of a value: keys ascending, no spaces, the shortest digits that read back to the same number.
pub fn canonical(value: &Json, out: &mut String) -> Result<()> {
    match value {
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out)?;
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
                canonical(&Json::String(key.clone()), out)?;
                out.push(':');
                canonical(item, out)?;
            }
            out.push('}');
        }
        scalar => {
            let text = serde_json::to_string(scalar).map_err(|e| Error::internal(format!("manifest: {e}")))?;
            out.push_str(&text);
        }
    }
    Ok(())
}
