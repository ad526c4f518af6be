//! `reads`: data outside of the project, which programs read where it is.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::paths::{PathRole, normalize};
use crate::error::Error;
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, suggest};

/// Data outside of the project.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideData {
    /// As written: absolute, or `~/...`.
    pub path: Located<String>,
    pub hash: HashOf,
    /// The path of a link to it in the program's folder.
    pub link: Option<Located<String>>,
}

/// What of the data is in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// Paths, sizes and times of its files.
    Listing,
    /// Paths and content of its files.
    Content,
}

crate::record! {
    /// Data outside of the project.
    pub struct OutsideDataSettings {
        /// An absolute path of a file or a folder, or one that begins with `~/`.
        pub path: Located<String>,
        /// What is in the key: `listing`, the paths, sizes and times of its files, or `content`, which reads all of them once.
        pub hash: HashOf = HashOf::Listing,
        /// Where the program finds a link to it in its folder.
        pub r#as: Option<Located<String>> = None,
    }
}

impl OutsideData {
    /// Where it is on this machine; `None` if the home folder is not known.
    pub fn place(&self) -> Option<PathBuf> {
        match self.path.strip_prefix("~/") {
            Some(rest) => Some(PathBuf::from(std::env::var_os("HOME")?).join(rest)),
            None => Some(PathBuf::from(&self.path.value)),
        }
    }

    /// Its name in keys: the program sees the path and the link.
    pub fn name(&self) -> String {
        match &self.link {
            Some(link) => format!("{} as {}", self.path.value, link.value),
            None => self.path.value.clone(),
        }
    }
}

impl Decode for OutsideData {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let data = match node.value {
            Yaml::Map(_) => {
                let OutsideDataSettings { path, hash, r#as } = Decode::decode(node, problems)?;
                OutsideData { path, hash, link: r#as }
            }
            _ => OutsideData { path: Decode::decode(node, problems)?, hash: HashOf::Listing, link: None },
        };
        let OutsideData { path, link, .. } = &data;
        let absolute = path.starts_with('/') || path.starts_with("~/");
        if !absolute || path.contains(|c: char| c.is_control()) || path.split('/').any(|part| part == "..") {
            let error = Error::user(format!("`{}` is not a path outside of the project", path.value)).at(path.span);
            problems.push(
                error.hint("`reads` takes absolute paths and `~/...`; files of the project are `inputs`, without `..`"),
            );
            return None;
        }
        let link = match link.as_ref().map(|link| (normalize(link, PathRole::Output), link.span)) {
            Some((Ok(value), span)) => Some(Located { value, span }),
            Some((Err(error), _)) => {
                problems.push(error.hint("`as` is relative to the program's working directory"));
                return None;
            }
            None => None,
        };
        Some(OutsideData { link, ..data })
    }
    fn manifest(&self) -> Json {
        json!(self.name())
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let settings = OutsideDataSettings::schema(schemas);
        json!({"anyOf": [{"type": "string", "pattern": "^(/|~/)"}, settings]})
    }
    fn expected() -> String {
        "an absolute path, or a mapping with `path`, `hash` and `as`".into()
    }
}

impl Decode for HashOf {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match String::decode(node, problems)?.as_str() {
            "listing" => Some(HashOf::Listing),
            "content" => Some(HashOf::Content),
            other => {
                let error = Error::user(format!("`{other}` cannot be hashed")).at(node.span);
                problems.push(error.hint(suggest(other, &["listing", "content"])));
                None
            }
        }
    }
    fn manifest(&self) -> Json {
        json!(if *self == HashOf::Listing { "listing" } else { "content" })
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"enum": ["listing", "content"]})
    }
    fn expected() -> String {
        "`listing` or `content`".into()
    }
}
