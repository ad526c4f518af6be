//! `repro build --frozen`: refuse before anything runs if the build would run something, or write a file with other bytes.

use super::{Project, Trouble, lock_file, plan as plans};
use crate::error::Error;
use crate::graph::Selection;
use crate::plan::{self, FileState, StagePlan, StageState};

/// One error for each stage that is not up to date. Files that are merely missing are fine if the cache has their bytes.
pub fn check(selection: &Selection, project: &Project) -> Result<(), Trouble> {
    let mut planned = plan::plan(project.building(), &selection.stages)?;
    plan::only_points(&mut planned, &selection.points);
    let mut errors: Vec<Error> =
        planned.iter().filter(|plan| would_change(plan)).map(|plan| refusal(plan, project)).collect();
    if errors.is_empty() && !project.is_overridden() {
        let old = lock_file::read(project)?;
        let whole = planned.iter().filter(|plan| plan.only.is_none()).map(|plan| (plan.stage, &plan.resolved));
        let lock = lock_file::after(old.as_ref(), project, &whole.collect())?;
        if old.is_some() && !lock_file::is_same(old.as_ref(), &lock) {
            let path = project.lock.path.display();
            errors.push(Error::stage(format!("a build would write `{path}` anew")));
        }
    }
    match errors.last_mut() {
        None => Ok(()),
        Some(last) => {
            let way = format!("run `repro build` without it, and commit {} with the figures", project.lock.name);
            last.hints.push(format!("--frozen forbids that: {way}"));
            Err(Trouble { errors, source: None })
        }
    }
}

/// Whether a build would run a unit, or write other bytes over a file.
fn would_change(plan: &StagePlan) -> bool {
    let other =
        |file: &FileState| !matches!(file, FileState::UpToDate { .. } | FileState::Stored { edited: false, .. });
    plan.state == StageState::Blocked || plan.units > 0 || (plan.files > 0 && plan.resolved.files.iter().any(other))
}

fn refusal(plan: &StagePlan, project: &Project) -> Error {
    let name = &project.graph.stages[plan.stage].name;
    let message = match plan.state {
        StageState::Blocked => format!("{name}: it cannot be built"),
        _ => format!("{name}: a build would {}", plans::describe_work(plan, project)),
    };
    let reasons: Vec<String> = plan.reasons.iter().map(|reason| reason.describe(&project.source.file)).collect();
    Error::stage(message).output(reasons)
}
