//! Positions a label's line of text on the page.

use crate::figures::text::{self, TextLine};
use crate::value::{Horizontal, Label, Vertical};

/// A label with its layout.
pub struct PlacedLabel {
    pub line: TextLine,
    /// `[a, b, c, d, e, f]` maps a point of the line to `(a x + c y + e, b x + d y + f)` on the page.
    pub matrix: [f64; 6],
}

/// Lay out a label. It is rotated around its anchor, which is at `label.at`.
pub fn place(label: &Label) -> PlacedLabel {
    let line = text::layout(&label.markup, label.size, label.bold);
    let left = match label.horizontal {
        Horizontal::Left => 0.0,
        Horizontal::Middle => -0.5 * line.width,
        Horizontal::Right => -line.width,
    };
    let below = below(label, &line);
    let (sin, cos) = turn(label.rotation);
    let matrix = [cos, -sin, sin, cos, label.at[0] + cos * left + sin * below, label.at[1] - sin * left + cos * below];
    PlacedLabel { line, matrix }
}

/// The point of the baseline above or below the anchor, for text that another program (TeX) lays out and measures.
pub fn baseline(label: &Label) -> [f64; 2] {
    let below = below(label, &text::layout(&label.markup, label.size, label.bold));
    let (sin, cos) = turn(label.rotation);
    [label.at[0] + sin * below, label.at[1] + cos * below]
}

/// Distance from the anchor down to the baseline, in the label's own direction.
fn below(label: &Label, line: &TextLine) -> f64 {
    match label.vertical {
        Vertical::Top => line.ascent,
        // The middle of digits and capitals, so that tick labels are level with their ticks.
        Vertical::Middle => text::MIDDLE * label.size,
        Vertical::Baseline => 0.0,
        Vertical::Bottom => -line.descent,
    }
}

/// Sine and cosine of an angle in degrees, rounded to the precision of files.
fn turn(degrees: f64) -> (f64, f64) {
    let fix = |x: f64| (x * 1e6).round() / 1e6 + 0.0;
    let (sin, cos) = degrees.rem_euclid(360.0).to_radians().sin_cos();
    (fix(sin), fix(cos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Color;

    fn label(rotation: f64, horizontal: Horizontal, vertical: Vertical) -> Label {
        Label {
            markup: "Hxg".into(),
            at: [100.0, 50.0],
            size: 10.0,
            color: Color::BLACK,
            bold: false,
            rotation,
            horizontal,
            vertical,
        }
    }

    /// The page position of a point of the line.
    fn at(placed: &PlacedLabel, x: f64, y: f64) -> [f64; 2] {
        let [a, b, c, d, e, f] = placed.matrix;
        [a * x + c * y + e, b * x + d * y + f].map(|x| (x * 1e3).round() / 1e3)
    }

    #[test]
    fn the_anchor_of_a_label_is_at_its_position_at_any_angle() {
        for rotation in [0.0, 45.0, 90.0, -30.0, 180.0, 450.0] {
            let placed = place(&label(rotation, Horizontal::Right, Vertical::Top));
            assert_eq!(at(&placed, placed.line.width, -placed.line.ascent), [100.0, 50.0]);
            let placed = place(&label(rotation, Horizontal::Middle, Vertical::Bottom));
            assert_eq!(at(&placed, 0.5 * placed.line.width, placed.line.descent), [100.0, 50.0]);
            let placed = place(&label(rotation, Horizontal::Left, Vertical::Middle));
            assert_eq!(at(&placed, 0.0, -10.0 * 1493.0 / 4096.0), [100.0, 50.0]);
        }
    }

    #[test]
    fn a_quarter_turn_runs_up_the_page() {
        let placed = place(&label(90.0, Horizontal::Left, Vertical::Baseline));
        assert_eq!(placed.matrix, [0.0, -1.0, 1.0, 0.0, 100.0, 50.0]);
        assert_eq!(at(&placed, 10.0, 0.0), [100.0, 40.0]);
    }
}
