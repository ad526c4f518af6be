//! GitHub Markdown tables with aligned pipes. Markdown has one header row, so group headers are prefixed to labels.

use crate::markup::markdown;
use crate::value::{Cell, Table};

/// The Markdown of a table.
pub fn table(table: &Table, key: &str) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let keys = table.keys.iter().map(|key| markdown(&key.label));
    let headers = table.columns.iter().map(|column| {
        let parts = column.groups.iter().chain([&column.label]).filter(|part| !part.is_empty());
        parts.map(|part| markdown(part)).collect::<Vec<_>>().join(", ")
    });
    lines.push(keys.chain(headers).collect());
    for (i, row) in table.rows.iter().enumerate() {
        let label = |(key, text): (usize, &String)| if table.repeats(i, key) { String::new() } else { markdown(text) };
        let labels = row.labels.iter().enumerate().map(label);
        lines.push(labels.chain(row.cells.iter().map(cell)).collect());
    }
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..table.keys.len() + table.columns.len()).map(width).collect();
    let left = |column: usize| column < table.keys.len();
    let written = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (text, &width))| {
            if left(column) { format!(" {text:<width$} ") } else { format!(" {text:>width$} ") }
        });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let dashes = widths.iter().enumerate().map(|(column, &width)| {
        if left(column) { format!(" {} ", "-".repeat(width)) } else { format!(" {}: ", "-".repeat(width - 1)) }
    });
    let rule = format!("|{}|\n", dashes.collect::<Vec<_>>().join("|"));
    let mut out = format!("<!-- repro: key {key} -->\n\n");
    if !table.caption.is_empty() {
        out += &format!("{}\n\n", markdown(&table.caption));
    }
    for (i, line) in lines.iter().enumerate() {
        out += &written(line);
        if i == 0 {
            out += &rule;
        }
    }
    for note in &table.footnotes {
        out += &format!("\n{}\n", markdown(note));
    }
    out
}

fn cell(cell: &Cell) -> String {
    let text = markdown(&cell.text);
    if cell.bold { format!("**{text}**") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_for_markdown() {
        assert_eq!(
            table(&sample(), "abc"),
            r"<!-- repro: key abc -->

Usage of experts & their $k$-hot gates: 50% of \$5

| Gate    | $c$ | Experts | $p = 0.1$, unchanged | $p = 0.1$, clamped |         $p = 1$, a\_b\|c |
| ------- | --- | ------: | -------------------: | -----------------: | -----------------------: |
| Xavier  | 1   |      42 |        0.100 ± 0.010 |          **0.220** |                     −0.5 |
|         | 2   |      20 |        0.080 ± 0.020 |              0.200 | **$1.2 \times 10^{-5}$** |
| $k$-hot | 1   |       0 |                    – |                  – |                        – |

\<8192 inputs.
"
        );
    }
}
