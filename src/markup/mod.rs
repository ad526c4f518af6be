//! The markup of labels, captions and cells: plain text with mathematics between dollar signs, in TeX's language; `\$` is a dollar sign.
//!
//! It is parsed here alone, to one tree with one list of commands. Figures lay the tree out; the printers here write it as plain text,
//! LaTeX, Markdown and Typst.

mod latex;
mod markdown;
mod parse;
mod plain;
mod symbols;
mod typst;

pub use latex::latex;
pub use markdown::markdown;
pub use parse::{Accent, LetterStyle, MathNode, Segment, classes, parse};
pub use plain::{plain, unicode};
pub use symbols::{AtomClass, SYMBOLS};
pub use typst::typst;

/// Escapes text so that markup shows it literally.
pub fn verbatim(text: &str) -> String {
    text.replace('$', "\\$")
}

#[cfg(test)]
mod tests;
