//! `histogram`: counts of values in equal bins over all remaining axes; with weights, sums of weights.

use super::super::color::Paint;
use super::super::data::{Channel, Scope, Where};
use super::super::panel::around;
use super::{DataRange, Draw, Drawing, LegendEntry, LegendHandle, Shape};
use crate::error::{Error, Result};
use crate::spec::Located;
use crate::value::{Color, Field, Hint, Spots, Stroke, four_digits};

crate::record! {
    /// Counts of values in equal bins.
    pub struct Histogram {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The values.
        pub x: Channel,
        /// The weight of each value; 1 by default.
        pub weight: Option<Channel> = None,
        /// The number of bins.
        pub bins: u32 = 30,
        /// The left edge of the first bin; by default the smallest value.
        pub from: Option<f64> = None,
        /// The right edge of the last bin; by default the largest value.
        pub to: Option<f64> = None,
        pub color: Paint = Paint(Color(0x1f, 0x77, 0xb4, 255)),
        pub opacity: f64 = 0.7,
        /// The legend label.
        pub label: Option<String> = None,
    }
}

impl Draw for Histogram {
    super::reads_arrays!();

    fn names(&self) -> Vec<&Located<String>> {
        self.x.name().into_iter().chain(self.weight.as_ref().and_then(Channel::name)).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let values = scope.channel(&self.x)?;
        let weights = match &self.weight {
            Some(channel) => {
                let weights = scope.channel(channel)?;
                if weights.data.len() != values.data.len() {
                    let span = channel.name().map(|name| name.span).unwrap_or_default();
                    return Err(Error::user("there is not one weight for each value").at(span));
                }
                weights.values()
            }
            None => vec![1.0; values.data.len()],
        };
        let nan = values.data.iter().filter(|value| value.is_nan()).count();
        if nan > 0 && !self.x.skips_nan() {
            let (name, n) = (self.x.describe(), values.data.len());
            let message = format!("{nan} of {n} values of `{name}` are NaN{} and in no bin", scope.describe_fixed(""));
            let span = self.x.name().map(|name| name.span).unwrap_or_default();
            let hint = format!("if they may be left out, write `{{value: {name}, nan: skip}}`");
            scope.warn(Error::stage(message).at(span).hint(hint));
        }
        let found = DataRange::from_values(values.data.iter());
        let (low, high) = (self.from.unwrap_or(found.low), self.to.unwrap_or(found.high));
        let bins = self.bins.clamp(1, 10_000) as usize;
        let (low, high) = if low < high { (low, high) } else { around(if low.is_finite() { low } else { 0.0 }) };
        let width = (high - low) / bins as f64;
        let mut counts = vec![0.0; bins];
        for (value, weight) in values.data.iter().zip(weights) {
            // The last bin includes its right edge.
            let bin = if value == high { bins as f64 - 1.0 } else { ((value - low) / width).floor() };
            if bin >= 0.0
                && let Some(count) = counts.get_mut(bin as usize)
            {
                *count += weight;
            }
        }
        let fill = self.color.0.opacity(self.opacity);
        let outline = Some(Stroke::solid(Color::BLACK, 0.6));
        let mut drawing =
            Drawing { x: DataRange { tight: true, ..DataRange::from_values([low, high]) }, ..Drawing::default() };
        drawing.y = DataRange::from_values(counts.iter().copied()).include(0.0);
        let edges = |bin: usize| [low + bin as f64 * width, low + (bin + 1) as f64 * width];
        let range = |bin: usize| edges(bin).map(four_digits).join(" to ");
        let fields = vec![
            Field::new(self.x.describe(), (0..bins).map(range).collect()),
            Field::numbers(self.weight.as_ref().map_or("count".into(), Channel::describe), counts.iter().copied()),
        ];
        let boxes =
            counts.iter().enumerate().map(|(bin, count)| [[edges(bin)[0], 0.0], [edges(bin)[1], *count]]).collect();
        let title = self.label.clone().unwrap_or_default();
        drawing.hints.push(Hint { title, fields, spots: Spots::Boxes(boxes) });
        for (bin, count) in counts.into_iter().enumerate().filter(|(_, count)| *count != 0.0) {
            let [left, right] = edges(bin);
            let corners = vec![[left, 0.0], [right, 0.0], [right, count], [left, count]];
            drawing.shapes.push(Shape::Area { corners, fill, outline: outline.clone() });
        }
        if let Some(label) = &self.label {
            drawing.legend.push(LegendEntry { label: label.clone(), swatch: LegendHandle::Area(fill) });
        }
        Ok(drawing)
    }
}
