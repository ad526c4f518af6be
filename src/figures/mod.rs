//! Figures: turns settings and named arrays into a [`Scene`]. A figure consists of panels of marks; `render` writes the scene to files.
//!
//! `data` selects numbers by name, `marks` turns them into shapes in data units, `panel` chooses scales, `layout` positions plot areas, and
//! `axes`, `shapes` and `legend` draw.

mod axes;
mod bivariate;
mod color;
mod colormaps;
mod data;
mod empty;
mod ink;
mod layout;
mod legend;
mod marks;
mod panel;
mod scale;
mod shapes;
mod size;
mod template;
pub mod text;
mod theme;

use std::sync::Arc;

use axes::{Decorations, VisibleLabels};
use data::Scope;
pub use data::Where;
use empty::EmptyMark;
use ink::FontSizes;
use layout::Slot;
use marks::{Mark, Shape};
use panel::{Panel, ResolvedPanel};
use size::{Aspect, Length, TextColumns};
pub use theme::Theme;

use crate::error::{Error, Result};
use crate::spec::{Coordinate, Located, Node, OneOrMany, Problems};
use crate::value::{Dataset, Horizontal, Item, Scene, Vertical};

/// Bump this when the code draws a different scene from the same settings and data.
pub const VERSION: u32 = 4;

/// The names of all marks.
pub const MARKS: &[&str] = Mark::NAMES;

/// Points per inch.
const INCH: f64 = 72.0;

crate::union! {
    /// A file format of figures.
    pub enum FigureFormat {
        /// Vector graphics for the web; text as outlines, the same in every viewer.
        "svg" => Svg,
        /// Vector graphics for LaTeX; fonts embedded.
        "pdf" => Pdf,
        /// A raster image.
        "png" => Png,
        /// Vector graphics for LaTeX, with text set in the document's fonts.
        "pgf" => Pgf,
        /// An interactive web page in one file, which shows values under the pointer.
        "html" => Html,
    }
}

crate::union! {
    /// The order in which panels fill the grid.
    pub enum Fill {
        /// Row by row.
        "rows" => Rows,
        /// Column by column.
        "columns" => Columns,
    }
}

crate::record! {
    /// A figure.
    pub struct Figure with only_what_differs {
        /// The stage whose arrays the panels show; panels and marks may name another one.
        pub of: Option<Located<String>> = None,
        /// The title above all panels; also the title in the files' metadata.
        pub title: Option<String> = None,
        /// The width in inches, or in text columns: `{columns: 1}`.
        pub width: Length<TextColumns> = Length::Inches(6.0),
        /// The height in inches, or relative to the width: `{aspect: 0.6}`.
        pub height: Length<Aspect> = Length::Inches(4.0),
        /// Overrides of the shared theme for this figure.
        pub theme: Theme = Theme::default(),
        /// In points; defaults to the theme's.
        pub font_size: Option<f64> = None,
        pub panels: Vec<Panel>,
        /// A row of panels above all others, each spanning `span` columns; for diagrams and legends.
        pub header: Vec<Panel> = Vec::new(),
        /// The height of the header's plot areas, relative to a row of panels.
        pub header_height: f64 = 0.5,
        /// The number of panel columns; by default about as many as rows.
        pub columns: Option<u32> = None,
        /// The order in which panels fill the grid.
        pub fill: Fill = Fill::Rows,
        /// The relative widths of the columns.
        pub widths: Vec<f64> = Vec::new(),
        /// The relative heights of the rows.
        pub heights: Vec<f64> = Vec::new(),
        /// Share the x axis: all panels have the same limits, and only the last row has tick labels and an axis label.
        pub share_x: bool = false,
        /// Share the y axis: all panels have the same limits, and only the first column has tick labels and an axis label.
        pub share_y: bool = false,
        /// Names from data may contain math between dollar signs, as labels do.
        pub math: bool = false,
        /// The file formats to write to `figures/`; defaults to the theme's.
        pub formats: Option<Vec<FigureFormat>> = None,
        /// The resolution of `png`, and of marks with `raster`, in dpi; defaults to the theme's.
        pub dpi: Option<u32> = None,
        /// Reference images; `repro compare` shows them next to this figure.
        pub reference: OneOrMany<Located<String>> = OneOrMany::default(),
    }
}

/// Settings added after artifacts were first stored are left out of the manifest at their default, so that old keys stay valid.
fn only_what_differs(figure: &Figure, manifest: &mut serde_json::Map<String, serde_json::Value>) {
    if !figure.math {
        manifest.remove("math");
    }
}

impl Figure {
    /// Returns the stages whose arrays it shows.
    pub fn stages(&self) -> Vec<Located<String>> {
        self.of.iter().chain(self.all_panels().flat_map(Panel::stages)).cloned().collect()
    }

