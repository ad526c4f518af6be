//! Hints at the paths that a sealed program named and may not use: which one it is, and the line of the paper file that allows it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::program::Seal;
use crate::value::Tree;

/// The most hints at one failure.
const MOST: usize = 3;

pub struct SealedPaths<'a> {
    pub seal: &'a Seal,
    /// The folder of the project.
    pub home: &'a Path,
    /// The inputs of the program that are files of the project.
    pub tree: &'a Tree,
}

impl SealedPaths<'_> {
    /// Hints at what these lines of a log name.
    pub fn hints(&self, lines: &[String]) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        let words: Vec<&str> = lines.iter().flat_map(|line| quoted(line).into_iter().chain(words(line))).collect();
        let found = words.iter().filter_map(|word| self.of_path(word));
        let modules: BTreeSet<&str> = lines.iter().flat_map(|line| quoted(line)).collect();
        for hint in found.chain(self.of_editable_installs(&modules)) {
            if hints.len() < MOST && !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        if !hints.is_empty() {
            hints.push("if it cannot declare what it reads, `seal: off` lets it read and write everything".into());
        }
        hints
    }

    /// A hint at an absolute path.
    fn of_path(&self, word: &str) -> Option<String> {
        let path = Path::new(word.trim_end_matches(['.', '/']));
        if !path.is_absolute() || self.seal.allows(path) || self.seal.allows(path.parent()?) {
            return None;
        }
        if let Some(name) = self.in_project(path) {
            if self.tree.get(&name).is_some() {
                return Some(format!(
                    "`{name}` is an input: the program must read it as `{name}`, not by its full path"
                ));
            }
            if path.exists() {
                return Some(format!(
                    "`{name}` is in the project, but not an input: add `inputs: [{name}]`, and read it as `{name}`, not by its full path"
                ));
            }
        } else if path.exists() {
            let path = path.display();
            return Some(format!("`{path}` is outside of what the program declares: add `reads: [{path}]` to read it"));
        }
        // The root folder is named by accident.
        let folder = path.parent().filter(|folder| folder.parent().is_some() && folder.is_dir())?;
        Some(format!(
            "the program may not write into `{}`: it writes outputs into its working directory, and temporary files into `$TMPDIR`",
            folder.display()
        ))
    }

    /// The name of a file of the project.
    fn in_project(&self, path: &Path) -> Option<String> {
        let home = std::fs::canonicalize(self.home).ok()?;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let name = real.strip_prefix(home).ok()?.to_str()?;
        (!name.is_empty()).then(|| name.to_string())
    }

    /// Hints at Python modules of these names that are installed as links to their sources (`pip install -e`).
    fn of_editable_installs(&self, modules: &BTreeSet<&str>) -> Vec<String> {
        let mut hints = Vec::new();
        for folder in self.source_folders() {
            for module in modules.iter().filter_map(|name| name.split('.').next()) {
                let identifier = module.chars().all(|c| c.is_alphanumeric() || c == '_') && !module.is_empty();
                let source = [folder.join(module), folder.join(format!("{module}.py"))];
                if let Some(source) = source.iter().find(|path| identifier && path.exists()) {
                    let way = match (self.in_project(source), self.in_project(&folder)) {
                        (Some(name), Some(folder)) => {
                            format!(
                                "add `inputs: [{name}]` and run with `PYTHONPATH={folder}`, or install it without `-e`"
                            )
                        }
                        (Some(name), None) => format!("add `inputs: [{name}]`, or install it without `-e`"),
                        _ => "install it without `-e`".to_string(),
                    };
                    hints.push(format!("`{module}` is an editable install of `{}`: {way}", source.display()));
                }
            }
        }
        hints
    }

    /// The folders of sources that installed Python packages lead to and that the program may not read.
    fn source_folders(&self) -> BTreeSet<PathBuf> {
        let entries =
            |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let named =
            |path: &Path, start: &str| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
        let mut folders = BTreeSet::new();
        let libraries = self.seal.read.iter().flat_map(|path| [path.clone(), path.join("lib"), path.join("local/lib")]);
        for python in
            libraries.flat_map(|folder| entries(&folder).filter(|path| named(path, "python")).collect::<Vec<_>>())
        {
            for packages in ["site-packages", "dist-packages"].map(|name| python.join(name)) {
                for links in entries(&packages).filter(|path| path.extension().is_some_and(|it| it == "pth")) {
                    let text = std::fs::read_to_string(&links).unwrap_or_default();
                    let paths = text.lines().map(|line| PathBuf::from(line.trim())).filter(|path| path.is_absolute());
                    folders.extend(paths.filter(|path| path.is_dir() && !self.seal.allows(path)));
                }
            }
        }
        folders
    }
}

/// What stands in quotes: paths may contain spaces.
fn quoted(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for quote in ['\'', '"', '`'] {
        found.extend(line.split(quote).skip(1).step_by(2));
    }
    found
}

/// The words of a line without the marks around them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "'\"`,;:()[]{}<>=".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_are_found_in_quotes() {
        assert_eq!(quoted("PermissionError: '/a b/c.csv'"), ["/a b/c.csv"]);
        assert!(words("cat: /a/b.csv: Permission denied").any(|word| word == "/a/b.csv"));
    }
}
