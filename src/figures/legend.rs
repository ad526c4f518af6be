//! Legends: what colours and lines mean, in the corner of a panel that covers the least, or beside it.

use super::axes::{Fonts, extent, label};
use super::marks::{Entry, Shape, Swatch};
use super::panel::{LegendPlace, Prepared};
use super::shapes::Frame;
use crate::value::{Color, Horizontal, Item, Rect, Stroke, Vertical};

const PAD: f64 = 4.0;
const SWATCH: f64 = 18.0;
/// Room between the legend and the frame.
const INSET: f64 = 5.0;

/// Width and height of a legend's box.
fn size(entries: &[Entry], fonts: Fonts) -> (f64, f64) {
    let widest = entries.iter().map(|e| extent(&e.label, fonts.tick, false).0).fold(0.0, f64::max);
    (widest + SWATCH + 3.0 * PAD, entries.len() as f64 * line_height(fonts) + PAD)
}

fn line_height(fonts: Fonts) -> f64 {
    1.45 * fonts.tick
}

/// Room that a legend right of the panel takes.
pub fn room(panel: &Prepared, fonts: Fonts) -> f64 {
    match panel.legend {
        LegendPlace::Right if !panel.drawing.legend.is_empty() => size(&panel.drawing.legend, fonts).0 + 2.0 * INSET,
        _ => 0.0,
    }
}

/// Draw the legend; `beside` is how far right of the area it stands if it does.
pub fn draw(panel: &Prepared, area: Rect, beside: f64, fonts: Fonts, items: &mut Vec<Item>) {
    let entries = &panel.drawing.legend;
    if entries.is_empty() || panel.legend == LegendPlace::None {
        return;
    }
    let (width, height) = size(entries, fonts);
    let left = area.x + INSET;
    let right = area.right() - width - INSET;
    let (top, bottom) = (area.y + INSET, area.bottom() - height - INSET);
    let corner = |x: f64, y: f64| Rect::new(x, y, width, height);
    let place = match panel.legend {
        LegendPlace::TopLeft => corner(left, top),
        LegendPlace::TopRight => corner(right, top),
        LegendPlace::BottomLeft => corner(left, bottom),
        LegendPlace::BottomRight => corner(right, bottom),
        LegendPlace::Right => corner(area.right() + beside + INSET, area.y),
        _ => {
            let corners = [corner(right, top), corner(left, top), corner(right, bottom), corner(left, bottom)];
            least_covered(panel, area, corners)
        }
    };
    let corners =
        vec![[place.x, place.y], [place.right(), place.y], [place.right(), place.bottom()], [place.x, place.bottom()]];
    let stroke = Some(Stroke::solid(Color(0xcc, 0xcc, 0xcc, 255), 0.8));
    items.push(Item::Path { points: corners, close: true, fill: Some(Color::WHITE.opacity(0.85)), stroke });
    for (i, entry) in entries.iter().enumerate() {
        let y = place.y + 0.5 * PAD + (i as f64 + 0.5) * line_height(fonts);
        swatch(&entry.swatch, place.x + PAD, y, fonts, items);
        let at = [place.x + SWATCH + 2.0 * PAD, y];
        items.push(label(&entry.label, at, fonts.tick, 0.0, Horizontal::Left, Vertical::Middle));
    }
}

fn swatch(swatch: &Swatch, x: f64, y: f64, fonts: Fonts, items: &mut Vec<Item>) {
    let half = 0.35 * fonts.tick;
    items.push(match swatch {
        Swatch::Line(stroke) => super::axes::path(vec![[x, y], [x + SWATCH, y]], stroke.clone()),
        Swatch::Area(fill) => {
            let points = vec![[x, y - half], [x + SWATCH, y - half], [x + SWATCH, y + half], [x, y + half]];
            Item::Path { points, close: true, fill: Some(*fill), stroke: None }
        }
        Swatch::Point(fill) => {
            Item::Circle { center: [x + 0.5 * SWATCH, y], radius: 2.5, fill: Some(*fill), stroke: None }
        }
    });
}

/// The corner under which the fewest points of lines and dots lie; the first of equals.
fn least_covered(panel: &Prepared, area: Rect, corners: [Rect; 4]) -> Rect {
    let frame = Frame::new(area, panel);
    let mut places: Vec<[f64; 2]> = Vec::new();
    for shape in &panel.drawing.shapes {
        match shape {
            Shape::Line { points, .. } => {
                for pair in points.windows(2) {
                    if let (Some(a), Some(b)) = (frame.point(pair[0]), frame.point(pair[1])) {
                        // Long segments count where they pass, not only where they end.
                        places.extend((0..8).map(|i| {
                            let t = f64::from(i) / 8.0;
                            [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
                        }));
                    }
                }
            }
            Shape::Points { points, .. } | Shape::Area { corners: points, .. } => {
                places.extend(points.iter().filter_map(|p| frame.point(*p)));
            }
            _ => {}
        }
    }
    let hits = |corner: &Rect| {
        let inside = |p: &&[f64; 2]| {
            p[0] > corner.x - 2.0
                && p[0] < corner.right() + 2.0
                && p[1] > corner.y - 2.0
                && p[1] < corner.bottom() + 2.0
        };
        places.iter().filter(inside).count()
    };
    let mut best = corners[0];
    for corner in &corners[1..] {
        if hits(corner) < hits(&best) {
            best = *corner;
        }
    }
    best
}
