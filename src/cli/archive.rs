//! `repro verify ARCHIVE`: an archive of `repro export`, checked without the cache that it came from.

use std::io::{BufRead, IsTerminal, Read};
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
        Err(Refused::Version(made_by)) => return other_version(&made_by, console),
        Err(Refused::Files(wrong)) => return refused(&wrong, "its files are not those that were packed", console),
        Err(Refused::Paper { name, text, errors }) => {
            let source = Some(Source { file: format!("{}:{name}", path.display()), text });
            return Err(Trouble { errors, source });
        }
    };
    let wrong = archive.follow()?;
    if !wrong.is_empty() {
        return refused(&wrong, "its files do not follow from its paper file and inputs", console);
    }
    let [files, artifacts, results] = archive.counts();
    let left_out = archive.left_out();
    if console.json {
        console.print_json(&json!({
            "event": "archive", "digest": archive.digest, "files": files, "artifacts": artifacts, "results": results,
            "whole": true, "follows": true, "left-out": left_out,
        }))?;
    } else {
        let verified = console.paint(Style::Green, "verified");
        console.print(&format!(
            "{verified}: {} as packed; {} {} from the paper file and its inputs by the recorded steps of {}\ndigest {}\n",
            count(files, "file"),
            count(artifacts, "artifact"),
            if artifacts == 1 { "follows" } else { "follow" },
            count(results, "result"),
            archive.digest
        ))?;
        if !left_out.is_empty() {
            let names = harmless(&left_out.join(", "));
            console
                .note(&format!("{}: a part of the paper: without {names}", console.paint_err(Style::Yellow, "note")));
        }
    }
    if !args.rebuild {
        return Ok(0);
    }
    allow(&archive, args.yes, console)?;
    let options = options(jobs(args.jobs), args.keep_going);
    let names: Vec<&str> = archive.graph.stages.iter().map(|stage| stage.name.as_str()).collect();
    let verification = {
        let mut display = progress::display(console, &names, options.jobs, true);
        archive.rebuild(&options, &mut *display)?
    };
    let (file, text) = archive.paper.clone();
    let source = Source { file: format!("{}:{file}", path.display()), text };
    verify::tell(&verification, &archive.graph, &source, console)
}

/// Name the programs of an archive, which run with the rights of the user, and ask whether they may.
fn allow(archive: &Archive, yes: bool, console: &Console) -> Result<(), Trouble> {
    let (programs, variables) = (archive.programs(), archive.variables());
    if programs.is_empty() || yes && (console.quiet || console.json) {
        return Ok(());
    }
    console.note("building it again runs these programs of the archive, with your rights:");
    for (stage, command) in &programs {
        let mut lines = command.trim().lines();
        console.note(&harmless(&format!("    {stage}: {}", lines.next().unwrap_or_default())));
        lines.for_each(|line| console.note(&harmless(&format!("    {}  {line}", " ".repeat(stage.len())))));
    }
    if !variables.is_empty() {
        let names = variables.into_iter().collect::<Vec<_>>().join(", ");
        console.note(&format!("they are given these variables of your environment: {names}"));
    }
    if yes {
        return Ok(());
    }
    let refused = |why: &str| {
        let error = Error::user(format!("the archive was not built again: {why}"));
        Trouble::from(error.hint("`--yes` runs its programs without asking; in a container they can reach less"))
    };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused("there is no terminal to ask whether its programs may run"));
    }
    console.ask("run them? [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().lock().take(100).read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(refused("its programs were not allowed to run")),
    }
}

/// Another version may compute other keys and other bytes from the same paper file, so that nothing can be said.
fn other_version(made_by: &str, console: &Console) -> Result<u8, Trouble> {
    let (made_by, this) = (harmless(&made_by.chars().take(40).collect::<String>()), env!("CARGO_PKG_VERSION"));
    if console.json {
        console.print_json(&json!({"event": "archive", "made-by": made_by, "version": this, "exit-code": 1}))?;
    } else {
        let refused = console.paint(Style::Red, "not verified");
        console.print(&format!(
            "{refused}: it was made by repro {made_by}, and this is repro {this}; only the same version can check it\n"
        ))?;
    }
    Ok(1)
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
