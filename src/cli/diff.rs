//! `repro diff`: what is different from the paper at a revision of git.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::args::Diff;
use super::console::Style;
use super::words::{count, harmless};
use super::{Console, Project, Trouble, plan as plan_command};
use crate::audit::{self, CellChange, Difference, Revision, StageDiff, Standing, Value, What, git};
use crate::error::{Error, Result};
use crate::plan::Reason;
use crate::stages::Holds;
use crate::store;

/// Changed cells, and values of an array, that are named without `-v`.
const NAMED: usize = 12;

pub fn run(args: &Diff, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let revision = project.revision(&args.revision).map_err(|trouble| meant(trouble, args, project))?;
    let short: String = git::full_name(&project.home, &args.revision)?.chars().take(10).collect();
    let names = names(args, project, &revision)?;
    let then = if short.starts_with(&args.revision) { short.clone() } else { format!("{} ({short})", args.revision) };
    let diffs = audit::diff(revision.context(project.context()), project.context(), &names, [&then, "now"])?;
    let folder = args.pictures.clone().unwrap_or_else(|| project.store.dir().join("diff"));
    for picture in diffs.iter().flat_map(|diff| &diff.pictures) {
        store::write_file(&place(&folder, &picture.name), &picture.png)?;
    }
    for warning in project.store.take_warnings() {
        console.warning(&warning);
    }
    let number = |standing: Standing| diffs.iter().filter(|diff| diff.standing == standing).count();
    let differs =
        diffs.iter().any(|diff| matches!(diff.standing, Standing::Changed | Standing::Added | Standing::Removed));
    if console.json {
        diffs.iter().try_for_each(|diff| console.print_json(&to_json(diff, &folder, &project.source.file)))?;
        console.print_json(&json!({
            "event": "diff-finished", "revision": git::full_name(&project.home, &args.revision)?,
            "same": number(Standing::Same), "changed": number(Standing::Changed), "added": number(Standing::Added),
            "removed": number(Standing::Removed), "unknown": number(Standing::Unknown),
        }))?;
    } else {
        let mut text = String::new();
        let shown = |diff: &&StageDiff| diff.standing != Standing::Same || !diff.settings.is_empty() || console.verbose;
        let width = diffs.iter().filter(shown).map(|diff| diff.name.chars().count()).max().unwrap_or(0);
        for diff in diffs.iter().filter(shown) {
            text += &stage_text(diff, width, &folder, project, console);
        }
        text += &summary(&diffs, &then);
        console.print(&text)?;
        hints(&diffs, &short, project, console);
    }
    Ok(u8::from(args.exit_code && differs))
}

/// Where a picture is written.
fn place(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.png"))
}

/// `repro diff fig5` names a stage where a revision is expected.
fn meant(mut trouble: Trouble, args: &Diff, project: &Project) -> Trouble {
    if trouble.source.is_none()
        && project.graph.position(&args.revision).is_some()
        && let Some(error) = trouble.errors.first_mut()
    {
        error.hints = vec![format!("`{0}` is a stage: `repro diff HEAD {0}`", args.revision)];
    }
    trouble
}

