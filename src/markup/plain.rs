//! Markup as plain text.

use super::parse::{Accent, MathNode, Segment, classes, parse};
use super::symbols::AtomClass;

const RAISED: (&str, &str) = ("0123456789+−=()niTk⊤", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵏᵀ");
const LOWERED: (&str, &str) = ("0123456789+−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ");

/// Converts markup to plain text for metadata and screen readers, which read `^` aloud: `$\frac{1}{x^2}$` becomes `1/(x^2)`.
pub fn plain(markup: &str) -> String {
    Printer { unicode: false }.line(markup)
}

/// Converts markup to plain text for the eye, in terminals and web pages: `$x^2$` becomes `x²`.
pub fn unicode(markup: &str) -> String {
    Printer { unicode: true }.line(markup)
}

#[derive(Clone, Copy)]
struct Printer {
    /// Whether to write scripts as raised and lowered characters, and spaces around binary operators.
    unicode: bool,
}

impl Printer {
    fn line(self, markup: &str) -> String {
        let segment = |segment: Segment| match segment {
            Segment::Text(text) => text,
            Segment::Mathematics { nodes, .. } => self.list(&nodes),
        };
        parse(markup).0.into_iter().map(segment).collect()
    }

    fn list(self, nodes: &[MathNode]) -> String {
        let classes = if self.unicode { classes(nodes) } else { Vec::new() };
        let mut text = String::new();
        for (i, node) in nodes.iter().enumerate() {
            let spaced = match node {
                MathNode::Symbol { class: AtomClass::Relation, .. } => nodes.len() > 1,
                _ => classes.get(i) == Some(&Some(AtomClass::Binary)),
            };
            if spaced && i > 0 {
                text.push(' ');
            }
            text.push_str(&self.node(node));
            let name = matches!(node, MathNode::Symbol { text, class: AtomClass::Operator, .. } if text.len() > 1);
            let next = nodes.get(i + 1);
            let named = name && matches!(next, Some(MathNode::Symbol { class: AtomClass::Ordinary, .. }));
            if named || spaced && next.is_some() {
                text.push(' ');
            }
        }
        text
    }

    fn node(self, node: &MathNode) -> String {
        match node {
            MathNode::Symbol { text, .. } => text.clone(),
            MathNode::Space(width) => if *width > 0.0 { " " } else { "" }.into(),
            MathNode::Group(nodes) => self.list(nodes),
            MathNode::Fraction { above, below, .. } => {
                format!("{}/{}", self.closed(self.list(above)), self.closed(self.list(below)))
            }
            MathNode::Root(body) => format!("√{}", self.closed(self.list(body))),
            MathNode::Accent(accent, base) => {
                let mark = match accent {
                    Accent::Hat => '\u{302}',
                    Accent::Tilde => '\u{303}',
                    Accent::Dot => '\u{307}',
                    Accent::Vector => '\u{20d7}',
                    Accent::Bar => '\u{304}',
                    Accent::Underline => '\u{332}',
                };
                format!("{}{mark}", self.list(base))
            }
            MathNode::Scripts { base, upper, lower } => {
                let mut text = self.node(base);
                for (sign, script, alphabet) in [("_", lower, LOWERED), ("^", upper, RAISED)] {
                    if script.is_empty() {
                        continue;
                    }
                    let script = self.list(script);
                    match small(&script, alphabet).filter(|_| self.unicode) {
                        Some(small) => text.push_str(&small),
                        None => text.extend([sign, &self.closed(script)]),
                    }
                }
                text
            }
        }
    }

    /// Adds brackets unless the text is a single term.
    fn closed(self, text: String) -> String {
        let number = text.chars().all(|c| c.is_ascii_digit() || self.unicode && c == '.');
        if number || text.chars().count() == 1 { text } else { format!("({text})") }
    }
}

/// Returns a script in raised or lowered characters, if Unicode has them all.
fn small(script: &str, (from, to): (&str, &str)) -> Option<String> {
    let small = |c: char| from.chars().position(|known| known == c).and_then(|i| to.chars().nth(i));
    script.chars().filter(|c| *c != ' ').map(small).collect()
}
