//! A panel: marks over two axes, with its title, legend and axis settings.

use super::data::{Scope, Where};
use super::marks::{DataRange, Drawing, Mark};
use super::scale::{MAX_DECIMALS, Scale, ScaleKind, Tick, number};
use super::template;
use super::theme::{FrameStyle, TickSide};
use crate::error::{Error, Result, Span};
use crate::spec::{Located, Node, Problems};

crate::record! {
    /// Marks over two axes.
    pub struct Panel {
        /// The stage whose arrays the marks show; defaults to the figure's.
        pub of: Option<Located<String>> = None,
        /// Fixed coordinates for all marks, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// Repeat the panel for each coordinate of this axis.
        pub r#for: Option<Located<String>> = None,
        /// The title above the panel; values may be inserted in braces, as `Expert {expert}`.
        pub title: Option<Located<String>> = None,
        /// A bold caption below the panel.
        pub caption: Option<Located<String>> = None,
        pub x: AxisSettings = AxisSettings::default(),
        pub y: AxisSettings = AxisSettings::default(),
        pub marks: Vec<Located<Mark>>,
        /// The position of the legend, which is drawn if a mark has an entry in it.
        pub legend: LegendPlace = LegendPlace::Best,
        /// The aspect ratio (height divided by width); by default the panel fills its grid cell.
        pub aspect: Option<f64> = None,
        /// The opacity of grid lines, 0 for none; defaults to the theme's.
        pub grid: Option<f64> = None,
        /// Whether to draw the frame, ticks and tick labels; by default not for networks, pies and images.
        pub frame: Option<bool> = None,
        /// In a `header`: the number of columns it spans.
        pub span: u32 = 1,
    }
}

crate::record! {
    /// An axis of a panel.
    pub struct AxisSettings {
        pub label: Option<Located<String>> = None,
        pub scale: ScaleKind = ScaleKind::Linear,
        /// The low limit; by default from the data.
        pub from: Option<f64> = None,
        /// The high limit; by default from the data.
        pub to: Option<f64> = None,
        /// Put ticks at these values.
        pub ticks: Option<Vec<f64>> = None,
        /// Put ticks at multiples of this.
        pub every: Option<f64> = None,
        /// With `ticks`: their labels.
        pub labels: Option<Vec<String>> = None,
        /// The number of decimals of tick labels.
        pub decimals: Option<u32> = None,
        /// The rotation of tick labels in degrees.
        pub rotate: f64 = 0.0,
        /// Reverse the axis: the low limit is on the right, or at the top.
        pub reverse: bool = false,
    }
}

impl Default for AxisSettings {
    fn default() -> Self {
        AxisSettings {
            label: None,
            scale: ScaleKind::Linear,
            from: None,
            to: None,
            ticks: None,
            every: None,
            labels: None,
            decimals: None,
            rotate: 0.0,
            reverse: false,
        }
    }
}

crate::union! {
    /// The position of a legend.
    pub enum LegendPlace {
        /// In the corner that covers the least data.
        "best" => Best,
        "top-left" => TopLeft,
        "top-right" => TopRight,
        "bottom-left" => BottomLeft,
        "bottom-right" => BottomRight,
        /// Right of the panel.
        "right" => Right,
        /// Above the panel, entries side by side.
        "above" => Above,
        "none" => None,
    }
}

/// An axis with its resolved scale.
#[derive(Clone, Debug)]
pub struct PanelAxis {
    pub scale: Scale,
    pub label: String,
    pub rotate: f64,
    /// The category names of positions 0, 1, ...
    categories: Option<Vec<String>>,
    settings: AxisSettings,
}

/// A panel with its data resolved.
#[derive(Clone, Debug)]
pub struct ResolvedPanel {
    pub title: String,
    pub caption: String,
    pub x: PanelAxis,
    pub y: PanelAxis,
    pub drawing: Drawing,
    pub legend: LegendPlace,
    pub aspect: Option<f64>,
    pub grid: f64,
    /// The frame; `None` for a panel without axes.
    pub frame: Option<FrameStyle>,
    pub ticks: TickSide,
    /// Its marks in z-order.
    pub marks: Vec<ResolvedMark>,
    /// The coordinate of a repeated panel: ` at expert=3`.
    pub at: String,
}

