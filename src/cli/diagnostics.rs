//! Prints errors: message, location, source line with carets, hints; or as JSON.

use serde_json::{Value as Json, json};

use super::Console;
use super::console::TerminalStyle;
use super::words::{count, harmless};
use crate::error::{Error, Span};
use crate::graph::LoadError;

/// Longer source lines are truncated around the span.
const WIDEST: usize = 140;

/// Maximum number of errors to print in full.
const MANY: usize = 100;

/// The path and text of the paper file.
#[derive(Clone, Debug)]
pub struct PaperSource {
    /// As typed by the user.
    pub file: String,
    pub text: String,
}

/// Why a command failed: errors, and the file that they refer to.
#[derive(Debug)]
pub struct Trouble {
    pub errors: Vec<Error>,
    pub source: Option<PaperSource>,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble { errors: vec![error], source: None }
    }
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Trouble {
        match error {
            LoadError::Unreadable(error) => error.into(),
            LoadError::Invalid { file, text, errors } => Trouble { errors, source: Some(PaperSource { file, text }) },
        }
    }
}

impl Trouble {
    pub fn exit_code(&self) -> u8 {
        self.errors.iter().map(Error::exit_code).max().unwrap_or(3)
    }
}

/// Print all errors; returns the exit code.
pub fn report(trouble: &Trouble, console: &Console) -> u8 {
    // Finding the source lines of thousands of errors in a long file would take minutes.
    let told = if console.json { trouble.errors.len() } else { trouble.errors.len().min(MANY) };
    for (i, error) in trouble.errors[..told].iter().enumerate() {
        if console.json {
            let _ = console.print_json(&to_json(error, trouble.source.as_ref()));
            continue;
        }
        if i > 0 {
            console.note("");
        }
        console.note(text("error", error, trouble.source.as_ref(), console).trim_end());
    }
    if let Some(source) = &trouble.source
        && !console.json
    {
        let shown = if told < trouble.errors.len() { format!("; the first {told} are shown") } else { String::new() };
        console.note(&format!("\n{} in {}{shown}", count(trouble.errors.len(), "problem"), source.file));
    }
    trouble.exit_code()
}

/// Format one error; `what` is the prefix of the message.
pub fn text(what: &str, error: &Error, source: Option<&PaperSource>, console: &Console) -> String {
    let style = if what == "warning" { TerminalStyle::Yellow } else { TerminalStyle::Red };
    let strong = |text: &str| console.paint_err(style, text);
    let bold = |text: &str| console.paint_err(TerminalStyle::Bold, text);
    let cyan = |text: &str| console.paint_err(TerminalStyle::Cyan, text);
    let mut out = format!("{}{} {}\n", strong(what), bold(":"), bold(&harmless(&error.message)));
    if let (Some(span), Some(source)) = (error.span.filter(|span| span.line > 0), source) {
        let number = span.line.to_string();
        let gutter = " ".repeat(number.len());
        out += &format!("{gutter}{} {}:{}:{}\n", cyan("-->"), source.file, span.line, span.column);
        if let Some(line) = source.text.lines().nth(span.line as usize - 1) {
            let (line, marks) = underline(line, span);
            let label = error.label.as_deref().map(|label| format!(" {}", harmless(label))).unwrap_or_default();
            out += &format!("{gutter} {}\n", cyan("|"));
            out += &format!("{} {} {line}\n", cyan(&number), cyan("|"));
            out += &format!("{gutter} {} {}\n", cyan("|"), strong(&format!("{marks}{label}")));
        }
    }
    for line in &error.output {
        out += format!("  {} {}", cyan("|"), harmless(&console::strip_ansi_codes(line))).trim_end();
        out.push('\n');
    }
    for hint in &error.hints {
        out += &format!("{}: {}\n", cyan("hint"), harmless(hint));
    }
    out
}

/// The source line to print, and the carets below it.
fn underline(line: &str, span: Span) -> (String, String) {
    let chars: Vec<char> = line.chars().collect();
    let start = (span.column.max(1) as usize - 1).min(chars.len());
    let length = (span.length as usize).clamp(1, chars.len().saturating_sub(start).max(1));
    let from = if chars.len() <= WIDEST { 0 } else { start.saturating_sub(WIDEST / 2) };
    let to = chars.len().min(from + WIDEST);
    let show = |chars: &[char]| {
        // Tabs and control characters are printed as one space each, so that the carets are aligned.
        chars.iter().map(|c| if c.is_control() { ' ' } else { *c }).collect::<String>()
    };
    let (before, after) = (if from > 0 { "..." } else { "" }, if to < chars.len() { "..." } else { "" });
    let shown = format!("{before}{}{after}", show(&chars[from..to]).trim_end());
    let end = (start + length).min(to.max(start));
    let width = |part: &[char]| console::measure_text_width(&show(part));
    let space = " ".repeat(before.len() + width(&chars[from..start]));
    (shown, format!("{space}{}", "^".repeat(width(&chars[start..end]).max(1))))
}

/// An error as a JSON event.
pub fn to_json(error: &Error, source: Option<&PaperSource>) -> Json {
    let mut json = json!({"event": "error", "message": error.message, "hints": error.hints});
    if let (Some(span), Some(source)) = (error.span, source) {
        json["file"] = json!(source.file);
        (json["line"], json["column"], json["length"]) = (json!(span.line), json!(span.column), json!(span.length));
    }
    if !error.output.is_empty() {
        json["output"] = json!(error.output);
    }
    if let Some(label) = &error.label {
        json["label"] = json!(label);
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_are_below_the_span_even_in_a_very_long_line() {
        let line = format!("{}here{}", "x".repeat(1000), "y".repeat(1000));
        let (shown, marks) = underline(&line, Span { line: 1, column: 1001, length: 4 });
        assert!(shown.len() <= WIDEST + 6);
        let at = marks.find('^').unwrap();
        assert_eq!((&shown[at..at + 4], &marks[at..]), ("here", "^^^^"));
    }

    #[test]
    fn a_span_beyond_the_line_is_shown_at_its_end() {
        assert_eq!(underline("ab", Span { line: 1, column: 9, length: 5 }), ("ab".into(), "  ^".into()));
        assert_eq!(underline("\tab", Span { line: 1, column: 2, length: 2 }), (" ab".into(), " ^^".into()));
    }
}
