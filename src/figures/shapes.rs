//! Converts shapes in data units to items on the page.

use super::ink::label;
use super::marks::Shape;
use super::panel::ResolvedPanel;
use super::scale::Scale;
use crate::value::{Dot, Hint, Item, Label, Rect, Spots};

/// The transform from data to page coordinates for one plot area.
pub struct PlotTransform<'a> {
    pub area: Rect,
    x: &'a Scale,
    y: &'a Scale,
}

impl<'a> PlotTransform<'a> {
    pub fn new(area: Rect, panel: &'a ResolvedPanel) -> PlotTransform<'a> {
        PlotTransform { area, x: &panel.x.scale, y: &panel.y.scale }
    }

    fn across(&self, x: f64) -> f64 {
        self.area.x + self.area.width * self.x.position(x)
    }

    fn down(&self, y: f64) -> f64 {
        self.area.bottom() - self.area.height * self.y.position(y)
    }

    /// Returns the page position of a point, or `None` if a scale cannot show it.
    pub fn point(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let place = [self.across(x), self.down(y)];
        // Clamp points far outside, so that numbers in files stay short.
        place.iter().all(|v| v.is_finite()).then(|| place.map(|v| v.clamp(-1e5, 1e5)))
    }

    /// Returns the tooltips of a panel with this title at page positions.
    pub fn hint(&self, title: &str, hint: Hint) -> Option<Hint> {
        let titles = [title, hint.title.as_str()].into_iter().filter(|title| !title.is_empty());
        let title = titles.collect::<Vec<_>>().join(", ");
        let hint = Hint { title, ..hint };
        match hint.spots {
            Spots::Points(_) => hint.map(|point| self.point(point).filter(|place| self.area.holds(*place))),
            // A shape that extends out of the frame is partly visible.
            Spots::Boxes(_) | Spots::Cells { .. } => hint.map(|point| self.point(point).map(|p| self.area.nearest(p))),
        }
    }

    /// Returns the page items of a shape.
    pub fn draw(&self, shape: &Shape, font: f64, items: &mut Vec<Item>) {
        match shape {
            Shape::Line { points, stroke } => {
                // A missing number breaks the line.
                for run in points.split(|p| self.point(*p).is_none()).filter(|run| run.len() > 1) {
                    let points = run.iter().filter_map(|p| self.point(*p)).collect();
                    items.push(Item::Path { points, close: false, fill: None, stroke: Some(stroke.clone()) });
                }
            }
            Shape::Caps { at, length, stroke } => {
                for [x, y] in at.iter().filter_map(|p| self.point(*p)) {
                    let points = vec![[x - 0.5 * length, y], [x + 0.5 * length, y]];
                    items.push(Item::Path { points, close: false, fill: None, stroke: Some(stroke.clone()) });
                }
            }
            Shape::Points { points, radius, fills, outline } => {
                let dot = |(i, p): (usize, &[f64; 2])| self.point(*p).map(|center| Dot { center, fill: fills.at(i) });
                let dots: Vec<Dot> = points.iter().enumerate().filter_map(dot).collect();
                if !dots.is_empty() {
                    items.push(Item::Circles { dots, radius: *radius, stroke: outline.clone() });
                }
            }
            Shape::Area { corners, fill, outline } => {
                let points: Option<Vec<[f64; 2]>> = corners.iter().map(|p| self.point(*p)).collect();
                if let Some(points) = points {
                    items.push(Item::Path { points, close: true, fill: Some(*fill), stroke: outline.clone() });
                }
            }
            Shape::Cells { x, y, colors } => self.cells(x, y, colors, items),
            Shape::Across { x, y, stroke } => {
                let (area, mut line) = (self.area, |a, b| {
                    items.push(Item::Path {
                        points: vec![a, b],
                        close: false,
                        fill: None,
                        stroke: Some(stroke.clone()),
                    })
                });
                if let Some(x) = x.map(|x| self.across(x)).filter(|x| x.is_finite()) {
                    line([x, area.y], [x, area.bottom()]);
                }
                if let Some(y) = y.map(|y| self.down(y)).filter(|y| y.is_finite()) {
                    line([area.x, y], [area.right(), y]);
                }
            }
            Shape::Band { x, y, fill } => {
                let (area, mut corners) = (self.area, Vec::new());
                if let Some([a, b]) = x.map(|ends| ends.map(|x| self.across(x))) {
                    corners.push([[a, area.y], [b, area.y], [b, area.bottom()], [a, area.bottom()]]);
                }
                if let Some([a, b]) = y.map(|ends| ends.map(|y| self.down(y))) {
                    corners.push([[area.x, a], [area.right(), a], [area.right(), b], [area.x, b]]);
                }
                for points in corners.into_iter().filter(|points| points.iter().flatten().all(|v| v.is_finite())) {
                    items.push(Item::Path { points: points.to_vec(), close: true, fill: Some(*fill), stroke: None });
                }
            }
            Shape::Text { at, markup, scale, color, horizontal, vertical } => {
                if let Some(at) = self.point(*at)
                    && let Item::Label(text) = label(markup, at, font * scale, 0.0, *horizontal, *vertical)
                {
                    items.push(Item::Label(Label { color: *color, ..text }));
                }
            }
        }
    }

    /// Returns an image if all cells have the same size, else a rectangle for each cell.
    fn cells(&self, x: &[f64], y: &[f64], colors: &[Option<crate::value::Color>], items: &mut Vec<Item>) {
        let xs: Vec<f64> = x.iter().map(|x| self.across(*x)).collect();
        let ys: Vec<f64> = y.iter().map(|y| self.down(*y)).collect();
        let (columns, rows) = (xs.len().saturating_sub(1), ys.len().saturating_sub(1));
        let (Some(&left), Some(&right), Some(&low), Some(&high)) = (xs.first(), xs.last(), ys.first(), ys.last())
        else {
            return;
        };
        let even = |places: &[f64]| {
            let steps: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
            steps.first().is_some_and(|first| steps.iter().all(|step| (step - first).abs() < 0.01))
        };
        let color = |row: usize, column: usize| colors.get(row * columns + column).copied().flatten();
        if even(&xs) && even(&ys) {
            let area = Rect::new(left.min(right), low.min(high), (right - left).abs(), (high - low).abs());
            let mut cells = Vec::with_capacity(colors.len());
            for r in 0..rows {
                // Images start at the top; y usually grows upwards.
                let row = if low > high { rows - 1 - r } else { r };
                for c in 0..columns {
                    cells.push(color(row, if left > right { columns - 1 - c } else { c }));
                }
            }
            items.push(Item::Image { area, columns, cells });
            return;
        }
        for row in 0..rows {
            for column in 0..columns {
                let (x, y) = ([xs[column], xs[column + 1]], [ys[row], ys[row + 1]]);
                let points = vec![[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]]];
                if let Some(fill) = color(row, column).filter(|_| points.iter().flatten().all(|v| v.is_finite())) {
                    items.push(Item::Path { points, close: true, fill: Some(fill), stroke: None });
                }
            }
        }
    }
}
