//! The paper as it was at a revision of git: its graph, and the files of the project that its stages need.

use std::path::Path;

use super::git;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::plan::Context;
use crate::program::set_mode;
use crate::spec::{Paper, Problems, glob, read};
use crate::stages::is_pattern;

/// A paper at a revision.
#[derive(Debug)]
pub struct Revision {
    /// As the user named it.
    pub name: String,
    pub graph: Graph,
    /// The files that git has of what the stages need; what git does not follow is taken from the project as it is now.
    home: tempfile::TempDir,
}

/// Why there is none: one error, or the problems of the paper file as it was, with its text.
#[derive(Debug)]
pub enum Wrong {
    Error(Error),
    Paper { text: String, errors: Vec<Error> },
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Wrong {
        Wrong::Error(error)
    }
}

impl Revision {
    /// Read the paper file `file`, in the folder `home`, as it was.
    pub fn of(home: &Path, file: &str, name: &str) -> Result<Revision, Wrong> {
        let text = String::from_utf8_lossy(&git::show(home, name, file)?).into_owned();
        let mut problems = Problems::default();
        let graph = read(&text, &mut problems)
            .and_then(|root| Graph::of(&Paper::from_node(&root, &mut problems), &mut problems));
        let Some(graph) = graph.filter(|_| problems.is_empty()) else {
            return Err(Wrong::Paper { text, errors: problems.into_errors() });
        };
        let temporary = tempfile::Builder::new().prefix("repro-").tempdir();
        let folder = temporary.map_err(|e| Error::io("make a folder in", &std::env::temp_dir(), &e))?;
        let needs: Vec<String> =
            graph.stages.iter().flat_map(|stage| stage.stage.needs().files).map(|need| need.value).collect();
        if !needs.is_empty() {
            for entry in git::files(home, name)? {
                if needs.iter().any(|need| meant(need, &entry.path)) {
                    write(&folder.path().join(&entry.path), &git::show(home, name, &entry.path)?, entry.executable)?;
                }
            }
        }
        Ok(Revision { name: name.to_string(), graph, home: folder })
    }

    /// Where a plan of it looks: the store and the folders are those of today.
    pub fn context<'a>(&'a self, today: Context<'a>) -> Context<'a> {
        Context { graph: &self.graph, home: self.home.path(), otherwise: Some(today.home), ..today }
    }
}

/// Whether a path of the paper file stands for a file: by its name, as its folder, or as a pattern.
fn meant(need: &str, file: &str) -> bool {
    if !is_pattern(need) {
        return file == need || file.strip_prefix(need).is_some_and(|rest| rest.starts_with('/'));
    }
    // Too many do no harm: which of them count is decided when they are looked for.
    glob(&need.replace("**/", "*"), file)
}

fn write(path: &Path, bytes: &[u8], executable: bool) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, &e))?;
    set_mode(path, executable)
}
