//! `repro schema`: prints the JSON Schema of the paper file, generated from the types that parse it.

use serde_json::{Value as Json, json};

use super::{Console, Trouble};
use crate::figures::Theme;
use crate::spec::{Decode, Schemas};
use crate::stages::{EnvironmentSettings, Kind, SealSetting};

pub fn run(console: &Console) -> Result<u8, Trouble> {
    console.print_exact(&format!("{:#}\n", schema()))?;
    Ok(0)
}

/// The schema of a whole paper file.
pub fn schema() -> Json {
    let mut definitions = Schemas::new();
    let kind = Kind::schema(&mut definitions);
    let theme = Theme::schema(&mut definitions);
    let mut seal = SealSetting::schema(&mut definitions);
    seal["description"] =
        json!("`off`: programs may touch everything that their user may, unless a stage says `seal: on`.");
    let environment = EnvironmentSettings::schema(&mut definitions);
    let definitions: serde_json::Map<String, Json> = definitions.into_iter().collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Paper file of repro",
        "description": "Figures and tables of a paper, and the models that they need.",
        "type": "object",
        "properties": {
            "repro": {"const": 1, "description": "Version of the paper file's language."},
            "title": {"type": "string", "description": "Title of the paper."},
            "theme": theme,
            "seal": seal,
            "environments": {
                "type": "object",
                "description": "Environments of programs by name; `default` is that of programs without `in`.",
                "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 100},
                "additionalProperties": environment,
            },
            "stages": {
                "type": "object",
                "description": "Stages by name, each of one kind; files are named after them.",
                "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 100},
                // A stage is an object; its kind alone is not a stage.
                "additionalProperties": {"allOf": [kind, {"type": "object"}]},
            },
        },
        "patternProperties": {"^x-": {"description": "Anything, for anchors."}},
        "required": ["repro", "stages"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}
