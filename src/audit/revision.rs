//! The paper at a git revision: its graph, and the files of the project that its stages need.

use std::path::Path;

use super::git;
use crate::error::{Error, Result};
use crate::graph::{self, Graph, LoadError};
use crate::plan::Context;
use crate::program::set_mode;
use crate::spec::glob;
use crate::stages::is_pattern;

/// A paper at a revision.
#[derive(Debug)]
pub struct Revision {
    /// As the user named it.
    pub name: String,
    pub graph: Graph,
    /// A copy of the tracked files that the stages need. Untracked files are read from the project as it is now.
    home: tempfile::TempDir,
}

impl Revision {
    /// Load the paper file `file` in the folder `home` as it is at the revision `name`.
    pub fn load(home: &Path, file: &str, name: &str) -> Result<Revision, LoadError> {
        let file_name = format!("{name}:{file}");
        let text = graph::decode_text(&file_name, git::show(home, name, file)?)?;
        let graph = graph::load(&file_name, &text)?;
        let temporary = tempfile::Builder::new().prefix("repro-").tempdir();
        let folder = temporary.map_err(|e| Error::io("make a folder in", &std::env::temp_dir(), &e))?;
        let needs: Vec<String> =
            graph.stages.iter().flat_map(|stage| stage.files_needed()).map(|need| need.value).collect();
        if !needs.is_empty() {
            for entry in git::files(home, name)? {
                if needs.iter().any(|need| matches(need, &entry.path)) {
                    write(&folder.path().join(&entry.path), &git::show(home, name, &entry.path)?, entry.executable)?;
                }
            }
        }
        Ok(Revision { name: name.to_string(), graph, home: folder })
    }

    /// The planning context of this revision: the cache and the figures are those of `now`.
    pub fn context<'a>(&'a self, now: Context<'a>) -> Context<'a> {
        Context { graph: &self.graph, home: self.home.path(), otherwise: Some(now.home), ..now }
    }
}

/// Whether a path in the paper file (a file, a folder or a pattern) includes a file.
fn matches(need: &str, file: &str) -> bool {
    if !is_pattern(need) {
        return file == need || file.strip_prefix(need).is_some_and(|rest| rest.starts_with('/'));
    }
    // Too many matches do no harm: planning selects the files that count.
    glob(&need.replace("**/", "*"), file)
}

fn write(path: &Path, bytes: &[u8], executable: bool) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, &e))?;
    set_mode(path, executable)
}