/// A mark whose shapes are part of its panel's.
#[derive(Clone, Debug)]
pub struct ResolvedMark {
    pub name: &'static str,
    pub span: Span,
    /// The number of its shapes.
    pub shapes: usize,
    /// Whether vector formats hold it as a picture.
    pub raster: bool,
}

impl Panel {
    /// Returns the stages that the panel and its marks name.
    pub fn stages(&self) -> impl Iterator<Item = &Located<String>> {
        self.of.iter().chain(self.marks.iter().filter_map(|mark| mark.entry().stage().as_ref()))
    }

    /// Reports invalid settings beyond their types.
    pub fn check(&self, node: &Node, problems: &mut Problems) {
        if self.marks.is_empty() {
            problems.push(Error::user("this panel has no marks").at(node.deepest(&["marks"]).span));
        }
        for text in [&self.title, &self.caption, &self.x.label, &self.y.label].into_iter().flatten() {
            template::check(text, text.span, problems);
        }
        for (name, axis) in [("x", &self.x), ("y", &self.y)] {
            let place = |field: &str| node.deepest(&[name, field]).span;
            if let (Some(from), Some(to)) = (axis.from, axis.to)
                && from >= to
            {
                let error = Error::user(format!("`from` ({from}) is not below `to` ({to})")).at(place("from"));
                problems.push(error.hint("to turn an axis round, write `reverse: true`"));
            }
            let logarithmic = axis.scale == ScaleKind::Log;
            for (field, value) in [("from", axis.from), ("to", axis.to)] {
                if logarithmic && value.is_some_and(|value| value <= 0.0) {
                    problems.push(Error::user("a logarithmic axis has no 0 and nothing below it").at(place(field)));
                }
            }
            if axis.decimals.is_some_and(|decimals| decimals > MAX_DECIMALS) {
                problems.push(Error::user(format!("`decimals` is at most {MAX_DECIMALS}")).at(place("decimals")));
            }
            if axis.every.is_some_and(|every| every <= 0.0) {
                problems.push(Error::user("`every` must be above 0").at(place("every")));
            }
            if axis.labels.as_ref().map(Vec::len) != axis.ticks.as_ref().map(Vec::len) && axis.labels.is_some() {
                problems.push(Error::user("`labels` needs as many `ticks`").at(place("labels")));
            }
        }
        if self.span == 0 {
            problems.push(Error::user("`span` is at least 1").at(node.deepest(&["span"]).span));
        }
        if self.aspect.is_some_and(|aspect| aspect <= 0.0) {
            problems.push(Error::user("`aspect` must be above 0").at(node.deepest(&["aspect"]).span));
        }
    }

    /// Returns the scopes of its panels: one, or one for each coordinate of `for`.
    pub fn scopes<'a>(&self, scope: &Scope<'a>) -> Result<Vec<Scope<'a>>> {
        let scope = scope.within(&self.of, &self.r#where);
        let Some(name) = &self.r#for else { return Ok(vec![scope]) };
        let axis = scope.axis(name)?;
        Ok((0..axis.len()).map(|i| scope.fix(&axis.name, &axis.coords.label(i), name.span)).collect())
    }

    /// Resolves the data of one panel.
    pub fn prepare(&self, scope: &Scope) -> Result<ResolvedPanel> {
        let mut drawing = Drawing::default();
        let mut bare = true;
        let mut marks = Vec::new();
        for mark in &self.marks {
            let drawn = mark.entry().draw(scope)?;
            bare &= drawn.bare;
            let (shapes, raster) = (drawn.shapes.len(), mark.entry().raster());
            marks.push(ResolvedMark { name: mark.name(), span: mark.span, shapes, raster });
            drawing = drawing.join(drawn);
        }
        let theme = scope.theme();
        let text = |text: &Option<Located<String>>| match text {
            Some(text) => template::fill(text, scope, text.span),
            None => Ok(String::new()),
        };
        let axis = |settings: &AxisSettings, extent: &DataRange| -> Result<PanelAxis> {
            Ok(PanelAxis {
                scale: settings.limits(extent),
                label: text(&settings.label)?,
                rotate: settings.rotate,
                categories: extent.categories.clone(),
                settings: settings.clone(),
            })
        };
        Ok(ResolvedPanel {
            title: text(&self.title)?,
            caption: text(&self.caption)?,
            x: axis(&self.x, &drawing.x)?,
            y: axis(&self.y, &drawing.y)?,
            legend: self.legend.clone(),
            aspect: self.aspect.or(drawing.aspect),
            grid: self.grid.unwrap_or(theme.grid),
            frame: self.frame.unwrap_or(!bare).then(|| theme.frame.clone()),
            ticks: theme.ticks.clone(),
            marks,
            at: scope.describe_fixed(""),
            drawing,
        })
    }
}

