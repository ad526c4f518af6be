//! Marks turn named arrays into shapes in data units, one file per mark. A mark does not depend on the page or on its panel.

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

/// The interface of a mark. A mark that reads no arrays only implements `draw`.
pub trait Draw {
    /// Returns the stage it reads, if it is not the panel's.
    fn stage(&self) -> &Option<Located<String>> {
        &None
    }
    /// Returns the coordinates it fixes.
    fn fixed(&self) -> &Where {
        const NONE: &Where = &Where::new();
        NONE
    }
    /// Returns whether vector formats hold it as a picture.
    fn raster(&self) -> bool {
        false
    }
    /// Returns the names of arrays and axes it uses.
    fn names(&self) -> Vec<&Located<String>> {
        Vec::new()
    }
    /// Reports invalid settings beyond their types; `node` is the mark's body.
    fn check(&self, _node: &Node, _problems: &mut Problems) {}
    /// Returns its shapes, legend entries and extents.
    fn draw(&self, scope: &Scope) -> Result<Drawing>;
}

/// What a mark with the settings `of` and `where` reads; with `raster`, whether it is a picture is a setting too.
macro_rules! reads_arrays {
    ($($raster:ident)?) => {
        fn stage(&self) -> &Option<Located<String>> {
            &self.of
        }

        fn fixed(&self) -> &Where {
            &self.r#where
        }
        $(
            fn $raster(&self) -> bool {
                self.$raster
            }
        )?
    };
}
use reads_arrays;

crate::union! {
    /// Something drawn in a panel.
    pub enum Mark as dyn Draw {
        /// Points connected by a line, one line for each coordinate of `color: {by: AXIS}`.
        "line" => Line(line::Line),
        /// A marker for every number.
        "points" => Points(points::Points),
        /// Bars from 0, one for each coordinate or category.
        "bars" => Bars(bars::Bars),
        /// A grid of coloured cells.
        "heatmap" => Heatmap(heatmap::Heatmap),
        /// Counts of values in equal bins.
        "histogram" => Histogram(histogram::Histogram),
        /// Quartiles, whiskers and outliers, one box for each coordinate of an axis.
        "box" => Box(boxes::BoxPlot),
        /// Shares of a whole as slices of a pie.
        "pie" => Pie(pie::Pie),
        /// An array as an image, its first row on top.
        "image" => Image(image::Image),
        /// A straight line across the panel.
        "rule" => Rule(rule::Rule),
        /// A filled band across the panel, or between two series of numbers.
        "band" => Band(band::Band),
        /// Error bars.
        "interval" => Interval(interval::Interval),
        /// A diagram of a network.
        "network" => Network(network::Network),
        /// The legend of colours that show two values.
        "color-square" => ColorSquare(color_square::ColorSquare),
        /// Text at a position in data units; values may be inserted in braces.
        "text" => Text(text::Text),
    }
}

crate::union! {
    /// A line style.
    pub enum LineStyle {
        "solid" => Solid,
        "dashed" => Dashed,
        "dotted" => Dotted,
    }
}

impl LineStyle {
    /// Returns a stroke with this style.
    pub fn stroke(&self, color: Color, width: f64) -> Stroke {
        let dashes = match self {
            LineStyle::Solid => Vec::new(),
            LineStyle::Dashed => vec![3.7 * width, 1.6 * width],
            LineStyle::Dotted => vec![width, 1.65 * width],
        };
        Stroke { color, width, dashes }
    }
}

/// A shape in data units.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Line {
        points: Vec<[f64; 2]>,
        stroke: Stroke,
    },
    /// Short horizontal lines centred on positions, with a length in points: the caps of error bars.
    Caps {
        at: Vec<[f64; 2]>,
        length: f64,
        stroke: Stroke,
    },
    Points {
        points: Vec<[f64; 2]>,
        radius: f64,
        fills: Fills,
        outline: Option<Stroke>,
    },
    /// A filled polygon.
    Area {
        corners: Vec<[f64; 2]>,
        fill: Color,
        outline: Option<Stroke>,
    },
    /// Cells between edges, rows in ascending order of y.
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
    /// A band across the panel between two x or two y values.
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

