//! The theme that all figures of a paper share: `theme` at the top of the paper file, and the overrides of a figure.

use super::FigureFormat;
use super::colormaps::{ColorMap, Palette};
use crate::error::{Error, Span};
use crate::spec::Problems;

crate::union! {
    /// The frame of a plot area (its spines).
    pub enum FrameStyle {
        /// All four spines.
        "box" => Box,
        /// The bottom and left spines only.
        "axes" => Axes,
    }
}

crate::union! {
    /// Whether ticks point out of the frame or into it.
    pub enum TickSide {
        "outside" => Outside,
        "inside" => Inside,
    }
}

crate::record! {
    /// The theme that all figures share. A figure's own `theme` overrides parts of it.
    pub struct Theme {
        /// The font size in points; the sizes of all text follow from it.
        pub font_size: f64 = Theme::default().font_size,
        /// The width of a text column of the paper in inches, for figures of width `{columns: 1}`.
        pub column: f64 = Theme::default().column,
        /// The default palette.
        pub palette: Palette = Theme::default().palette,
        /// The default colour map.
        pub map: ColorMap = Theme::default().map,
        /// The default line width in points.
        pub line_width: f64 = Theme::default().line_width,
        /// The opacity of grid lines; 0 for none.
        pub grid: f64 = Theme::default().grid,
        /// The frame of plot areas (their spines).
        pub frame: FrameStyle = Theme::default().frame,
        /// Whether ticks point out of the frame or into it.
        pub ticks: TickSide = Theme::default().ticks,
        /// The file formats to write to `figures/`.
        pub formats: Vec<FigureFormat> = Theme::default().formats,
        /// The resolution of `png`, and of marks with `raster`, in dpi.
        pub dpi: u32 = Theme::default().dpi,
    }
}

impl Default for Theme {
    fn default() -> Self {
        Theme {
            font_size: 10.0,
            column: 3.25,
            palette: Palette::Tab10,
            map: ColorMap::Viridis,
            line_width: 1.5,
            grid: 0.3,
            frame: FrameStyle::Box,
            ticks: TickSide::Outside,
            formats: vec![FigureFormat::Svg, FigureFormat::Pdf, FigureFormat::Png],
            dpi: 200,
        }
    }
}

impl Theme {
    /// Reports invalid settings beyond their types.
    /// `place` returns the span of a setting.
    pub fn check(&self, place: &dyn Fn(&str) -> Span, problems: &mut Problems) {
        for (name, value, most) in [
            ("font-size", self.font_size, 100.0),
            ("column", self.column, 200.0),
            ("line-width", self.line_width, 100.0),
        ] {
            if !(value > 0.0 && value <= most) {
                let message = format!("`{name}` must be above 0 and at most {most}, this is {value}");
                problems.push(Error::user(message).at(place(name)));
            }
        }
        if !(10..=2400).contains(&self.dpi) {
            let message = format!("`dpi` must be between 10 and 2400, this is {}", self.dpi);
            problems.push(Error::user(message).at(place("dpi")));
        }
        if self.formats.is_empty() {
            problems.push(Error::user("`formats` is empty").at(place("formats")));
        }
    }
}
