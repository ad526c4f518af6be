//! `repro verify ARCHIVE`: verify an archive without the cache that it was exported from.

use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;

use serde_json::json;

use super::args::Verify;
use super::build::verify_options;
use super::console::TerminalStyle;
use super::diagnostics::PaperSource;
use super::words::{count, harmless};
use super::{Console, Trouble, progress, verify_report};
use crate::audit::{Archive, ArchiveError};
use crate::error::Error;
use crate::program::seal_support;

pub fn run(path: &Path, args: &Verify, console: &Console) -> Result<u8, Trouble> {
    if args.only {
        return Err(Error::user("--only is for stages, not for archives").into());
    }
    let archive = match Archive::open(path) {
        Ok(archive) => archive,
        Err(ArchiveError::Unreadable(error)) => return Err(error.into()),
        Err(ArchiveError::OtherVersion(made_by)) => return print_other_version(&made_by, console),
        Err(ArchiveError::WrongFiles(problems)) => {
            return print_problems(&problems, "its files do not match its manifest", console);
        }
        Err(ArchiveError::Paper(error)) => return Err(error.into()),
    };
    let problems = archive.verify()?;
    if !problems.is_empty() {
        return print_problems(&problems, "its files do not match its paper file and inputs", console);
    }
    let (files, artifacts, results) = (archive.file_count(), archive.artifact_count(), archive.result_count());
    let not_exported = archive.not_exported();
    if console.json {
        console.print_json(&json!({
            "event": "archive", "digest": archive.digest, "files": files, "artifacts": artifacts, "results": results,
            "whole": true, "follows": true, "left-out": not_exported,
            "accepted": archive.accepted().iter().map(|(stage, _)| *stage).collect::<Vec<_>>(),
        }))?;
    } else {
        let verified = console.paint(TerminalStyle::Green, "verified");
        console.print(&format!(
            "{verified}: {} match the manifest; {} {} the paper file, its inputs and the traces of {}\ndigest {}\n",
            count(files, "file"),
            count(artifacts, "artifact"),
            if artifacts == 1 { "matches" } else { "match" },
            count(results, "result"),
            archive.digest
        ))?;
        for (stage, because) in archive.accepted() {
            console.note(&format!(
                "{}: the result of {} was accepted, not run again, although {}; --rebuild runs it",
                console.paint_err(TerminalStyle::Yellow, "note"),
                harmless(stage),
                harmless(&because.join("; "))
            ));
        }
        if !not_exported.is_empty() {
            let names = harmless(&not_exported.join(", "));
            console.note(&format!(
                "{}: this is part of a paper, without {names}",
                console.paint_err(TerminalStyle::Yellow, "note")
            ));
        }
    }
    if !args.rebuild {
        return Ok(0);
    }
    confirm_programs(&archive, args.yes, console)?;
    let options = verify_options(args.jobs, args.keep_going);
    let names: Vec<&str> = archive.graph.stages.iter().map(|stage| stage.name.as_str()).collect();
    let verification = {
        let mut display = progress::display(console, &names, options.jobs, true);
        archive.rebuild(&options, &mut *display)?
    };
    let source = PaperSource { file: archive.paper_file.clone(), text: archive.paper_text.clone() };
    verify_report::print(&verification, &archive.graph, &source, console)
}

/// List the programs of an archive, which run with the permissions of the user, and ask for confirmation.
fn confirm_programs(archive: &Archive, yes: bool, console: &Console) -> Result<(), Trouble> {
    let (programs, variables) = (archive.programs(), archive.variables());
    if programs.is_empty() || yes && (console.quiet || console.json) {
        return Ok(());
    }
    console.note("the rebuild runs these programs of the archive with your permissions:");
    for (stage, command) in &programs {
        let mut lines = command.trim().lines();
        console.note(&harmless(&format!("    {stage}: {}", lines.next().unwrap_or_default())));
        lines.for_each(|line| console.note(&harmless(&format!("    {}  {line}", " ".repeat(stage.len())))));
    }
    let outside = archive.outside();
    for line in &outside {
        console.note(&harmless(&format!("    {line}")));
    }
    console.note(match seal_support().files {
        true => "they are sealed: they see their inputs, the system and what is named above, and write nowhere else",
        false => "this system cannot seal them: they can read and change all of your files",
    });
    if !variables.is_empty() {
        let names = variables.into_iter().collect::<Vec<_>>().join(", ");
        console.note(&format!("they see these environment variables: {names}"));
    }
    if yes {
        return Ok(());
    }
    let declined = |why: &str| {
        let error = Error::user(format!("the archive was not rebuilt: {why}"));
        Trouble::from(error.hint("`--yes` runs its programs without asking; a container limits what they can do"))
    };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(declined("there is no terminal for the confirmation that its programs may run"));
    }
    console.ask("run them? [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().lock().take(100).read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(declined("you did not confirm that its programs may run")),
    }
}

/// Another version may compute other keys and bytes from the same paper file, so it cannot verify this archive.
fn print_other_version(made_by: &str, console: &Console) -> Result<u8, Trouble> {
    let (made_by, this) = (harmless(&made_by.chars().take(40).collect::<String>()), env!("CARGO_PKG_VERSION"));
    if console.json {
        console.print_json(&json!({"event": "archive", "made-by": made_by, "version": this, "exit-code": 1}))?;
    } else {
        let failed = console.paint(TerminalStyle::Red, "not verified");
        console.print(&format!(
            "{failed}: it was made by repro {made_by}, this is repro {this}; only the same version can verify it\n"
        ))?;
    }
    Ok(1)
}

/// Print the problems of an archive; returns the exit code.
fn print_problems(problems: &[String], what: &str, console: &Console) -> Result<u8, Trouble> {
    if console.json {
        console.print_json(&json!({"event": "archive", "wrong": problems, "exit-code": 1}))?;
    } else {
        problems.iter().for_each(|line| console.note(&format!("    {}", harmless(line))));
        let failed = console.paint(TerminalStyle::Red, "not verified");
        console.print(&format!("{failed}: {what} ({}, listed above)\n", count(problems.len(), "problem")))?;
    }
    Ok(1)
}