/// The colours of points.
#[derive(Clone, Debug, PartialEq)]
pub enum Fills {
    /// One for all of them.
    Same(Option<Color>),
    /// One for each.
    Each(Vec<Option<Color>>),
}

impl Fills {
    /// Returns the colour of a point.
    pub fn at(&self, i: usize) -> Option<Color> {
        match self {
            Fills::Same(fill) => *fill,
            Fills::Each(fills) => fills.get(i).copied().flatten(),
        }
    }
}

impl Shape {
    /// Returns its positions, if it consists of points.
    pub fn places(&self) -> &[[f64; 2]] {
        match self {
            Shape::Line { points, .. } | Shape::Points { points, .. } | Shape::Area { corners: points, .. } => points,
            Shape::Caps { at, .. } => at,
            Shape::Text { at, .. } => std::slice::from_ref(at),
            Shape::Cells { .. } | Shape::Across { .. } | Shape::Band { .. } => &[],
        }
    }
}

/// The data range of a mark along an axis, and how the axis limits follow from it.
#[derive(Clone, Debug, PartialEq)]
pub struct DataRange {
    pub low: f64,
    pub high: f64,
    /// The axis needs no margin beyond the limits.
    pub tight: bool,
    /// The low limit needs a margin even if it is 0, because markers there would be cut off.
    pub loose: bool,
    /// The category names of positions 0, 1, ...
    pub categories: Option<Vec<String>>,
}

impl Default for DataRange {
    fn default() -> Self {
        DataRange { low: f64::INFINITY, high: f64::NEG_INFINITY, tight: false, loose: false, categories: None }
    }
}

impl DataRange {
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> DataRange {
        values.into_iter().fold(DataRange::default(), DataRange::include)
    }

    pub fn include(mut self, value: f64) -> DataRange {
        if value.is_finite() {
            (self.low, self.high) = (self.low.min(value), self.high.max(value));
        }
        self
    }

    /// Returns the same extent with a margin at the low limit, even if that is 0.
    pub fn loose(self) -> DataRange {
        DataRange { loose: true, ..self }
    }

    /// Returns the union of both extents, with the names of the first that has any.
    pub fn join(self, other: DataRange) -> DataRange {
        DataRange {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            tight: self.tight || other.tight,
            loose: self.loose || other.loose,
            categories: self.categories.or(other.categories),
        }
    }
}

/// A legend handle.
#[derive(Clone, Debug, PartialEq)]
pub enum LegendHandle {
    Line(Stroke),
    Area(Color),
    Point(Color),
}

/// A legend entry.
#[derive(Clone, Debug, PartialEq)]
pub struct LegendEntry {
    pub label: String,
    pub swatch: LegendHandle,
}

/// What a mark draws.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    pub x: DataRange,
    pub y: DataRange,
    pub shapes: Vec<Shape>,
    pub legend: Vec<LegendEntry>,
    /// The colour bar and its label.
    pub bar: Option<(Colors, String)>,
    /// Tooltips of the interactive page, in data units.
    pub hints: Vec<Hint>,
    /// The aspect ratio of the panel (height divided by width), if the mark needs one.
    pub aspect: Option<f64>,
    /// It needs no frame, ticks or tick labels.
    pub bare: bool,
}

impl Drawing {
    /// Combines two drawings, the second in front. The first colour bar is kept.
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

/// Keeps the keys of marks that were stored before there was `raster`.
fn keep_key<T>(_: &T, manifest: &mut serde_json::Map<String, serde_json::Value>) {
    if manifest.get("raster") == Some(&false.into()) {
        manifest.remove("raster");
    }
}

/// Returns the array or axis whose values determine the mark's colours.
fn color_names(color: &ColorChannel) -> Vec<&Located<String>> {
    match color {
        ColorChannel::Fixed(_) => Vec::new(),
        ColorChannel::By(by) => vec![&by.by],
        ColorChannel::Of(of) => of.by.iter().chain([&of.value]).collect(),
    }
}
