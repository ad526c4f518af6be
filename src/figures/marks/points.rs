//! `points`: a marker for every number, over all remaining axes.

use super::super::color::{ColorChannel, Paint};
use super::super::data::{Channel, Scope, Where, left_over};
use super::series::series;
use super::{DataRange, Draw, Drawing, Fills, LegendEntry, LegendHandle, Shape, color_names};
use crate::error::{Error, Result};
use crate::spec::Located;
use crate::value::{Color, Field, Stroke};

crate::record! {
    /// A marker for every number.
    pub struct Points with super::keep_key {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// Positions along x; by default the coordinates of the one axis that remains in `y`.
        pub x: Option<Channel> = None,
        /// The y values.
        pub y: Channel,
        pub color: ColorChannel = ColorChannel::Fixed(Paint(Color(0x1f, 0x77, 0xb4, 255))),
        /// The radius in points.
        pub radius: f64 = 2.5,
        pub opacity: f64 = 1.0,
        /// The width of the black outline in points; 0 for none.
        pub rim: f64 = 0.0,
        /// The legend label.
        pub label: Option<String> = None,
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

impl Draw for Points {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        let channels = self.x.as_ref().and_then(Channel::name).into_iter().chain(self.y.name());
        channels.chain(color_names(&self.color)).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let outline = (self.rim > 0.0).then(|| Stroke::solid(Color::BLACK, self.rim));
        if let ColorChannel::Of(of) = &self.color {
            return self.by_value(&scope, of, outline);
        }
        let mut drawing = Drawing::default();
        for series in series(&scope, &self.x, &self.y, &self.color)? {
            let color = series.color.opacity(self.opacity);
            drawing.x = drawing.x.join(series.x_extent().loose());
            drawing.y = drawing.y.join(series.y_extent().loose());
            let (points, fills) = (series.points(), Fills::Same(Some(color)));
            drawing.shapes.push(Shape::Points { points, radius: self.radius, fills, outline: outline.clone() });
            drawing.hints.push(series.hint());
            if let Some(label) = series.label.or_else(|| self.label.clone()) {
                drawing.legend.push(LegendEntry { label, swatch: LegendHandle::Point(color) });
            }
        }
        Ok(drawing)
    }
}

impl Points {
    /// Returns colours from an array with the same axes as y.
    fn by_value(&self, scope: &Scope, of: &super::super::color::ColorOf, outline: Option<Stroke>) -> Result<Drawing> {
        let rows = series(scope, &self.x, &self.y, &self.color)?;
        let values = scope.named(&of.value)?;
        let Some(series) = rows.into_iter().next().filter(|row| row.y.len() == values.data.len()) else {
            return Err(
                Error::user(format!("colours need one value for each point; {}", left_over(&values))).at(of.value.span)
            );
        };
        let colors = of.scale(values.data.iter(), scope.theme());
        let mut drawing = Drawing { x: series.x_extent().loose(), y: series.y_extent().loose(), ..Drawing::default() };
        let mut hint = series.hint();
        hint.fields.push(Field::numbers(of.value.value.as_str(), values.data.iter()));
        drawing.hints.push(hint);
        let fill = |value| colors.at(value).map(|color| color.opacity(self.opacity));
        let fills = Fills::Each(values.data.iter().map(fill).collect());
        drawing.shapes.push(Shape::Points { points: series.points(), radius: self.radius, fills, outline });
        drawing.bar = of.bar.then(|| (colors, of.label.clone()));
        drawing.y = drawing.y.join(DataRange::default());
        Ok(drawing)
    }
}
