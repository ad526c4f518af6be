//! Lays out a parsed formula as a line, following The TeXbook, appendix G, as far as labels need it. Everything is in text style: limits of
//! sums are set as scripts beside them, and numerators and denominators have the size of scripts.

use super::font::{Face, UNITS};
use super::{Run, TextLine};
use crate::markup::{Accent, AtomClass, LetterStyle, MathNode, classes};

/// Relative sizes of the line, of scripts, and of scripts of scripts.
const SIZES: [f64; 3] = [1.0, 0.7, 0.5];

// All in ems of the current size. Values not measured on this font are TeX's own.
const X_HEIGHT: f64 = 1120.0 / UNITS;
const SUPERSCRIPT: f64 = 0.39;
const SUPERSCRIPT_DROP: f64 = 0.386;
const SUBSCRIPT: f64 = 0.16;
const SUBSCRIPT_BELOW_SUPERSCRIPT: f64 = 0.247;
const SUBSCRIPT_DROP: f64 = 0.05;
const SCRIPT_SPACE: f64 = 0.05;
/// The thickness of the bar of the root sign, which a rule extends.
const RULE: f64 = 96.0 / UNITS;
const BOLD_RULE: f64 = 149.0 / UNITS;
/// The gap between a rule and what it separates.
const GAP: f64 = 0.1;
/// The padding on each side of a fraction.
const FRACTION_SPACE: f64 = 0.08;

/// A laid-out part of a formula: a line, and the italic correction of its last letter.
#[derive(Clone, Debug, Default)]
pub struct MathBox {
    pub line: TextLine,
    lean: f64,
}

/// Lays out formulas in one size and weight.
#[derive(Clone, Copy)]
pub struct MathLayout {
    pub size: f64,
    pub bold: bool,
}

/// Characters not yet laid out, collected while the face stays the same.
struct PendingRun {
    text: String,
    face: Face,
}

impl MathLayout {
    fn em(&self, level: usize) -> f64 {
        self.size * SIZES[level.min(SIZES.len() - 1)]
    }

    fn rule(&self, level: usize) -> f64 {
        self.em(level) * if self.bold { BOLD_RULE } else { RULE }
    }

    /// There is no bold italic face: in a bold line both letters and symbols are upright bold.
    fn face(&self, style: LetterStyle) -> Face {
        match style {
            _ if self.bold => Face::Bold,
            LetterStyle::Plain => Face::Regular,
            LetterStyle::Bold => Face::Bold,
            LetterStyle::Italic => Face::Italic,
        }
    }

    /// Lays out characters of one face.
    pub fn characters(&self, text: &str, face: Face, level: usize) -> MathBox {
        let size = self.em(level);
        let mut piece = MathBox::default();
        for (face, text) in by_available_face(text, face) {
            let font = face.font();
            let glyphs = font.set(&text);
            let extent = font.extent(&glyphs);
            let scale = size / UNITS;
            let x = piece.line.width;
            piece.line.width += scale * glyphs.last().map_or(0, |g| g.x + g.advance) as f64;
            piece.line.ascent = piece.line.ascent.max(scale * f64::from(extent.top));
            piece.line.descent = piece.line.descent.max(scale * f64::from(-extent.bottom));
            piece.lean = if face == Face::Italic { scale * f64::from(extent.lean) } else { 0.0 };
            piece.line.runs.push(Run { x, y: 0.0, size, face, text });
        }
        piece
    }

    /// Lays out nodes side by side.
    pub fn list(&self, nodes: &[MathNode], level: usize) -> MathBox {
        let classes = classes(nodes);
        let mut piece = MathBox::default();
        let mut pending: Option<PendingRun> = None;
        let mut before: Option<AtomClass> = None;
        for (node, class) in nodes.iter().zip(classes) {
            let space = match (before, class) {
                (Some(left), Some(right)) => self.em(level) * space(left, right, level) / 18.0,
                _ => 0.0,
            };
            before = class.or(before);
            if let MathNode::Symbol { text, style, .. } = node {
                let face = self.face(*style);
                match &mut pending {
                    Some(run) if run.face == face && space == 0.0 => {
                        run.text.push_str(text);
                        continue;
                    }
                    _ => {}
                }
                self.flush(&mut piece, pending.replace(PendingRun { text: text.clone(), face }), level);
                self.advance(&mut piece, space);
                continue;
            }
            self.flush(&mut piece, pending.take(), level);
            self.advance(&mut piece, space);
            let part = self.node(node, level);
            self.join(&mut piece, part);
        }
        self.flush(&mut piece, pending.take(), level);
        piece
    }

