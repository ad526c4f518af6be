//! `pie`: shares of a whole as slices of a pie, clockwise from the top.

use super::super::color::{ColorBy, Paint};
use super::super::data::{Channel, Scope, Where, left_over};
use super::super::scale::MAX_DECIMALS;
use super::{DataRange, Draw, Drawing, LegendEntry, LegendHandle, Shape};
use crate::error::{Error, Result};
use crate::spec::{Located, Node, Problems};
use crate::value::{Axis, Color, Field, Hint, Horizontal, Spots, Stroke, Vertical};

/// The number of vertices of a whole circle.
const CORNERS: f64 = 180.0;

crate::union! {
    /// Where slice labels are.
    pub enum PieLabels {
        /// Around the circle.
        "around" => Around,
        /// In the legend.
        "legend" => Legend,
        "none" => None,
    }
}

crate::record! {
    /// Shares of a whole as slices of a pie, one for each coordinate of the one axis that remains in `y`.
    pub struct Pie {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The size of each slice; their sum is the whole circle.
        pub y: Channel,
        /// The colours and labels of the slices.
        pub color: Option<ColorBy> = None,
        /// Where the labels are.
        pub names: PieLabels = PieLabels::Around,
        /// Write the share of each slice inside it, as a percentage with this many decimals; by default not shown.
        pub percent: Option<u32> = None,
        /// The radius of the hole, relative to the radius of the pie.
        pub hole: f64 = 0.0,
        pub opacity: f64 = 1.0,
        /// The colour of the lines between slices.
        pub edge: Paint = Paint(Color::WHITE),
    }
}

impl Draw for Pie {
    super::reads_arrays!();

    fn names(&self) -> Vec<&Located<String>> {
        self.y.name().into_iter().chain(self.color.iter().map(|color| &color.by)).collect()
    }

    fn check(&self, node: &Node, problems: &mut Problems) {
        if !(0.0..1.0).contains(&self.hole) {
            let error = Error::user(format!("`hole` must be between 0 and 1, this is {}", self.hole));
            problems.push(error.at(node.deepest(&["hole"]).span));
        }
        if self.percent.is_some_and(|decimals| decimals > MAX_DECIMALS) {
            let error = Error::user(format!("`percent` is at most {MAX_DECIMALS}: it is a number of decimals"));
            problems.push(error.at(node.deepest(&["percent"]).span));
        }
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let array = scope.channel(&self.y)?;
        let span = self.y.name().map(|name| name.span).unwrap_or_default();
        let axis = match array.axes.as_slice() {
            [axis] if self.color.as_ref().is_none_or(|color| color.by.value == axis.name) => axis,
            _ => {
                let error = Error::user(format!("a pie needs numbers along one axis; {}", left_over(&array))).at(span);
                return Err(error.hint("fix an axis with `where` or `for`, or `reduce` it"));
            }
        };
        if let Some(i) = array.data.iter().position(|value| value.is_nan()).filter(|_| !self.y.skips_nan()) {
            let message = format!(
                "a pie has no slice for NaN, which `{}` is at {}={}",
                self.y.describe(),
                axis.name,
                axis.coords.label(i)
            );
            let error = Error::stage(message).at(span);
            return Err(error.hint(format!("to leave NaN out, write `{{value: {}, nan: skip}}`", self.y.describe())));
        }
        let values: Vec<f64> = array.values().into_iter().map(|v| if v.is_nan() { 0.0 } else { v }).collect();
        let whole: f64 = values.iter().sum();
        if let Some(value) = values.iter().find(|value| **value < 0.0) {
            return Err(Error::user(format!("a pie cannot show a negative value: {value}")).at(span));
        }
        let room = if matches!(self.names, PieLabels::Around) { 0.35 } else { 0.05 };
        let extent = |room: f64| DataRange { tight: true, ..DataRange::from_values([-1.0 - room, 1.0 + room]) };
        // Most labels are left and right of the circle; above and below it they need less room.
        let (wide, high) = (2.0 + 2.0 * room, 2.0 + 0.6 * room);
        let mut drawing = Drawing { x: extent(room), y: extent(0.3 * room), ..Drawing::default() };
        (drawing.bare, drawing.aspect) = (true, Some(high / wide));
        let (mut before, mut middles) = (0.0, Vec::new());
        for (i, value) in values.iter().enumerate() {
            let share = if whole > 0.0 { value / whole } else { 0.0 };
            let middle = before + 0.5 * share;
            middles.push(at(middle, 0.5 * (1.0 + self.hole)));
            if share > 0.0 {
                self.slice(&mut drawing, before, share, self.fill(&scope, i));
                let name = self.name(&scope, axis, i);
                self.draw_labels(&mut drawing, middle, share, name);
            }
            before += share;
            if matches!(self.names, PieLabels::Legend) {
                let (label, swatch) = (self.name(&scope, axis, i), LegendHandle::Area(self.fill(&scope, i)));
                drawing.legend.push(LegendEntry { label, swatch });
            }
        }
        let names = (0..values.len()).map(|i| self.name(&scope, axis, i)).collect();
        let shares = values.iter().map(|value| format!("{:.1}%", 100.0 * value / whole)).collect();
        let sizes = Field::numbers(self.y.describe(), values.iter().copied());
        let fields = vec![Field::new(&axis.name, names), sizes, Field::new("share", shares)];
        drawing.hints.push(Hint { title: String::new(), fields, spots: Spots::Points(middles) });
        Ok(drawing)
    }
}

