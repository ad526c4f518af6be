//! `repro export`: write the whole paper into one archive.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Export;
use super::console::TerminalStyle;
use super::words::{bytes, count};
use super::{Console, Project, Trouble, replace};
use crate::audit::{self, PublicationInfo};
use crate::error::Error;

pub fn run(args: &Export, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets(&args.targets)?;
    if let Some(stage) = project.made_points() {
        // `verify` could not compute the points again without running the stage.
        let error = Error::user(format!("`{stage}` makes the points of another stage, which an archive cannot hold"));
        return Err(error.hint("write the values into the paper file: `values: [1, 2, 3]`").into());
    }
    let paper = Path::new(&project.source.file);
    let name = paper.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let out = args.output.clone().unwrap_or_else(|| PathBuf::from(name).with_extension("zip"));
    replace::check(&out, "an archive", audit::is_archive, args.force, project)?;
    let content = std::fs::read(paper).map_err(|e| Error::io("read", paper, &e))?;
    let about = PublicationInfo {
        authors: args.author.clone(),
        publisher: args.publisher.clone(),
        description: args.description.clone(),
        license: args.license.clone(),
    };
    let exported = audit::export(project.context(), (name, &content), &targets, &about, &out)?;
    for warning in project.store.take_warnings() {
        console.warning(&warning);
    }
    project.store.save_stat();
    if console.json {
        console.print_json(&json!({
            "event": "exported", "file": out, "files": exported.files, "artifacts": exported.artifacts,
            "results": exported.results, "bytes": exported.bytes, "digest": exported.digest, "variables": exported.variables, "reads": exported.reads,
        }))?;
        return Ok(0);
    }
    if !console.quiet {
        console.print(&format!(
            "{}: {} with {} and the traces of {}; {}\ndigest {}\n",
            out.display(),
            count(exported.files, "file"),
            count(exported.artifacts, "artifact"),
            count(exported.results, "result"),
            bytes(exported.bytes),
            exported.digest
        ))?;
        if !exported.variables.is_empty() {
            let names = exported.variables.join(", ");
            let note = format!(
                "the archive contains digests of the values of {names}; short values can be guessed from their digests"
            );
            console.note(&format!("{}: {note}", console.paint_err(TerminalStyle::Yellow, "note")));
        }
        if !exported.reads.is_empty() {
            let note =
                format!("the archive does not contain the data that programs read at {}", exported.reads.join(", "));
            console.note(&format!("{}: {note}", console.paint_err(TerminalStyle::Yellow, "note")));
        }
        if args.license.is_none() {
            console.note(&format!(
                "{}: `--license CC-BY-4.0` states a licence",
                console.paint_err(TerminalStyle::Cyan, "hint")
            ));
        }
    }
    Ok(0)
}
