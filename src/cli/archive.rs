//! `repro verify ARCHIVE`: an archive of `repro export`, checked without the cache that it came from.

use std::path::Path;

use serde_json::json;

use super::args::Verify;
use super::build::{jobs, options};
use super::console::Style;
use super::diagnostics::Source;
use super::words::{count, harmless};
use super::{Console, Trouble, progress, verify};
use crate::audit::{Archive, Refused};
use crate::error::Error;

/// Whether the words of `repro verify` mean an archive: one word that ends in `.zip`.
pub fn meant(args: &Verify) -> Option<&Path> {
    match args.targets.as_slice() {
        [word] if word.ends_with(".zip") => Some(Path::new(word)),
        _ => None,
    }
}

pub fn run(path: &Path, args: &Verify, console: &Console) -> Result<u8, Trouble> {
    if args.only {
        return Err(Error::user("--only is for stages, not for archives").into());
    }
    let archive = match Archive::open(path) {
        Ok(archive) => archive,
        Err(Refused::Error(error)) => return Err(error.into()),
        Err(Refused::Files(wrong)) => return refused(&wrong, "its files are not those that were packed", console),
        Err(Refused::Paper { name, text, errors }) => {
            let source = Some(Source { file: format!("{}:{name}", path.display()), text });
            return Err(Trouble { errors, source });
        }
    };
    let wrong = archive.follow()?;
    let other_version = archive.made_by() != env!("CARGO_PKG_VERSION");
    let mut code = 0;
    if !wrong.is_empty() {
        code = refused(&wrong, "its artifacts do not follow from its paper file and inputs", console)?;
        if other_version && !console.json {
            console.note(&format!(
                "hint: it was made by repro {}, this is {}: another version may count otherwise; --rebuild compares results",
                archive.made_by(),
                env!("CARGO_PKG_VERSION")
            ));
        }
        if !args.rebuild {
            return Ok(code);
        }
    }
    let [files, artifacts, results] = archive.counts();
    if console.json {
        console.print_json(&json!({
            "event": "archive", "digest": archive.digest, "files": files, "artifacts": artifacts, "results": results,
            "whole": true, "follows": wrong.is_empty(),
        }))?;
    } else if wrong.is_empty() {
        let verified = console.paint(Style::Green, "verified");
        console.print(&format!(
            "{verified}: {} as packed; {} follow from the paper file and its inputs by the recorded steps of {}\ndigest {}\n",
            count(files, "file"),
            count(artifacts, "artifact"),
            count(results, "result"),
            archive.digest
        ))?;
    }
    if !args.rebuild {
        return Ok(0);
    }
    // What another version names otherwise, it may still build to the same bytes.
    code = if other_version { 0 } else { code };
    let options = options(jobs(args.jobs), args.keep_going);
    let names: Vec<&str> = archive.graph.stages.iter().map(|stage| stage.name.as_str()).collect();
    let verification = {
        let mut display = progress::display(console, &names, options.jobs, true);
        archive.rebuild(&options, &mut *display)?
    };
    let (file, text) = archive.paper.clone();
    let source = Source { file: format!("{}:{file}", path.display()), text };
    Ok(code.max(verify::tell(&verification, &archive.graph, &source, console)?))
}

/// Tell what is wrong; the exit code.
fn refused(wrong: &[String], what: &str, console: &Console) -> Result<u8, Trouble> {
    if console.json {
        console.print_json(&json!({"event": "archive", "wrong": wrong, "exit-code": 1}))?;
    } else {
        wrong.iter().for_each(|line| console.note(&format!("    {}", harmless(line))));
        let refused = console.paint(Style::Red, "not verified");
        console.print(&format!(
            "{refused}: {what}; {} above\n",
            if wrong.len() == 1 { "it is named" } else { "they are named" }
        ))?;
    }
    Ok(1)
}
