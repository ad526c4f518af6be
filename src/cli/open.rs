//! `repro build --open`: open figures as interactive pages, and tables, in the default programs of the desktop.

use std::path::PathBuf;

use super::show;
use super::{Console, Project, Trouble};
use crate::error::{Error, Result};
use crate::plan::{self, StagePlan};
use crate::render;
use crate::stages::{Holds, Published};
use crate::store;

/// The most windows that are opened.
const MAX_WINDOWS: usize = 12;

/// Open the artifacts of these stages. Errors: too many windows, or no program that opens files.
pub fn open(targets: &[usize], project: &Project, console: &Console) -> Result<(), Trouble> {
    let plans = plan::plan(project.context(), targets)?;
    let shown: Vec<&StagePlan> = plans.iter().filter(|plan| targets.contains(&plan.stage)).collect();
    if shown.len() > MAX_WINDOWS {
        let error =
            Error::user(format!("--open would open {} windows; at most {MAX_WINDOWS} are allowed", shown.len()));
        return Err(error.hint("name the stages to open: `repro build fig5 --open`").into());
    }
    for plan in shown {
        let Some(path) = file_to_open(plan, project)? else { continue };
        console.note(&format!("opening {}", path.display()));
        open::that_detached(&path).map_err(|error| {
            let why = match error.kind() {
                // The file has just been written, so what was not found is a program.
                std::io::ErrorKind::NotFound => {
                    "this machine has no program that opens files, such as `xdg-open`".into()
                }
                _ => error.to_string(),
            };
            Error::user(format!("cannot open {}: {why}", path.display()))
                .hint("open it by hand, or set a default program: `xdg-mime default firefox.desktop text/html`")
        })?;
    }
    Ok(())
}

/// The file to open: for a figure a page that is written here, for other stages their first file.
fn file_to_open(plan: &StagePlan, project: &Project) -> Result<Option<PathBuf>> {
    let stage = &project.graph.stages[plan.stage];
    match stage.stage.holds() {
        Holds::Scene => {
            let (scene, key) = show::scene(plan, project)?;
            let pictures = match stage.stage.publishes() {
                Published::Figure(figure) => render::pictures(&scene, figure.dpi(), &|| false)?.unwrap_or_default(),
                _ => Vec::new(),
            };
            let page = render::page(&scene, pictures, &key)?;
            let path = project.store.dir().join("view").join(format!("{}.html", stage.name));
            store::write_file(&path, &page)?;
            Ok(Some(path))
        }
        _ => Ok(stage.files().first().map(|(file, _)| project.figures.join(file))),
    }
}
