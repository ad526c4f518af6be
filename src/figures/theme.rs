//! The looks that all figures of a paper share: `theme` at the top of the paper file, and what a figure changes of it.

use super::FigureFormat;
use super::colormaps::{ColorMap, Palette};
use crate::error::{Error, Span};
use crate::spec::Problems;

crate::union! {
    /// The lines around a plot area.
    pub enum FrameStyle {
        /// On all four sides.
        "box" => Box,
        /// Below and to the left only.
        "axes" => Axes,
    }
}

crate::union! {
    /// The side of the frame on which ticks are.
    pub enum TickSide {
        "outside" => Outside,
        "inside" => Inside,
    }
}

crate::record! {
    /// The looks that all figures share. A figure's own `theme` changes some of them.
    pub struct Theme {
        /// Points; everything else follows it.
        pub font_size: f64 = Theme::default().font_size,
        /// Inches: the width of a column of the paper's text, for figures as wide as `{columns: 1}`.
        pub column: f64 = Theme::default().column,
        /// Colours of things where a mark does not say.
        pub palette: Palette = Theme::default().palette,
        /// Colours of numbers where a mark does not say.
        pub map: ColorMap = Theme::default().map,
        /// Points: the width of lines where a mark does not say.
        pub line_width: f64 = Theme::default().line_width,
        /// Opacity of the grid lines; 0 for none.
        pub grid: f64 = Theme::default().grid,
        /// The lines around plot areas.
        pub frame: FrameStyle = Theme::default().frame,
        /// The side of the frame on which ticks are.
        pub ticks: TickSide = Theme::default().ticks,
        /// Files to make in `figures/`.
        pub formats: Vec<FigureFormat> = Theme::default().formats,
        /// Pixels an inch of `png`.
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
    /// Report what is wrong beyond the types of settings.
    /// `place` finds where a setting is written.
    pub fn check(&self, place: &dyn Fn(&str) -> Span, problems: &mut Problems) {
        for (name, value, most) in [
            ("font-size", self.font_size, 100.0),
            ("column", self.column, 200.0),
            ("line-width", self.line_width, 100.0),
        ] {
            if !(value > 0.0 && value <= most) {
                let message = format!("`{name}` lies above 0 and up to {most}, this is {value}");
                problems.push(Error::user(message).at(place(name)));
            }
        }
        if !(10..=2400).contains(&self.dpi) {
            let message = format!("`dpi` lies between 10 and 2400, this is {}", self.dpi);
            problems.push(Error::user(message).at(place("dpi")));
        }
        if self.formats.is_empty() {
            problems.push(Error::user("`formats` is empty").at(place("formats")));
        }
    }
}
