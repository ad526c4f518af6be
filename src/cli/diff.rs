//! `repro diff`: the differences from the paper at a git revision.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::args::Diff;
use super::console::TerminalStyle;
use super::words::{count, harmless};
use super::{Console, Project, Trouble, plan as plan_command, replace};
use crate::audit::{
    self, ArrayChange, ArrayDiff, CellChange, ChangedValue, DiffStatus, PictureDiff, Revision, StageDiff, git,
};
use crate::error::{Error, Result};
use crate::plan::Reason;
use crate::render;
use crate::stages::Holds;
use crate::store;

/// The changed cells, and the changed values of an array, that are listed without `-v`.
const MAX_LISTED: usize = 12;

pub fn run(args: &Diff, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let revision = project.revision(&args.revision).map_err(|trouble| hint_at_stage(trouble, args, project))?;
    let commit = git::commit_hash(&project.home, &args.revision)?;
    let short: String = commit.chars().take(10).collect();
    let names = select_stages(args, project, &revision)?;
    let old_name =
        if short.starts_with(&args.revision) { short.clone() } else { format!("{} ({short})", args.revision) };
    let diffs = audit::diff(revision.context(project.context()), project.context(), &names, [&old_name, "now"])?;
    if let Some(folder) = &args.pictures {
        let earlier = |path: &Path| std::fs::read(path).is_ok_and(|bytes| render::is_beside(&bytes));
        for picture in diffs.iter().flat_map(|diff| &diff.pictures) {
            replace::check(&picture_path(folder, picture), "a comparison", earlier, args.force, project)?;
        }
    }
    let folder = args.pictures.clone().unwrap_or_else(|| project.store.dir().join("diff"));
    for picture in diffs.iter().flat_map(|diff| &diff.pictures) {
        store::write_file(&picture_path(&folder, picture), &picture.png)?;
    }
    for warning in project.store.take_warnings() {
        console.warning(&warning);
    }
    let number = |status: DiffStatus| diffs.iter().filter(|diff| diff.status == status).count();
    let differs =
        diffs.iter().any(|diff| matches!(diff.status, DiffStatus::Changed | DiffStatus::Added | DiffStatus::Removed));
    if console.json {
        diffs.iter().try_for_each(|diff| console.print_json(&to_json(diff, &folder, &project.source.file)))?;
        console.print_json(&json!({
            "event": "diff-finished", "revision": commit,
            "same": number(DiffStatus::Same), "changed": number(DiffStatus::Changed), "added": number(DiffStatus::Added),
            "removed": number(DiffStatus::Removed), "unknown": number(DiffStatus::Unknown),
        }))?;
    } else {
        let mut text = String::new();
        let shown = |diff: &&StageDiff| diff.status != DiffStatus::Same || !diff.settings.is_empty() || console.verbose;
        let width = diffs.iter().filter(shown).map(|diff| diff.name.chars().count()).max().unwrap_or(0);
        for diff in diffs.iter().filter(shown) {
            text += &stage_text(diff, width, &folder, project, console);
        }
        text += &summary(&diffs, &old_name);
        console.print(&text)?;
        print_hints(&diffs, &short, project, console);
    }
    Ok(u8::from(args.exit_code && differs))
}

/// The path of a picture in the output folder.
fn picture_path(folder: &Path, picture: &PictureDiff) -> PathBuf {
    folder.join(format!("{}.png", picture.name))
}

/// `repro diff fig5` names a stage where a revision is expected: say so.
fn hint_at_stage(mut trouble: Trouble, args: &Diff, project: &Project) -> Trouble {
    if trouble.source.is_none()
        && project.graph.position(&args.revision).is_some()
        && let Some(error) = trouble.errors.first_mut()
    {
        error.hints = vec![format!("`{0}` is a stage: `repro diff HEAD {0}`", args.revision)];
    }
    trouble
}

/// The names of the selected stages at both revisions; without targets all.
fn select_stages<'a>(args: &Diff, project: &'a Project, revision: &'a Revision) -> Result<Vec<&'a str>, Trouble> {
    let graphs = [&project.graph, &revision.graph];
    let mut names: Vec<&str> = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    if args.targets.is_empty() {
        names.extend(graphs.iter().flat_map(|graph| graph.stages.iter().map(|stage| stage.name.as_str())));
    }
    for target in &args.targets {
        let found: Vec<Result<Vec<usize>, Vec<Error>>> =
            graphs.iter().map(|graph| graph.targets(std::slice::from_ref(target))).collect();
        if let [Err(now), Err(_)] = &found[..] {
            errors.extend(now.iter().cloned());
        }
        for (graph, found) in graphs.iter().zip(found) {
            names.extend(found.unwrap_or_default().into_iter().map(|stage| graph.stages[stage].name.as_str()));
        }
    }
    names.sort_unstable();
    names.dedup();
    if errors.is_empty() { Ok(names) } else { Err(Trouble { errors, source: None }) }
}

