//! Queries the git repository of a project with the program `git`.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::program::{self, Bounded, Finished};

/// The commit of the working tree, and whether tracked files differ from it. `None` outside of a repository or without git.
pub fn head(folder: &Path) -> Option<(String, bool)> {
    let head = run(folder, &["rev-parse", "HEAD"]).ok().filter(|output| output.status.success())?;
    let changes = run(folder, &["status", "--porcelain", "--untracked-files=no"]).ok()?;
    let name = String::from_utf8(head.stdout).ok()?.trim().to_string();
    Some((name, !changes.stdout.is_empty()))
}

/// The content of a file at a revision; `file` is relative to the folder.
pub fn show(folder: &Path, revision: &str, file: &str) -> Result<Vec<u8>> {
    let name = commit_hash(folder, revision)?;
    let output = run(folder, &["show", "--no-textconv", &format!("{name}:./{file}")])?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::user(format!("`{file}` is not in the revision `{revision}`")).hint(last_line(&output)))
}

/// A tracked file.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedFile {
    /// Relative to the folder that was listed.
    pub path: String,
    pub executable: bool,
}

/// The files that a revision has in a folder and below it, without symbolic links and names that are not UTF-8.
pub fn files(folder: &Path, revision: &str) -> Result<Vec<TrackedFile>> {
    let name = commit_hash(folder, revision)?;
    let output = run(folder, &["ls-tree", "-r", "-z", &name])?;
    if !output.status.success() {
        return Err(Error::stage("git cannot list the files of a revision").hint(last_line(&output)));
    }
    // `100644 blob <hash>\t<path>`
    let one = |line: &[u8]| {
        let (entry, path) = std::str::from_utf8(line).ok()?.split_once('\t')?;
        let executable = entry.starts_with("100755 blob");
        (executable || entry.starts_with("100644 blob")).then(|| TrackedFile { path: path.to_string(), executable })
    };
    Ok(output.stdout.split(|byte| *byte == 0).filter_map(one).collect())
}

/// The path of a folder relative to the top of its repository, with a `/` at the end; empty at the top.
pub fn prefix(folder: &Path) -> Option<String> {
    let output = run(folder, &["rev-parse", "--show-prefix"]).ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end_matches('\n').to_string())
}

/// The commit hash of a revision. Errors: no git, no repository, no such revision.
pub fn commit_hash(folder: &Path, revision: &str) -> Result<String> {
    let output =
        run(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_string());
    }
    if !run(folder, &["rev-parse", "--git-dir"])?.status.success() {
        return Err(Error::user(format!("`{}` is not in a git repository", folder.display()))
            .hint("`git init` creates a repository"));
    }
    Err(Error::user(format!("unknown revision `{revision}`")).hint("`git log --oneline` lists commits"))
}

/// The longest that a git command may take: it may wait for a file system that does not answer.
const TIMEOUT: Duration = Duration::from_secs(60);

fn run(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("git");
    // No pager, and no lock that a concurrent git command could hold.
    command.arg("-C").arg(folder).args(["--no-pager", "--no-optional-locks"]).args(arguments);
    let fail = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::user("`git` is not installed"),
        _ => Error::io("run", Path::new("git"), &cause),
    };
    match program::run_bounded(&mut command, TIMEOUT, u64::MAX).map_err(fail)? {
        Bounded::Finished(Finished { status, out, err }) => {
            let all = |file| program::printed(file, u64::MAX).map_err(fail);
            let (stdout, stderr) = (all(out)?, all(err)?);
            Ok(Output { status, stdout, stderr })
        }
        Bounded::TooLong | Bounded::TooMuch => {
            let message = format!("`git {}` did not end within {} s", arguments.join(" "), TIMEOUT.as_secs());
            Err(Error::stage(message).hint("the file system of the repository may not answer"))
        }
    }
}

/// The last line of git's error output.
fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().lines().next_back().unwrap_or("git printed no message").to_string()
}
