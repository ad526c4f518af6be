//! Assembles cells into a table: labels, formats and bold cells. This is presentation only; no cell is recomputed.

use super::{Extreme, NamedColumn, Statistic, Summary, TableSettings};
use crate::error::{Error, Result};
use crate::markup;
use crate::value::{Cell, Column, Dataset, KeyColumn, Row, Table};

impl TableSettings {
    /// Builds the table from its cells, row by row; each cell is the dataset of a [`Summary`] with its coordinates.
    pub fn assemble(&self, name: &str, cells: &[Dataset]) -> Result<Table> {
        let summaries: Option<Vec<_>> = cells.iter().map(Summary::from).collect();
        let summaries = summaries.ok_or_else(|| Error::internal("a stored result is not a cell of a table"))?;
        let mut rows: Vec<Row> = Vec::new();
        let mut numbers: Vec<Vec<Summary>> = Vec::new();
        for cells in summaries.chunks(self.columns.0.len().max(1)) {
            let coordinates = cells.first().map(|(_, coordinates)| coordinates.clone()).unwrap_or_default();
            let labels =
                coordinates.iter().enumerate().map(|(key, coordinate)| self.row_label(key, coordinate)).collect();
            let shown = self.columns.0.iter().zip(cells).map(|(column, (summary, _))| self.cell(column, summary));
            rows.push(Row { labels, cells: shown.collect(), coordinates });
            numbers.push(cells.iter().map(|(summary, _)| *summary).collect());
        }
        for (i, column) in self.columns.0.iter().enumerate() {
            if let Some(best) = &column.settings.best {
                self.mark_best(i, column, best, &numbers, &mut rows);
            }
        }
        let key = |name: &String| KeyColumn { name: name.clone(), label: fold(self.headers.get(name).unwrap_or(name)) };
        let columns = self.columns.0.iter().map(|column| Column {
            name: column.name.value.clone(),
            label: fold(column.settings.label.as_ref().unwrap_or(&column.name)),
            groups: column.settings.group.0.iter().map(|group| fold(group)).collect(),
            statistics: self.statistics_of(column).iter().map(|statistic| statistic.name().to_string()).collect(),
        });
        Ok(Table {
            name: name.to_string(),
            caption: fold(&self.caption),
            keys: self.rows.0.iter().map(|row| key(&row.name.value)).collect(),
            columns: columns.collect(),
            rows,
            footnotes: self.footnotes.iter().map(|note| fold(note)).collect(),
        })
    }

    fn row_label(&self, key: usize, coordinate: &str) -> String {
        let values = self.rows.0.get(key).and_then(|key| key.values.as_ref());
        let found = values.into_iter().flatten().find(|(value, _)| value.is(coordinate));
        match found {
            // In a list a coordinate is shown as it is in the data; a label takes precedence.
            Some((value, label)) if self.math || label != value.text() => fold(label),
            None if self.math => fold(coordinate),
            _ => markup::verbatim(&fold(coordinate)),
        }
    }

    fn cell(&self, column: &NamedColumn, summary: &Summary) -> Cell {
        let format = self.format_of(column);
        let (n, skips) = (summary.get(Statistic::N), self.skips_nan(column));
        // A count of no entries is 0; a mean of no entries is missing.
        let nothing = n == 0.0 && (skips || summary.nan() == 0.0) && !column.settings.count;
        let mut text = if nothing { self.missing.clone() } else { format.text(summary, &self.missing) };
        if skips && summary.nan() > 0.0 && !nothing && !format.statistics().contains(&Statistic::N) {
            text += &format!(" (n={n})");
        }
        let values = self.statistics_of(column).into_iter().map(|statistic| summary.get(statistic)).collect();
        Cell { text: fold(&text), values, bold: false }
    }

    /// Sets the best cells of a column in bold, among the rows that are compared, by the first number that the column shows. Cells with
    /// the same text as the best are bold too. A single cell is never best.
    fn mark_best(&self, i: usize, column: &NamedColumn, best: &Extreme, numbers: &[Vec<Summary>], rows: &mut [Row]) {
        let Some(statistic) = self.format_of(column).statistics().first().copied() else { return };
        let within = best.within().and_then(|within| self.rows.0.iter().position(|row| row.name == *within));
        let group = |row: &Row| within.and_then(|key| row.coordinates.get(key).cloned());
        let value =
            |row: usize| numbers.get(row).and_then(|cells| cells.get(i)).map_or(f64::NAN, |cell| cell.get(statistic));
        let groups: Vec<_> = rows.iter().map(group).collect();
        for (first, name) in groups.iter().enumerate().filter(|(row, name)| !groups[..*row].contains(name)) {
            let rivals = (first..rows.len()).filter(|&row| groups[row] == *name && !value(row).is_nan());
            let rivals: Vec<usize> = rivals.collect();
            let order = |a: &&usize, b: &&usize| match best {
                Extreme::Highest(_) => value(**a).total_cmp(&value(**b)),
                Extreme::Lowest(_) => value(**b).total_cmp(&value(**a)),
            };
            let Some(&winner) = rivals.iter().max_by(order).filter(|_| rivals.len() > 1) else { continue };
            let text = |row: usize, rows: &[Row]| rows[row].cells.get(i).map(|cell| cell.text.clone());
            let winning = text(winner, rows);
            for &row in rivals
                .iter()
                .filter(|&&row| value(row) == value(winner) || text(row, rows) == winning)
                .collect::<Vec<_>>()
            {
                if let Some(cell) = rows[row].cells.get_mut(i) {
                    cell.bold = true;
                }
            }
        }
    }
}

