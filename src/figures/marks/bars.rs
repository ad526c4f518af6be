//! `bars`: bars from 0, one for each position along an axis; several series are side by side or stacked.

use super::super::color::{ColorChannel, Paint};
use super::super::data::{Channel, Scope, Where, left_over};
use super::series::{Series, series};
use super::{DataRange, Draw, Drawing, LegendEntry, LegendHandle, Shape, color_names};
use crate::error::{Error, Result};
use crate::spec::Located;
use crate::value::{Color, Field, Spots};

crate::record! {
    /// Bars that start at 0.
    pub struct Bars with super::keep_key {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// Positions along x; by default the coordinates of the one axis that remains in `y`.
        pub x: Option<Channel> = None,
        /// The y values.
        pub y: Channel,
        pub color: ColorChannel = ColorChannel::Fixed(Paint(Color(0x1f, 0x77, 0xb4, 255))),
        /// The width of a bar in x units.
        pub width: f64 = 0.8,
        /// With a colour `by: AXIS`: stack the bars instead of placing them side by side; negative values stack downwards.
        pub stacked: bool = false,
        pub opacity: f64 = 1.0,
        /// The legend label.
        pub label: Option<String> = None,
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

impl Draw for Bars {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        let channels = self.x.as_ref().and_then(Channel::name).into_iter().chain(self.y.name());
        channels.chain(color_names(&self.color)).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let rows = series(&scope, &self.x, &self.y, &self.color)?;
        let mut drawing = Drawing::default();
        let mut colors = None;
        if let ColorChannel::Of(of) = &self.color {
            let values = scope.named(&of.value)?;
            if of.by.is_none() && rows.iter().any(|row| row.y.len() != values.data.len()) {
                let message = format!("colours need one value for each bar; {}", left_over(&values));
                return Err(Error::user(message).at(of.value.span));
            }
            let scale = of.scale(values.data.iter(), scope.theme());
            drawing.bar = of.bar.then(|| (scale.clone(), of.label.clone()));
            colors = of.by.is_none().then(|| (scale, values.values()));
        }
        if let Some(row) =
            rows.iter().find(|row| self.stacked && !self.y.skips_nan() && row.y.iter().any(|y| y.is_nan()))
        {
            let series = row.label.as_ref().map_or(String::new(), |label| format!(" of `{label}`"));
            let name = self.y.describe();
            let message = format!(
                "values of `{name}`{series} are NaN{}, so stacks are lower than their sum",
                scope.describe_fixed("")
            );
            let span = self.y.name().map(|name| name.span).unwrap_or_default();
            let hint = format!("if they may be left out, write `{{value: {name}, nan: skip}}`");
            scope.warn(Error::stage(message).at(span).hint(hint));
        }
        let count = if self.stacked { 1 } else { rows.len().max(1) };
        let width = self.width / count as f64;
        // The height of the stack so far at each position: upwards and downwards.
        let places = rows.iter().map(|row| row.x.len()).max().unwrap_or(0);
        let mut reached = vec![[0.0f64; 2]; places];
        for (number, row) in rows.into_iter().enumerate() {
            let slot = if self.stacked { 0 } else { number };
            let shift = (slot as f64 - 0.5 * (count as f64 - 1.0)) * width;
            drawing.x = drawing.x.join(self.across(&row));
            let mut boxes = Vec::with_capacity(row.x.len());
            for (i, (&x, &y)) in row.x.iter().zip(&row.y).enumerate() {
                let (left, right) = (x + shift - 0.5 * width, x + shift + 0.5 * width);
                if y.is_nan() {
                    boxes.push([[f64::NAN; 2]; 2]);
                    continue;
                }
                let side = usize::from(y < 0.0);
                let base = if self.stacked { reached[i][side] } else { 0.0 };
                reached[i][side] = base + y;
                drawing.y = drawing.y.include(base).include(base + y);
                let fill = match &colors {
                    Some((scale, values)) => values.get(i).and_then(|value| scale.at(*value)),
                    None => Some(row.color),
                };
                if let Some(fill) = fill {
                    let corners = vec![[left, base], [right, base], [right, base + y], [left, base + y]];
                    drawing.shapes.push(Shape::Area { corners, fill: fill.opacity(self.opacity), outline: None });
                }
                boxes.push([[left, base], [right, base + y]]);
            }
            let mut hint = row.hint_at(Spots::Boxes(boxes));
            if let (Some((_, values)), ColorChannel::Of(of)) = (&colors, &self.color) {
                hint.fields.push(Field::numbers(of.value.value.as_str(), values.iter().copied()));
            }
            drawing.hints.push(hint);
            if let Some(label) = row.label.or_else(|| self.label.clone()) {
                drawing.legend.push(LegendEntry { label, swatch: LegendHandle::Area(row.color.opacity(self.opacity)) });
            }
        }
        drawing.y = drawing.y.include(0.0);
        Ok(drawing)
    }
}

impl Bars {
    fn across(&self, row: &Series) -> DataRange {
        let extent = row.x_extent();
        let (low, high) = (extent.low - 0.5 * self.width - 0.1, extent.high + 0.5 * self.width + 0.1);
        DataRange { low, high, tight: true, ..extent }
    }
}