/// The stages that are meant, then and now; all without words.
fn names<'a>(args: &Diff, project: &'a Project, revision: &'a Revision) -> Result<Vec<&'a str>, Trouble> {
    let graphs = [&project.graph, &revision.graph];
    let mut names: Vec<&str> = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    if args.targets.is_empty() {
        names.extend(graphs.iter().flat_map(|graph| graph.stages.iter().map(|stage| stage.name.as_str())));
    }
    for word in &args.targets {
        let found: Vec<Result<Vec<usize>, Vec<Error>>> =
            graphs.iter().map(|graph| graph.targets(std::slice::from_ref(word))).collect();
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
    let name = console.paint(Style::Bold, &diff.name);
    let mut text = format!(
        "{name}{space}  {}  {}\n",
        console.paint(Style::Dim, &format!("{:6}", diff.kind.name)),
        words(diff, console)
    );
    let mut lines: Vec<String> = diff.settings.iter().map(|reason| reason.words(&project.source.file)).collect();
    lines.extend(diff.shape.iter().cloned());
    let shown = |n: usize| if console.verbose { n } else { n.min(NAMED) };
    let rows: Vec<[String; 3]> = diff.cells[..shown(diff.cells.len())].iter().map(cell_words).collect();
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (wide(0), wide(1));
    lines.extend(
        rows.iter().map(|[row, column, change]| format!("{row:first$}  {column:second$}  {change}").trim().to_string()),
    );
    if diff.cells.len() > rows.len() {
        lines.push(format!("and {} more cells (-v names all)", diff.cells.len() - rows.len()));
    }
    diff.arrays.iter().for_each(|array| lines.extend(array_words(array, console.verbose)));
    lines.extend(diff.files.iter().cloned());
    for picture in &diff.pictures {
        let share = match picture.share {
            Some(share) => format!("; {} of the pixels differ", percent(share)),
            None => "; they are not of one size".into(),
        };
        lines.push(format!("both are in {}{share}", place(folder, &picture.name).display()));
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

/// `4 of 12 points changed, 2 cannot be compared`.
fn words(diff: &StageDiff, console: &Console) -> String {
    let noun = diff.kind.unit;
    let total = diff.same + diff.changed + diff.lacking[0].max(diff.lacking[1]);
    let mut parts = Vec::new();
    match diff.standing {
        Standing::Added => return console.paint(Style::Green, "added"),
        Standing::Removed => return console.paint(Style::Red, "removed"),
        Standing::Same if !diff.settings.is_empty() => return "other settings, the same result".into(),
        Standing::Same => return "the same".into(),
        Standing::Changed if diff.changed == 0 && !diff.shape.is_empty() => {
            parts.push(console.paint(Style::Yellow, "changed"));
        }
        Standing::Changed if total <= 1 => parts.push(console.paint(Style::Yellow, "changed")),
        Standing::Changed => {
            let changed = console.paint(Style::Yellow, &format!("{} of {} changed", diff.changed, count(total, noun)));
            parts.push(changed);
        }
        Standing::Unknown if diff.same + diff.changed > 0 => {
            parts.push(format!("{} {} the same", count(diff.same, noun), if diff.same == 1 { "is" } else { "are" }));
        }
        Standing::Unknown => {}
    }
    let sides = [("as of then", diff.lacking[0], &diff.faults[0]), ("as of now", diff.lacking[1], &diff.faults[1])];
    let lacks: Vec<String> = sides
        .iter()
        .filter_map(|(when, lacking, fault)| match (lacking, fault) {
            (_, Some(_)) => Some(format!("it cannot be known {when}")),
            (0, None) => None,
            (1, None) if total <= 1 || diff.holds == Holds::Cells => Some(format!("not in the cache {when}")),
            (n, None) => Some(format!("{} not in the cache {when}", count(*n, noun))),
        })
        .collect();
    if !lacks.is_empty() {
        parts.push(format!("{}: {}", console.paint(Style::Red, "cannot be compared"), lacks.join(", ")));
    }
    parts.join("; ")
}

/// Row, column, and `0.51 -> 0.52`.
fn cell_words(cell: &CellChange) -> [String; 3] {
    let row = cell.row.iter().map(|(key, at)| format!("{key}={at}")).collect::<Vec<_>>().join(" ");
    let text =
        |cell: &crate::value::Cell| format!("{}{}", crate::render::plain(&cell.text), if cell.bold { "*" } else { "" });
    let (old, new) = (text(&cell.old), text(&cell.new));
    let change = if old != new {
        format!("{old} -> {new}")
    } else {
        let numbers = cell.old.values.iter().zip(&cell.new.values).find(|(a, b)| a.to_bits() != b.to_bits());
        let numbers = numbers.map(|(a, b)| format!(" ({a} -> {b})")).unwrap_or_default();
        format!("{new}, beyond the digits shown{numbers}")
    };
    [row, cell.column.clone(), change]
}

/// An array's differences; few values one by one.
fn array_words(array: &Difference, all: bool) -> Vec<String> {
    let mut lines = vec![array.words()];
    if let What::Values(values) = &array.what
        && values.changed > 1
        && (all || values.changed <= NAMED)
    {
        let line = |Value { place, old, new }: &Value| format!("    {place}: {old} -> {new}");
        lines.extend(values.listed.iter().map(line));
        if values.changed > values.listed.len() {
            lines.push(format!("    and {} more", values.changed - values.listed.len()));
        }
    }
    lines
}

/// `against HEAD (a1b2c3): 2 stages changed, 1 added, 12 the same`.
fn summary(diffs: &[StageDiff], then: &str) -> String {
    let number = |standing: Standing| diffs.iter().filter(|diff| diff.standing == standing).count();
    let counts = [
        (number(Standing::Changed), "changed"),
        (number(Standing::Added), "added"),
        (number(Standing::Removed), "removed"),
        (number(Standing::Unknown), "not comparable"),
        (number(Standing::Same), "the same"),
    ];
    let mut parts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if let Some((n, word)) = counts.iter().find(|(n, _)| *n > 0) {
        parts[0] = format!("{} {word}", count(*n, "stage"));
    }
    format!("against {then}: {}\n", parts.join(", "))
}

/// How to get what is missing.
fn hints(diffs: &[StageDiff], short: &str, project: &Project, console: &Console) {
    let lacking = |side: usize| -> Vec<&str> {
        let lacks = |diff: &&StageDiff| diff.lacking[side] > 0 && diff.faults[side].is_none();
        diffs.iter().filter(lacks).map(|diff| diff.name.as_str()).collect()
    };
    let [then, now] = [lacking(0), lacking(1)];
    let hint = console.paint_err(Style::Cyan, "hint");
    if !now.is_empty() {
        console.note(&format!("{hint}: `repro build {}` makes the results of now that are missing", now.join(" ")));
    }
    if !then.is_empty() {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = format!("../repro-{short}");
        let below = git::prefix(&project.home).unwrap_or_default();
        let file =
            Path::new(&project.source.file).file_name().map(|name| name.display().to_string()).unwrap_or_default();
        let file = if file == "paper.yaml" { String::new() } else { format!(" -f {file}") };
        let cache = absolute(project.store.dir());
        console.note(&format!(
            "{hint}: the results of then can be made in this cache, in a folder of their own:\n  \
             git worktree add --detach {folder} {short}\n  \
             repro -C {folder}/{below}{file} --cache '{}' build {}\n  \
             git worktree remove --force {folder}",
            cache.display(),
            then.join(" ")
        ));
    }
}

fn to_json(diff: &StageDiff, folder: &Path, file: &str) -> Json {
    let standing = match diff.standing {
        Standing::Same => "same",
        Standing::Changed => "changed",
        Standing::Added => "added",
        Standing::Removed => "removed",
        Standing::Unknown => "unknown",
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
    let value = |value: &Value| json!({"place": value.place, "old": value.old, "new": value.new});
    let arrays: Vec<Json> = diff
        .arrays
        .iter()
        .map(|array| match &array.what {
            What::Values(values) => json!({
                "array": array.array, "total": values.total, "changed": values.changed, "largest": value(&values.largest),
                "values": values.listed.iter().map(value).collect::<Vec<_>>(),
            }),
            _ => json!({"array": array.array, "words": array.words()}),
        })
        .collect();
    let pictures: Vec<Json> = diff
        .pictures
        .iter()
        .map(|picture| json!({"file": place(folder, &picture.name), "differs": picture.share}))
        .collect();
    json!({
        "event": "stage-diff", "stage": diff.name, "kind": diff.kind.name, "standing": standing, "settings": settings,
        "shape": diff.shape, "same": diff.same, "changed": diff.changed,
        "lacking": {"old": diff.lacking[0], "new": diff.lacking[1]},
        "faults": diff.faults.iter().flatten().map(|error| &error.message).collect::<Vec<_>>(),
        "arrays": arrays, "cells": cells, "files": diff.files, "pictures": pictures,
    })
}
