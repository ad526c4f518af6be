//! `heatmap`: a coloured cell for each pair of coordinates of two axes.

use super::super::bivariate;
use super::super::color::{CellColor, ColorOf};
use super::super::data::{Scope, Where, categories, left_over};
use super::{DataRange, Draw, Drawing, Shape};
use crate::error::{Error, Result};
use crate::spec::{Located, Node, Problems};
use crate::value::{Array, Axis, Field, Hint, Spots};

crate::record! {
    /// A coloured cell for each pair of coordinates of two axes.
    pub struct Heatmap with super::keep_key {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The horizontal axis.
        pub x: Located<String>,
        /// The vertical axis, upwards (downwards if the panel's `y` is reversed).
        pub y: Located<String>,
        /// The array and its colours; or two arrays, `{x: {value: ..}, y: {value: ..}}`, whose legend is a `color-square`.
        pub color: CellColor,
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

impl Draw for Heatmap {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        let mut names = vec![&self.x, &self.y];
        match &self.color {
            CellColor::Of(of) => names.push(&of.value),
            CellColor::Pair(pair) => names.extend([&pair.x.value, &pair.y.value]),
        }
        names
    }

    fn check(&self, _node: &Node, problems: &mut Problems) {
        if let CellColor::Of(ColorOf { by: Some(by), .. }) = &self.color {
            let error = Error::user("cells have one colour each; `by` is for series of bars, lines and points");
            problems.push(error.at(by.span).hint("fix the axis with `where` or `for`"));
        }
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let mut values = Vec::new();
        let (cells, array, bar) = match &self.color {
            CellColor::Of(of) => {
                let array = self.cells(&scope, &of.value)?;
                let colors = of.scale(array.data.iter(), scope.theme());
                values.push(Field::numbers(of.value.value.as_str(), array.data.iter()));
                let cells = array.data.iter().map(|value| colors.at(value)).collect();
                (cells, array, of.bar.then(|| (colors, of.label.clone())))
            }
            CellColor::Pair(pair) => {
                let (x, y) = (self.cells(&scope, &pair.x.value)?, self.cells(&scope, &pair.y.value)?);
                for (of, array) in [(&pair.x, &x), (&pair.y, &y)] {
                    values.push(Field::numbers(of.value.value.as_str(), array.data.iter()));
                }
                let places = pair.x.shares(&x).into_iter().zip(pair.y.shares(&y));
                // A cell whose `y` is NaN is not drawn. A NaN in `x`, such as the score of a vector of length 0, counts as 0.
                let color =
                    |(x, y): (f64, f64)| (!y.is_nan()).then(|| bivariate::color(if x.is_nan() { 0.0 } else { x }, y));
                (places.map(color).collect(), y, None)
            }
        };
        let (y, x) = (&array.axes[0], &array.axes[1]);
        let (x_edges, y_edges) = (edges(x), edges(y));
        let extent = |axis: &Axis, edges: &[f64]| DataRange {
            tight: true,
            categories: categories(&scope, axis),
            ..DataRange::from_values(edges.iter().copied())
        };
        let labels = |axis: &Axis| Field::new(&axis.name, axis.texts());
        values.splice(0..0, [labels(x), labels(y)]);
        let spots = Spots::Cells { x: x_edges.clone(), y: y_edges.clone() };
        Ok(Drawing {
            hints: vec![Hint { title: String::new(), fields: values, spots }],
            x: extent(x, &x_edges),
            y: extent(y, &y_edges),
            shapes: vec![Shape::Cells { x: x_edges, y: y_edges, colors: cells }],
            bar,
            ..Drawing::default()
        })
    }
}

impl Heatmap {
    /// Returns an array with exactly the axes y and x, in this order.
    fn cells(&self, scope: &Scope, name: &Located<String>) -> Result<Array> {
        let array = scope.named(name)?;
        let (Some(across), Some(_), 2) = (array.dim(&self.x.value), array.dim(&self.y.value), array.axes.len()) else {
            let message = format!(
                "`{}` should have just the axes `{}` and `{}` here; {}",
                name.value,
                self.x.value,
                self.y.value,
                left_over(&array)
            );
            return Err(Error::user(message).at(name.span).hint("fix the others with `where` or `for`"));
        };
        Ok(if across == 1 { array } else { array.transposed() })
    }
}

/// Cell edges halfway between neighbouring coordinates; the outer cells are symmetric around their coordinates.
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
