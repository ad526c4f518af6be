//! Declared outputs of a program: decode them, and store the files that the program wrote.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::super::Sandbox;
use super::super::paths::{PathRole, file_name, is_pattern, normalize};
use super::FIGURES;
use crate::error::{Error, Result, Span};
use crate::exchange::Axes;
use crate::program::is_executable;
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, glob, nearest, wrong_type};
use crate::value::{FileEntry, Tree};

/// The most files that are searched for a similar name when an output is missing.
const MAX_SEARCHED: usize = 1000;
/// The most files that are listed when an output is missing.
const FEW: usize = 3;

/// A file or a folder that the program writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub path: Located<String>,
    /// Written with a trailing `/`: the folder is created before the program starts.
    pub folder: bool,
    pub axes: Axes,
}

/// All outputs: a list of paths, or a mapping from paths to how the arrays in them are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs(pub Vec<Output>);

crate::record! {
    /// How an output is read.
    pub struct OutputSettings {
        /// Names of the axes of its arrays.
        pub axes: Axes = Axes::default(),
    }
}

impl Output {
    /// Whether a file is at this path with values in the place of each `{NAME}`.
    pub fn is_template_of(&self, file: &str) -> bool {
        let mut pattern = String::new();
        for (i, part) in self.path.split('{').enumerate() {
            let rest = part.split_once('}').filter(|_| i > 0);
            pattern.push_str(if rest.is_some() { "*" } else { "" });
            pattern.push_str(rest.map_or(part, |(_, rest)| rest));
        }
        pattern.contains('*') && (glob(&pattern, file) || self.folder && glob(&format!("{pattern}/*"), file))
    }
}

impl Outputs {
    /// The paths in ascending order.
    pub fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.0.iter().map(|output| output.path.as_str()).collect();
        paths.sort_unstable();
        paths
    }

    /// The outputs with `{NAME}` in their paths replaced by the value of that name, written so that it is one part of a path.
    pub fn with_names(&self, values: &[(String, String)]) -> Outputs {
        let replace = |output: &Output| {
            let one = |path: String, (name, value): &(String, String)| {
                path.replace(&format!("{{{name}}}"), &file_name(value))
            };
            let value = values.iter().fold(output.path.value.clone(), one);
            Output { path: Located { value, span: output.path.span }, ..output.clone() }
        };
        Outputs(self.0.iter().map(replace).collect())
    }

    /// The declared axes by path.
    pub fn axes(&self) -> Json {
        Json::Object(
            self.0.iter().map(|output| (output.path.value.clone(), output.axes.manifest())).collect::<Map<_, _>>(),
        )
    }
}

fn output(path: Located<String>, axes: Axes, problems: &mut Problems) -> Option<Output> {
    if is_pattern(&path) {
        let error = Error::user(format!("`{}` is a pattern; list outputs one by one", path.value)).at(path.span);
        problems.push(error.hint("for many files, list the folder that contains them"));
        return None;
    }
    match normalize(&path, PathRole::Output) {
        Ok(value) => Some(Output { folder: path.ends_with('/'), path: Located { value, span: path.span }, axes }),
        Err(error) => {
            problems.push(error.hint("outputs are relative to the program's working directory; the cache stores them"));
            None
        }
    }
}

impl Decode for Outputs {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let outputs: Vec<Option<Output>> = match &node.value {
            Yaml::Text(_) => vec![output(Located::decode(node, problems)?, Axes::default(), problems)],
            Yaml::List(items) => {
                let one = |item| output(Located::decode(item, problems)?, Axes::default(), problems);
                items.iter().map(one).collect()
            }
            Yaml::Map(entries) => {
                let one = |(key, node): &(crate::spec::MapKey, Node)| {
                    let settings = OutputSettings::decode(node, problems)?;
                    output(Located { value: key.name.clone(), span: key.span }, settings.axes, problems)
                };
                entries.iter().map(one).collect()
            }
            _ => return wrong_type(node, problems),
        };
        outputs.into_iter().collect::<Option<_>>().map(Outputs)
    }
    fn manifest(&self) -> Json {
        self.axes()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let paths = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
        let settings = json!({"anyOf": [{"type": "null"}, OutputSettings::schema(schemas)]});
        let mapping = json!({"type": "object", "additionalProperties": settings, "minProperties": 1});
        json!({"anyOf": [{"type": "string"}, paths, mapping]})
    }
    fn expected() -> String {
        "a list of files, or a mapping such as `{loss.npz: {axes: [epoch]}}`".into()
    }
}