fn stage_text(diff: &StageDiff, width: usize, folder: &Path, project: &Project, console: &Console) -> String {
    let space = " ".repeat(width - diff.name.chars().count().min(width));
    let name = console.paint(TerminalStyle::Bold, &diff.name);
    let mut text = format!(
        "{name}{space}  {}  {}\n",
        console.paint(TerminalStyle::Dim, &format!("{:6}", diff.kind.name)),
        describe_status(diff, console)
    );
    let mut lines: Vec<String> = diff.settings.iter().map(|reason| reason.describe(&project.source.file)).collect();
    lines.extend(diff.shape.iter().cloned());
    let shown = |n: usize| if console.verbose { n } else { n.min(MAX_LISTED) };
    let rows: Vec<[String; 3]> = diff.cells[..shown(diff.cells.len())].iter().map(describe_cell).collect();
    let width_of = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width_of(0), width_of(1));
    lines.extend(
        rows.iter().map(|[row, column, change]| format!("{row:first$}  {column:second$}  {change}").trim().to_string()),
    );
    if diff.cells.len() > rows.len() {
        lines.push(format!("and {} more cells (-v lists all)", diff.cells.len() - rows.len()));
    }
    diff.arrays.iter().for_each(|array| lines.extend(describe_array(array, console.verbose)));
    lines.extend(diff.files.iter().cloned());
    for picture in &diff.pictures {
        let share = match picture.share {
            Some(share) => format!("; {} of the pixels differ", percent(share)),
            None => "; their sizes differ".into(),
        };
        lines.push(format!("side by side in {}{share}", picture_path(folder, picture).display()));
    }
    lines.extend(diff.faults.iter().flatten().map(|error| error.message.clone()));
    lines.iter().for_each(|line| text += &format!("    {}\n", harmless(line)));
    text
}

/// `0.2 %`, `31 %`.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// `4 of 12 points changed; cannot be compared: 2 old points are not in the cache`.
fn describe_status(diff: &StageDiff, console: &Console) -> String {
    let noun = diff.kind.unit;
    let total = diff.same + diff.changed + diff.uncached[0].max(diff.uncached[1]);
    let mut parts = Vec::new();
    match diff.status {
        DiffStatus::Added => return console.paint(TerminalStyle::Green, "added"),
        DiffStatus::Removed => return console.paint(TerminalStyle::Red, "removed"),
        DiffStatus::Same if !diff.settings.is_empty() => return "unchanged, with other settings".into(),
        DiffStatus::Same => return "unchanged".into(),
        DiffStatus::Changed if diff.changed == 0 && !diff.shape.is_empty() => {
            parts.push(console.paint(TerminalStyle::Yellow, "changed"));
        }
        DiffStatus::Changed if total <= 1 => parts.push(console.paint(TerminalStyle::Yellow, "changed")),
        DiffStatus::Changed => {
            let changed =
                console.paint(TerminalStyle::Yellow, &format!("{} of {} changed", diff.changed, count(total, noun)));
            parts.push(changed);
        }
        DiffStatus::Unknown if diff.same + diff.changed > 0 => {
            parts.push(format!("{} unchanged", count(diff.same, noun)));
        }
        DiffStatus::Unknown => {}
    }
    let sides = [("old", diff.uncached[0], &diff.faults[0]), ("new", diff.uncached[1], &diff.faults[1])];
    let reasons: Vec<String> = sides
        .iter()
        .filter_map(|(side, uncached, fault)| match (*uncached, fault) {
            (_, Some(_)) => Some(format!("the {side} inputs are incomplete")),
            (0, None) => None,
            (1, None) if total <= 1 || diff.holds == Holds::Cells => {
                Some(format!("the {side} result is not in the cache"))
            }
            (1, None) => Some(format!("1 {side} {noun} is not in the cache")),
            (n, None) => Some(format!("{} are not in the cache", count(n, &format!("{side} {noun}")))),
        })
        .collect();
    if !reasons.is_empty() {
        parts.push(format!("{}: {}", console.paint(TerminalStyle::Red, "cannot be compared"), reasons.join(", ")));
    }
    parts.join("; ")
}

/// Row, column, and change: `0.51 -> 0.52`.
fn describe_cell(cell: &CellChange) -> [String; 3] {
    let row = cell.row.iter().map(|(key, at)| format!("{key}={at}")).collect::<Vec<_>>().join(" ");
    let text = |cell: &crate::value::Cell| {
        format!("{}{}", crate::markup::unicode(&cell.text), if cell.bold { "*" } else { "" })
    };
    let (old, new) = (text(&cell.old), text(&cell.new));
    let change = if old != new {
        format!("{old} -> {new}")
    } else {
        let numbers = cell.old.values.iter().zip(&cell.new.values).find(|(a, b)| a.to_bits() != b.to_bits());
        let numbers = numbers.map(|(a, b)| format!(" ({a} -> {b})")).unwrap_or_default();
        format!("{new} when rounded{numbers}")
    };
    [row, cell.column.clone(), change]
}

