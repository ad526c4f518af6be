//! `data`: source files. Files of the project are tracked, or pinned by their digest; a file with a URL is downloaded once, checked against
//! its digest and stored in the cache.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::files::read_tree;
use super::paths::{PathRole, is_pattern, normalize};
use super::{Holds, Inputs, KindInfo, Layout, Needs, NodeShape, Outline, Report, Sandbox, Stage, Unit};
use crate::error::{Error, Result};
use crate::exchange::{self, Axes};
use crate::program::{self, ExitReason, Program};
use crate::spec::{Decode, Located, Node, OneOrMany, Problems, Schemas, Yaml};
use crate::train::Control;
use crate::value::{Dataset, Digest, FileEntry, Tree, encode_tree};

/// Part of the key; increase it when the same files give another result.
const VERSION: u32 = 1;

/// Supported URL schemes; all but `file` are downloaded with curl.
const SCHEMES: [&str; 4] = ["https", "http", "ftp", "file"];

/// Environment variables that configure curl's network access.
const NETWORK_VARIABLES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
];

crate::record! {
    /// Files that are not computed.
    pub struct DataSettings {
        /// A file, a folder or a pattern (`runs/*.csv`, `**/*.npz`) in the project, or several of these.
        pub path: OneOrMany<Located<String>> = OneOrMany::default(),
        /// The URL of one file, instead of `path`: `https://...` or `file:///...`; needs `digest`.
        pub url: Option<Located<String>> = None,
        /// The BLAKE3 digest that the content must have: `blake3:` and 64 hexadecimal digits. Without it, files of the project are tracked.
        pub digest: Option<Located<String>> = None,
        /// Names of the axes of the arrays in the files.
        pub axes: Axes = Axes::default(),
    }
}

/// A `data` stage, with normalized paths.
#[derive(Clone, Debug, PartialEq)]
pub struct DataStage {
    settings: DataSettings,
    paths: Vec<Located<String>>,
}

impl Decode for DataStage {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let settings = match &node.value {
            // `data: corpus.csv`
            Yaml::Text(text) => {
                let place = Located { value: text.clone(), span: node.span };
                let (path, url) = if text.contains("://") { (Vec::new(), Some(place)) } else { (vec![place], None) };
                DataSettings { path: OneOrMany(path), url, digest: None, axes: Axes::default() }
            }
            _ => DataSettings::decode(node, problems)?,
        };
        let mut paths = Vec::new();
        for path in &settings.path.0 {
            match normalize(path, PathRole::Input) {
                Ok(value) => paths.push(Located { value, span: path.span }),
                Err(error) => problems.push(error),
            }
        }
        Some(DataStage { settings, paths })
    }
    fn manifest(&self) -> Json {
        self.settings.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": "string"}, DataSettings::schema(schemas)]})
    }
    fn expected() -> String {
        DataSettings::expected()
    }
}

impl DataStage {
    /// The name of the downloaded file, if it is one.
    pub fn fetched_name(&self) -> Option<String> {
        self.settings.url.as_ref().map(|url| file_name(url))
    }

    /// The stage's result from these files. Errors: they do not match the pinned digest.
    pub fn result(&self, tree: &Tree) -> Result<Vec<u8>> {
        self.check_pin(tree)?;
        Ok(encode_tree(tree))
    }

    /// The pinned digest.
    fn pin(&self) -> Option<Digest> {
        let text = &self.settings.digest.as_ref()?.value;
        let digits = text.strip_prefix("blake3:").unwrap_or(text);
        Digest::parse(digits)
    }

    /// The digest of the one named file, or of the tree of all files.
    fn digest(&self, tree: &Tree) -> Digest {
        match (tree.files.as_slice(), self.paths.as_slice()) {
            ([file], [path]) if file.path == path.value => file.digest,
            ([file], []) => file.digest,
            _ => Digest::hash(&encode_tree(tree)),
        }
    }

    /// Check the files against the digest in the paper file, if there is one.
    fn check_pin(&self, tree: &Tree) -> Result<()> {
        let found = self.digest(tree);
        match (&self.settings.digest, self.pin()) {
            (Some(written), Some(pin)) if pin != found => {
                let what = match tree.files.as_slice() {
                    [file] => format!("`{}` does", file.path),
                    files => format!("these {} files do", files.len()),
                };
                let error = Error::stage(format!("{what} not match its `digest`")).at(written.span);
                Err(error.hint(format!("if the new content is right, write `digest: blake3:{found}`")))
            }
            _ => Ok(()),
        }
    }

    /// Download the file, unless its content is already in the cache.
    fn fetch(&self, url: &Located<String>, inputs: &dyn Inputs, control: &dyn Control) -> Result<Option<Tree>> {
        let name = file_name(url);
        let place = inputs.sandbox()?;
        let kept = self.pin().and_then(|pin| place.stored_size(&pin).map(|size| (pin, size)));
        let (digest, size) = match kept {
            Some(kept) => kept,
            None => {
                let file = place.folder().join("data");
                if !download(url, &file, &*place, control)? {
                    return Ok(None);
                }
                place.store_output(&file)?
            }
        };
        let tree = Tree { files: vec![FileEntry { path: name, digest, size, executable: false }] };
        if self.settings.digest.is_none() {
            let error = Error::stage(format!("`{}` has no `digest`", url.value));
            return Err(error
                .at(url.span)
                .hint(format!("the file was downloaded; write `digest: blake3:{digest}` below `url`")));
        }
        Ok(Some(tree))
    }
}

/// A file name from the last part of a URL.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = Located { value: percent_decode(name), span: crate::error::Span::default() };
    normalize(&name, PathRole::Input).ok().filter(|name| !name.contains('/')).unwrap_or_else(|| "data".into())
}

