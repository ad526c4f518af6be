//! Markup as LaTeX text: special characters escaped, mathematics limited to known commands, so that a label cannot run LaTeX code.

use super::parse::{Segment, parse};
use super::symbols::{SYMBOLS, commands};

/// Convert markup to LaTeX: text is escaped, mathematics is copied with only its known commands.
pub fn latex(markup: &str) -> String {
    let mut out = String::new();
    for segment in parse(markup).0 {
        match segment {
            Segment::Mathematics { source, .. } => {
                out.push('$');
                mathematics(&source, &mut out);
                out.push('$');
            }
            Segment::Text(text) => text.chars().for_each(|c| escape(c, &mut out)),
        }
    }
    out
}

/// Commands whose argument is text.
const TEXT_COMMANDS: [&str; 4] = ["text", "textrm", "textbf", "textit"];
/// Symbols whose command LaTeX has not.
const WITHOUT_COMMAND: [char; 2] = ['°', 'ο'];

/// Copy mathematics. Only known commands pass, so no label can read files or change the document; others are printed as typed.
fn mathematics(math: &str, out: &mut String) {
    let mut rest = math;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = command(rest, out),
            // Unescaped, these would start a comment, a parameter or a new cell.
            '%' | '#' | '&' => out.extend(['\\', c]),
            // `^^` starts a character escape in TeX.
            '^' if rest.starts_with('^') => out.push_str("^{}"),
            // In mathematics a hyphen is a minus sign.
            '−' => out.push('-'),
            c => out.push(c),
        }
    }
}

/// Write the command after a backslash; returns the rest of the input.
fn command<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let (name, after) = rest.split_at(letters.max(first));
    if TEXT_COMMANDS.contains(&name) {
        let (argument, after) = group(after);
        out.push_str(&format!("\\{name}{{"));
        argument.chars().for_each(|c| escape(c, out));
        out.push('}');
        after
    } else if commands().any(|known| known == name) {
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

/// The text of a braced group, and the rest of the input. Nested braces and escaped characters are literal text.
fn group(rest: &str) -> (String, &str) {
    let Some(inside) = rest.trim_start().strip_prefix('{') else { return (String::new(), rest) };
    let mut content = String::new();
    let mut depth = 1;
    let mut characters = inside.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            '\\' => {
                if let Some((_, special)) = characters.next_if(|(_, c)| "\\{}$%#&_ ".contains(*c)) {
                    content.push(special);
                    continue;
                }
            }
            _ => {}
        }
        if depth == 0 {
            return (content, &inside[at + 1..]);
        }
        content.push(c);
    }
    (content, "")
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
        '·' => out.push_str("$\\cdot$"),
        c if c.is_ascii() || WITHOUT_COMMAND.contains(&c) => out.push(c),
        c => match SYMBOLS.iter().find(|(_, symbol, _)| *symbol == c) {
            Some((command, ..)) => out.push_str(&format!("$\\{command}$")),
            None => out.push(c),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(
            latex(r"50% of $90%$ \ ~^{x}"),
            r"50\% of $90\%$ \textbackslash{} \textasciitilde{}\textasciicircum{}\{x\}"
        );
        assert_eq!(latex("$a & b − c$"), r"$a \& b - c$");
    }

    #[test]
    fn unknown_commands_are_shown_as_text() {
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
        // Malformed input does not panic.
        for malformed in [r"$\$", r"$\text$", r"$\text{$", r"$\text{a{b}$", r"$\é$"] {
            latex(malformed);
        }
    }
}
