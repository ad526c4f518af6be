//! Two-dimensional colour maps, as in phase diagrams.

use crate::spec::Located;
use crate::value::{Array, Color};

crate::record! {
    /// One dimension of a two-dimensional colour map.
    pub struct Ranged {
        /// The name of the array.
        pub value: Located<String>,
        /// The value at the low end.
        pub from: f64 = 0.0,
        /// The value at the high end; by default the largest in the panel.
        pub to: Option<f64> = None,
    }
}

crate::record! {
    /// A colour from two arrays: white where `y` is small, whatever `x` is; blue where `y` is large and `x` is small; red where both are large
    /// (arXiv 2510.23671, phase diagrams).
    pub struct ColorPair {
        /// The value from blue to red.
        pub x: Ranged,
        /// The value from white to full colour.
        pub y: Ranged,
    }
}

/// Returns the colour at `x` and `y` between 0 and 1: red x y + (1 - y), green 1 - y, blue (1 - x) y + (1 - y).
pub fn color(x: f64, y: f64) -> Color {
    let (x, y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
    let white = 1.0 - y;
    Color::unit([x * y + white, white, (1.0 - x) * y + white])
}

impl Ranged {
    /// Scales each value to 0 to 1 between the ends; NaN stays NaN.
    pub fn shares(&self, array: &Array) -> Vec<f64> {
        let values = array.values();
        let largest = values.iter().copied().filter(|value| value.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let to = self.to.unwrap_or(largest);
        let share = |value: f64| if to > self.from { (value - self.from) / (to - self.from) } else { 0.0 };
        values.into_iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Axis;

    #[test]
    fn the_corners_are_white_blue_and_red() {
        let hex = |x, y| color(x, y).hex();
        assert_eq!(
            [hex(0.0, 0.0), hex(1.0, 0.0), hex(0.0, 1.0), hex(1.0, 1.0)],
            ["#ffffff", "#ffffff", "#0000ff", "#ff0000"]
        );
        // A clean feature in the published scaling is purple, never blue.
        assert_eq!(hex(0.39, 0.79), "#8436b0");
        assert_eq!(hex(-1.0, 7.0), "#0000ff");
    }

    #[test]
    fn values_are_scaled_by_the_largest_by_default() {
        let array = Array::f64(vec![Axis::index("i", 4)], vec![0.0, 1.0, 2.0, f64::NAN]).unwrap();
        let ranged = |to| Ranged { value: Located { value: "a".into(), span: Default::default() }, from: 0.0, to };
        assert_eq!(ranged(None).shares(&array)[..3], [0.0, 0.5, 1.0]);
        assert_eq!(ranged(Some(4.0)).shares(&array)[..3], [0.0, 0.25, 0.5]);
        assert!(ranged(None).shares(&array)[3].is_nan());
    }
}
