//! `line`: points connected in the order of their axis.

use super::super::color::{ColorChannel, Paint};
use super::super::data::{Channel, Scope, Where};
use super::series::series;
use super::{Draw, Drawing, Fills, LegendEntry, LegendHandle, LineStyle, Shape, color_names};
use crate::error::Result;
use crate::spec::Located;
use crate::value::Color;

crate::record! {
    /// Points connected by a line.
    pub struct Line with super::keep_key {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// Positions along x; by default the coordinates of the one axis that remains in `y`.
        pub x: Option<Channel> = None,
        /// The y values.
        pub y: Channel,
        pub color: ColorChannel = ColorChannel::Fixed(Paint(Color(0x1f, 0x77, 0xb4, 255))),
        /// In points; defaults to the theme's.
        pub width: Option<f64> = None,
        pub style: LineStyle = LineStyle::Solid,
        pub opacity: f64 = 1.0,
        /// The radius of the marker at every point, in points; 0 for none.
        pub dots: f64 = 0.0,
        /// The legend label.
        pub label: Option<String> = None,
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

impl Draw for Line {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        let channels = self.x.as_ref().and_then(Channel::name).into_iter().chain(self.y.name());
        channels.chain(color_names(&self.color)).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let mut drawing = Drawing::default();
        let scope = scope.within(&self.of, &self.r#where);
        let width = self.width.unwrap_or(scope.theme().line_width);
        for series in series(&scope, &self.x, &self.y, &self.color)? {
            let color = series.color.opacity(self.opacity);
            let stroke = self.style.stroke(color, width);
            drawing.x = drawing.x.join(series.x_extent());
            drawing.y = drawing.y.join(series.y_extent());
            drawing.shapes.push(Shape::Line { points: series.points(), stroke: stroke.clone() });
            if self.dots > 0.0 {
                (drawing.x.loose, drawing.y.loose) = (true, true);
                let points = series.points();
                drawing.shapes.push(Shape::Points {
                    points,
                    radius: self.dots,
                    fills: Fills::Same(Some(color)),
                    outline: None,
                });
            }
            drawing.hints.push(series.hint());
            if let Some(label) = series.label.or_else(|| self.label.clone()) {
                drawing.legend.push(LegendEntry { label, swatch: LegendHandle::Line(stroke) });
            }
        }
        Ok(drawing)
    }
}
