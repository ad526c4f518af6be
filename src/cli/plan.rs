//! `repro plan`: what a build would run, why, and how long that would take.

use serde_json::{Value as Json, json};

use super::args::Plan;
use super::console::TerminalStyle;
use super::jobs::parallel_jobs;
use super::words::{about, count, thousands};
use super::{Console, Project, Trouble, lock_file};
use crate::graph::Selection;
use crate::plan::{self, Reason, StagePlan, StageState};

pub fn run(args: &Plan, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let code = print(&args.targets, false, args.jobs, project, console)?;
    Ok(if args.exit_code { code } else { 0 })
}

/// Print what a build of these stages would do; returns 1 if it would do anything, and 0 otherwise. With `rerun` they are to run even if they are
/// up to date.
pub fn print(
    words: &[String],
    rerun: bool,
    jobs: Option<u16>,
    project: &Project,
    console: &Console,
) -> Result<u8, Trouble> {
    // What makes the points of a pending stage is planned in its place.
    let awaited = project.awaited(words);
    let selection = match project.select(words) {
        Err(_) if !awaited.is_empty() => Selection { stages: awaited, ..Selection::default() },
        selection => selection?,
    };
    let rerun: &[usize] = if rerun { &selection.stages } else { &[] };
    let mut plans = plan::plan(project.context(), &selection.stages)?;
    plan::only_points(&mut plans, &selection.points);
    plan::force_rerun(project.context(), &mut plans, rerun, &selection.points)?;
    let mut text = String::new();
    let pending = !project.awaited(words).is_empty();
    let code = u8::from(pending || plans.iter().any(|plan| plan.state != StageState::UpToDate));
    if console.json {
        plans.iter().for_each(|plan| text += &format!("{}\n", to_json(plan, project)));
        if pending {
            text += &project.pending_json();
        }
        console.print(&text)?;
        return Ok(code);
    }
    for plan in plans.iter().filter(|plan| plan.state != StageState::UpToDate) {
        let name = &project.graph.stages[plan.stage].name;
        text += &format!("{}  {}\n", console.paint(TerminalStyle::Bold, name), describe_work(plan, project));
        text += &reason_lines(plan, project);
    }
    if pending {
        text += &project.pending_lines();
    }
    text += &summary(&plans, project, parallel_jobs(jobs));
    let locked = lock_file::locked(&plans, project)?.len();
    if locked > 0 {
        let which = if locked == 1 { "1 of these is".into() } else { format!("{locked} of these are") };
        text += &format!("{which} up to date by {}: only the results are not here\n", project.lock.name);
    }
    console.print(&text)?;
    Ok(code)
}

/// What a build of a stage would do: `train 4 of 124 points, about 3 s, write 3 files`.
pub fn describe_work(plan: &StagePlan, project: &Project) -> String {
    let kind = project.graph.stages[plan.stage].stage.kind();
    let total = plan.resolved.units.len();
    if plan.state == StageState::Blocked {
        return "cannot be built".into();
    }
    let mut parts = Vec::new();
    if plan.units > 0 {
        let verb = kind.verb;
        let what = match (plan.units, total) {
            (1, 1) if kind.single => verb.to_string(),
            (n, all) if n == all => format!("{verb} {}", count(n, kind.unit)),
            (n, all) => format!("{verb} {} of {}", thousands(n), count(all, kind.unit)),
        };
        let cost = match plan.seconds {
            None => ", time unknown".to_string(),
            Some(seconds) if seconds >= 1.0 => format!(", {}", about(seconds)),
            Some(_) => String::new(),
        };
        parts.push(format!("{what}{cost}"));
    }
    let files = plan.resolved.files.iter().filter(|file| !file.is_up_to_date()).count();
    if files > 0 {
        parts.push(format!("write {}", count(files, "file")));
    }
    let work = parts.join(", ");
    if plan.state == StageState::Waiting { format!("{work}, if its inputs change") } else { work }
}

/// The reasons of a stage, one line each.
pub fn reason_lines(plan: &StagePlan, project: &Project) -> String {
    plan.reasons.iter().map(|reason| format!("    {}\n", reason.describe(&project.source.file))).collect()
}

fn summary(plans: &[StagePlan], project: &Project, jobs: usize) -> String {
    let stale = plans.iter().filter(|plan| plan.state != StageState::UpToDate).count();
    if stale == 0 {
        return format!(
            "nothing to do: {} up to date\n",
            if plans.len() == 1 { "1 stage is".into() } else { format!("{} are", count(plans.len(), "stage")) }
        );
    }
    let trains = |plan: &&StagePlan| project.graph.stages[plan.stage].stage.kind().trains;
    let models: usize = plans.iter().filter(trains).map(|plan| plan.units).sum();
    let models = if models == 0 { String::new() } else { format!(", {} to train", count(models, "model")) };
    let cores = if jobs == 1 { "one core".to_string() } else { format!("{jobs} cores") };
    let unknown = plans.iter().filter(|plan| plan.seconds.is_none()).count();
    let time = match unknown {
        0 => format!("{} on {cores}", about(wall_time(plans, jobs))),
        n if n == stale => "time unknown, as nothing of this has run here".into(),
        n => format!("{} on {cores}, and {} that never ran here", about(wall_time(plans, jobs)), count(n, "stage")),
    };
    format!("{} of {} to build{models}: {time}\n", stale, count(plans.len(), "stage"))
}

/// The estimated seconds when `jobs` units run in parallel; a single unit cannot be divided.
fn wall_time(plans: &[StagePlan], jobs: usize) -> f64 {
    let known = || plans.iter().filter_map(|plan| Some((plan.seconds?, plan.units)));
    let longest = known().map(|(seconds, units)| seconds / units.max(1) as f64).fold(0.0, f64::max);
    (known().map(|(seconds, _)| seconds).sum::<f64>() / jobs.max(1) as f64).max(longest)
}

/// The plan of a stage as JSON.
pub fn to_json(plan: &StagePlan, project: &Project) -> Json {
    let stage = &project.graph.stages[plan.stage];
    let reasons: Vec<Json> = plan.reasons.iter().map(|reason| reason_json(reason, &project.source.file)).collect();
    json!({
        "stage": stage.name, "kind": stage.stage.kind().name, "state": plan.state.name(), "units": plan.units,
        "total": plan.resolved.units.len(), "files": plan.files, "seconds": plan.seconds, "reasons": reasons,
    })
}

/// A reason as JSON.
pub fn reason_json(reason: &Reason, file: &str) -> Json {
    let mut json = json!({"code": reason.code(), "words": reason.describe(file)});
    if let Reason::Changed { change, line } = reason {
        json["field"] = json!(change.name());
        (json["old"], json["new"], json["line"]) = (json!(change.old), json!(change.new), json!(line));
    }
    if let Reason::Variable { name, line, .. } = reason {
        (json["field"], json["line"]) = (json!(format!("env.{name}")), json!(line));
    }
    if let Reason::Environment { name, line, .. } = reason {
        (json["field"], json["line"]) = (json!(format!("environments.{name}")), json!(line));
    }
    json
}