/// Decode percent escapes such as `%20`.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Download a URL into a file; false if `control` stopped it.
fn download(url: &Located<String>, to: &Path, place: &dyn Sandbox, control: &dyn Control) -> Result<bool> {
    if let Some(path) = url.strip_prefix("file://") {
        let path = percent_decode(path.strip_prefix("localhost").unwrap_or(path));
        std::fs::copy(&path, to).map_err(|e| Error::io("read", Path::new(&path), &e).at(url.span))?;
        return Ok(true);
    }
    let words = ["curl", "--fail", "--silent", "--show-error", "--location", "--retry", "2", "--output"];
    let mut words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    words.extend([to.display().to_string(), "--".into(), url.value.clone()]);
    let mut environment = place.environment();
    let network = NETWORK_VARIABLES.iter().filter_map(|name| Some((name.to_string(), std::env::var_os(name)?)));
    environment.extend(network);
    let (log, path) = place.log()?;
    let program = Program {
        words: &words,
        folder: place.folder(),
        environment: &environment,
        log: &log,
        limit: None,
        seal: None,
    };
    match program::run(&program, &|| control.stop()).map_err(|error| error.at(url.span))? {
        ExitReason::Exited(status) if status.success() => Ok(true),
        ExitReason::Stopped => Ok(false),
        _ => Err(Error::stage(format!("cannot download `{}`", url.value)).at(url.span).output(program::tail(&path, 3))),
    }
}

static KIND: KindInfo = KindInfo {
    name: "data",
    unit: "source",
    verb: "load",
    past: "loaded",
    shape: NodeShape::Source,
    report: Report::EndIfSlow,
    single: true,
    ..KindInfo::COMPUTED
};

impl Stage for DataStage {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn source(&self) -> Option<&DataStage> {
        Some(self)
    }

    /// Files without a URL are in the project, at the paths of their tree.
    fn holds(&self) -> Holds {
        if self.settings.url.is_none() { Holds::ProjectFiles } else { Holds::Files }
    }

    fn declares_axis(&self, name: &str) -> bool {
        self.settings.axes.names(name)
    }

    fn inputs(&self) -> Vec<Located<String>> {
        Vec::new()
    }

    fn needs(&self) -> Needs {
        Needs { files: self.paths.clone(), ..Needs::default() }
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        let DataSettings { path, url, digest, .. } = &self.settings;
        match (path.0.is_empty(), url) {
            (true, None) => problems.push(Error::user("`path` or `url` is missing").at(body.span)),
            (false, Some(url)) => {
                problems
                    .push(Error::user("`path` and `url` cannot be used together").at(url.span).hint("use two stages"));
            }
            (true, Some(url)) => {
                let scheme = url.value.split_once("://").map_or("", |(scheme, _)| scheme);
                if !SCHEMES.contains(&scheme) {
                    let error = Error::user(format!("unsupported URL `{}`", url.value)).at(url.span);
                    problems.push(error.hint(format!("URLs start with {}", schemes())));
                }
            }
            (false, None) => {}
        }
        if let Some(digest) = digest.as_ref().filter(|_| self.pin().is_none()) {
            let error = Error::user(format!("`{}` is not a BLAKE3 digest", digest.value)).at(digest.span);
            let hint = "write `blake3:` and 64 hexadecimal digits, as `b3sum FILE` prints them; if the digest is wrong, the error shows the right one";
            problems.push(error.hint(hint));
        }
    }

    fn layout(&self, _inputs: &[Outline], _problems: &mut Problems) -> Layout {
        Layout::new(Vec::new())
    }

    fn manifest(&self) -> Json {
        Decode::manifest(self)
    }

    fn unit(&self, _unit: usize, _layout: &Layout, _inputs: &[Outline]) -> Result<Unit> {
        let mut manifest = json!({"kind": "data", "version": VERSION, "digest": self.pin().map(|pin| pin.to_string())});
        if let Some(url) = &self.settings.url {
            // Pinned content does not depend on the URL.
            let from = if self.pin().is_some() { file_name(url) } else { url.value.clone() };
            manifest["from"] = json!(from);
        }
        Ok(Unit { manifest, reads: Vec::new(), seconds: 1e-3 })
    }

    fn run(
        &self,
        _unit: usize,
        _layout: &Layout,
        _outlines: &[Outline],
        inputs: &dyn Inputs,
        control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        match &self.settings.url {
            Some(url) => self.fetch(url, inputs, control)?.map(|tree| self.result(&tree)).transpose(),
            None => self.result(&inputs.found().tree).map(Some),
        }
    }

    fn reading(&self) -> Json {
        json!({"version": exchange::VERSION, "axes": self.settings.axes.manifest()})
    }

    /// One file: its arrays. Several files, or a pattern: the arrays of all of them, stacked along a first axis `file`.
    fn dataset(&self, payload: &[u8], content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>) -> Result<Dataset> {
        let several = self.paths.len() > 1 || self.paths.iter().any(|path| is_pattern(path));
        read_tree(payload, several, content, |_| &self.settings.axes)
    }
}

fn schemes() -> String {
    let names: Vec<String> = SCHEMES.iter().map(|scheme| format!("{scheme}://")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    crate::spec::choices(&names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_downloaded_file_is_named_after_the_end_of_its_url() {
        assert_eq!(file_name("https://example.org/a/mnist.npz?download=1"), "mnist.npz");
        assert_eq!(file_name("file:///data/two%20words.csv"), "two words.csv");
        assert_eq!(file_name("https://example.org/a/..%2f..%2fx"), "data");
        assert_eq!(file_name("https://example.org/%2e%2e"), "data");
    }
}
