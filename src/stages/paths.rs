//! Paths of the paper file: inside the project, relative to the paper file's folder, with `/` between their parts.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::spec::Located;

/// No system takes longer ones.
const LONGEST: usize = 4096;

/// The one spelling of a path: no `.`, no doubled or trailing `/`. Errors: a path that leaves the project, and names that a shell or another
/// system would misread.
pub fn normal(path: &Located<String>) -> Result<String> {
    let text = path.value.as_str();
    let refuse = |message: String, hint: &str| {
        let error = Error::user(message).at(path.span);
        Err(if hint.is_empty() { error } else { error.hint(hint) })
    };
    if text.len() > LONGEST {
        let start: String = text.chars().take(40).collect();
        return refuse(
            format!("the path `{start}...` is {} bytes long", text.len()),
            "name it in less than 4096 bytes",
        );
    }
    let absolute = text.starts_with('/') || text.get(1..2) == Some(":") || text.starts_with('~');
    if absolute {
        let hint = "write it relative to the paper file's folder; for data elsewhere use `data: {url: file:///..., digest: ...}`";
        return refuse(format!("`{text}` is not a path inside the project"), hint);
    }
    if let Some(odd) = text.chars().find(|c| c.is_control() || *c == '\\' || *c == '\u{fffd}') {
        return refuse(format!("a path with the character {odd:?} is not taken"), "rename the file");
    }
    let mut parts = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            let hint = "files of the project lie in the paper file's folder or below; link or copy it there";
            return refuse(format!("`{text}` leaves the project"), hint);
        }
        if part.starts_with('-') {
            return refuse(format!("`{text}`: programs take names that begin with `-` for options"), "rename the file");
        }
        parts.push(part);
    }
    if parts.is_empty() {
        return refuse(format!("`{text}` is the whole project"), "name the files and folders that are meant");
    }
    Ok(parts.join("/"))
}

/// Whether a path stands for several by `*` or `?`.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// Whether one path is the other or lies in it.
pub fn overlap(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(a, b) || inside(b, a)
}

/// Paths among which those are found that are another one or lie in it, in time that does not depend on their number.
#[derive(Debug, Default)]
pub struct Paths<'a> {
    /// By their own names.
    own: HashMap<&'a str, usize>,
    /// By the folders that they lie in.
    above: HashMap<&'a str, usize>,
}

impl<'a> Paths<'a> {
    /// These paths, each known by its position.
    pub fn of(paths: impl IntoIterator<Item = &'a str>) -> Paths<'a> {
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

    /// One that is this path, lies in it, or holds it.
    pub fn overlapping(&self, path: &str) -> Option<usize> {
        self.own.get(path).or_else(|| self.above.get(path)).copied().or_else(|| self.holding(path))
    }

    /// One that is this path or holds it.
    pub fn holding(&self, path: &str) -> Option<usize> {
        self.own.get(path).or_else(|| folders(path).find_map(|folder| self.own.get(folder))).copied()
    }
}

/// The folders that a path lies in.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String> {
        normal(&Located { value: text.into(), span: crate::error::Span::default() })
    }

    #[test]
    fn paths_have_one_spelling() {
        for (written, meant) in
            [("a/b.csv", "a/b.csv"), ("./a//b/", "a/b"), ("a/./b", "a/b"), ("Größe 1.csv", "Größe 1.csv")]
        {
            assert_eq!(path(written).unwrap(), meant);
        }
    }

    #[test]
    fn what_leaves_the_project_or_would_be_misread_is_refused() {
        assert!(path(&"a/".repeat(2049)).is_err());
        for text in
            ["/etc/passwd", "~/x", "C:/x", "../x", "a/../../x", "", ".", "./", "a\\b", "a\nb", "a\0", "-rf", "a/-b"]
        {
            assert!(path(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn paths_overlap_only_part_by_part() {
        assert!(overlap("a/b", "a") && overlap("a", "a/b") && overlap("a", "a"));
        assert!(!overlap("a/b", "a/bc") && !overlap("ab", "a"));
        let known = ["a/b/c", "d", "e/f"];
        let paths = Paths::of(known);
        for wanted in ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/d", "d", "d/e", "dd", "e", "e/ff", "x", ""] {
            let found = paths.overlapping(wanted).map(|position| known[position]);
            assert_eq!(found, known.into_iter().find(|path| overlap(path, wanted)), "{wanted}");
            let holding = paths.holding(wanted).map(|position| known[position]);
            assert_eq!(holding, found.filter(|path| path.len() <= wanted.len()), "{wanted}");
        }
    }
}
