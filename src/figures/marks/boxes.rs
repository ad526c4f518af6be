//! `box`: quartiles, whiskers and outliers of the values at each coordinate of an axis (Tukey 1977).

use super::super::color::Paint;
use super::super::colormaps::Palette;
use super::super::data::{Channel, Scope, Where, quantile, reducible};
use super::{DataRange, Draw, Drawing, Fills, LineStyle, Shape};
use crate::error::Result;
use crate::spec::Located;
use crate::value::{Color, Field, Hint, Spots, Stroke};

crate::record! {
    /// A box for each coordinate of an axis, over all other axes; or a single box of all values.
    pub struct BoxPlot {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The axis whose coordinates get a box each; without it there is a single box.
        pub x: Option<Located<String>> = None,
        /// Without `x`: the position of the single box, 0, 1, ..., which also selects its palette colour.
        pub at: u32 = 0,
        /// The values.
        pub y: Channel,
        pub palette: Option<Palette> = None,
        /// Tick labels that replace coordinates.
        pub labels: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new(),
        /// The width of a box, relative to the distance between boxes.
        pub width: f64 = 0.5,
        /// Whiskers extend to the last value within this multiple of the interquartile range from the box.
        pub whiskers: f64 = 1.5,
        pub opacity: f64 = 0.7,
        /// The colour of the median line.
        pub median: Paint = Paint(Color(0xff, 0x7f, 0x0e, 255)),
    }
}

impl Draw for BoxPlot {
    super::reads_arrays!();

    fn names(&self) -> Vec<&Located<String>> {
        self.x.iter().chain(self.y.name()).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let theme = scope.theme();
        let scope = scope.within(&self.of, &self.r#where);
        // The values and the position of each box.
        let mut boxes = Vec::new();
        let mut names = None;
        let mut drawing = Drawing::default();
        match &self.x {
            Some(name) => {
                let axis = scope.axis(name)?;
                let coordinates = axis.texts();
                for (i, coordinate) in coordinates.iter().enumerate() {
                    boxes.push((i, scope.fix(&axis.name, coordinate, name.span)));
                }
                names = Some(
                    coordinates
                        .iter()
                        .map(|name| self.labels.get(name).cloned().unwrap_or(scope.markup(name)))
                        .collect(),
                );
            }
            None => boxes.push((self.at as usize, scope)),
        }
        let (first, last) = (boxes.first().map_or(0, |b| b.0), boxes.last().map_or(0, |b| b.0));
        let palette = self.palette.as_ref().unwrap_or(&theme.palette).clone();
        let mut hints = Vec::new();
        let thin = LineStyle::Solid.stroke(Color::BLACK, 0.8);
        for (i, scope) in boxes {
            let mut values = reducible(&scope, &self.y, "quartiles")?;
            drawing.y = drawing.y.join(DataRange::from_values(values.iter().copied()));
            if values.is_empty() {
                continue;
            }
            let [low, middle, high] = [0.25, 0.5, 0.75].map(|q| quantile(&mut values, q));
            let reach = self.whiskers * (high - low);
            let bottom = values.iter().copied().find(|v| *v >= low - reach).unwrap_or(low).min(low);
            let top = values.iter().rev().copied().find(|v| *v <= high + reach).unwrap_or(high).max(high);
            let (x, half) = (i as f64, 0.5 * self.width);
            let mut line = |a: [f64; 2], b: [f64; 2], stroke: Stroke| {
                drawing.shapes.push(Shape::Line { points: vec![a, b], stroke });
            };
            line([x, bottom], [x, low], thin.clone());
            line([x, high], [x, top], thin.clone());
            for end in [bottom, top] {
                line([x - 0.5 * half, end], [x + 0.5 * half, end], thin.clone());
            }
            let corners = vec![[x - half, low], [x + half, low], [x + half, high], [x - half, high]];
            let number = |name: &str, value: f64| Field::numbers(name, [value]);
            let mut fields =
                vec![number("median", middle), number("lower quartile", low), number("upper quartile", high)];
            fields.push(number("values", values.len() as f64));
            let title = names.as_ref().and_then(|names: &Vec<String>| names.get(i)).cloned().unwrap_or_default();
            hints.push(Hint { title, fields, spots: Spots::Boxes(vec![[[x - half, low], [x + half, high]]]) });
            let fill = palette.at(i).opacity(self.opacity);
            drawing.shapes.push(Shape::Area { corners, fill, outline: Some(thin.clone()) });
            let stroke = Stroke::solid(self.median.0, 1.0);
            drawing.shapes.push(Shape::Line { points: vec![[x - half, middle], [x + half, middle]], stroke });
            let outliers = values.iter().filter(|v| **v < bottom || **v > top).map(|v| [x, *v]).collect();
            let outline = Some(Stroke::solid(Color::BLACK, 0.7));
            drawing.shapes.push(Shape::Points { points: outliers, radius: 2.2, fills: Fills::Same(None), outline });
        }
        drawing.hints = hints;
        drawing.x = DataRange {
            low: first as f64 - 0.6,
            high: last as f64 + 0.6,
            tight: true,
            categories: names,
            ..DataRange::default()
        };
        Ok(drawing)
    }
}