impl Pie {
    fn fill(&self, scope: &Scope, i: usize) -> Color {
        let color = match &self.color {
            Some(by) => by.color(i, scope.theme()),
            None => scope.theme().palette.at(i),
        };
        color.opacity(self.opacity)
    }

    fn name(&self, scope: &Scope, axis: &Axis, i: usize) -> String {
        let coordinate = axis.coords.label(i);
        self.color.as_ref().map_or_else(|| scope.markup(&coordinate), |by| by.label(scope, &coordinate))
    }

    fn slice(&self, drawing: &mut Drawing, before: f64, share: f64, fill: Color) {
        let steps = (share * CORNERS).ceil().max(1.0) as usize;
        let turn = |i: usize| before + share * i as f64 / steps as f64;
        let mut corners: Vec<[f64; 2]> = (0..=steps).map(|i| at(turn(i), 1.0)).collect();
        if self.hole > 0.0 {
            corners.extend((0..=steps).rev().map(|i| at(turn(i), self.hole)));
        } else if share < 1.0 {
            corners.push([0.0, 0.0]);
        }
        let outline = (share < 1.0).then(|| Stroke::solid(self.edge.0, 1.0));
        drawing.shapes.push(Shape::Area { corners, fill, outline });
    }

    /// Draws the slice's label around the circle and its share inside.
    fn draw_labels(&self, drawing: &mut Drawing, middle: f64, share: f64, name: String) {
        let mut text = |at, markup, scale, color, horizontal| {
            let vertical = Vertical::Middle;
            drawing.shapes.push(Shape::Text { at, markup, scale, color, horizontal, vertical });
        };
        if matches!(self.names, PieLabels::Around) {
            let place = at(middle, 1.08);
            let side = if place[0].abs() < 0.1 {
                Horizontal::Middle
            } else if place[0] > 0.0 {
                Horizontal::Left
            } else {
                Horizontal::Right
            };
            text(place, name, 0.9, Color::BLACK, side);
        }
        if let Some(decimals) = self.percent {
            let per_cent = format!("{:.*}%", decimals as usize, 100.0 * share);
            text(at(middle, 0.5 * (1.1 + self.hole)), per_cent, 0.9, Color::WHITE, Horizontal::Middle);
        }
    }
}

/// Returns the position at a fraction of a turn, clockwise from the top.
fn at(turn: f64, radius: f64) -> [f64; 2] {
    let (sin, cos) = (turn * std::f64::consts::TAU).sin_cos();
    [radius * sin, radius * cos]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Array, Dataset};
    use std::sync::Arc;

    fn draw(values: &[f64]) -> Result<Drawing> {
        let axis = Axis::labels("part", (0..values.len()).map(|i| format!("p{i}")).collect());
        let dataset = Arc::new(Dataset::default().with("size", Array::f64(vec![axis], values.to_vec()).unwrap()));
        let data = |_: &str| Some(dataset.clone());
        let mut problems = Problems::default();
        let node = crate::spec::read("{of: s, y: size, percent: 0}", &mut problems).unwrap();
        <Pie as crate::spec::Decode>::decode(&node, &mut problems).unwrap().draw(&Scope::new(&data))
    }

    #[test]
    fn slices_are_shares_of_the_whole_clockwise_from_the_top() {
        let drawing = draw(&[1.0, 0.0, 3.0]).unwrap();
        let slices: Vec<&Vec<[f64; 2]>> = drawing
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Area { corners, .. } => Some(corners),
                _ => None,
            })
            .collect();
        // An empty share has no slice.
        assert_eq!(slices.len(), 2);
        let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-9;
        assert!(near(slices[0][0], [0.0, 1.0]) && near(slices[1][0], [1.0, 0.0]), "{slices:?}");
        let words = |shape: &Shape| match shape {
            Shape::Text { markup, .. } => Some(markup.clone()),
            _ => None,
        };
        assert_eq!(drawing.shapes.iter().filter_map(words).collect::<Vec<_>>(), ["p0", "25%", "p2", "75%"]);
    }

    #[test]
    fn negative_values_are_an_error() {
        assert_eq!(draw(&[1.0, -1.0]).unwrap_err().message, "a pie cannot show a negative value: -1");
    }
}