impl AxisSettings {
    /// Returns the limits: those given, or the data's with a margin.
    fn limits(&self, extent: &DataRange) -> Scale {
        let (mut low, mut high) = (extent.low, extent.high);
        if let (Some(names), false) = (&extent.categories, extent.tight) {
            (low, high) = (-0.5, names.len() as f64 - 0.5);
        } else if low > high {
            (low, high) = if self.scale == ScaleKind::Log { (1.0, 10.0) } else { (0.0, 1.0) };
        } else if self.scale == ScaleKind::Log {
            high = if high > 0.0 { high.max(f64::MIN_POSITIVE) } else { 10.0 };
            low = if low > 0.0 { low.max(f64::MIN_POSITIVE) } else { (high * 1e-3).max(f64::MIN_POSITIVE) };
            let room = if extent.tight { 1.0 } else { crate::train::ln(high / low).max(0.1) * 0.04 + 1.0 };
            (low, high) = ((low / room).max(f64::MIN_POSITIVE), (high * room).min(f64::MAX));
        } else if low == high {
            (low, high) = around(low);
        } else if !extent.tight {
            // Halve each first, because their difference may overflow.
            let room = (0.1 * (0.5 * high - 0.5 * low)).min(f64::MAX);
            // Bars and counts start at the axis, so no margin at 0.
            low = if low == 0.0 && !extent.loose { 0.0 } else { (low - room).max(f64::MIN) };
            high = (high + room).min(f64::MAX);
        }
        let (low, high) = (self.from.unwrap_or(low), self.to.unwrap_or(high));
        let (low, high) = if low < high { (low, high) } else { above(low) };
        let (from, to) = if self.reverse { (high, low) } else { (low, high) };
        Scale { kind: self.scale.clone(), from, to }
    }
}

/// Returns limits around a single value: half a unit on each side, or a twentieth of a large value.
pub fn around(value: f64) -> (f64, f64) {
    const LARGE: f64 = 1e6;
    let room = if value.abs() < LARGE { 0.5 } else { 0.05 * value.abs() };
    ((value - room).max(f64::MIN), (value + room).min(f64::MAX))
}

/// Returns limits from a value upwards: one unit, or a tenth of a large value.
fn above(value: f64) -> (f64, f64) {
    let room = (0.1 * value.abs()).max(1.0);
    if value + room < f64::INFINITY { (value, value + room) } else { (value - room, value) }
}

impl PanelAxis {
    /// Returns the ticks; about `count` of them unless the settings specify ticks.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        let AxisSettings { ticks, every, labels, decimals, .. } = &self.settings;
        let decimals = decimals.map(|d| d as usize);
        if let Some(values) = ticks {
            let mut found = self.scale.ticks_at(values, decimals);
            for tick in &mut found {
                let label = labels.as_ref().and_then(|l| l.get(values.iter().position(|v| *v == tick.value)?));
                tick.label = label.cloned().or(tick.label.take());
            }
            return found;
        }
        if let Some(names) = &self.categories {
            let tick = |(i, name): (usize, &String)| Tick { value: i as f64, label: Some(name.clone()) };
            return names.iter().enumerate().map(tick).collect();
        }
        if let Some(every) = every {
            let (low, high) = (self.scale.from.min(self.scale.to), self.scale.from.max(self.scale.to));
            let (first, last) = ((low / every - 1e-9).ceil() as i64, (high / every + 1e-9).floor() as i64);
            let values: Vec<f64> = (first..=last.min(first.saturating_add(1000))).map(|i| i as f64 * every).collect();
            return self.scale.ticks_at(&values, decimals);
        }
        let mut found = self.scale.ticks(count);
        if let Some(decimals) = decimals {
            found.iter_mut().filter(|t| t.label.is_some()).for_each(|t| t.label = Some(number(t.value, decimals)));
        }
        found
    }
}
