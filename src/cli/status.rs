//! `repro status`: every stage, a line each.

use serde_json::json;

use super::args::Targets;
use super::console::Style;
use super::words::{count, thousands};
use super::{Console, Project, Trouble};
use crate::plan::{self, FileState, LastBuild, StagePlan, StageState};

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
        rows.push([
            stage.name.clone(),
            stage.stage.kind().name.into(),
            plan.state.word().into(),
            units,
            files(plan, project),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for (row, plan) in rows.iter().zip(plans) {
        let pad = |column: usize| format!("{:<width$}", row[column], width = widths[column]);
        let style = match plan.state {
            StageState::UpToDate => Style::Green,
            StageState::Stale => Style::Yellow,
            StageState::Waits => Style::Dim,
            StageState::Fault => Style::Red,
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
    let counted = [StageState::UpToDate, StageState::Stale, StageState::Waits, StageState::Fault]
        .map(|state| (plans.iter().filter(|plan| plan.state == state).count(), state.word()));
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let parts = if parts.is_empty() { "none".to_string() } else { parts.join(", ") };
    let unchecked =
        plans.iter().any(|plan| on_disk(plan, project).iter().any(|(_, state)| *state == OnDisk::Unchecked));
    let note = if unchecked { " (not checked: the cache has no result to compare these files with)" } else { "" };
    text + &format!("{}: {parts}{note}\n", count(plans.len(), "stage"))
}

/// How a file in `figures/` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDisk {
    Current,
    /// Not the one that the cache has.
    Differs,
    Missing,
    /// Of an earlier state of the paper.
    OutOfDate,
    /// The stage waits for another one and may come out as before.
    Uncertain,
    /// There, but this cache knows nothing of it: as in a fresh clone with its figures.
    Unchecked,
}

impl OnDisk {
    const ALL: [OnDisk; 6] =
        [OnDisk::Current, OnDisk::Differs, OnDisk::Missing, OnDisk::OutOfDate, OnDisk::Uncertain, OnDisk::Unchecked];

    fn word(self) -> &'static str {
        match self {
            OnDisk::Current => "current",
            OnDisk::Differs => "differs",
            OnDisk::Missing => "missing",
            OnDisk::OutOfDate => "out of date",
            OnDisk::Uncertain => "may be out of date",
            OnDisk::Unchecked => "not checked",
        }
    }

    fn of(name: &str, state: &FileState, plan: &StagePlan, project: &Project) -> OnDisk {
        let built = || LastBuild::read(&project.store, &project.graph.stages[plan.stage].name).is_some();
        match state {
            FileState::UpToDate { .. } => OnDisk::Current,
            _ if !project.figures.join(name).is_file() => OnDisk::Missing,
            FileState::Stored { .. } => OnDisk::Differs,
            _ if !built() || plan.state == StageState::Fault => OnDisk::Unchecked,
            _ if plan.state == StageState::Waits => OnDisk::Uncertain,
            _ => OnDisk::OutOfDate,
        }
    }
}

/// The files of a stage, by name.
fn on_disk<'a>(plan: &'a StagePlan, project: &Project) -> Vec<(&'a str, OnDisk)> {
    let files = plan.resolved.specs.iter().zip(&plan.resolved.files);
    files.map(|(spec, state)| (spec.name.as_str(), OnDisk::of(&spec.name, state, plan, project))).collect()
}

/// `fig1.svg fig1.pdf, missing: fig1.png`.
fn files(plan: &StagePlan, project: &Project) -> String {
    let files = on_disk(plan, project);
    let named = |state: OnDisk| {
        let names: Vec<&str> = files.iter().filter(|(_, other)| *other == state).map(|(name, _)| *name).collect();
        let names = Some(names.join(" ")).filter(|names| !names.is_empty())?;
        Some(if state == OnDisk::Current { names } else { format!("{}: {names}", state.word()) })
    };
    OnDisk::ALL.into_iter().filter_map(named).collect::<Vec<_>>().join(", ")
}

fn to_json(plan: &StagePlan, project: &Project) -> serde_json::Value {
    let stage = &project.graph.stages[plan.stage];
    let total = plan.resolved.units.len();
    let file = |(name, state): (&str, OnDisk)| json!({"file": project.file(name), "current": state == OnDisk::Current, "state": state.word()});
    let files: Vec<_> = on_disk(plan, project).into_iter().map(file).collect();
    json!({
        "stage": stage.name, "kind": stage.stage.kind().name, "line": stage.span.line, "state": plan.state.word(),
        "units": total, "done": total - plan.units, "files": files,
    })
}