    fn flush(&self, piece: &mut MathBox, pending: Option<PendingRun>, level: usize) {
        if let Some(PendingRun { text, face }) = pending {
            let part = self.characters(&text, face, level);
            self.join(piece, part);
        }
    }

    /// Adds space, which absorbs the italic correction of the letter before it.
    fn advance(&self, piece: &mut MathBox, space: f64) {
        if space != 0.0 {
            piece.line.width += space;
            piece.lean = (piece.lean - space).max(0.0);
        }
    }

    /// Appends a part after the italic correction of what precedes it.
    fn join(&self, piece: &mut MathBox, part: MathBox) {
        if !part.line.runs.is_empty() {
            piece.line.width += piece.lean;
        }
        let x = piece.line.width;
        piece.line.overlay(&part.line, x, 0.0);
        piece.line.width += part.line.width;
        piece.lean = part.lean;
    }

    fn node(&self, node: &MathNode, level: usize) -> MathBox {
        match node {
            MathNode::Symbol { text, style, .. } => self.characters(text, self.face(*style), level),
            MathNode::Space(width) => {
                MathBox { line: TextLine { width: width / 18.0 * self.em(level), ..TextLine::default() }, lean: 0.0 }
            }
            MathNode::Group(nodes) => self.list(nodes, level),
            MathNode::Fraction { above, below, display } => self.fraction(above, below, level, *display),
            MathNode::Root(body) => self.root(body, level),
            MathNode::Accent(accent, base) => self.accent(*accent, base, level),
            MathNode::Scripts { base, upper, lower } => self.scripts(base, upper, lower, level),
        }
    }

    fn axis(&self, level: usize) -> f64 {
        f64::from(self.face(LetterStyle::Plain).font().axis()) / UNITS * self.em(level)
    }

    fn fraction(&self, above: &[MathNode], below: &[MathNode], level: usize, display: bool) -> MathBox {
        let inner = if display { level } else { level + 1 };
        let (above, below) = (self.list(above, inner).line, self.list(below, inner).line);
        let em = self.em(level);
        let thickness = self.rule(level);
        let axis = self.axis(level);
        let side = FRACTION_SPACE * em;
        let width = above.width.max(below.width) + 0.1 * em;
        let reach = 0.5 * thickness + GAP * em;
        let mut line = TextLine { width: width + 2.0 * side, ..TextLine::default() };
        line.overlay(&above, side + 0.5 * (width - above.width), -(axis + reach + above.descent));
        line.overlay(&below, side + 0.5 * (width - below.width), -axis + reach + below.ascent);
        line.rules.push([side, -axis, width, thickness]);
        MathBox { line, lean: 0.0 }
    }

    fn root(&self, body: &[MathNode], level: usize) -> MathBox {
        let body = self.list(body, level);
        let em = self.em(level);
        let font = self.face(LetterStyle::Plain).font();
        let sign = font.glyph('√').unwrap_or(0);
        let [_, bottom, right, top] = font.bounds(sign).unwrap_or([0, 0, 1305, 1661]).map(|x| f64::from(x) / UNITS);
        // The root sign grows with its content, and its bar grows with the sign.
        let height = body.line.ascent + GAP * em + self.rule(level) + body.line.descent;
        let size = em.max(height / (top - bottom));
        let thickness = size / em * self.rule(level);
        let baseline = body.line.descent.max(-em * bottom) + size * bottom;
        let x = size * right;
        let width = body.line.width + body.lean + 0.05 * em;
        let mut line = TextLine { width: x + width, ..TextLine::default() };
        let face = self.face(LetterStyle::Plain);
        line.runs.push(Run { x: 0.0, y: baseline, size, face, text: "√".into() });
        line.ascent = size * top - baseline;
        line.descent = baseline - size * bottom;
        line.rules.push([x - thickness, -line.ascent + 0.5 * thickness, width + thickness, thickness]);
        line.overlay(&body.line, x, 0.0);
        MathBox { line, lean: 0.0 }
    }

