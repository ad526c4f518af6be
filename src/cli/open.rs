//! `repro build --open`: figures as pages that show values, tables as text, in the program that the desktop has for them.

use std::path::PathBuf;

use super::show;
use super::{Console, Project, Trouble};
use crate::error::{Error, Result};
use crate::plan::{self, StagePlan};
use crate::render;
use crate::stages::Holds;
use crate::store;

/// At most so many windows.
const MOST: usize = 12;

/// Open what these stages show. Errors: more than a desk holds, and a desktop that opens nothing.
pub fn open(targets: &[usize], project: &Project, console: &Console) -> Result<(), Trouble> {
    let plans = plan::plan(project.context(), targets)?;
    let shown: Vec<&StagePlan> = plans.iter().filter(|plan| targets.contains(&plan.stage)).collect();
    if shown.len() > MOST {
        let error = Error::user(format!("--open would open {} windows, at most {MOST} are", shown.len()));
        return Err(error.hint("name what should be opened: `repro build fig5 --open`").into());
    }
    for plan in shown {
        let Some(path) = file(plan, project)? else { continue };
        console.note(&format!("opening {}", path.display()));
        open::that_detached(&path).map_err(|error| {
            let why = match error.kind() {
                // The file has just been written: what is not there is a program.
                std::io::ErrorKind::NotFound => {
                    "this machine has no program that opens files, such as `xdg-open`".into()
                }
                _ => error.to_string(),
            };
            Error::user(format!("{} cannot be opened: {why}", path.display()))
                .hint("open it by hand, or set a program: `xdg-mime default firefox.desktop text/html`")
        })?;
    }
    Ok(())
}

/// The file to open: of a figure a page that is written for it, of a table the first that it writes.
fn file(plan: &StagePlan, project: &Project) -> Result<Option<PathBuf>> {
    let stage = &project.graph.stages[plan.stage];
    match stage.stage.holds() {
        Holds::Scene => {
            let (scene, key) = show::scene(plan, project)?;
            let page = render::page(&scene, &key);
            let path = project.store.dir().join("view").join(format!("{}.html", stage.name));
            store::write_file(&path, page.as_bytes())?;
            Ok(Some(path))
        }
        _ => Ok(stage.files().first().map(|(file, _)| project.figures.join(file))),
    }
}
