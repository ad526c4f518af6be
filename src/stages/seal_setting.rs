//! `seal`: whether a program may touch more than what it declares.

use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::spec::{Decode, Node, Problems, Schemas, Yaml, suggest, wrong_type};

/// Whether programs are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SealSetting {
    #[default]
    On,
    Off,
}

impl SealSetting {
    const NAMES: [&str; 2] = ["on", "off"];
}

impl Decode for SealSetting {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Yaml::Text(text) if text == "on" => Some(SealSetting::On),
            Yaml::Text(text) if text == "off" => Some(SealSetting::Off),
            // `on` and `off` are truth values in YAML 1.1, and editors may write them so.
            Yaml::Bool(true) => Some(SealSetting::On),
            Yaml::Bool(false) => Some(SealSetting::Off),
            Yaml::Text(text) => {
                let error = Error::user(format!("`{text}` is neither `on` nor `off`")).at(node.span);
                problems.push(error.hint(suggest(text, &Self::NAMES)));
                None
            }
            _ => wrong_type(node, problems),
        }
    }
    fn manifest(&self) -> Json {
        json!(if *self == SealSetting::On { "on" } else { "off" })
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"enum": ["on", "off", true, false]})
    }
    fn expected() -> String {
        "`on` or `off`".into()
    }
}