    fn all_panels(&self) -> impl Iterator<Item = &Panel> {
        self.header.iter().chain(&self.panels)
    }

    /// Returns the arrays and axes it names, each with the stage it should be in.
    pub fn names(&self) -> Vec<(&Located<String>, &Located<String>)> {
        let mut found = Vec::new();
        for panel in self.all_panels() {
            let of = panel.of.as_ref().or(self.of.as_ref());
            found.extend(of.zip(panel.r#for.as_ref()));
            for mark in &panel.marks {
                let of = mark.entry().stage().as_ref().or(of);
                found.extend(mark.entry().names().into_iter().filter_map(|name| of.map(|of| (of, name))));
            }
        }
        found
    }

    /// Returns the coordinates it fixes: stage, axis, coordinate.
    pub fn coordinates(&self) -> Vec<(&Located<String>, &str, &Coordinate)> {
        let mut found = Vec::new();
        for panel in self.all_panels() {
            let of = panel.of.as_ref().or(self.of.as_ref());
            found.extend(panel.r#where.iter().filter_map(|(axis, at)| Some((of?, axis.as_str(), at))));
            for mark in &panel.marks {
                let of = mark.entry().stage().as_ref().or(of);
                found.extend(mark.entry().fixed().iter().filter_map(|(axis, at)| Some((of?, axis.as_str(), at))));
            }
        }
        found
    }

    /// Reports invalid settings beyond their types.
    pub fn check(&self, node: &Node, problems: &mut Problems) {
        let place = |setting: &str| node.get(setting).unwrap_or(node.deepest(&["theme", setting])).span;
        self.settled().check(&place, problems);
        self.width.check("width", self.theme.column, node, problems);
        self.height.check("height", self.width.inches(self.theme.column), node, problems);
        if self.panels.is_empty() {
            problems.push(Error::user("`panels` is empty").at(node.deepest(&["panels"]).span));
        }
        let spans = self.spans();
        if let Some(columns) = self.columns.filter(|columns| spans > *columns as usize) {
            let message = format!("the header's panels span {spans} columns, the figure has {columns}");
            problems.push(Error::user(message).at(node.deepest(&["header"]).span));
        }
        if !(self.header_height > 0.0 && self.header_height <= 100.0) {
            let message = format!("`header-height` must be above 0 and at most 100, this is {}", self.header_height);
            problems.push(Error::user(message).at(node.deepest(&["header-height"]).span));
        }
        let named = |name: &'static str, panels| std::iter::repeat(name).zip(panels).enumerate();
        let header = named("header", self.header.iter());
        for (i, (list, panel)) in header.chain(named("panels", self.panels.iter())) {
            let node = node.deepest(&[list, &i.to_string()]);
            if list == "header" && panel.r#for.is_some() {
                problems.push(Error::user("a panel of the header has no `for`").at(node.deepest(&["for"]).span));
            }
            panel.check(node, problems);
            for (j, mark) in panel.marks.iter().enumerate() {
                let node = node.deepest(&["marks", &j.to_string(), mark.name()]);
                mark.entry().check(node, problems);
                if mark.entry().raster() && self.formats().contains(&FigureFormat::Pgf) {
                    let error = Error::user("`raster` is not for pgf: a pgf file holds no pictures");
                    let span = node.deepest(&["raster"]).span;
                    problems.push(error.at(span).hint("take `pgf` out of `formats`, or `raster` out of the mark"));
                }
            }
            let of = panel.of.as_ref().or(self.of.as_ref());
            for (j, mark) in panel.marks.iter().enumerate() {
                if of.is_none() && mark.entry().stage().is_none() && !mark.entry().names().is_empty() {
                    let error =
                        Error::user(format!("this `{}` does not say which stage its arrays are in", mark.name()));
                    let span = node.deepest(&["marks", &j.to_string()]).span;
                    problems.push(error.at(span).hint("add `of: STAGE` to the mark, its panel or the figure"));
                }
            }
        }
    }

    /// Returns the theme with this figure's overrides.
    fn settled(&self) -> Theme {
        let (font_size, formats, dpi) = (self.font_size(), self.formats().to_vec(), self.dpi());
        Theme { font_size, formats, dpi, ..self.theme.clone() }
    }

    /// The font size in points.
    fn font_size(&self) -> f64 {
        self.font_size.unwrap_or(self.theme.font_size)
    }

    /// Returns the file formats to write.
    pub fn formats(&self) -> &[FigureFormat] {
        self.formats.as_ref().unwrap_or(&self.theme.formats)
    }

    /// Returns the resolution of `png` in dpi.
    pub fn dpi(&self) -> u32 {
        self.dpi.unwrap_or(self.theme.dpi)
    }

    /// Returns whether files hold pictures of marks.
    pub fn has_raster(&self) -> bool {
        self.all_panels().any(|panel| panel.marks.iter().any(|mark| mark.entry().raster()))
    }

    /// Returns the number of columns that the header's panels span.
    fn spans(&self) -> usize {
        self.header.iter().map(|panel| panel.span as usize).sum()
    }

    /// Returns the width and height in inches.
    fn size(&self) -> (f64, f64) {
        let width = self.width.inches(self.theme.column);
        (width, self.height.inches(width))
    }

    /// Draws the figure from the datasets of its stages; `warn` receives warnings. It is an error if the figure would be empty.
    pub fn draw(&self, data: &dyn Fn(&str) -> Option<Arc<Dataset>>, warn: &mut dyn FnMut(Error)) -> Result<Scene> {
        let scope = Scope::new(data).themed(self.settled()).with_math(self.math).within(&self.of, &Where::new());
        let prepare = |panels: &[Panel]| -> Result<Vec<ResolvedPanel>> {
            let mut prepared = Vec::new();
            for panel in panels {
                for scope in panel.scopes(&scope)? {
                    prepared.push(panel.prepare(&scope)?);
                }
            }
            Ok(prepared)
        };
        let (header, mut panels) = (prepare(&self.header)?, prepare(&self.panels)?);
        let (spans, columns) = (self.spans(), self.columns_for(panels.len()));
        if spans > columns {
            let message = format!("the header's panels span {spans} columns, there are {columns}");
            let span = self.header.iter().flat_map(Panel::stages).next().map(|of| of.span);
            let error = Error::user(message).hint(format!("say how many there should be: `columns: {spans}`"));
            return Err(match span {
                Some(span) => error.at(span),
                None => error,
            });
        }
        if self.share_x {
            share(&mut panels, |panel| &mut panel.x);
        }
        if self.share_y {
            share(&mut panels, |panel| &mut panel.y);
        }
        let mut empty = Vec::new();
        let marks: usize = header.iter().chain(&panels).map(|panel| panel.marks.len()).sum();
        let scene = self.lay_out(header, panels, &mut empty);
        scope.take_warnings().into_iter().for_each(&mut *warn);
        if empty.len() == marks
            && let Some(first) = empty.first()
        {
            return Err(first.nothing_at_all());
        }
        empty.iter().map(EmptyMark::warning).for_each(warn);
        Ok(scene)
    }

    /// Returns the slots of the header's panels, then those of all others below; the number of rows and their heights.
    fn with_header(&self, slots: Vec<Slot>, rows: usize) -> (Vec<Slot>, usize, Vec<f64>) {
        if self.header.is_empty() {
            return (slots, rows, self.heights.clone());
        }
        let mut column = 0;
        let mut all: Vec<Slot> = Vec::new();
        for panel in &self.header {
            let span = panel.span as usize;
            all.push(Slot { row: 0, column, span });
            column += span;
        }
        all.extend(slots.into_iter().map(|slot| Slot { row: slot.row + 1, ..slot }));
        let mut heights = vec![self.header_height];
        heights.extend((0..rows).map(|row| self.heights.get(row).copied().unwrap_or(1.0)));
        (all, rows + 1, heights)
    }

    /// Returns the number of columns for n panels.
    fn columns_for(&self, panels: usize) -> usize {
        let panels = panels.max(1);
        self.columns.map_or_else(|| square_root(panels), |columns| columns as usize).clamp(1, panels)
    }

    /// Lays out prepared panels on the page, and collects the empty marks.
    fn lay_out(&self, header: Vec<ResolvedPanel>, mut panels: Vec<ResolvedPanel>, empty: &mut Vec<EmptyMark>) -> Scene {
        let font_size = self.font_size();
        let fonts = FontSizes::from_size(font_size);
        let columns = self.columns_for(panels.len());
        let rows = panels.len().max(1).div_ceil(columns);
        let slot = |i: usize| match self.fill {
            Fill::Rows => (i / columns, i % columns),
            Fill::Columns => (i % rows, i / rows),
        };
        let slots: Vec<Slot> = (0..panels.len()).map(slot).map(|(row, column)| Slot { row, column, span: 1 }).collect();
        let lowest = |row: usize, column: usize| !slots.iter().any(|slot| (slot.row, slot.column) == (row + 1, column));
        let mut shown: Vec<VisibleLabels> = slots
            .iter()
            .map(|slot| {
                let (x, y) = (lowest(slot.row, slot.column) || !self.share_x, slot.column == 0 || !self.share_y);
                VisibleLabels { x_numbers: x, x_label: x, y_numbers: y, y_label: y }
            })
            .collect();
        let (slots, rows, heights) = self.with_header(slots, rows);
        let all = VisibleLabels { x_numbers: true, x_label: true, y_numbers: true, y_label: true };
        shown.splice(0..0, std::iter::repeat_n(all, header.len()));
        panels.splice(0..0, header);
        let (width, height) = self.size();
        let (width, height) = (width * INCH, height * INCH);
        let title = self.title.as_deref().unwrap_or_default();
        let top = if title.is_empty() { 0.0 } else { ink::extent(title, 1.2 * font_size, false).1 + 10.0 };
        let grid = layout::Grid { width, height, columns, rows, widths: &self.widths, heights: &heights, top };
        // Ticks depend on the size of the plot areas, which depends on the tick labels: two passes are enough.
        let measure =
            |size: &dyn Fn(usize) -> (f64, f64), panels: Vec<ResolvedPanel>| -> Vec<(ResolvedPanel, Decorations)> {
                let one = |(i, panel): (usize, ResolvedPanel)| {
                    let legend = legend::LegendMargin::measure(&panel, fonts, size(i).0);
                    let decor = Decorations::measure(&panel, size(i), fonts, shown[i], legend);
                    (panel, decor)
                };
                let mut measured: Vec<(ResolvedPanel, Decorations)> = panels.into_iter().enumerate().map(one).collect();
                Decorations::align(&mut measured, &slots, &shown);
                measured
            };
        let areas = |panels: &[(ResolvedPanel, Decorations)]| {
            let around: Vec<_> = panels.iter().map(|(panel, decor)| (decor.around, panel.aspect)).collect();
            grid.areas(&around, &slots)
        };
        let first = measure(&|_| grid.guess(), panels);
        let guess = areas(&first);
        let panels = first.into_iter().map(|(panel, _)| panel).collect();
        let mut second = measure(&|i| guess.get(i).map_or(grid.guess(), |area| (area.width, area.height)), panels);
        let areas = areas(&second);
        let (mut items, mut hints) = (Vec::new(), Vec::new());
        if !title.is_empty() {
            let at = [0.5 * width, 4.0];
            items.push(ink::label(title, at, 1.2 * font_size, 0.0, Horizontal::Middle, Vertical::Top));
        }
        for (((panel, decor), area), shown) in second.iter_mut().zip(areas).zip(shown) {
            decor.grid(panel, area, &mut items);
            let frame = shapes::PlotTransform::new(area, panel);
            let mut inside = Vec::new();
            let mut shapes = panel.drawing.shapes.iter();
            for mark in &panel.marks {
                let before = inside.len();
                let shapes: Vec<&Shape> = shapes.by_ref().take(mark.shapes).collect();
                shapes.iter().for_each(|shape| frame.draw(shape, font_size, &mut inside));
                empty.extend(EmptyMark::found(panel, mark, &shapes, &inside[before..], &frame));
                if mark.raster && inside.len() > before {
                    let items = inside.split_off(before);
                    inside.push(Item::Raster { items });
                }
            }
            match panel.frame {
                Some(_) => items.push(Item::Clip { area, items: inside }),
                // A panel without a frame does not clip.
                None => items.append(&mut inside),
            }
            decor.draw(panel, area, fonts, shown, &mut items);
            let outside = area.right() + decor.around.right - decor.legend.right;
            legend::draw(panel, area, outside, fonts, &mut items);
            // Tooltips and shapes of many points are large: they are not kept longer than needed.
            let tooltips = std::mem::take(&mut panel.drawing.hints);
            let frame = shapes::PlotTransform::new(area, panel);
            hints.extend(tooltips.into_iter().filter_map(|hint| frame.hint(&panel.title, hint)));
            panel.drawing.shapes = Vec::new();
        }
        Scene { title: title.to_string(), width, height, items, hints }
    }
}

/// Returns the smallest integer whose square is at least n.
fn square_root(n: usize) -> usize {
    (1..=n).find(|root| root * root >= n).unwrap_or(1)
}

/// Gives all panels the union of their limits.
fn share(panels: &mut [ResolvedPanel], axis: impl Fn(&mut ResolvedPanel) -> &mut panel::PanelAxis) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for panel in panels.iter_mut() {
        let scale = &axis(panel).scale;
        (low, high) = (low.min(scale.from.min(scale.to)), high.max(scale.from.max(scale.to)));
    }
    for panel in panels.iter_mut() {
        let scale = &mut axis(panel).scale;
        (scale.from, scale.to) = if scale.from > scale.to { (high, low) } else { (low, high) };
    }
}

#[cfg(test)]
mod tests;
