//! Lines of text with mathematical markup: parsed, measured, and laid out as runs of glyphs of the embedded fonts.
//!
//! Markup is plain text with TeX-like mathematics between `$`; `\$` is a dollar sign. It knows no file formats and draws nothing.

mod font;
mod maths;
mod parse;
mod plain;
mod symbols;

pub use font::{Face, Font, Glyph, UNITS};
pub use plain::plain;

use maths::Setter;
use parse::Part;

/// Half the height of capitals and digits, in ems: where the middle of a line is, whatever stands in it.
pub const MIDDLE: f64 = 0.5 * 1493.0 / UNITS;

/// A line reaches at least as high as `d` and as low as `p`, so that lines side by side share a baseline.
const ASCENT: f64 = 1556.0 / UNITS;
const DESCENT: f64 = 426.0 / UNITS;

/// Characters of one face and size on one baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Left end of the baseline, in points from the left end of the whole line's baseline; y grows downwards.
    pub x: f64,
    pub y: f64,
    pub size: f64,
    pub face: Face,
    pub text: String,
}

/// A line of text, laid out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pub width: f64,
    /// Height above the baseline, and depth below it.
    pub ascent: f64,
    pub descent: f64,
    pub runs: Vec<Run>,
    /// Rules, such as the bars of fractions: `[x, y, width, thickness]`, y of the middle.
    pub rules: Vec<[f64; 4]>,
}

impl Run {
    /// Its glyphs, kerned.
    pub fn glyphs(&self) -> Vec<Glyph> {
        self.face.font().set(&self.text)
    }
}

impl Line {
    /// Put another line's ink at a place; the width stays.
    fn put(&mut self, other: &Line, x: f64, y: f64) {
        self.runs.extend(other.runs.iter().map(|run| Run { x: run.x + x, y: run.y + y, ..run.clone() }));
        self.rules.extend(other.rules.iter().map(|&[left, middle, width, thick]| [left + x, middle + y, width, thick]));
        if !other.runs.is_empty() {
            self.ascent = self.ascent.max(other.ascent - y);
            self.descent = self.descent.max(other.descent + y);
        }
    }
}

/// Lay out a line of markup at a font size in points. What cannot be understood is shown as it is typed.
pub fn layout(markup: &str, size: f64, bold: bool) -> Line {
    let setter = Setter { size, bold };
    let mut line = Line::default();
    for part in parse::parse(markup).0 {
        let piece = match part {
            Part::Text(text) => setter.characters(&text, if bold { Face::Bold } else { Face::Regular }, 0),
            Part::Mathematics(nodes) => setter.list(&nodes, 0),
        };
        let x = line.width;
        line.put(&piece.line, x, 0.0);
        line.width += piece.line.width;
    }
    line.ascent = line.ascent.max(size * ASCENT);
    line.descent = line.descent.max(size * DESCENT);
    line
}

/// Text as markup that shows it as it is, whatever is in it.
pub fn verbatim(text: &str) -> String {
    text.replace('$', "\\$")
}

/// Whether markup may use a TeX command, by its name without the backslash.
pub fn is_command(name: &str) -> bool {
    symbols::commands().any(|known| known == name)
}

/// What is wrong with markup: unknown commands, braces and dollars without their partners, characters that the font lacks.
pub fn check(markup: &str) -> Result<(), String> {
    let (parts, mut problems) = parse::parse(markup);
    let shown = parts.iter().map(plain::part).collect::<String>();
    let font = Face::Regular.font();
    let mut lacking: Vec<char> = shown.chars().filter(|&c| font.glyph(c).is_none()).collect();
    lacking.sort_unstable();
    lacking.dedup();
    problems.extend(lacking.iter().map(|c| format!("the font of figures has no `{c}`")));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

#[cfg(test)]
mod tests;
