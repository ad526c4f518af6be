//! What git knows of the project, by the program `git`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::{Error, Result};

/// The revision of the project: its full name, and whether files that git follows have been changed since. `None` without git.
pub fn revision(folder: &Path) -> Option<(String, bool)> {
    let head = run(folder, &["rev-parse", "HEAD"]).ok().filter(|output| output.status.success())?;
    let changes = run(folder, &["status", "--porcelain", "--untracked-files=no"]).ok()?;
    let name = String::from_utf8(head.stdout).ok()?.trim().to_string();
    Some((name, !changes.stdout.is_empty()))
}

/// The bytes of a file, named relative to the folder, as they were at a revision.
pub fn show(folder: &Path, revision: &str, file: &str) -> Result<Vec<u8>> {
    let name = full_name(folder, revision)?;
    let output = run(folder, &["show", "--no-textconv", &format!("{name}:./{file}")])?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::user(format!("`{file}` is not in the revision `{revision}`")).hint(words(&output)))
}

/// A file that git follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    /// Relative to the folder that was asked for.
    pub path: String,
    pub executable: bool,
}

/// The files of a folder, and of those below it, that a revision has. Links and names that are not Unicode are left out.
pub fn files(folder: &Path, revision: &str) -> Result<Vec<Followed>> {
    let name = full_name(folder, revision)?;
    let output = run(folder, &["ls-tree", "-r", "-z", &name])?;
    if !output.status.success() {
        return Err(Error::stage("git cannot list the files of a revision").hint(words(&output)));
    }
    // `100644 blob <hash>\t<path>`
    let one = |line: &[u8]| {
        let (entry, path) = std::str::from_utf8(line).ok()?.split_once('\t')?;
        let executable = entry.starts_with("100755 blob");
        (executable || entry.starts_with("100644 blob")).then(|| Followed { path: path.to_string(), executable })
    };
    Ok(output.stdout.split(|byte| *byte == 0).filter_map(one).collect())
}

/// The way from the top of the repository to a folder in it, with a `/` at its end; empty at the top.
pub fn prefix(folder: &Path) -> Option<String> {
    let output = run(folder, &["rev-parse", "--show-prefix"]).ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end_matches('\n').to_string())
}

/// The full name of a revision. Errors: no git, no repository, no such revision.
pub fn full_name(folder: &Path, revision: &str) -> Result<String> {
    let output =
        run(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_string());
    }
    if !run(folder, &["rev-parse", "--git-dir"])?.status.success() {
        return Err(Error::user(format!("`{}` is not in a git repository", folder.display()))
            .hint("revisions are those of git; `git init` begins a repository"));
    }
    Err(Error::user(format!("there is no revision `{revision}`")).hint("`git log --oneline` lists them"))
}

fn run(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("git");
    // Hooks and pagers of the user are not asked, and locks are not waited for.
    command.arg("-C").arg(folder).args(["--no-pager", "--no-optional-locks"]).args(arguments).stdin(Stdio::null());
    command.output().map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => {
            Error::user("there is no program `git`").hint("revisions are those of git: install it")
        }
        _ => Error::io("run", Path::new("git"), &cause),
    })
}

/// The last line that git said.
fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().lines().next_back().unwrap_or("git says nothing more").to_string()
}
