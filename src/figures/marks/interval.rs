//! `interval`: error bars, vertical lines with caps from one number to another.

use super::super::color::{ColorChannel, Paint};
use super::super::data::{Channel, Scope, Where};
use super::between::Between;
use super::{Draw, Drawing, LegendEntry, LegendHandle, Shape, color_names};
use crate::error::Result;
use crate::spec::Located;
use crate::value::{Color, Stroke};

crate::record! {
    /// Error bars: a vertical line with caps at each position.
    pub struct Interval with super::keep_key {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// Positions along x; by default the coordinates of the one axis that remains in `low`.
        pub x: Option<Channel> = None,
        /// The lower ends.
        pub low: Channel,
        /// The upper ends.
        pub high: Channel,
        pub color: ColorChannel = ColorChannel::Fixed(Paint(Color::BLACK)),
        /// The line width in points.
        pub width: f64 = 1.0,
        /// The length of the caps in points; 0 for none.
        pub cap: f64 = 5.0,
        /// The legend label.
        pub label: Option<String> = None,
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

impl Draw for Interval {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        let channels = [self.x.as_ref(), Some(&self.low), Some(&self.high)].into_iter().flatten();
        channels.filter_map(Channel::name).chain(color_names(&self.color)).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let mut drawing = Drawing::default();
        for interval in Between::all(&scope, &self.x, &self.low, &self.high, &self.color)? {
            let stroke = Stroke::solid(interval.color(), self.width);
            drawing.x = drawing.x.join(interval.x_extent().loose());
            drawing.y = drawing.y.join(interval.y_extent());
            for [x, low, high] in interval.places() {
                let stroke = stroke.clone();
                drawing.shapes.push(Shape::Line { points: vec![[x, low], [x, high]], stroke: stroke.clone() });
                if self.cap > 0.0 {
                    drawing.shapes.push(Shape::Caps { at: vec![[x, low], [x, high]], length: self.cap, stroke });
                }
            }
            drawing.hints.push(interval.hint());
            if let Some(label) = &self.label {
                let label = interval.label().unwrap_or(label).clone();
                drawing.legend.push(LegendEntry { label, swatch: LegendHandle::Line(stroke) });
            }
        }
        Ok(drawing)
    }
}