/// Joins text to one line.
fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::TableSettings;
    use super::*;
    use crate::spec::{Decode, Problems, read};

    /// Builds a table over two schemes and two counts, with these entries in its cells, row by row.
    fn table(columns: &str, cells: &[&[f64]]) -> Table {
        let yaml = format!("{{of: usage, rows: {{scheme: {{a: A, b: B}}, c: [1, 2]}}, columns: {columns}}}");
        let mut problems = Problems::default();
        let node = read(&yaml, &mut problems).unwrap();
        let settings = TableSettings::decode(&node, &mut problems);
        assert!(problems.is_empty(), "{:?}", problems.into_errors());
        let settings = settings.unwrap();
        let row = |row: usize| {
            [("scheme", ["a", "b"][row / 2]), ("c", ["1", "2"][row % 2])].map(|(k, v)| (k.to_string(), v.to_string()))
        };
        let width = settings.columns.0.len();
        let cells: Vec<Dataset> = {
            let summary = |i: usize, entries: &[f64]| match settings.skips_nan(&settings.columns.0[i % width]) {
                true => Summary::skipping_nan(entries),
                false => Summary::from_entries(entries),
            };
            cells.iter().enumerate().map(|(i, entries)| summary(i, entries).dataset(&row(i / width))).collect()
        };
        settings.assemble("t", &cells).unwrap()
    }

    fn texts(table: &Table) -> Vec<String> {
        let cell = |cell: &Cell| if cell.bold { format!("*{}", cell.text) } else { cell.text.clone() };
        let row =
            |row: &Row| row.labels.iter().cloned().chain(row.cells.iter().map(cell)).collect::<Vec<_>>().join(" ");
        table.rows.iter().map(row).collect()
    }

    #[test]
    fn a_mean_of_no_entries_is_missing_and_a_count_is_zero() {
        let cells: [&[f64]; 8] = [&[1.0, 1.0], &[0.5, 1.0], &[1.0], &[2.0], &[], &[], &[], &[f64::NAN]];
        let made = table("{experts: {count: true, label: Experts}, usage: {format: '{mean:.2f} ± {std:.2f}'}}", &cells);
        assert_eq!(texts(&made), ["A 1 2 0.75 ± 0.35", "A 2 1 2.00 ± –", "B 1 0 –", "B 2 0 NaN ± NaN"]);
        assert_eq!(made.columns[1].statistics, ["mean", "std"]);
        assert_eq!(made.rows[0].cells[1].values[0], 0.75);
    }

    #[test]
    fn nan_is_shown_and_never_best_and_skipping_it_shows_the_number_of_entries() {
        let nan = f64::NAN;
        let cells: [&[f64]; 4] = [&[0.5, nan, 2.5], &[1.0, 3.0, 5.0], &[nan], &[4.0, 4.0]];
        let shown = |more: &str| {
            let column = format!("{{loss: {{format: '{{mean:.1f}} ± {{std:.1f}}', best: lowest{more}}}}}");
            table(&column, &cells)
        };
        let propagated = shown("");
        assert_eq!(texts(&propagated), ["A 1 NaN ± NaN", "A 2 *3.0 ± 2.0", "B 1 NaN ± NaN", "B 2 4.0 ± 0.0"]);
        assert!(propagated.rows[0].cells[0].values.iter().all(|value| value.is_nan()));
        let skipped = shown(", nan: skip");
        assert_eq!(texts(&skipped), ["A 1 *1.5 ± 1.4 (n=2)", "A 2 3.0 ± 2.0", "B 1 –", "B 2 4.0 ± 0.0"]);
        assert_eq!(skipped.columns[0].statistics, ["mean", "std", "n"]);
        assert_eq!(skipped.rows[0].cells[0].values[2], 2.0);
        // A format that already shows n does not get it twice.
        let named = table("{loss: {format: '{mean:.1f} of {n}', nan: skip}}", &cells);
        assert_eq!(texts(&named)[0], "A 1 1.5 of 2");
    }

    #[test]
    fn the_best_of_all_rows_or_of_each_block_is_bold_with_ties() {
        let cells: [&[f64]; 4] = [&[0.111], &[0.3], &[0.109], &[0.4]];
        let best = |best: &str| texts(&table(&format!("{{loss: {{format: '{{mean:.2f}}', best: {best}}}}}"), &cells));
        assert_eq!(best("lowest"), ["A 1 *0.11", "A 2 0.30", "B 1 *0.11", "B 2 0.40"]);
        assert_eq!(best("{highest: {within: scheme}}"), ["A 1 0.11", "A 2 *0.30", "B 1 0.11", "B 2 *0.40"]);
        let alone: [&[f64]; 4] = [&[0.1], &[], &[], &[0.4]];
        assert_eq!(
            texts(&table("{loss: {best: {lowest: {within: scheme}}}}", &alone)),
            ["A 1 0.1", "A 2 –", "B 1 –", "B 2 0.4"]
        );
    }
}
