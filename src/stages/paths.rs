//! Paths in the paper file: inside the project, relative to the paper file's folder, separated by `/`.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::spec::Located;
use crate::value::Digest;

/// The longest path in bytes (`PATH_MAX` of Linux).
const MAX_LENGTH: usize = 4096;

/// What a path names; decides the advice when it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRole {
    /// A file of the project that a stage reads.
    Input,
    /// A file that a program writes into its working directory.
    Output,
}

/// Normalize a path: no `.`, no doubled or trailing `/`. Errors: a path outside the project, and names that a shell or another operating
/// system would misread.
pub fn normalize(path: &Located<String>, role: PathRole) -> Result<String> {
    let text = path.value.as_str();
    let refuse = |message: String, hint: Option<&str>| {
        let error = Error::user(message).at(path.span);
        Err(hint.into_iter().fold(error, Error::hint))
    };
    let for_input = |hint: &'static str| Some(hint).filter(|_| role == PathRole::Input);
    if text.len() > MAX_LENGTH {
        let start: String = text.chars().take(40).collect();
        let message = format!("the path `{start}...` is {} bytes long", text.len());
        return refuse(message, Some("use a path of at most 4096 bytes"));
    }
    let absolute = text.starts_with('/') || text.get(1..2) == Some(":") || text.starts_with('~');
    if absolute {
        let hint = "write it relative to the paper file's folder; for data elsewhere use `data: {url: file:///..., digest: ...}`";
        return refuse(format!("`{text}` is not a path inside the project"), for_input(hint));
    }
    if let Some(odd) = text.chars().find(|c| c.is_control() || *c == '\\' || *c == '\u{fffd}') {
        return refuse(format!("a path must not contain the character {odd:?}"), Some("rename the file"));
    }
    let mut parts = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            let hint = "files of the project are in the paper file's folder or below; copy the file there";
            return refuse(format!("`{text}` is outside the project"), for_input(hint));
        }
        if part.starts_with('-') {
            let message = format!("`{text}`: programs would read a name that begins with `-` as an option");
            return refuse(message, Some("rename the file"));
        }
        parts.push(part);
    }
    if parts.is_empty() {
        return refuse(format!("`{text}` is the whole project"), Some("name the files and folders"));
    }
    Ok(parts.join("/"))
}

/// The longest name of a file that is made from a text, in bytes; file systems allow 255.
const MAX_NAME: usize = 200;

/// A text as the name of a file: `/`, `%`, control characters, and a `.` or `-` at the beginning are percent-encoded; the end of a long text is
/// replaced by a hash.
pub fn file_name(text: &str) -> String {
    let mut name = String::new();
    for (i, c) in text.chars().enumerate() {
        if c == '/' || c == '%' || c == '\\' || c.is_control() || i == 0 && (c == '.' || c == '-') {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| name.push_str(&format!("%{byte:02X}")));
        } else {
            name.push(c);
        }
    }
    if name.len() <= MAX_NAME {
        return name;
    }
    let hash = Digest::hash(text.as_bytes()).short();
    let end = name.char_indices().map(|(at, _)| at).take_while(|at| at + hash.len() < MAX_NAME).last().unwrap_or(0);
    format!("{}~{hash}", &name[..end])
}

/// Whether a path is a glob pattern: it contains `*` or `?`.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// Whether two paths are equal or one contains the other.
pub fn overlap(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(a, b) || inside(b, a)
}

/// An index of paths that finds one that overlaps a given path, in time independent of their number.
#[derive(Debug, Default)]
pub struct Paths<'a> {
    /// The paths themselves.
    own: HashMap<&'a str, usize>,
    /// The folders that contain them.
    above: HashMap<&'a str, usize>,
}

impl<'a> Paths<'a> {
    /// Index these paths; lookups return positions.
    pub fn new(paths: impl IntoIterator<Item = &'a str>) -> Paths<'a> {
        let mut all = Paths::default();
        paths.into_iter().enumerate().for_each(|(position, path)| all.insert(path, position));
        all
    }

    pub fn insert(&mut self, path: &'a str, position: usize) {
        self.own.entry(path).or_insert(position);
        for folder in folders(path) {
            self.above.entry(folder).or_insert(position);
        }
    }

    /// A path that is equal to this one, inside it, or contains it.
    pub fn overlapping(&self, path: &str) -> Option<usize> {
        self.own.get(path).or_else(|| self.above.get(path)).copied().or_else(|| self.containing(path))
    }

    /// A path that is equal to this one or contains it.
    pub fn containing(&self, path: &str) -> Option<usize> {
        self.own.get(path).or_else(|| folders(path).find_map(|folder| self.own.get(folder))).copied()
    }
}

/// The parent folders of a path, outermost first.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String> {
        normalize(&Located { value: text.into(), span: crate::error::Span::default() }, PathRole::Input)
    }

    #[test]
    fn paths_are_normalized() {
        for (written, meant) in
            [("a/b.csv", "a/b.csv"), ("./a//b/", "a/b"), ("a/./b", "a/b"), ("Größe 1.csv", "Größe 1.csv")]
        {
            assert_eq!(path(written).unwrap(), meant);
        }
    }

    #[test]
    fn paths_outside_the_project_and_names_that_would_be_misread_are_refused() {
        assert!(path(&"a/".repeat(2049)).is_err());
        for text in
            ["/etc/passwd", "~/x", "C:/x", "../x", "a/../../x", "", ".", "./", "a\\b", "a\nb", "a\0", "-rf", "a/-b"]
        {
            assert!(path(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn paths_overlap_by_whole_components() {
        assert!(overlap("a/b", "a") && overlap("a", "a/b") && overlap("a", "a"));
        assert!(!overlap("a/b", "a/bc") && !overlap("ab", "a"));
        let known = ["a/b/c", "d", "e/f"];
        let paths = Paths::new(known);
        for wanted in ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/d", "d", "d/e", "dd", "e", "e/ff", "x", ""] {
            let found = paths.overlapping(wanted).map(|position| known[position]);
            assert_eq!(found, known.into_iter().find(|path| overlap(path, wanted)), "{wanted}");
            let containing = paths.containing(wanted).map(|position| known[position]);
            assert_eq!(containing, found.filter(|path| path.len() <= wanted.len()), "{wanted}");
        }
    }
}
