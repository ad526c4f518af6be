//! Which fills, strokes, dashes, circles and lines are visible. Formats disagree about zero-width lines and zero-length dashes, so this is
//! decided once for all of them.

use crate::value::{Color, Stroke};

/// The stroke, if it is visible.
pub fn visible(stroke: &Option<Stroke>) -> Option<&Stroke> {
    stroke.as_ref().filter(|stroke| stroke.width > 0.0 && stroke.width.is_finite() && stroke.color.3 > 0)
}

/// The fill colour, if it is visible.
pub fn shown(fill: Option<Color>) -> Option<Color> {
    fill.filter(|color| color.3 > 0)
}

/// The lengths of dashes and gaps; empty for a solid line.
pub fn dashes(stroke: &Stroke) -> &[f64] {
    let sound = stroke.dashes.iter().all(|x| x.is_finite() && *x >= 0.0) && stroke.dashes.iter().any(|x| *x > 0.0);
    if sound { &stroke.dashes } else { &[] }
}

/// Whether a circle is finite and not empty.
pub fn is_circle(center: [f64; 2], radius: f64) -> bool {
    center.iter().all(|x| x.is_finite()) && radius.is_finite() && radius > 0.0
}

/// Whether a line has a segment with finite ends.
pub fn is_line(points: &[[f64; 2]]) -> bool {
    points.windows(2).any(|ends| ends.iter().flatten().all(|x| x.is_finite()))
}