/// Store all outputs in the cache; `is_input` tells the files that were in the sandbox before. The inner error is the program's fault, such as a missing output; then nothing was stored.
pub fn collect(outputs: &Outputs, place: &dyn Sandbox, is_input: &dyn Fn(&str) -> bool) -> Result<Result<Tree>> {
    let mut found = Vec::new();
    for output in &outputs.0 {
        let path = &output.path.value;
        if path.starts_with(FIGURES) && place.folder().join(path).is_dir() {
            let error = Error::stage(format!("created `{path}`, which is a folder")).at(output.path.span);
            return Ok(Err(error.hint("list the files in `figures` one by one: they are copied into the project")));
        }
        if let Err(error) = walk(place.folder(), &output.path.value, output.path.span, &mut found) {
            let error = error.at(output.path.span);
            return Ok(Err(if error.hints.is_empty() {
                suggest_similar_file(error, &output.path, place.folder(), is_input)
            } else {
                error
            }));
        }
    }
    let mut files = Vec::new();
    for (path, executable) in found {
        let (digest, size) = place.store_output(&place.folder().join(&path))?;
        files.push(FileEntry { path, digest, size, executable });
    }
    files.sort();
    Ok(Ok(Tree { files }))
}

/// Collect the file at a path, or all files in it if it is a folder.
fn walk(root: &Path, path: &str, span: Span, found: &mut Vec<(String, bool)>) -> Result<()> {
    // A symbolic link among the parents could point anywhere.
    let parents = Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    let is_link = |parent: &Path| std::fs::symlink_metadata(root.join(parent)).is_ok_and(|meta| meta.is_symlink());
    if parents.into_iter().any(is_link) {
        return Err(symlink_error(path));
    }
    let mut left = vec![path.to_string()];
    while let Some(path) = left.pop() {
        let full = root.join(&path);
        let meta = std::fs::symlink_metadata(&full).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Error::stage(format!("did not create `{path}`"))
            }
            _ => Error::stage(format!("created folders nested too deep to read, from `{}` on", shorten(&path)))
                .hint("paths of outputs are limited to about 4000 characters"),
        })?;
        if meta.is_symlink() {
            return Err(symlink_error(&path));
        }
        if meta.is_file() {
            found.push((path, is_executable(&meta)));
            continue;
        }
        if !meta.is_dir() {
            return Err(Error::stage(format!("created `{path}`, which is neither a file nor a folder"))
                .hint("outputs are files"));
        }
        let before = left.len();
        let unreadable = |e: std::io::Error| Error::io("read", &full, &e);
        for entry in std::fs::read_dir(&full).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let inner = Located { value: format!("{path}/{}", name.to_string_lossy()), span };
            left.push(normalize(&inner, PathRole::Output).map_err(|error| {
                let refused = Error::stage(format!("created {:?}, but {}", inner.value, error.message));
                Error { hints: error.hints, ..refused }
            })?);
        }
        if left.len() == before {
            return Err(
                Error::stage(format!("left the folder `{path}` empty")).hint("an output contains at least one file")
            );
        }
    }
    Ok(())
}

fn symlink_error(path: &str) -> Error {
    Error::stage(format!("created a symbolic link at `{path}`"))
        .hint("outputs must be files: copy the target of the link")
}

fn shorten(path: &str) -> String {
    path.chars().take(60).chain("...".chars()).collect()
}

/// Add a hint if the program created a file with a similar name, or others than its outputs.
fn suggest_similar_file(error: Error, path: &str, folder: &Path, is_input: &dyn Fn(&str) -> bool) -> Error {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop().filter(|_| files.len() < MAX_SEARCHED) {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => files.extend(entry.path().strip_prefix(folder).ok().map(|path| path.display().to_string())),
            }
        }
    }
    // The same name in another folder is a frequent mistake.
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_string();
    let elsewhere = files.iter().find(|file| name(file) == name(path));
    match elsewhere.map(String::as_str).or_else(|| nearest(path, files.iter().map(String::as_str))) {
        Some(file) if path.starts_with(FIGURES) && name(file) == name(path) => {
            error.hint(format!("it created `{file}`: have it write `{path}`, and the file is copied into the project"))
        }
        Some(file) => error.hint(format!("it created `{file}`: did you mean that?")),
        None => {
            files.retain(|file| !is_input(file));
            files.sort();
            let shown: Vec<String> = files.iter().take(FEW).map(|file| format!("`{file}`")).collect();
            let more = if files.len() > FEW { ", ..." } else { "" };
            let list = format!("it created {}{more}: list its outputs by these names", shown.join(", "));
            if shown.is_empty() { error } else { error.hint(list) }
        }
    }
}