    fn accent(&self, accent: Accent, base: &[MathNode], level: usize) -> MathBox {
        let mut piece = self.list(base, level);
        let em = self.em(level);
        let (width, top) = (piece.line.width, piece.line.ascent);
        // Shift by half the slant of an italic letter at its top, about a tenth of its height.
        let slanted = piece.line.runs.last().is_some_and(|run| run.face == Face::Italic);
        let middle = 0.5 * width + if slanted { 0.1 * top } else { 0.0 };
        let (thickness, length) = (self.rule(level), (width - 0.1 * em).max(0.0));
        let sign = match accent {
            Accent::Bar => {
                let y = top + GAP * em + 0.5 * thickness;
                piece.line.rules.push([middle - 0.5 * length, -y, length, thickness]);
                piece.line.ascent = y + 0.5 * thickness;
                return piece;
            }
            Accent::Underline => {
                let y = piece.line.descent + GAP * em + 0.5 * thickness;
                piece.line.rules.push([0.05 * em, y, length, thickness]);
                piece.line.descent = y + 0.5 * thickness;
                return piece;
            }
            Accent::Hat => 'ˆ',
            Accent::Tilde => '˜',
            Accent::Dot => '˙',
            Accent::Vector => '→',
        };
        let arrow = sign == '→';
        let small = MathLayout { size: if arrow { 0.5 * self.size } else { self.size }, bold: self.bold };
        let mark = small.characters(sign.encode_utf8(&mut [0; 4]), self.face(LetterStyle::Plain), level);
        // Accent glyphs are positioned for letters without ascenders; the arrow is not.
        let rise = top - if arrow { -0.02 * em } else { X_HEIGHT * em };
        piece.line.overlay(&mark.line, middle - 0.5 * mark.line.width, -rise.max(0.0));
        piece
    }

    fn scripts(&self, base: &MathNode, upper: &[MathNode], lower: &[MathNode], level: usize) -> MathBox {
        let em = self.em(level);
        let mut piece = self.node(base, level);
        // Scripts of a single letter are at the font's script heights, those of taller content at its corners.
        let tall = !matches!(base, MathNode::Symbol { .. }) && !piece.line.runs.is_empty();
        let drop = if tall { piece.line.ascent - SUPERSCRIPT_DROP * self.em(level + 1) } else { 0.0 };
        let sink = if tall { piece.line.descent + SUBSCRIPT_DROP * self.em(level + 1) } else { 0.0 };
        let (above, below) = (self.list(upper, level + 1), self.list(lower, level + 1));
        let both = !upper.is_empty() && !lower.is_empty();
        let up = drop.max(SUPERSCRIPT * em).max(above.line.descent + 0.25 * X_HEIGHT * em);
        let mut down = sink.max(if both { SUBSCRIPT_BELOW_SUPERSCRIPT } else { SUBSCRIPT } * em);
        if both {
            // Superscript and subscript are at least four rule thicknesses apart.
            let gap = (up - above.line.descent) - (below.line.ascent - down);
            down += (4.0 * RULE * em - gap).max(0.0).min(0.3 * em);
        } else {
            down = down.max(below.line.ascent - 0.8 * X_HEIGHT * em);
        }
        let x = piece.line.width;
        let (raised, lowered) = (x + piece.lean, x);
        let mut end = x;
        if !upper.is_empty() {
            piece.line.overlay(&above.line, raised, -up);
            end = end.max(raised + above.line.width + above.lean);
        }
        if !lower.is_empty() {
            piece.line.overlay(&below.line, lowered, down);
            end = end.max(lowered + below.line.width + below.lean);
        }
        piece.line.width = end + SCRIPT_SPACE * em;
        piece.lean = 0.0;
        piece
    }
}

/// Splits text into runs by face: the wanted face, or the regular one for characters it lacks.
fn by_available_face(text: &str, wanted: Face) -> Vec<(Face, String)> {
    let mut stretches: Vec<(Face, String)> = Vec::new();
    for character in text.chars() {
        let there = wanted.font().glyph(character).is_some() || Face::Regular.font().glyph(character).is_none();
        let face = if there { wanted } else { Face::Regular };
        match stretches.last_mut() {
            Some((last, text)) if *last == face => text.push(character),
            _ => stretches.push((face, character.into())),
        }
    }
    stretches
}

/// The space between two kinds in eighteenths of an em: the table of The TeXbook, chapter 18. In scripts only the space of operators is kept.
fn space(left: AtomClass, right: AtomClass, level: usize) -> f64 {
    use AtomClass::*;
    let (thin, medium, thick) = (3.0, 4.0, 5.0);
    let operators = match (left, right) {
        (Operator, Open | Close | Punctuation) | (Open, Operator) => 0.0,
        (Operator, Relation) | (Relation, Operator) if level == 0 => thick,
        (Operator, Relation) | (Relation, Operator) => 0.0,
        (Operator, _) | (_, Operator) => thin,
        _ => 0.0,
    };
    if operators > 0.0 || level > 0 {
        return operators;
    }
    match (left, right) {
        (Binary, _) | (_, Binary) => medium,
        (Relation, Relation | Close | Punctuation) | (Open | Operator, _) => 0.0,
        (Relation, _) => thick,
        (Punctuation, _) => thin,
        (_, Relation) => thick,
        (Inner, Ordinary | Open | Punctuation | Inner) | (Ordinary | Close, Inner) => thin,
        _ => 0.0,
    }
}
