//! `repro explain`: why stages are out of date, and why the inputs that they wait for are.

use serde_json::json;

use super::args::Explain;
use super::console::TerminalStyle;
use super::words::{count, harmless, thousands};
use super::{Console, Project, Trouble, plan as plan_command};
use crate::graph::Selection;
use crate::plan::{self, StagePlan, StageState, UnitState};

/// The missing units that are listed without `-v`.
const MAX_LISTED: usize = 8;

pub fn run(args: &Explain, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let Selection { stages: targets, points } = project.select(&args.targets)?;
    let mut plans = plan::plan(project.context(), &targets)?;
    plan::only_points(&mut plans, &points);
    let mut text = String::new();
    // The targets first, then the inputs that they wait for.
    for plan in plans.iter().rev() {
        let is_target = targets.contains(&plan.stage);
        if !is_target && plan.state == StageState::UpToDate {
            continue;
        }
        if console.json {
            let mut json = plan_command::to_json(plan, project);
            json["missing"] = json!(missing(plan, project));
            text += &format!("{json}\n");
        } else {
            text += &explanation(plan, project, console);
        }
    }
    console.print(&text)?;
    Ok(0)
}

/// The labels of the units that would run.
fn missing(plan: &StagePlan, project: &Project) -> Vec<String> {
    let layout = &project.graph.layouts[plan.stage];
    let known = |unit: &usize| matches!(plan.resolved.units[*unit], UnitState::Missing { .. });
    plan.missing_units().filter(known).map(|unit| layout.label(unit)).filter(|label| !label.is_empty()).collect()
}

fn explanation(plan: &StagePlan, project: &Project, console: &Console) -> String {
    let stage = &project.graph.stages[plan.stage];
    let kind = stage.stage.kind();
    let name = console.paint(TerminalStyle::Bold, &stage.name);
    let total = plan.resolved.units.len();
    let state = match plan.state {
        StageState::UpToDate => return format!("{name} ({}) is up to date\n", kind.name),
        StageState::Waiting => "waits for its inputs".to_string(),
        StageState::Blocked => "cannot be built".to_string(),
        StageState::Stale if plan.units == 0 => format!("is out of date: {} to write", count(plan.files, "file")),
        StageState::Stale if total == 1 => "is out of date".to_string(),
        StageState::Stale => {
            format!("is out of date: {} of {} are missing", thousands(plan.units), count(total, kind.unit))
        }
    };
    let mut text = format!("{name} ({}) {state}\n", kind.name);
    text += &plan_command::reason_lines(plan, project);
    // Which units of a waiting stage are missing is not known before its inputs are built.
    let missing = if plan.state == StageState::Stale { missing(plan, project) } else { Vec::new() };
    let shown = if console.verbose { missing.len() } else { missing.len().min(MAX_LISTED) };
    for label in &missing[..shown] {
        text += &format!("    missing: {}\n", harmless(label));
    }
    if shown < missing.len() {
        text += &format!("    and {} more (-v lists all)\n", thousands(missing.len() - shown));
    }
    text
}
