//! Markup as GitHub's Markdown.

use super::parse::{Segment, parse};

/// Converts markup to Markdown: text and pipes are escaped, mathematics stays between dollar signs. A pipe ends a cell even in a formula.
pub fn markdown(markup: &str) -> String {
    let mut out = String::new();
    for segment in parse(markup).0 {
        match segment {
            Segment::Mathematics { source, .. } => out += &format!("${}$", source.replace('|', "\\|")),
            Segment::Text(text) => {
                for c in text.chars() {
                    if matches!(c, '\\' | '`' | '*' | '_' | '<' | '[' | '|' | '$' | '~') {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
    }
    out
}
