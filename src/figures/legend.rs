//! Legends: in the corner of a panel that covers the least data, beside the panel, or above it.

use super::ink::{FontSizes, extent, label, path};
use super::marks::{LegendEntry, LegendHandle, Shape};
use super::panel::{LegendPlace, ResolvedPanel};
use super::shapes::PlotTransform;
use crate::value::{Color, Horizontal, Item, Rect, Stroke, Vertical};

const PAD: f64 = 4.0;
const SWATCH: f64 = 18.0;
/// Padding between the legend and the frame.
const INSET: f64 = 5.0;
/// Spacing between entries side by side.
const BETWEEN: f64 = 12.0;

/// Returns the width and height of a legend's box.
fn size(entries: &[LegendEntry], fonts: FontSizes) -> (f64, f64) {
    let widest = entries.iter().map(|e| extent(&e.label, fonts.tick, false).0).fold(0.0, f64::max);
    (widest + SWATCH + 3.0 * PAD, entries.len() as f64 * line_height(fonts) + PAD)
}

fn line_height(fonts: FontSizes) -> f64 {
    1.45 * fonts.tick
}

/// The space a legend needs outside the plot area, in points.
#[derive(Clone, Copy, Debug, Default)]
pub struct LegendMargin {
    pub right: f64,
    pub above: f64,
}

impl LegendMargin {
    /// Measures the space needed beside or above a plot area of this width.
    pub fn measure(panel: &ResolvedPanel, fonts: FontSizes, width: f64) -> LegendMargin {
        let entries = &panel.drawing.legend;
        match panel.legend {
            _ if entries.is_empty() => LegendMargin::default(),
            LegendPlace::Right => LegendMargin { right: size(entries, fonts).0 + 2.0 * INSET, above: 0.0 },
            LegendPlace::Above => {
                let rows = rows(entries, fonts, width).len() as f64;
                LegendMargin { right: 0.0, above: rows * line_height(fonts) + INSET }
            }
            _ => LegendMargin::default(),
        }
    }
}

/// Returns the width of an entry with its handle.
fn entry_width(entry: &LegendEntry, fonts: FontSizes) -> f64 {
    SWATCH + PAD + extent(&entry.label, fonts.tick, false).0
}

/// Splits entries into rows that fit the width.
fn rows(entries: &[LegendEntry], fonts: FontSizes, width: f64) -> Vec<Vec<&LegendEntry>> {
    let (mut rows, mut reached): (Vec<Vec<&LegendEntry>>, f64) = (Vec::new(), f64::INFINITY);
    for entry in entries {
        let needed = entry_width(entry, fonts) + BETWEEN;
        match rows.last_mut() {
            Some(row) if reached + needed - BETWEEN <= width => {
                row.push(entry);
                reached += needed;
            }
            _ => {
                rows.push(vec![entry]);
                reached = needed;
            }
        }
    }
    rows
}

/// Draws rows of entries above the plot area, without a box.
fn above(panel: &ResolvedPanel, area: Rect, fonts: FontSizes, items: &mut Vec<Item>) {
    let rows = rows(&panel.drawing.legend, fonts, area.width);
    for (i, row) in rows.iter().rev().enumerate() {
        let y = area.y - INSET - (i as f64 + 0.5) * line_height(fonts);
        let width: f64 = row.iter().map(|entry| entry_width(entry, fonts) + BETWEEN).sum::<f64>() - BETWEEN;
        let mut x = area.middle()[0] - 0.5 * width;
        for entry in row {
            show(entry, x, y, fonts, items);
            x += entry_width(entry, fonts) + BETWEEN;
        }
    }
}

/// Draws a handle and its label, starting at x.
fn show(entry: &LegendEntry, x: f64, y: f64, fonts: FontSizes, items: &mut Vec<Item>) {
    swatch(&entry.swatch, x, y, fonts, items);
    let at = [x + SWATCH + PAD, y];
    items.push(label(&entry.label, at, fonts.tick, 0.0, Horizontal::Left, Vertical::Middle));
}

/// Draws the legend of a panel with this plot area. A legend on the right begins at `outside`, right of tick labels and colour bars.
pub fn draw(panel: &ResolvedPanel, area: Rect, outside: f64, fonts: FontSizes, items: &mut Vec<Item>) {
    let entries = &panel.drawing.legend;
    if entries.is_empty() || panel.legend == LegendPlace::None {
        return;
    }
    if panel.legend == LegendPlace::Above {
        return above(panel, area, fonts, items);
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
        LegendPlace::Right => corner(outside + INSET, area.y),
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
        show(entry, place.x + PAD, y, fonts, items);
    }
}

fn swatch(swatch: &LegendHandle, x: f64, y: f64, fonts: FontSizes, items: &mut Vec<Item>) {
    let half = 0.35 * fonts.tick;
    items.push(match swatch {
        LegendHandle::Line(stroke) => path(vec![[x, y], [x + SWATCH, y]], stroke.clone()),
        LegendHandle::Area(fill) => {
            let points = vec![[x, y - half], [x + SWATCH, y - half], [x + SWATCH, y + half], [x, y + half]];
            Item::Path { points, close: true, fill: Some(*fill), stroke: None }
        }
        LegendHandle::Point(fill) => Item::circle([x + 0.5 * SWATCH, y], 2.5, Some(*fill), None),
    });
}

/// Returns the corner that covers the fewest points of lines and markers; the first one on a tie.
fn least_covered(panel: &ResolvedPanel, area: Rect, corners: [Rect; 4]) -> Rect {
    let frame = PlotTransform::new(area, panel);
    let mut hits = [0usize; 4];
    let mut count = |[x, y]: [f64; 2]| {
        for (corner, hits) in corners.iter().zip(&mut hits) {
            let inside =
                x > corner.x - 2.0 && x < corner.right() + 2.0 && y > corner.y - 2.0 && y < corner.bottom() + 2.0;
            *hits += usize::from(inside);
        }
    };
    for shape in &panel.drawing.shapes {
        match shape {
            Shape::Line { points, .. } => {
                for pair in points.windows(2) {
                    if let (Some(a), Some(b)) = (frame.point(pair[0]), frame.point(pair[1])) {
                        // Long segments count along their whole length, not only at their ends.
                        for i in 0..8 {
                            let t = f64::from(i) / 8.0;
                            count([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
                        }
                    }
                }
            }
            Shape::Points { points, .. } | Shape::Area { corners: points, .. } => {
                points.iter().filter_map(|p| frame.point(*p)).for_each(&mut count);
            }
            _ => {}
        }
    }
    let mut best = 0;
    for i in 1..corners.len() {
        if hits[i] < hits[best] {
            best = i;
        }
    }
    corners[best]
}
