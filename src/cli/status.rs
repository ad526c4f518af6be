//! `repro status`: the state of every stage, one line each.

use serde_json::json;

use super::args::Status;
use super::console::TerminalStyle;
use super::words::{count, thousands};
use super::{Console, Project, Trouble, lock_file};
use crate::plan::{self, FileState, LastBuild, StagePlan, StageState};

pub fn run(args: &Status, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets_or_all(&args.targets)?;
    let mut plans = plan::plan(project.context(), &targets)?;
    plans.retain(|plan| targets.contains(&plan.stage));
    plans.sort_by_key(|plan| plan.stage);
    let locked = lock_file::locked(&plans, project)?;
    let rows: Vec<Row> = plans.iter().map(|plan| Row::new(plan, locked.contains(&plan.stage))).collect();
    let text: String = if console.json {
        let lines: String = rows.iter().map(|row| format!("{}\n", to_json(row, project))).collect();
        if args.targets.is_empty() { lines + &project.pending_json() } else { lines }
    } else {
        let pending = if args.targets.is_empty() { project.pending_lines() } else { String::new() };
        table(&rows, project, console) + &pending
    };
    console.print(&text)?;
    let pending = args.targets.is_empty() && !project.graph.pending.is_empty();
    Ok(u8::from(args.check && (pending || rows.iter().any(|row| !row.state.is_up_to_date()))))
}

/// A stage, and its state as users see it.
struct Row<'a> {
    plan: &'a StagePlan,
    state: ShownState,
}

/// The state of a stage, by its results or else by the lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShownState {
    Planned(StageState),
    /// Its results are not here; the lock file and its files in `figures/` say that it is up to date.
    Locked,
}

impl Row<'_> {
    fn new(plan: &StagePlan, locked: bool) -> Row<'_> {
        Row { plan, state: if locked { ShownState::Locked } else { ShownState::Planned(plan.state) } }
    }
}

impl ShownState {
    const ALL: [ShownState; 5] = [
        ShownState::Planned(StageState::UpToDate),
        ShownState::Locked,
        ShownState::Planned(StageState::Stale),
        ShownState::Planned(StageState::Waiting),
        ShownState::Planned(StageState::Blocked),
    ];

    fn is_up_to_date(self) -> bool {
        matches!(self, ShownState::Planned(StageState::UpToDate) | ShownState::Locked)
    }

    /// As people read it. The JSON output has its own words.
    fn label(self) -> &'static str {
        match self {
            ShownState::Planned(StageState::UpToDate) => "up to date",
            ShownState::Locked => "up to date, results not here",
            ShownState::Planned(StageState::Stale) => "out of date",
            ShownState::Planned(StageState::Waiting) => "waiting",
            ShownState::Planned(StageState::Blocked) => "blocked",
        }
    }

    /// Its name in JSON.
    fn name(self) -> &'static str {
        match self {
            ShownState::Planned(state) => state.name(),
            ShownState::Locked => "locked",
        }
    }

    fn style(self) -> TerminalStyle {
        match self {
            ShownState::Planned(StageState::UpToDate) | ShownState::Locked => TerminalStyle::Green,
            ShownState::Planned(StageState::Stale) => TerminalStyle::Yellow,
            ShownState::Planned(StageState::Waiting) => TerminalStyle::Dim,
            ShownState::Planned(StageState::Blocked) => TerminalStyle::Red,
        }
    }
}

fn table(shown: &[Row], project: &Project, console: &Console) -> String {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for row in shown {
        let plan = row.plan;
        let stage = &project.graph.stages[plan.stage];
        let total = plan.resolved.units.len();
        let units =
            if total == 1 { String::new() } else { format!("{}/{}", thousands(total - plan.units), thousands(total)) };
        rows.push([
            stage.name.clone(),
            stage.stage.kind().name.into(),
            row.state.label().into(),
            units,
            describe_files(row, project),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for (row, Row { state, .. }) in rows.iter().zip(shown) {
        let pad = |column: usize| format!("{:<width$}", row[column], width = widths[column]);
        let line = format!(
            "{}  {}  {}  {:>w$}  {}",
            pad(0),
            pad(1),
            console.paint(state.style(), &pad(2)),
            row[3],
            row[4],
            w = widths[3]
        );
        text += line.trim_end();
        text.push('\n');
    }
    let counted = ShownState::ALL.map(|state| (shown.iter().filter(|row| row.state == state).count(), state.label()));
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let parts = if parts.is_empty() { "none".to_string() } else { parts.join(", ") };
    let unchecked =
        shown.iter().any(|row| file_statuses(row, project).iter().any(|(_, state)| *state == FileStatus::Unchecked));
    let note = if unchecked { " (not checked: the cache has no result to compare these files with)" } else { "" };
    text + &format!("{}: {parts}{note}\n", count(shown.len(), "stage"))
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

    fn new(name: &str, state: &FileState, row: &Row, project: &Project) -> FileStatus {
        let plan = row.plan;
        let built = || LastBuild::read(&project.store, &project.graph.stages[plan.stage].name).is_some();
        match state {
            FileState::UpToDate { .. } => FileStatus::Current,
            _ if row.state == ShownState::Locked => FileStatus::Current,
            _ if !project.figures.join(name).is_file() => FileStatus::Missing,
            FileState::Stored { .. } => FileStatus::Differs,
            _ if !built() || plan.state == StageState::Blocked => FileStatus::Unchecked,
            _ if plan.state == StageState::Waiting => FileStatus::Uncertain,
            _ => FileStatus::OutOfDate,
        }
    }
}

/// The files of a stage with their status.
fn file_statuses<'a>(row: &Row<'a>, project: &Project) -> Vec<(&'a str, FileStatus)> {
    let files = row.plan.resolved.specs.iter().zip(&row.plan.resolved.files);
    files.map(|(spec, state)| (spec.name.as_str(), FileStatus::new(&spec.name, state, row, project))).collect()
}

/// `fig1.svg fig1.pdf, missing: fig1.png`.
fn describe_files(row: &Row, project: &Project) -> String {
    let files = file_statuses(row, project);
    let named = |state: FileStatus| {
        let names: Vec<&str> = files.iter().filter(|(_, other)| *other == state).map(|(name, _)| *name).collect();
        let names = Some(names.join(" ")).filter(|names| !names.is_empty())?;
        Some(if state == FileStatus::Current { names } else { format!("{}: {names}", state.word()) })
    };
    FileStatus::ALL.into_iter().filter_map(named).collect::<Vec<_>>().join(", ")
}

fn to_json(row: &Row, project: &Project) -> serde_json::Value {
    let plan = row.plan;
    let stage = &project.graph.stages[plan.stage];
    let total = plan.resolved.units.len();
    let file = |(name, state): (&str, FileStatus)| json!({"file": project.file(name), "current": state == FileStatus::Current, "state": state.word()});
    let files: Vec<_> = file_statuses(row, project).into_iter().map(file).collect();
    json!({
        "stage": stage.name, "kind": stage.stage.kind().name, "line": stage.span.line, "state": row.state.name(),
        "units": total, "done": total - plan.units, "files": files,
    })
}
