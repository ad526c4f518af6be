//! Marks: named arrays to shapes in data units, one file each. They know no page and no panel around them.

mod band;
mod bars;
mod between;
mod boxes;
mod color_square;
mod heatmap;
mod histogram;
mod image;
mod interval;
mod line;
mod network;
mod pie;
mod points;
mod rule;
mod series;
mod text;

use super::color::{ColorChannel, Colors};
use super::data::{Scope, Where};
use crate::error::Result;
use crate::spec::{Located, Node, Problems};
use crate::value::{Color, Hint, Horizontal, Stroke, Vertical};

/// What every mark can do. A mark that reads no arrays has nothing but its shapes.
pub trait Draw {
    /// The stage it reads, if it is not the panel's.
    fn of(&self) -> &Option<Located<String>> {
        &None
    }
    /// Coordinates that it fixes.
    fn fixed(&self) -> &Where {
        const NONE: &Where = &Where::new();
        NONE
    }
    /// The arrays and axes it names.
    fn names(&self) -> Vec<&Located<String>> {
        Vec::new()
    }
    /// Report what is wrong beyond the types of settings; `node` is the mark's body.
    fn check(&self, _node: &Node, _problems: &mut Problems) {}
    /// Its shapes.
    fn draw(&self, scope: &Scope) -> Result<Drawing>;
}

crate::union! {
    /// What is drawn in a panel.
    pub enum Mark as dyn Draw {
        /// Points joined by a line, one line for each coordinate of `color: {by: AXIS}`.
        "line" => Line(line::Line),
        /// Points.
        "points" => Points(points::Points),
        /// Bars from 0, one for each coordinate or category.
        "bars" => Bars(bars::Bars),
        /// Coloured cells of a grid.
        "heatmap" => Heatmap(heatmap::Heatmap),
        /// How often values fall into equal bins.
        "histogram" => Histogram(histogram::Histogram),
        /// Quartiles, whiskers and outliers, one box for each coordinate of an axis.
        "box" => Box(boxes::BoxPlot),
        /// Shares of a whole as slices of a circle.
        "pie" => Pie(pie::Pie),
        /// An array as a picture, its first row on top.
        "image" => Image(image::Image),
        /// A straight line across the panel.
        "rule" => Rule(rule::Rule),
        /// A coloured band across the panel, or between two rows of numbers.
        "band" => Band(band::Band),
        /// Error bars.
        "interval" => Interval(interval::Interval),
        /// A sketch of layers of units.
        "network" => Network(network::Network),
        /// What colours mean that show two values.
        "color-square" => ColorSquare(color_square::ColorSquare),
        /// Text at a place in data units; values may stand in braces.
        "text" => Text(text::Text),
    }
}

crate::union! {
    /// How a line is drawn.
    pub enum Style {
        "solid" => Solid,
        "dashed" => Dashed,
        "dotted" => Dotted,
    }
}

impl Style {
    /// A stroke of this style.
    pub fn stroke(&self, color: Color, width: f64) -> Stroke {
        let dashes = match self {
            Style::Solid => Vec::new(),
            Style::Dashed => vec![3.7 * width, 1.6 * width],
            Style::Dotted => vec![width, 1.65 * width],
        };
        Stroke { color, width, dashes }
    }
}

/// Something in data units.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Line {
        points: Vec<[f64; 2]>,
        stroke: Stroke,
    },
    /// Short level lines around places, of a length in points.
    Caps {
        at: Vec<[f64; 2]>,
        length: f64,
        stroke: Stroke,
    },
    Points {
        points: Vec<[f64; 2]>,
        radius: f64,
        fill: Option<Color>,
        outline: Option<Stroke>,
    },
    /// A filled area with corners.
    Area {
        corners: Vec<[f64; 2]>,
        fill: Color,
        outline: Option<Stroke>,
    },
    /// Cells between edges, rows of ascending y.
    Cells {
        x: Vec<f64>,
        y: Vec<f64>,
        colors: Vec<Option<Color>>,
    },
    /// A line across the panel at this x or y.
    Across {
        x: Option<f64>,
        y: Option<f64>,
        stroke: Stroke,
    },
    /// A band across the panel between two x or two y.
    Band {
        x: Option<[f64; 2]>,
        y: Option<[f64; 2]>,
        fill: Color,
    },
    Text {
        at: [f64; 2],
        markup: String,
        scale: f64,
        color: Color,
        horizontal: Horizontal,
        vertical: Vertical,
    },
}

impl Shape {
    /// The places that it stands at, as far as these are single points.
    pub fn places(&self) -> &[[f64; 2]] {
        match self {
            Shape::Line { points, .. } | Shape::Points { points, .. } | Shape::Area { corners: points, .. } => points,
            Shape::Caps { at, .. } => at,
            Shape::Text { at, .. } => std::slice::from_ref(at),
            Shape::Cells { .. } | Shape::Across { .. } | Shape::Band { .. } => &[],
        }
    }
}

/// What a mark needs of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    pub low: f64,
    pub high: f64,
    /// The limits need no room beyond them.
    pub tight: bool,
    /// The low limit needs room even if it is 0: what stands there is not a line's end or a bar's foot.
    pub loose: bool,
    /// Places 0, 1, ... have these names.
    pub categories: Option<Vec<String>>,
}

impl Default for Extent {
    fn default() -> Self {
        Extent { low: f64::INFINITY, high: f64::NEG_INFINITY, tight: false, loose: false, categories: None }
    }
}

impl Extent {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Extent {
        values.into_iter().fold(Extent::default(), Extent::include)
    }

    pub fn include(mut self, value: f64) -> Extent {
        if value.is_finite() {
            (self.low, self.high) = (self.low.min(value), self.high.max(value));
        }
        self
    }

    /// The same with room below, even if that is 0.
    pub fn loose(self) -> Extent {
        Extent { loose: true, ..self }
    }

    /// The smallest extent that holds both; names of the first that has some.
    pub fn join(self, other: Extent) -> Extent {
        Extent {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            tight: self.tight || other.tight,
            loose: self.loose || other.loose,
            categories: self.categories.or(other.categories),
        }
    }
}

/// How a legend shows a thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Swatch {
    Line(Stroke),
    Area(Color),
    Point(Color),
}

/// A line of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub label: String,
    pub swatch: Swatch,
}

/// What marks show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    pub x: Extent,
    pub y: Extent,
    pub shapes: Vec<Shape>,
    pub legend: Vec<Entry>,
    /// A colour bar, with its label.
    pub bar: Option<(Colors, String)>,
    /// What an interactive form says, in data units.
    pub hints: Vec<Hint>,
    /// Height of the panel divided by its width, if it matters.
    pub aspect: Option<f64>,
    /// It needs no frame, ticks and numbers.
    pub bare: bool,
}

impl Drawing {
    /// Both, the second in front. The first colour bar stays.
    pub fn join(mut self, other: Drawing) -> Drawing {
        self.x = self.x.join(other.x);
        self.y = self.y.join(other.y);
        self.shapes.extend(other.shapes);
        for entry in other.legend {
            if !self.legend.contains(&entry) {
                self.legend.push(entry);
            }
        }
        self.bar = self.bar.or(other.bar);
        self.hints.extend(other.hints);
        self.aspect = self.aspect.or(other.aspect);
        self
    }
}

/// The array or axis whose values are a mark's colours.
fn color_names(color: &ColorChannel) -> Vec<&Located<String>> {
    match color {
        ColorChannel::Fixed(_) => Vec::new(),
        ColorChannel::By(by) => vec![&by.by],
        ColorChannel::Of(of) => of.by.iter().chain([&of.value]).collect(),
    }
}
