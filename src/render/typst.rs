//! Typst tables: a `figure` that holds a `table`.

use crate::markup::typst;
use crate::value::{Cell, Table};

/// The Typst file of a table. The label is `tab:` and the table's name.
pub fn table(table: &Table, key: &str) -> String {
    let columns = table.keys.len() + table.columns.len();
    let align: Vec<&str> = (0..columns).map(|i| if i < table.keys.len() { "left" } else { "right" }).collect();
    let mut lines = vec![format!("// repro: key {key}"), "#figure(".into()];
    if !table.caption.is_empty() {
        lines.push(format!("  caption: figure.caption(position: top)[{}],", typst(&table.caption)));
    }
    lines.push("  kind: table,".into());
    lines.push("  [".into());
    lines.push("    #table(".into());
    lines.push(format!("      columns: {columns},"));
    lines.push(format!("      align: ({},),", align.join(", ")));
    lines.push("      stroke: none,".into());
    lines.push("      table.hline(),".into());
    lines.push("      table.header(".into());
    let headers = table.headers();
    for (i, line) in headers.iter().enumerate() {
        let last = i + 1 == headers.len();
        let keys = table.keys.iter().map(|key| if last { content(&key.label) } else { "[]".into() });
        let over = line.iter().map(|header| match header.columns {
            1 => content(header.text),
            n => format!("table.cell(colspan: {n}, align: center){}", content(header.text)),
        });
        lines.push(format!("        {},", keys.chain(over).collect::<Vec<_>>().join(", ")));
        for header in line.iter().filter(|header| !last && !header.text.is_empty()) {
            let start = table.keys.len() + header.first;
            let end = start + header.columns;
            lines.push(format!("        table.hline(start: {start}, end: {end}, stroke: 0.5pt),"));
        }
    }
    lines.push("      ),".into());
    lines.push("      table.hline(stroke: 0.5pt),".into());
    for (i, row) in table.rows.iter().enumerate() {
        if table.begins_block(i) {
            lines.push("      table.hline(stroke: 0.25pt),".into());
        }
        let label = |(key, text): (usize, &String)| if table.repeats(i, key) { "[]".into() } else { content(text) };
        let labels = row.labels.iter().enumerate().map(label);
        let cells: Vec<String> = labels.chain(row.cells.iter().map(cell)).collect();
        lines.push(format!("      {},", cells.join(", ")));
    }
    lines.push("      table.hline(),".into());
    lines.push("    )".into());
    for note in &table.footnotes {
        lines.push(String::new());
        lines.push(format!("    #text(size: 0.8em)[{}]", typst(note)));
    }
    lines.push("  ],".into());
    lines.push(format!(") <tab:{}>\n", table.name));
    lines.join("\n")
}

fn content(markup: &str) -> String {
    format!("[{}]", typst(markup))
}

fn cell(cell: &Cell) -> String {
    let text = typst(&cell.text);
    if cell.bold { format!("[#strong[{text}]]") } else { format!("[{text}]") }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_is_written_in_typst() {
        assert_eq!(
            table(&sample(), "abc"),
            r"// repro: key abc
#figure(
  caption: figure.caption(position: top)[Usage of experts & their $k$-hot gates: 50% of \$5],
  kind: table,
  [
    #table(
      columns: 6,
      align: (left, left, right, right, right, right,),
      stroke: none,
      table.hline(),
      table.header(
        [], [], [], table.cell(colspan: 2, align: center)[$p = 0.1$], [$p = 1$],
        table.hline(start: 3, end: 5, stroke: 0.5pt),
        table.hline(start: 5, end: 6, stroke: 0.5pt),
        [Gate], [$c$], [Experts], [unchanged], [clamped], [a\_b|c],
      ),
      table.hline(stroke: 0.5pt),
      [Xavier], [1], [42], [0.100 ± 0.010], [#strong[0.220]], [−0.5],
      [], [2], [20], [0.080 ± 0.020], [0.200], [#strong[$1.2 × 10^(-5)$]],
      table.hline(stroke: 0.25pt),
      [$k$-hot], [1], [0], [–], [–], [–],
      table.hline(),
    )

    #text(size: 0.8em)[\<8192 inputs.]
  ],
) <tab:table1>
"
        );
    }
}
