//! `repro status`: every stage, a line each.

use serde_json::json;

use super::args::Targets;
use super::console::Style;
use super::words::{count, thousands};
use super::{Console, Project, Trouble};
use crate::plan::{self, StagePlan, State};

pub fn run(args: &Targets, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets_or_all(&args.targets)?;
    let mut plans = plan::plan(project.context(), &targets)?;
    plans.retain(|plan| targets.contains(&plan.stage));
    plans.sort_by_key(|plan| plan.stage);
    let text: String = if console.json {
        plans.iter().map(|plan| format!("{}\n", to_json(plan, project))).collect()
    } else {
        table(&plans, project, console)
    };
    console.print(&text)?;
    Ok(0)
}

fn table(plans: &[StagePlan], project: &Project, console: &Console) -> String {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for plan in plans {
        let stage = &project.graph.stages[plan.stage];
        let total = plan.resolved.units.len();
        let units =
            if total == 1 { String::new() } else { format!("{}/{}", thousands(total - plan.units), thousands(total)) };
        let files = plan
            .resolved
            .specs
            .iter()
            .zip(&plan.resolved.files)
            .map(|(spec, state)| if state.is_current() { spec.name.clone() } else { format!("({})", spec.name) });
        let files: Vec<String> = files.collect();
        rows.push([
            stage.name.clone(),
            stage.stage.kind().name.into(),
            plan.state.word().into(),
            units,
            files.join(" "),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for (row, plan) in rows.iter().zip(plans) {
        let pad = |column: usize| format!("{:<width$}", row[column], width = widths[column]);
        let style = match plan.state {
            State::Current => Style::Green,
            State::Stale => Style::Yellow,
            State::Waits => Style::Dim,
            State::Fault => Style::Red,
        };
        let line = format!(
            "{}  {}  {}  {:>w$}  {}",
            pad(0),
            pad(1),
            console.paint(style, &pad(2)),
            row[3],
            row[4],
            w = widths[3]
        );
        text += line.trim_end();
        text.push('\n');
    }
    let counted = [State::Current, State::Stale, State::Waits, State::Fault]
        .map(|state| (plans.iter().filter(|plan| plan.state == state).count(), state.word()));
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let parts = if parts.is_empty() { "none".to_string() } else { parts.join(", ") };
    let due = plans.iter().any(|plan| plan.files > 0);
    let note = if due { " (files in parentheses are not there, or not as they should be)" } else { "" };
    text + &format!("{}: {parts}{note}\n", count(plans.len(), "stage"))
}

fn to_json(plan: &StagePlan, project: &Project) -> serde_json::Value {
    let stage = &project.graph.stages[plan.stage];
    let total = plan.resolved.units.len();
    let files = plan.resolved.specs.iter().zip(&plan.resolved.files);
    let files: Vec<_> =
        files.map(|(spec, state)| json!({"file": project.file(&spec.name), "current": state.is_current()})).collect();
    json!({
        "stage": stage.name, "kind": stage.stage.kind().name, "line": stage.span.line, "state": plan.state.word(),
        "units": total, "done": total - plan.units, "files": files,
    })
}
