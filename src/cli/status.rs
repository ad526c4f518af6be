//! `repro status`: the state of every stage, one line each.

use serde_json::json;

use super::args::Targets;
use super::console::TerminalStyle;
use super::words::{count, thousands};
use super::{Console, Project, Trouble};
use crate::plan::{self, FileState, LastBuild, StagePlan, StageState};

pub fn run(args: &Targets, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets_or_all(&args.targets)?;
    let mut plans = plan::plan(project.context(), &targets)?;
    plans.retain(|plan| targets.contains(&plan.stage));
    plans.sort_by_key(|plan| plan.stage);
    let text: String = if console.json {
        let lines: String = plans.iter().map(|plan| format!("{}\n", to_json(plan, project))).collect();
        if args.targets.is_empty() { lines + &project.pending_json() } else { lines }
    } else {
        let pending = if args.targets.is_empty() { project.pending_lines() } else { String::new() };
        table(&plans, project, console) + &pending
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
            state_label(plan.state).into(),
            units,
            describe_files(plan, project),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for (row, plan) in rows.iter().zip(plans) {
        let pad = |column: usize| format!("{:<width$}", row[column], width = widths[column]);
        let style = match plan.state {
            StageState::UpToDate => TerminalStyle::Green,
            StageState::Stale => TerminalStyle::Yellow,
            StageState::Waiting => TerminalStyle::Dim,
            StageState::Blocked => TerminalStyle::Red,
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
    let counted = [StageState::UpToDate, StageState::Stale, StageState::Waiting, StageState::Blocked]
        .map(|state| (plans.iter().filter(|plan| plan.state == state).count(), state_label(state)));
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let parts = if parts.is_empty() { "none".to_string() } else { parts.join(", ") };
    let unchecked =
        plans.iter().any(|plan| file_statuses(plan, project).iter().any(|(_, state)| *state == FileStatus::Unchecked));
    let note = if unchecked { " (not checked: the cache has no result to compare these files with)" } else { "" };
    text + &format!("{}: {parts}{note}\n", count(plans.len(), "stage"))
}

/// A state as people read it. The JSON output has its own words.
fn state_label(state: StageState) -> &'static str {
    match state {
        StageState::UpToDate => "up to date",
        StageState::Stale => "out of date",
        StageState::Waiting => "waiting",
        StageState::Blocked => "blocked",
    }
}

/// The state of a file in `figures/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileStatus {
    Current,
    /// Its content is not that of the result in the cache.
    Differs,
    Missing,
    /// It belongs to an earlier state of the paper.
    OutOfDate,
    /// The stage waits for its inputs; the file may turn out to be up to date.
    Uncertain,
    /// It exists, but the cache has no result to compare it with, as in a fresh clone.
    Unchecked,
}

impl FileStatus {
    const ALL: [FileStatus; 6] = [
        FileStatus::Current,
        FileStatus::Differs,
        FileStatus::Missing,
        FileStatus::OutOfDate,
        FileStatus::Uncertain,
        FileStatus::Unchecked,
    ];

    fn word(self) -> &'static str {
        match self {
            FileStatus::Current => "current",
            FileStatus::Differs => "differs",
            FileStatus::Missing => "missing",
            FileStatus::OutOfDate => "out of date",
            FileStatus::Uncertain => "may be out of date",
            FileStatus::Unchecked => "not checked",
        }
    }

    fn new(name: &str, state: &FileState, plan: &StagePlan, project: &Project) -> FileStatus {
        let built = || LastBuild::read(&project.store, &project.graph.stages[plan.stage].name).is_some();
        match state {
            FileState::UpToDate { .. } => FileStatus::Current,
            _ if !project.figures.join(name).is_file() => FileStatus::Missing,
            FileState::Stored { .. } => FileStatus::Differs,
            _ if !built() || plan.state == StageState::Blocked => FileStatus::Unchecked,
            _ if plan.state == StageState::Waiting => FileStatus::Uncertain,
            _ => FileStatus::OutOfDate,
        }
    }
}

/// The files of a stage with their status.
fn file_statuses<'a>(plan: &'a StagePlan, project: &Project) -> Vec<(&'a str, FileStatus)> {
    let files = plan.resolved.specs.iter().zip(&plan.resolved.files);
    files.map(|(spec, state)| (spec.name.as_str(), FileStatus::new(&spec.name, state, plan, project))).collect()
}

/// `fig1.svg fig1.pdf, missing: fig1.png`.
fn describe_files(plan: &StagePlan, project: &Project) -> String {
    let files = file_statuses(plan, project);
    let named = |state: FileStatus| {
        let names: Vec<&str> = files.iter().filter(|(_, other)| *other == state).map(|(name, _)| *name).collect();
        let names = Some(names.join(" ")).filter(|names| !names.is_empty())?;
        Some(if state == FileStatus::Current { names } else { format!("{}: {names}", state.word()) })
    };
    FileStatus::ALL.into_iter().filter_map(named).collect::<Vec<_>>().join(", ")
}

fn to_json(plan: &StagePlan, project: &Project) -> serde_json::Value {
    let stage = &project.graph.stages[plan.stage];
    let total = plan.resolved.units.len();
    let file = |(name, state): (&str, FileStatus)| json!({"file": project.file(name), "current": state == FileStatus::Current, "state": state.word()});
    let files: Vec<_> = file_statuses(plan, project).into_iter().map(file).collect();
    json!({
        "stage": stage.name, "kind": stage.stage.kind().name, "line": stage.span.line, "state": plan.state.name(),
        "units": total, "done": total - plan.units, "files": files,
    })
}
