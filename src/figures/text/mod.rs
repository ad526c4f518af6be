//! Lines of markup: measured, and laid out as runs of glyphs of the embedded fonts. This module only does layout; it draws nothing and writes
//! no files.

mod font;
mod maths;
mod outline;

pub use font::{Face, Font, Glyph, UNITS};

use crate::markup::{self, Segment};
use maths::MathLayout;

/// Half the height of capitals and digits in ems: the vertical middle of any line, whatever its characters.
pub const MIDDLE: f64 = 0.5 * 1493.0 / UNITS;

/// A line is at least as high as `d` and as deep as `p`, so that lines side by side share a baseline.
const ASCENT: f64 = 1556.0 / UNITS;
const DESCENT: f64 = 426.0 / UNITS;

/// Characters of one face and size on one baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The start of the run's baseline in points, relative to the start of the line's baseline; y grows downwards.
    pub x: f64,
    pub y: f64,
    pub size: f64,
    pub face: Face,
    pub text: String,
}

/// A laid-out line of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextLine {
    pub width: f64,
    /// The height above the baseline and the depth below it.
    pub ascent: f64,
    pub descent: f64,
    pub runs: Vec<Run>,
    /// Rules such as fraction bars: `[x, y, width, thickness]`, where y is the middle of the rule.
    pub rules: Vec<[f64; 4]>,
}

impl Run {
    /// Returns the kerned glyphs of the run.
    pub fn glyphs(&self) -> Vec<Glyph> {
        self.face.font().set(&self.text)
    }
}

impl TextLine {
    /// Adds the runs and rules of another line at an offset, without changing the width.
    fn overlay(&mut self, other: &TextLine, x: f64, y: f64) {
        self.runs.extend(other.runs.iter().map(|run| Run { x: run.x + x, y: run.y + y, ..run.clone() }));
        self.rules.extend(other.rules.iter().map(|&[left, middle, width, thick]| [left + x, middle + y, width, thick]));
        if !other.runs.is_empty() {
            self.ascent = self.ascent.max(other.ascent - y);
            self.descent = self.descent.max(other.descent + y);
        }
    }
}

/// Lays out a line of markup at a font size in points. Invalid markup is shown as typed.
pub fn layout(markup: &str, size: f64, bold: bool) -> TextLine {
    let setter = MathLayout { size, bold };
    let mut line = TextLine::default();
    for part in markup::parse(markup).0 {
        let piece = match part {
            Segment::Text(text) => setter.characters(&text, if bold { Face::Bold } else { Face::Regular }, 0),
            Segment::Mathematics { nodes, .. } => setter.list(&nodes, 0),
        };
        let x = line.width;
        line.overlay(&piece.line, x, 0.0);
        line.width += piece.line.width;
    }
    line.ascent = line.ascent.max(size * ASCENT);
    line.descent = line.descent.max(size * DESCENT);
    line
}

/// Returns the problems of markup: unknown commands, unmatched braces and dollar signs, characters missing from the font.
pub fn check(markup: &str) -> Result<(), String> {
    let mut problems = markup::parse(markup).1;
    let font = Face::Regular.font();
    let mut lacking: Vec<char> = markup::plain(markup).chars().filter(|&c| font.glyph(c).is_none()).collect();
    lacking.sort_unstable();
    lacking.dedup();
    problems.extend(lacking.iter().map(|c| format!("the font of figures has no `{c}`")));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

#[cfg(test)]
mod tests;
