//! `image`: an array as an image, first row on top: one number for each pixel, or red, green and blue.

use super::super::color::ColorOf;
use super::super::colormaps::ColorMap;
use super::super::data::{Scope, Where, left_over};
use super::{DataRange, Draw, Drawing, Shape};
use crate::error::{Error, Result};
use crate::spec::Located;
use crate::value::{Array, Color, Field, Hint, Spots};

crate::record! {
    /// An array as an image. With two axes (rows, columns) a colour map colours the numbers; a third axis of length 3
    /// or 4 holds red, green, blue and, optionally, opacity.
    pub struct Image with super::keep_key {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The array; its first axis runs downwards, its second across.
        pub value: Located<String>,
        /// The colour map; defaults to the theme's.
        pub map: Option<ColorMap> = None,
        /// The number mapped to the first colour (default: the smallest) or, for red, green and blue, to no light (default: 0).
        pub from: Option<f64> = None,
        /// The number mapped to the last colour (default: the largest) or, for red, green and blue, to full light (default: 1). If it is less
        /// than `from`, the colour map is reversed.
        pub to: Option<f64> = None,
        /// Whether to draw a colour bar.
        pub bar: bool = false,
        /// The label of the colour bar.
        pub label: String = String::new(),
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

impl Draw for Image {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        vec![&self.value]
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let array = scope.named(&self.value)?;
        let shape: Vec<usize> = array.axes.iter().map(|axis| axis.len()).collect();
        let (rows, columns) = match shape.as_slice() {
            [rows, columns] | [rows, columns, 3 | 4] if *rows > 0 && *columns > 0 => (*rows, *columns),
            _ => {
                let message = format!("a picture has rows, columns and perhaps 3 or 4 colours; {}", left_over(&array));
                let error = Error::user(message).at(self.value.span);
                return Err(error.hint("fix the other axes with `where` or `for`"));
            }
        };
        let mut drawing = Drawing { bare: true, aspect: Some(rows as f64 / columns as f64), ..Drawing::default() };
        let pixels: Vec<Option<Color>> = match shape.get(2) {
            Some(channels) => self.light(&array, *channels),
            None => {
                let (from, to) = (self.from, self.to);
                let of = ColorOf { from, to, map: self.map.clone(), ..ColorOf::new(self.value.clone()) };
                let colors = of.scale(array.data.iter(), scope.theme());
                let pixels = array.data.iter().map(|value| colors.at(value)).collect();
                drawing.bar = self.bar.then(|| (colors, self.label.clone()));
                drawing.hints = vec![hint(&array, &self.value.value)];
                pixels
            }
        };
        // The first row is at the top, where y is largest.
        let colors = pixels.chunks(columns).rev().flatten().copied().collect();
        let (x, y) = (edges(columns), edges(rows));
        let extent = |edges: &[f64]| DataRange { tight: true, ..DataRange::from_values(edges.iter().copied()) };
        (drawing.x, drawing.y) = (extent(&x), extent(&y));
        drawing.shapes = vec![Shape::Cells { x, y, colors }];
        Ok(drawing)
    }
}

impl Image {
    /// Builds colours from the red, green, blue and optional opacity of each pixel.
    fn light(&self, array: &Array, channels: usize) -> Vec<Option<Color>> {
        let (from, to) = (self.from.unwrap_or(0.0), self.to.unwrap_or(1.0));
        let share = |value: f64| if to != from { (value - from) / (to - from) } else { 0.0 };
        let pixel = |values: &[f64]| {
            let [red, green, blue] = [0, 1, 2].map(|i| share(values[i]));
            let color = Color::unit([red, green, blue]);
            let known = values.iter().all(|value| !value.is_nan());
            known.then(|| values.get(3).map_or(color, |alpha| color.opacity(share(*alpha))))
        };
        array.values().chunks(channels).map(pixel).collect()
    }
}

/// The edges of n pixels centred on 0, 1, ...
fn edges(count: usize) -> Vec<f64> {
    (0..=count).map(|i| i as f64 - 0.5).collect()
}

/// The tooltips of pixels: row, column and number.
fn hint(array: &Array, name: &str) -> Hint {
    let labels = |axis: usize, last_first: bool| {
        let axis = &array.axes[axis];
        let mut labels = axis.texts();
        if last_first {
            labels.reverse();
        }
        Field::new(&axis.name, labels)
    };
    let (rows, columns) = (array.axes[0].len(), array.axes[1].len());
    let values = array.values();
    let upwards = values.chunks(columns).rev().flatten().copied();
    let fields = vec![labels(1, false), labels(0, true), Field::numbers(name, upwards)];
    Hint { title: String::new(), fields, spots: Spots::Cells { x: edges(columns), y: edges(rows) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Axis, Dataset};
    use std::sync::Arc;

    fn draw(shape: &[usize], values: Vec<f64>, to: Option<f64>) -> Result<Drawing> {
        let axes = shape.iter().enumerate().map(|(i, n)| Axis::index(&format!("a{i}"), *n)).collect();
        let dataset = Arc::new(Dataset::default().with("picture", Array::f64(axes, values).unwrap()));
        let data = |_: &str| Some(dataset.clone());
        let name = |text: &str| Located { value: text.to_string(), span: Default::default() };
        let (of, value, from, label) = (Some(name("s")), name("picture"), None, String::new());
        let image = Image {
            of,
            r#where: Where::new(),
            value,
            map: Some(ColorMap::Gray),
            from,
            to,
            bar: true,
            label,
            raster: false,
        };
        image.draw(&Scope::new(&data))
    }

    fn colors(drawing: &Drawing) -> Vec<String> {
        let Some(Shape::Cells { colors, .. }) = drawing.shapes.first() else { panic!("{drawing:?}") };
        colors.iter().map(|color| color.map_or("none".into(), Color::hex)).collect()
    }

    #[test]
    fn the_first_row_is_on_top() {
        let drawing = draw(&[2, 3], vec![0.0, 0.0, 0.0, 1.0, 1.0, f64::NAN], None).unwrap();
        // Cells are listed from the bottom: the second row, then the first.
        assert_eq!(colors(&drawing), ["#000000", "#000000", "none", "#ffffff", "#ffffff", "#ffffff"]);
        assert_eq!((drawing.aspect, drawing.bare, drawing.bar.is_some()), (Some(2.0 / 3.0), true, true));
        assert_eq!(drawing.hints[0].fields[1].values.texts().collect::<Vec<_>>(), ["1", "0"]);
    }

    #[test]
    fn a_third_axis_is_red_green_and_blue() {
        let drawing = draw(&[1, 2, 3], vec![255.0, 0.0, 0.0, 0.0, 0.0, 255.0], Some(255.0)).unwrap();
        assert_eq!(colors(&drawing), ["#ff0000", "#0000ff"]);
        let error = draw(&[1, 2, 2], vec![0.0; 4], None).unwrap_err();
        assert!(error.message.starts_with("a picture has rows, columns and perhaps 3 or 4 colours"), "{error:?}");
    }
}
