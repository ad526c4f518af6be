//! LaTeX tables: a `table` environment with booktabs rules. Number columns are right-aligned, or `S` columns of the siunitx package.

use super::siunitx;
use crate::markup::latex;
use crate::value::{Cell, Table};

/// The LaTeX file of a table; with `numbers`, columns are for siunitx. The label is `tab:` and the table's name.
pub fn table(table: &Table, numbers: bool, key: &str) -> String {
    let mut lines = vec![format!("% repro: key {key}"), "\\begin{table}".into(), "  \\centering".into()];
    if !table.caption.is_empty() {
        lines.push(format!("  \\caption{{{}}}", latex(&table.caption)));
        lines.push(format!("  \\label{{tab:{}}}", table.name));
    }
    let column = |i: usize| match numbers {
        true => siunitx::column(table.rows.iter().filter_map(|row| row.cells.get(i))),
        false => "r".into(),
    };
    let columns: String = (0..table.columns.len()).map(column).collect();
    lines.push(format!("  \\begin{{tabular}}{{{}{columns}}}", "l".repeat(table.keys.len())));
    lines.push("    \\toprule".into());
    let headers = table.headers();
    let (labels, groups) = headers.split_last().map_or((&[][..], &[][..]), |(last, groups)| (last.as_slice(), groups));
    for line in groups {
        let mut cells = vec![String::new(); table.keys.len()];
        let mut rules = Vec::new();
        for header in line {
            if header.text.is_empty() {
                cells.extend(vec![String::new(); header.columns]);
                continue;
            }
            cells.push(format!("\\multicolumn{{{}}}{{c}}{{{}}}", header.columns, latex(header.text)));
            let first = table.keys.len() + header.first + 1;
            rules.push(format!("\\cmidrule(lr){{{first}-{}}}", first + header.columns - 1));
        }
        lines.push(row(&cells));
        lines.push(format!("    {}", rules.join(" ")));
    }
    let keys = table.keys.iter().map(|key| latex(&key.label));
    // Braces keep siunitx from parsing a header as a number.
    let header = |text: &str| if numbers { format!("{{{}}}", latex(text)) } else { latex(text) };
    lines.push(row(&keys.chain(labels.iter().map(|label| header(label.text))).collect::<Vec<_>>()));
    lines.push("    \\midrule".into());
    for (i, entries) in table.rows.iter().enumerate() {
        if table.begins_block(i) {
            lines.push("    \\addlinespace".into());
        }
        let label = |(key, text): (usize, &String)| if table.repeats(i, key) { String::new() } else { latex(text) };
        let labels = entries.labels.iter().enumerate().map(label);
        lines.push(row(&labels
            .chain(entries.cells.iter().map(if numbers { siunitx::cell } else { cell }))
            .collect::<Vec<_>>()));
    }
    lines.push("    \\bottomrule".into());
    lines.push("  \\end{tabular}".into());
    for note in &table.footnotes {
        lines.push(format!("  \\par\\smallskip{{\\footnotesize {}\\par}}", latex(note)));
    }
    lines.push("\\end{table}\n".into());
    lines.join("\n")
}

/// One row of the tabular. A `*` or `[` after `\\` would be parsed as its argument, so `{}` is put before it.
fn row(cells: &[String]) -> String {
    let text = cells.join(" & ");
    let guard = if text.starts_with(['*', '[']) { "{}" } else { "" };
    format!("    {guard}{text} \\\\")
}

fn cell(cell: &Cell) -> String {
    match (cell.bold, latex(&cell.text)) {
        (false, text) => text,
        (true, text) if text.contains('$') => format!("\\textbf{{\\boldmath {text}}}"),
        (true, text) => format!("\\textbf{{{text}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_is_written_in_latex() {
        assert_eq!(
            table(&sample(), false, "abc"),
            r"% repro: key abc
\begin{table}
  \centering
  \caption{Usage of experts \& their $k$-hot gates: 50\% of \$5}
  \label{tab:table1}
  \begin{tabular}{llrrrr}
    \toprule
     &  &  & \multicolumn{2}{c}{$p = 0.1$} & \multicolumn{1}{c}{$p = 1$} \\
    \cmidrule(lr){4-5} \cmidrule(lr){6-6}
    Gate & $c$ & Experts & unchanged & clamped & a\_b$|$c \\
    \midrule
    Xavier & 1 & 42 & 0.100 $\pm$ 0.010 & \textbf{0.220} & $-$0.5 \\
     & 2 & 20 & 0.080 $\pm$ 0.020 & 0.200 & \textbf{\boldmath $1.2 \times 10^{-5}$} \\
    \addlinespace
    $k$-hot & 1 & 0 & -- & -- & -- \\
    \bottomrule
  \end{tabular}
  \par\smallskip{\footnotesize $<$8192 inputs.\par}
\end{table}
"
        );
    }

    #[test]
    fn a_row_that_begins_with_a_bracket_is_guarded() {
        assert_eq!(row(&["[a]".into(), "b".into()]), r"    {}[a] & b \\");
    }
}
