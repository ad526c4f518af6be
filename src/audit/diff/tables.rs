//! Compares two tables cell by cell. Rows are matched by their coordinates, columns by their names.

use super::planned::PlannedStage;
use super::stage_diff::{CellChange, StageDiff};
use crate::error::Result;
use crate::render;
use crate::value::{Cell, Row, Table};

/// The rows that a message lists.
const MAX_LISTED: usize = 5;

/// Compare the tables of a stage, if all their cells are in the cache.
pub fn compare(old: PlannedStage, new: PlannedStage, diff: &mut StageDiff) -> Result<()> {
    // Reported below as rows and columns instead of coordinates.
    let other_shape = !std::mem::take(&mut diff.shape).is_empty();
    if !other_shape && diff.changed == 0 && diff.settings.is_empty() && diff.uncached == [0; 2] {
        return Ok(());
    }
    let payloads = |side: PlannedStage| -> Option<Vec<Vec<u8>>> {
        (0..side.layout().units).map(|unit| side.payload(unit)).collect()
    };
    let (was, is) = (payloads(old), payloads(new));
    for (side, payloads) in [&was, &is].into_iter().enumerate() {
        if payloads.is_none() {
            diff.uncached[side] = diff.uncached[side].max(1);
        }
    }
    if let (Some(was), Some(is)) = (was, is) {
        let (was, is) = (render::table_of(old.definition(), &was)?, render::table_of(new.definition(), &is)?);
        (diff.shape, diff.cells) = compare_tables(&was, &is);
        // Counts cells of the table instead of units: a changed number format changes cells too.
        let common = is.rows.iter().filter(|row| same_row(&was, row).is_some()).count()
            * is.columns.iter().filter(|column| was.columns.iter().any(|other| other.name == column.name)).count();
        (diff.changed, diff.same) = (diff.cells.len(), common.saturating_sub(diff.cells.len()));
    }
    Ok(())
}

fn same_row<'a>(table: &'a Table, row: &Row) -> Option<&'a Row> {
    table.rows.iter().find(|other| other.coordinates == row.coordinates)
}

/// The rows and columns that were added and removed, and the cells that changed.
fn compare_tables(old: &Table, new: &Table) -> (Vec<String>, Vec<CellChange>) {
    let keys = |table: &Table| table.keys.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    if keys(old) != keys(new) {
        return (vec![format!("rows were by {}, are by {}", keys(old).join(", "), keys(new).join(", "))], Vec::new());
    }
    let mut shape = Vec::new();
    let coordinates = |row: &Row| {
        let named = new.keys.iter().zip(&row.coordinates).map(|(key, at)| format!("{}={at}", key.name));
        named.collect::<Vec<_>>().join(" ")
    };
    let others = |table: &Table, other: &Table| -> Vec<String> {
        table.rows.iter().filter(|row| same_row(other, row).is_none()).map(coordinates).collect()
    };
    shape.extend(describe("rows", &others(new, old), &others(old, new)));
    let columns = |table: &Table, other: &Table| -> Vec<String> {
        let names = table.columns.iter().map(|column| &column.name);
        names.filter(|name| other.columns.iter().all(|column| column.name != **name)).cloned().collect()
    };
    shape.extend(describe("columns", &columns(new, old), &columns(old, new)));
    let mut changes = Vec::new();
    for row in &new.rows {
        let Some(before) = same_row(old, row) else { continue };
        for (column, cell) in new.columns.iter().zip(&row.cells) {
            let at = old.columns.iter().position(|other| other.name == column.name);
            let Some(was) = at.and_then(|at| before.cells.get(at)).filter(|was| !equal(was, cell)) else { continue };
            let names = new.keys.iter().map(|key| key.name.clone());
            let row = names.zip(row.coordinates.iter().cloned()).collect();
            changes.push(CellChange { row, column: column.name.clone(), old: was.clone(), new: cell.clone() });
        }
    }
    (shape, changes)
}

fn equal(old: &Cell, new: &Cell) -> bool {
    let bits = |cell: &Cell| -> Vec<Option<u64>> {
        cell.values.iter().map(|value| (!value.is_nan()).then(|| value.to_bits())).collect()
    };
    (&old.text, old.bold) == (&new.text, new.bold) && bits(old) == bits(new)
}

/// `rows: added p=0.3; removed p=0.1`.
fn describe(what: &str, added: &[String], removed: &[String]) -> Option<String> {
    let list = |word: &str, names: &[String]| match names.len() {
        0 => None,
        n if n > MAX_LISTED => Some(format!("{word} {} and {} more", names[..MAX_LISTED].join(", "), n - MAX_LISTED)),
        _ => Some(format!("{word} {}", names.join(", "))),
    };
    let parts: Vec<String> = [list("added", added), list("removed", removed)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{what}: {}", parts.join("; ")))
}