/// The differences in an array; a few values are listed one by one.
fn describe_array(array: &ArrayDiff, all: bool) -> Vec<String> {
    let mut lines = vec![array.describe()];
    if let ArrayChange::Values(values) = &array.change
        && values.changed > 1
        && (all || values.changed <= MAX_LISTED)
    {
        let line = |ChangedValue { coordinates, old, new }: &ChangedValue| format!("    {coordinates}: {old} -> {new}");
        lines.extend(values.listed.iter().map(line));
        if values.changed > values.listed.len() {
            lines.push(format!("    and {} more", values.changed - values.listed.len()));
        }
    }
    lines
}

/// `against HEAD (a1b2c3): 2 stages changed, 1 added, 12 unchanged`.
fn summary(diffs: &[StageDiff], old_name: &str) -> String {
    let number = |status: DiffStatus| diffs.iter().filter(|diff| diff.status == status).count();
    let counts = [
        (number(DiffStatus::Changed), "changed"),
        (number(DiffStatus::Added), "added"),
        (number(DiffStatus::Removed), "removed"),
        (number(DiffStatus::Unknown), "not comparable"),
        (number(DiffStatus::Same), "unchanged"),
    ];
    let mut parts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if let Some((n, word)) = counts.iter().find(|(n, _)| *n > 0) {
        parts[0] = format!("{} {word}", count(*n, "stage"));
    }
    format!("against {old_name}: {}\n", parts.join(", "))
}

/// Print how to compute the missing results.
fn print_hints(diffs: &[StageDiff], short: &str, project: &Project, console: &Console) {
    let uncached = |side: usize| -> Vec<&str> {
        let matches = |diff: &&StageDiff| diff.uncached[side] > 0 && diff.faults[side].is_none();
        diffs.iter().filter(matches).map(|diff| diff.name.as_str()).collect()
    };
    let [old, new] = [uncached(0), uncached(1)];
    let hint = console.paint_err(TerminalStyle::Cyan, "hint");
    if !new.is_empty() {
        console.note(&format!("{hint}: `repro build {}` computes the missing new results", new.join(" ")));
    }
    if !old.is_empty() {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = format!("../repro-{short}");
        let below = git::prefix(&project.home).unwrap_or_default();
        let file =
            Path::new(&project.source.file).file_name().map(|name| name.display().to_string()).unwrap_or_default();
        let file = if file == "paper.yaml" { String::new() } else { format!(" -f {file}") };
        let cache = absolute(project.store.dir());
        console.note(&format!(
            "{hint}: these commands compute the missing old results in a worktree, into this cache:\n  \
             git worktree add --detach {folder} {short}\n  \
             repro -C {folder}/{below}{file} --cache '{}' build {}\n  \
             git worktree remove --force {folder}",
            cache.display(),
            old.join(" ")
        ));
    }
}

fn to_json(diff: &StageDiff, folder: &Path, file: &str) -> Json {
    let status = match diff.status {
        DiffStatus::Same => "same",
        DiffStatus::Changed => "changed",
        DiffStatus::Added => "added",
        DiffStatus::Removed => "removed",
        DiffStatus::Unknown => "unknown",
    };
    let settings: Vec<Json> =
        diff.settings.iter().map(|reason: &Reason| plan_command::reason_json(reason, file)).collect();
    let cell = |cell: &crate::value::Cell| json!({"text": cell.text, "values": cell.values, "best": cell.bold});
    let cells: Vec<Json> = diff
        .cells
        .iter()
        .map(|change| {
            let row: serde_json::Map<String, Json> =
                change.row.iter().map(|(key, at)| (key.clone(), json!(at))).collect();
            json!({"row": row, "column": change.column, "old": cell(&change.old), "new": cell(&change.new)})
        })
        .collect();
    let value = |value: &ChangedValue| json!({"place": value.coordinates, "old": value.old, "new": value.new});
    let arrays: Vec<Json> = diff
        .arrays
        .iter()
        .map(|array| match &array.change {
            ArrayChange::Values(values) => json!({
                "array": array.array, "total": values.total, "changed": values.changed, "largest": value(&values.largest),
                "values": values.listed.iter().map(value).collect::<Vec<_>>(),
            }),
            _ => json!({"array": array.array, "words": array.describe()}),
        })
        .collect();
    let pictures: Vec<Json> = diff
        .pictures
        .iter()
        .map(|picture| json!({"file": picture_path(folder, picture), "differs": picture.share}))
        .collect();
    json!({
        "event": "stage-diff", "stage": diff.name, "kind": diff.kind.name, "standing": status, "settings": settings,
        "shape": diff.shape, "same": diff.same, "changed": diff.changed,
        "lacking": {"old": diff.uncached[0], "new": diff.uncached[1]},
        "faults": diff.faults.iter().flatten().map(|error| &error.message).collect::<Vec<_>>(),
        "arrays": arrays, "cells": cells, "files": diff.files, "pictures": pictures,
    })
}
