//! `heatmap`: a coloured cell for every pair of coordinates of two axes.

use super::super::color::ColorOf;
use super::super::data::{Scope, Where, categories, left_over};
use super::{Draw, Drawing, Extent, Shape};
use crate::error::{Error, Result};
use crate::spec::Located;
use crate::value::Axis;

crate::record! {
    /// A coloured cell for every pair of coordinates.
    pub struct Heatmap {
        /// The stage; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Coordinates that are fixed.
        pub r#where: Where = Where::new(),
        /// The axis that runs across.
        pub x: Located<String>,
        /// The axis that runs upwards (downwards if the panel's `y` is reversed).
        pub y: Located<String>,
        /// The array, and its colours.
        pub color: ColorOf,
    }
}

impl Draw for Heatmap {
    fn of(&self) -> &Option<Located<String>> {
        &self.of
    }

    fn fixed(&self) -> &Where {
        &self.r#where
    }

    fn names(&self) -> Vec<&Located<String>> {
        vec![&self.x, &self.y, &self.color.value]
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let array = scope.named(&self.color.value)?;
        let (Some(across), Some(upwards), 2) = (array.dim(&self.x.value), array.dim(&self.y.value), array.axes.len())
        else {
            let message = format!(
                "`{}` should have just the axes `{}` and `{}` here; {}",
                self.color.value.value,
                self.x.value,
                self.y.value,
                left_over(&array)
            );
            return Err(Error::user(message).at(self.color.value.span).hint("fix the others with `where` or `for`"));
        };
        let (x, y) = (&array.axes[across], &array.axes[upwards]);
        let colors = self.color.scale(array.data.iter().copied());
        // Row-major by y, whatever the order of the axes.
        let values = if across == 1 { array.data.view() } else { array.data.view().reversed_axes() };
        let cells = values.iter().map(|value| colors.at(*value)).collect();
        let (x_edges, y_edges) = (edges(x), edges(y));
        let extent = |axis: &Axis, edges: &[f64]| Extent {
            tight: true,
            categories: categories(axis),
            ..Extent::of(edges.iter().copied())
        };
        Ok(Drawing {
            x: extent(x, &x_edges),
            y: extent(y, &y_edges),
            shapes: vec![Shape::Cells { x: x_edges, y: y_edges, colors: cells }],
            legend: Vec::new(),
            bar: self.color.bar.then(|| (colors, self.color.label.clone())),
        })
    }
}

/// Edges half-way between neighbouring coordinates, the outer ones as far out as the next ones are in.
fn edges(axis: &Axis) -> Vec<f64> {
    let places: Vec<f64> = (0..axis.len()).map(|i| axis.coords.number(i)).collect();
    let n = places.len();
    let step = |i: usize| if n < 2 { 1.0 } else { places[i + 1] - places[i] };
    let mut edges = Vec::with_capacity(n + 1);
    for (i, place) in places.iter().enumerate() {
        edges.push(if i == 0 { place - 0.5 * step(0) } else { 0.5 * (places[i - 1] + place) });
    }
    if let Some(last) = places.last() {
        edges.push(last + 0.5 * step(n.saturating_sub(2)));
    }
    edges
}
