//! Terminal tables: aligned columns, mathematics as plain text, bold cells marked with a star.

use crate::markup::unicode;
use crate::value::Table;

/// The column separator.
const GAP: usize = 2;

/// The table as text, without trailing blanks and with a final newline.
pub fn table(table: &Table) -> String {
    let headers = table.headers();
    let (labels, groups) = headers.split_last().map_or((&[][..], &[][..]), |(last, groups)| (last.as_slice(), groups));
    let keys = table.keys.iter().map(|key| unicode(&key.label));
    let mut body: Vec<Vec<String>> = vec![keys.chain(labels.iter().map(|header| unicode(header.text))).collect()];
    // A column with stars reserves a character for them, so that digits are aligned.
    let starred: Vec<bool> = (0..table.columns.len())
        .map(|i| table.rows.iter().any(|row| row.cells.get(i).is_some_and(|c| c.bold)))
        .collect();
    for (i, row) in table.rows.iter().enumerate() {
        let label = |(key, text): (usize, &String)| if table.repeats(i, key) { String::new() } else { unicode(text) };
        let cells = row.cells.iter().zip(&starred).map(|(cell, starred)| {
            let star = if cell.bold {
                "*"
            } else if *starred {
                " "
            } else {
                ""
            };
            format!("{}{star}", unicode(&cell.text).replace('−', "-"))
        });
        body.push(row.labels.iter().enumerate().map(label).chain(cells).collect());
    }
    let keys = table.keys.len();
    let columns = keys + table.columns.len();
    let mut widths: Vec<usize> = (0..columns)
        .map(|i| body.iter().filter_map(|line| line.get(i)).map(|text| width(text)).max().unwrap_or(0))
        .collect();
    for header in groups.iter().flatten() {
        let covered = span(&widths, keys + header.first, header.columns);
        // The width that a group header needs is distributed over its columns.
        let first = keys + header.first;
        for more in 0..width(&unicode(header.text)).saturating_sub(covered) {
            if let Some(column) = widths.get_mut(first + more % header.columns.max(1)) {
                *column += 1;
            }
        }
    }
    let rule = "─".repeat(span(&widths, 0, columns));
    let mut lines = Vec::new();
    if !table.caption.is_empty() {
        lines.extend([unicode(&table.caption), String::new()]);
    }
    lines.push(rule.clone());
    for line in groups {
        let (mut names, mut rules) = (String::new(), String::new());
        for header in line.iter().filter(|header| !header.text.is_empty()) {
            let start = if keys + header.first == 0 { 0 } else { span(&widths, 0, keys + header.first) + GAP };
            let covered = span(&widths, keys + header.first, header.columns);
            let name = unicode(header.text);
            let indent = start + (covered - width(&name).min(covered)) / 2;
            names += &format!("{}{name}", " ".repeat(indent.saturating_sub(width(&names))));
            rules += &format!("{}{}", " ".repeat(start.saturating_sub(width(&rules))), "─".repeat(covered));
        }
        lines.extend([names, rules]);
    }
    for (i, line) in body.iter().enumerate() {
        if i > 0 && table.begins_block(i - 1) {
            lines.push(String::new());
        }
        let cells =
            line.iter().zip(&widths).enumerate().map(|(column, (text, width))| pad(text, *width, column < keys));
        lines.push(cells.collect::<Vec<_>>().join(&" ".repeat(GAP)));
        if i == 0 {
            lines.push(rule.clone());
        }
    }
    lines.push(rule);
    if starred.contains(&true) {
        lines.push("* best".into());
    }
    lines.extend(table.footnotes.iter().map(|note| unicode(note)));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The total width of adjacent columns.
fn span(widths: &[usize], first: usize, columns: usize) -> usize {
    widths.iter().skip(first).take(columns).sum::<usize>() + GAP * columns.saturating_sub(1)
}

/// Display width in characters; combining marks have none.
fn width(text: &str) -> usize {
    text.chars().filter(|c| !matches!(c, '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}')).count()
}

fn pad(text: &str, to: usize, left: bool) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(text)));
    if left { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_is_written_for_a_terminal() {
        assert_eq!(
            table(&sample()),
            r"Usage of experts & their k-hot gates: 50% of $5

───────────────────────────────────────────────────────
                           p = 0.1             p = 1
                    ──────────────────────  ───────────
Gate    c  Experts      unchanged  clamped        a_b|c
───────────────────────────────────────────────────────
Xavier  1       42  0.100 ± 0.010   0.220*        -0.5
        2       20  0.080 ± 0.020   0.200   1.2 × 10⁻⁵*

k-hot   1        0              –       –            –
───────────────────────────────────────────────────────
* best
<8192 inputs.
"
        );
    }
}
