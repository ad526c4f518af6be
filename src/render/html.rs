//! HTML tables: a `<table>` to include in a page, with `scope` attributes for screen readers. Mathematics is plain text.

use super::svg::escape;
use crate::markup::unicode;
use crate::value::{Cell, Table};

/// The HTML of a table.
pub fn table(table: &Table, key: &str) -> String {
    let mut lines = vec![format!("<!-- repro: key {key} -->"), "<table>".into()];
    if !table.caption.is_empty() {
        lines.push(format!("  <caption>{}</caption>", html(&table.caption)));
    }
    lines.push("  <thead>".into());
    let headers = table.headers();
    for (i, line) in headers.iter().enumerate() {
        let last = i + 1 == headers.len();
        let mut cells: Vec<String> = match last {
            true => table.keys.iter().map(|key| format!("<th scope=\"col\">{}</th>", html(&key.label))).collect(),
            false => vec![format!("<td{}></td>", across("colspan", table.keys.len()))],
        };
        cells.extend(line.iter().map(|header| match (header.text.is_empty(), last) {
            (true, _) => format!("<td{}></td>", across("colspan", header.columns)),
            (false, true) => format!("<th scope=\"col\">{}</th>", html(header.text)),
            (false, false) => {
                format!("<th scope=\"colgroup\"{}>{}</th>", across("colspan", header.columns), html(header.text))
            }
        }));
        lines.push(format!("    <tr>{}</tr>", cells.concat()));
    }
    lines.push("  </thead>".into());
    lines.push("  <tbody>".into());
    for (i, row) in table.rows.iter().enumerate() {
        if table.begins_block(i) {
            lines.push("  </tbody>".into());
            lines.push("  <tbody>".into());
        }
        let mut cells = Vec::new();
        for (key, label) in row.labels.iter().enumerate().filter(|(key, _)| !table.repeats(i, *key)) {
            let height = table.height(i, key);
            let scope = if height > 1 { "rowgroup" } else { "row" };
            cells.push(format!("<th scope=\"{scope}\"{}>{}</th>", across("rowspan", height), html(label)));
        }
        cells.extend(row.cells.iter().map(cell));
        lines.push(format!("    <tr>{}</tr>", cells.concat()));
    }
    lines.push("  </tbody>".into());
    if !table.footnotes.is_empty() {
        lines.push("  <tfoot>".into());
        for note in &table.footnotes {
            let columns = across("colspan", table.keys.len() + table.columns.len());
            lines.push(format!("    <tr><td{columns}>{}</td></tr>", html(note)));
        }
        lines.push("  </tfoot>".into());
    }
    lines.push("</table>\n".into());
    lines.join("\n")
}

fn cell(cell: &Cell) -> String {
    let text = html(&cell.text);
    if cell.bold { format!("<td><strong>{text}</strong></td>") } else { format!("<td>{text}</td>") }
}

/// A `colspan` or `rowspan` attribute; empty for one.
fn across(attribute: &str, count: usize) -> String {
    if count > 1 { format!(" {attribute}=\"{count}\"") } else { String::new() }
}

fn html(markup: &str) -> String {
    escape(&unicode(markup))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_is_written_in_html() {
        assert_eq!(
            table(&sample(), "abc"),
            r#"<!-- repro: key abc -->
<table>
  <caption>Usage of experts &amp; their k-hot gates: 50% of $5</caption>
  <thead>
    <tr><td colspan="2"></td><td></td><th scope="colgroup" colspan="2">p = 0.1</th><th scope="colgroup">p = 1</th></tr>
    <tr><th scope="col">Gate</th><th scope="col">c</th><th scope="col">Experts</th><th scope="col">unchanged</th><th scope="col">clamped</th><th scope="col">a_b|c</th></tr>
  </thead>
  <tbody>
    <tr><th scope="rowgroup" rowspan="2">Xavier</th><th scope="row">1</th><td>42</td><td>0.100 ± 0.010</td><td><strong>0.220</strong></td><td>−0.5</td></tr>
    <tr><th scope="row">2</th><td>20</td><td>0.080 ± 0.020</td><td>0.200</td><td><strong>1.2 × 10⁻⁵</strong></td></tr>
  </tbody>
  <tbody>
    <tr><th scope="row">k-hot</th><th scope="row">1</th><td>0</td><td>–</td><td>–</td><td>–</td></tr>
  </tbody>
  <tfoot>
    <tr><td colspan="6">&lt;8192 inputs.</td></tr>
  </tfoot>
</table>
"#
        );
    }
}
