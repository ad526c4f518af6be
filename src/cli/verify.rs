//! `repro verify`: rebuild in an empty cache and compare bit for bit, or verify an archive.

use std::path::Path;

use super::args::Verify;
use super::build::verify_options;
use super::{Console, Project, Trouble, progress, verify_archive, verify_report};
use crate::audit;
use crate::error::Error;

/// Verify stages, or an archive. An archive needs no paper file beside it, so the project is opened only for stages.
pub fn run(args: &Verify, project: impl Fn() -> Result<Project, Trouble>, console: &Console) -> Result<u8, Trouble> {
    if let Some(path) = archive_path(args) {
        return verify_archive::run(path, args, console);
    }
    if args.rebuild {
        let error = Error::user("--rebuild is for archives; stages are always rebuilt");
        return Err(error.hint("`repro verify paper.zip --rebuild`").into());
    }
    let project = &project()?;
    let targets = project.targets(&args.targets)?;
    let options = verify_options(args.jobs, args.keep_going);
    let needed = project.graph.needed(&targets);
    let names: Vec<&str> = needed.iter().map(|&stage| project.graph.stages[stage].name.as_str()).collect();
    let verification = {
        let mut display = progress::display(console, &names, options.jobs, true);
        audit::verify(project.building(), &targets, args.only, &options, &mut *display)?
    };
    verify_report::print(&verification, &project.graph, &project.source, console)
}

/// The path of an archive, if the only target ends in `.zip`.
fn archive_path(args: &Verify) -> Option<&Path> {
    match args.targets.as_slice() {
        [target] if target.ends_with(".zip") => Some(Path::new(target)),
        _ => None,
    }
}
