//! Tables for LaTeX: a `table` environment with the rules of the booktabs package. Numbers are aligned to the right, which with a format of
//! fixed decimals aligns their points; or the siunitx package aligns them.

use super::markup::{Piece, SYMBOLS, pieces};
use super::siunitx;
use crate::figures::text;
use crate::value::{Cell, Table};

/// The text of the file, with `numbers` for the siunitx package. The label is `tab:` and the table's name.
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
    // Braces keep siunitx from reading a header as a number.
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

/// One line of the tabular. After `\\` a star or a bracket would be taken for its argument.
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

/// Markup as LaTeX: mathematics as it is written, text with its special characters escaped.
pub fn latex(markup: &str) -> String {
    let mut out = String::new();
    for piece in pieces(markup) {
        match piece {
            Piece::Math(math) => {
                out.push('$');
                mathematics(&math, &mut out);
                out.push('$');
            }
            Piece::Text(text) => text.chars().for_each(|c| escape(c, &mut out)),
        }
    }
    out
}

/// Commands whose argument is text.
const TEXTS: [&str; 4] = ["text", "textrm", "textbf", "textit"];
/// Commands of LaTeX that figures do not know and that only change how mathematics looks.
const LOOKS: [&str; 6] = ["displaystyle", "textstyle", "limits", "mathtt", "cdots", "underline"];

/// Mathematics with the commands that figures know, so that no label can read files or change the document. Other commands are shown as
/// they are typed.
fn mathematics(math: &str, out: &mut String) {
    let mut rest = math;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = command(rest, out),
            // These would end the line, the cell or the file, not the formula.
            '%' | '#' | '&' => out.extend(['\\', c]),
            // TeX takes two carets for the beginning of any character.
            '^' if rest.starts_with('^') => out.push_str("^{}"),
            // In mathematics a hyphen is a minus sign.
            '−' => out.push('-'),
            c => out.push(c),
        }
    }
}

/// Write the command that begins behind a backslash; returns what follows it.
fn command<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let (name, after) = rest.split_at(letters.max(first));
    let symbol = || SYMBOLS.iter().any(|(symbol, _)| *symbol == name);
    if TEXTS.contains(&name) {
        let (words, after) = group(after);
        out.push_str(&format!("\\{name}{{"));
        words.chars().for_each(|c| escape(c, out));
        out.push('}');
        after
    } else if text::is_command(name) || symbol() || LOOKS.contains(&name) {
        out.extend(["\\", name]);
        after
    } else if letters > 0 {
        out.push_str(&format!("\\backslash \\mathrm{{{name}}}"));
        after
    } else {
        out.push_str("\\backslash ");
        rest
    }
}

/// The text in the braces that come next, and what is behind them. Braces inside are characters, and so is what follows a backslash.
fn group(rest: &str) -> (String, &str) {
    let Some(inside) = rest.trim_start().strip_prefix('{') else { return (String::new(), rest) };
    let mut words = String::new();
    let mut depth = 1;
    let mut characters = inside.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            '\\' => {
                if let Some((_, special)) = characters.next_if(|(_, c)| "\\{}$%#&_ ".contains(*c)) {
                    words.push(special);
                    continue;
                }
            }
            _ => {}
        }
        if depth == 0 {
            return (words, &inside[at + 1..]);
        }
        words.push(c);
    }
    (words, "")
}

fn escape(c: char, out: &mut String) {
    match c {
        '#' | '$' | '%' | '&' | '_' | '{' | '}' => out.extend(['\\', c]),
        '~' => out.push_str("\\textasciitilde{}"),
        '^' => out.push_str("\\textasciicircum{}"),
        '\\' => out.push_str("\\textbackslash{}"),
        '<' | '>' | '|' => out.extend(['$', c, '$']),
        '−' => out.push_str("$-$"),
        '–' => out.push_str("--"),
        '—' => out.push_str("---"),
        '…' => out.push_str("\\ldots{}"),
        '\u{a0}' => out.push('~'),
        // TeX would end the line, or the paragraph.
        c if c.is_control() => out.push(' '),
        c if c.is_ascii() => out.push(c),
        c => match SYMBOLS.iter().find(|(_, symbol)| *symbol == c) {
            Some((command, _)) => out.push_str(&format!("$\\{command}$")),
            None => out.push(c),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_for_latex() {
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
    fn no_text_breaks_a_line_of_the_table() {
        assert_eq!(row(&["[a]".into(), "b".into()]), r"    {}[a] & b \\");
        assert_eq!(
            latex(r"50% of $90%$ \ ~^{x}"),
            r"50\% of $90\%$ \textbackslash{} \textasciitilde{}\textasciicircum{}\{x\}"
        );
        assert_eq!(latex("$a & b − c$"), r"$a \& b - c$");
    }

    #[test]
    fn mathematics_has_no_commands_but_those_of_figures() {
        for (label, written) in [
            (r"$\input{/etc/passwd}$", r"$\backslash \mathrm{input}{/etc/passwd}$"),
            (r"$\text{\input{/etc/passwd}}$", r"$\text{\textbackslash{}input\{/etc/passwd\}}$"),
            (r"$^^5cinput{x}$", r"$^{}^5cinput{x}$"),
            (r"$^^^^005cinput{x}$", r"$^{}^{}^{}^005cinput{x}$"),
            (r"$a \\ b \%$", r"$a \backslash \ b \%$"),
            (
                r"$\frac{\hat{x}_i}{2} \pm \text{n. a.}\, \mathbb{R}$",
                r"$\frac{\hat{x}_i}{2} \pm \text{n. a.}\, \mathbb{R}$",
            ),
        ] {
            assert_eq!(latex(label), written);
        }
        // Nothing is too odd to be written.
        for odd in [r"$\$", r"$\text$", r"$\text{$", r"$\text{a{b}$", r"$\é$"] {
            latex(odd);
        }
    }
}
