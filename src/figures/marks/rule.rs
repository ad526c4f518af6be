//! `rule`: a straight line across the panel.

use super::super::color::Paint;
use super::super::data::{Channel, Scope, Where};
use super::{DataRange, Draw, Drawing, LegendEntry, LegendHandle, LineStyle, Shape};
use crate::error::Result;
use crate::spec::Located;

crate::record! {
    /// A straight line across the panel, at `x` or at `y` (or one of each).
    pub struct Rule {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The position of a vertical line: a number, or an array that is reduced to one number by `where`.
        pub x: Option<Channel> = None,
        /// The position of a horizontal line.
        pub y: Option<Channel> = None,
        pub color: Paint = Paint::BLACK,
        /// The line width in points.
        pub width: f64 = 1.0,
        pub style: LineStyle = LineStyle::Solid,
        pub opacity: f64 = 1.0,
        /// The legend label.
        pub label: Option<String> = None,
    }
}

impl Draw for Rule {
    super::reads_arrays!();

    fn names(&self) -> Vec<&Located<String>> {
        [&self.x, &self.y].into_iter().flatten().filter_map(Channel::name).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let place = |channel: &Option<Channel>| channel.as_ref().map(|channel| scope.number(channel)).transpose();
        let (x, y) = (place(&self.x)?, place(&self.y)?);
        let stroke = self.style.stroke(self.color.0.opacity(self.opacity), self.width);
        let legend = self
            .label
            .iter()
            .map(|label| LegendEntry { label: label.clone(), swatch: LegendHandle::Line(stroke.clone()) });
        Ok(Drawing {
            x: DataRange::from_values(x),
            y: DataRange::from_values(y),
            legend: legend.collect(),
            shapes: vec![Shape::Across { x, y, stroke }],
            ..Drawing::default()
        })
    }
}
