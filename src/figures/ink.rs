//! Lines and labels at places on the page, and the font sizes of a figure.

use super::text;
use crate::value::{Color, Horizontal, Item, Label, Stroke, Vertical};

/// Font sizes, derived from the figure's font size.
#[derive(Clone, Copy, Debug)]
pub struct FontSizes {
    pub tick: f64,
    pub label: f64,
    pub title: f64,
}

impl FontSizes {
    pub fn from_size(size: f64) -> FontSizes {
        FontSizes { tick: 0.9 * size, label: size, title: 1.1 * size }
    }
}

/// Returns the width and height of a line of text.
pub fn extent(markup: &str, size: f64, bold: bool) -> (f64, f64) {
    let line = text::layout(markup, size, bold);
    (line.width, line.ascent + line.descent)
}

pub fn path(points: Vec<[f64; 2]>, stroke: Stroke) -> Item {
    Item::Path { points, close: false, fill: None, stroke: Some(stroke) }
}

pub fn label(markup: &str, at: [f64; 2], size: f64, rotation: f64, horizontal: Horizontal, vertical: Vertical) -> Item {
    let markup = markup.to_string();
    Item::Label(Label { markup, at, size, color: Color::BLACK, bold: false, rotation, horizontal, vertical })
}
