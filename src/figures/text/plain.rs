//! Markup as plain text, for metadata and screen readers.

use super::parse::{Accent, MathNode, Segment, parse};
use super::symbols::AtomClass;

/// Converts a line of markup to plain text: `$\frac{1}{1-S}$` becomes `1/(1−S)`.
pub fn plain(markup: &str) -> String {
    parse(markup).0.iter().map(part).collect()
}

pub(super) fn part(part: &Segment) -> String {
    match part {
        Segment::Text(text) => text.clone(),
        Segment::Mathematics(nodes) => list(nodes),
    }
}

fn list(nodes: &[MathNode]) -> String {
    let mut text = String::new();
    for (i, node) in nodes.iter().enumerate() {
        match node {
            MathNode::Symbol { text: symbol, class: AtomClass::Relation, .. } if nodes.len() > 1 => {
                let left = if i == 0 { "" } else { " " };
                let right = if i + 1 == nodes.len() { "" } else { " " };
                text.extend([left, symbol, right]);
            }
            MathNode::Symbol { text: symbol, class: AtomClass::Operator, .. } => {
                text.push_str(symbol);
                let next = nodes.get(i + 1);
                if symbol.len() > 1 && matches!(next, Some(MathNode::Symbol { class: AtomClass::Ordinary, .. })) {
                    text.push(' ');
                }
            }
            _ => text.push_str(&one(node)),
        }
    }
    text
}

fn one(node: &MathNode) -> String {
    match node {
        MathNode::Symbol { text, .. } => text.clone(),
        MathNode::Space(width) => if *width > 0.0 { " " } else { "" }.into(),
        MathNode::Group(nodes) => list(nodes),
        MathNode::Fraction { above, below, .. } => format!("{}/{}", closed(above), closed(below)),
        MathNode::Root(body) => format!("√{}", closed(body)),
        MathNode::Accent(accent, base) => {
            let mark = match accent {
                Accent::Bar => '\u{304}',
                Accent::Glyph('ˆ') => '\u{302}',
                Accent::Glyph('˜') => '\u{303}',
                Accent::Glyph('˙') => '\u{307}',
                Accent::Glyph(_) => '\u{20d7}',
            };
            format!("{}{mark}", list(base))
        }
        MathNode::Scripts { base, upper, lower } => {
            let mut text = one(base);
            for (sign, script) in [("_", lower), ("^", upper)] {
                if !script.is_empty() {
                    text.extend([sign, &closed(script)]);
                }
            }
            text
        }
    }
}

/// Adds brackets unless the text is a single term.
fn closed(nodes: &[MathNode]) -> String {
    let text = list(nodes);
    let number = text.chars().all(|c| c.is_ascii_digit());
    if number || text.chars().count() == 1 { text } else { format!("({text})") }
}
