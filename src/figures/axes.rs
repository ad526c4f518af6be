//! The decorations of a plot area (ticks, tick labels, axis labels, title, colour bar) and the margins they need.

use std::collections::BTreeMap;

use super::color::Colors;
use super::ink::{FontSizes, extent, label, path};
use super::layout::{Margins, Slot};
use super::legend::LegendMargin;
use super::panel::{PanelAxis, ResolvedPanel};
use super::scale::{Scale, ScaleKind, Tick};
use super::theme::{FrameStyle, TickSide};
use crate::value::{Color, Horizontal, Item, Label, Rect, Stroke, Vertical};

/// Lengths in points.
const TICK: f64 = 3.5;
const MINOR_TICK: f64 = 2.0;
const TICK_PAD: f64 = 3.0;
const LABEL_PAD: f64 = 4.0;
const TITLE_PAD: f64 = 5.0;
const BAR_GAP: f64 = 8.0;
const BAR_WIDTH: f64 = 9.0;
const LINE: f64 = 0.8;

/// The ticks of a panel, and the margins of all its decorations.
#[derive(Clone, Debug)]
pub struct Decorations {
    pub around: Margins,
    x: Vec<Tick>,
    y: Vec<Tick>,
    /// The widest tick label of the y axis and the highest of the x axis, of this panel or of all panels aligned with it.
    y_width: f64,
    x_height: f64,
    bar: Vec<Tick>,
    /// The widest tick label of the colour bar, likewise.
    bar_labels: f64,
    pub legend: LegendMargin,
}

/// Which tick labels and axis labels a panel shows: with shared axes, inner panels have none.
#[derive(Clone, Copy, Debug)]
pub struct VisibleLabels {
    pub x_numbers: bool,
    pub y_numbers: bool,
    pub x_label: bool,
    pub y_label: bool,
}

/// Returns the width and height of rotated text.
fn turned((width, height): (f64, f64), degrees: f64) -> (f64, f64) {
    let (sin, cos) = sin_cos(degrees);
    (width * cos.abs() + height * sin.abs(), width * sin.abs() + height * cos.abs())
}

/// Returns sine and cosine of an angle in degrees; exact for quarter turns.
fn sin_cos(degrees: f64) -> (f64, f64) {
    match degrees.rem_euclid(360.0) {
        0.0 => (0.0, 1.0),
        90.0 => (1.0, 0.0),
        180.0 => (0.0, -1.0),
        270.0 => (-1.0, 0.0),
        other => other.to_radians().sin_cos(),
    }
}

impl Decorations {
    /// Chooses ticks for a plot area of about this size and measures the margins.
    pub fn measure(
        panel: &ResolvedPanel,
        (width, height): (f64, f64),
        fonts: FontSizes,
        shown: VisibleLabels,
        legend: LegendMargin,
    ) -> Decorations {
        let some = |ticks: Vec<Tick>| if panel.frame.is_some() { ticks } else { Vec::new() };
        let x = some(fitting(&panel.x, width, fonts, true));
        let y = some(fitting(&panel.y, height, fonts, false));
        let size = |tick: &Tick| tick.label.as_ref().map_or((0.0, 0.0), |label| extent(label, fonts.tick, false));
        let y_width = y.iter().map(|tick| turned(size(tick), panel.y.rotate).0).fold(0.0, f64::max);
        let x_height = x.iter().map(|tick| turned(size(tick), panel.x.rotate).1).fold(0.0, f64::max);
        let side = &panel.ticks;
        let (left, bottom) = (reach(&y, shown.y_numbers, y_width, side), reach(&x, shown.x_numbers, x_height, side));
        let mut around = Margins { left, right: LINE, top: LINE, bottom };
        if shown.x_numbers {
            // The last tick label may extend beyond the corner.
            let over = |tick: &Tick| {
                0.5 * turned(size(tick), panel.x.rotate).0 - (1.0 - panel.x.scale.position(tick.value)) * width
            };
            around.right = around.right.max(x.iter().map(over).fold(0.0, f64::max));
        }
        let over = |tick: &Tick| 0.5 * size(tick).1 - (1.0 - panel.y.scale.position(tick.value)) * height;
        around.top = around.top.max(y.iter().map(over).fold(0.0, f64::max));
        if shown.y_label && !panel.y.label.is_empty() {
            around.left += LABEL_PAD + extent(&panel.y.label, fonts.label, false).1;
        }
        if shown.x_label && !panel.x.label.is_empty() {
            around.bottom += LABEL_PAD + extent(&panel.x.label, fonts.label, false).1;
        }
        if !panel.caption.is_empty() {
            around.bottom += LABEL_PAD + extent(&panel.caption, fonts.label, true).1;
        }
        if !panel.title.is_empty() {
            around.top += TITLE_PAD + extent(&panel.title, fonts.title, false).1;
        }
        let (mut bar, mut bar_labels) = (Vec::new(), 0.0);
        if let Some((colors, label)) = &panel.drawing.bar {
            bar = bar_ticks(colors, height);
            bar_labels = bar.iter().map(|tick| size(tick).0).fold(0.0, f64::max);
            let name = if label.is_empty() { 0.0 } else { LABEL_PAD + extent(label, fonts.label, false).1 };
            around.right = around.right.max(BAR_GAP + BAR_WIDTH + TICK + TICK_PAD + bar_labels + name);
        }
        around.right += legend.right;
        around.top += legend.above;
        Decorations { around, x, y, y_width, x_height, bar, bar_labels, legend }
    }

    /// Aligns the labels of the y axes and colour bars in each column, and of the x axes in each row. A panel that spans several columns
    /// (in the header) is not aligned.
    pub fn align(panels: &mut [(ResolvedPanel, Decorations)], slots: &[Slot], shown: &[VisibleLabels]) {
        let groups = |of: &dyn Fn(&ResolvedPanel, &VisibleLabels, &Slot) -> (bool, usize)| -> Vec<Option<usize>> {
            let all = panels.iter().zip(slots).zip(shown);
            all.map(|(((panel, _), slot), shown)| {
                let (labelled, group) = of(panel, shown, slot);
                (labelled && slot.span == 1).then_some(group)
            })
            .collect()
        };
        let x = groups(&|panel, shown, slot| (shown.x_label && !panel.x.label.is_empty(), slot.row));
        let y = groups(&|panel, shown, slot| (shown.y_label && !panel.y.label.is_empty(), slot.column));
        let bar = groups(&|panel, _, slot| {
            (panel.drawing.bar.as_ref().is_some_and(|(_, name)| !name.is_empty()), slot.column)
        });
        level(panels, &x, |decor| (&mut decor.x_height, &mut decor.around.bottom));
        level(panels, &y, |decor| (&mut decor.y_width, &mut decor.around.left));
        level(panels, &bar, |decor| (&mut decor.bar_labels, &mut decor.around.right));
    }

    /// Draws grid lines, behind the marks.
    pub fn grid(&self, panel: &ResolvedPanel, area: Rect, items: &mut Vec<Item>) {
        if panel.grid <= 0.0 {
            return;
        }
        let color = Color(0xb0, 0xb0, 0xb0, 255).opacity(panel.grid * 1.6);
        let mut line = |points: [[f64; 2]; 2]| items.push(path(points.to_vec(), Stroke::solid(color, 0.6)));
        for tick in self.x.iter().filter(|tick| tick.label.is_some()) {
            let x = area.x + area.width * panel.x.scale.position(tick.value);
            line([[x, area.y], [x, area.bottom()]]);
        }
        for tick in self.y.iter().filter(|tick| tick.label.is_some()) {
            let y = area.bottom() - area.height * panel.y.scale.position(tick.value);
            line([[area.x, y], [area.right(), y]]);
        }
    }

    /// Draws frame, ticks, tick labels, axis labels, title and colour bar, in front of the marks.
    pub fn draw(
        &self,
        panel: &ResolvedPanel,
        area: Rect,
        fonts: FontSizes,
        shown: VisibleLabels,
        items: &mut Vec<Item>,
    ) {
        let stroke = Stroke::solid(Color::BLACK, LINE);
        // The direction of ticks, and how far the longest extend out of the frame.
        let (out, beyond) = if panel.ticks == TickSide::Inside { (-1.0, 0.0) } else { (1.0, TICK) };
        for tick in &self.x {
            let x = area.x + area.width * panel.x.scale.position(tick.value);
            let length = if tick.label.is_some() { TICK } else { MINOR_TICK };
            items.push(path(vec![[x, area.bottom()], [x, area.bottom() + out * length]], stroke.clone()));
            if let (Some(markup), true) = (&tick.label, shown.x_numbers) {
                let (horizontal, vertical) = match panel.x.rotate {
                    0.0 => (Horizontal::Middle, Vertical::Top),
                    _ => (Horizontal::Right, Vertical::Middle),
                };
                let at = [x + if panel.x.rotate == 0.0 { 0.0 } else { 3.0 }, area.bottom() + beyond + TICK_PAD];
                items.push(label(markup, at, fonts.tick, panel.x.rotate, horizontal, vertical));
            }
        }
        for tick in &self.y {
            let y = area.bottom() - area.height * panel.y.scale.position(tick.value);
            let length = if tick.label.is_some() { TICK } else { MINOR_TICK };
            items.push(path(vec![[area.x - out * length, y], [area.x, y]], stroke.clone()));
            if let (Some(markup), true) = (&tick.label, shown.y_numbers) {
                let at = [area.x - beyond - TICK_PAD, y];
                items.push(label(markup, at, fonts.tick, panel.y.rotate, Horizontal::Right, Vertical::Middle));
            }
        }
        let [top_left, bottom_left, bottom_right, top_right] =
            [[area.x, area.y], [area.x, area.bottom()], [area.right(), area.bottom()], [area.right(), area.y]];
        match panel.frame {
            Some(FrameStyle::Box) => {
                let points = vec![top_left, top_right, bottom_right, bottom_left];
                items.push(Item::Path { points, close: true, fill: None, stroke: Some(stroke) });
            }
            Some(FrameStyle::Axes) => items.push(path(vec![top_left, bottom_left, bottom_right], stroke)),
            None => {}
        }
        let [middle_x, middle_y] = area.middle();
        let mut below = area.bottom() + reach(&self.x, shown.x_numbers, self.x_height, &panel.ticks);
        if shown.x_label && !panel.x.label.is_empty() {
            let at = [middle_x, below + LABEL_PAD];
            items.push(label(&panel.x.label, at, fonts.label, 0.0, Horizontal::Middle, Vertical::Top));
            below += LABEL_PAD + extent(&panel.x.label, fonts.label, false).1;
        }
        if !panel.caption.is_empty() {
            let at = [middle_x, below + LABEL_PAD];
            items.push(bold(label(&panel.caption, at, fonts.label, 0.0, Horizontal::Middle, Vertical::Top)));
        }
        if shown.y_label && !panel.y.label.is_empty() {
            let at = [area.x - reach(&self.y, shown.y_numbers, self.y_width, &panel.ticks) - LABEL_PAD, middle_y];
            items.push(label(&panel.y.label, at, fonts.label, 90.0, Horizontal::Middle, Vertical::Bottom));
        }
        if !panel.title.is_empty() {
            let at = [middle_x, area.y - self.legend.above - TITLE_PAD];
            items.push(label(&panel.title, at, fonts.title, 0.0, Horizontal::Middle, Vertical::Bottom));
        }
        if let Some((colors, name)) = &panel.drawing.bar {
            self.bar(colors, name, area, fonts, items);
        }
    }

    fn bar(&self, colors: &Colors, name: &str, area: Rect, fonts: FontSizes, items: &mut Vec<Item>) {
        let bar = Rect::new(area.right() + BAR_GAP, area.y, BAR_WIDTH, area.height);
        let (cells, scale) = match colors {
            Colors::Map { map, from, to } => {
                let cells = (0..128).rev().map(|i| Some(map.at((f64::from(i) + 0.5) / 128.0))).collect();
                (cells, Scale { kind: ScaleKind::Linear, from: *from, to: *to })
            }
            Colors::Things { palette, labels } => {
                let cells = (0..labels.len()).rev().map(|i| Some(palette.at(i))).collect();
                (cells, Scale { kind: ScaleKind::Linear, from: -0.5, to: labels.len() as f64 - 0.5 })
            }
        };
        items.push(Item::Image { area: bar, columns: 1, cells });
        let corners = vec![[bar.x, bar.y], [bar.right(), bar.y], [bar.right(), bar.bottom()], [bar.x, bar.bottom()]];
        let stroke = Stroke::solid(Color::BLACK, LINE);
        items.push(Item::Path { points: corners, close: true, fill: None, stroke: Some(stroke.clone()) });
        for tick in &self.bar {
            let place = if scale.from < scale.to { scale.position(tick.value) } else { 0.5 };
            let y = bar.bottom() - bar.height * place;
            items.push(path(vec![[bar.right(), y], [bar.right() + TICK, y]], stroke.clone()));
            if let Some(markup) = &tick.label {
                let at = [bar.right() + TICK + TICK_PAD, y];
                items.push(label(markup, at, fonts.tick, 0.0, Horizontal::Left, Vertical::Middle));
            }
        }
        if !name.is_empty() {
            let at = [bar.right() + TICK + TICK_PAD + self.bar_labels + LABEL_PAD, bar.middle()[1]];
            items.push(label(name, at, fonts.label, 90.0, Horizontal::Middle, Vertical::Top));
        }
    }
}

/// Raises a size to the maximum of its group, and the margin with it.
fn level(
    panels: &mut [(ResolvedPanel, Decorations)],
    groups: &[Option<usize>],
    parts: impl Fn(&mut Decorations) -> (&mut f64, &mut f64),
) {
    let mut most: BTreeMap<usize, f64> = BTreeMap::new();
    for ((_, decor), group) in panels.iter_mut().zip(groups) {
        let Some(group) = group else { continue };
        let known = most.entry(*group).or_default();
        *known = known.max(*parts(decor).0);
    }
    for ((_, decor), group) in panels.iter_mut().zip(groups) {
        let Some(most) = group.as_ref().and_then(|group| most.get(group)) else { continue };
        let (size, room) = parts(decor);
        *room += most - *size;
        *size = *most;
    }
}

/// Returns how far ticks, and their labels of this size if shown, extend out of the frame.
fn reach(ticks: &[Tick], numbers: bool, size: f64, side: &TickSide) -> f64 {
    let tick = if *side == TickSide::Inside { 0.0 } else { TICK };
    match (ticks.is_empty(), numbers) {
        (true, _) => 0.0,
        (false, true) => tick + (TICK_PAD + size),
        (false, false) => tick,
    }
}

/// Chooses as many ticks as their labels have room for.
fn fitting(axis: &PanelAxis, length: f64, fonts: FontSizes, across: bool) -> Vec<Tick> {
    let most = if across { length / 34.0 } else { length / 22.0 };
    let mut count = (most as usize).clamp(2, 9);
    loop {
        let ticks = axis.ticks(count);
        let needed: f64 = ticks
            .iter()
            .filter_map(|tick| tick.label.as_ref())
            .map(|text| {
                let (width, height) = turned(extent(text, fonts.tick, false), axis.rotate);
                if across && axis.rotate == 0.0 { width + 0.6 * fonts.tick } else { height.min(1.6 * fonts.tick) }
            })
            .sum();
        if count <= 2 || needed <= length {
            return if axis.scale.kind == ScaleKind::Log { apart(ticks, axis, length, fonts, across) } else { ticks };
        }
        count -= 1;
    }
}

/// Labels of a logarithmic axis get crowded at the end of each decade: keep powers of ten, then 5, 2 and 3, then any that fit.
fn apart(mut ticks: Vec<Tick>, axis: &PanelAxis, length: f64, fonts: FontSizes, across: bool) -> Vec<Tick> {
    let rank = |value: f64| {
        let first = format!("{value:e}");
        ["1e", "5e", "2e", "3e"].iter().position(|start| first.starts_with(start)).unwrap_or(4)
    };
    let mut order: Vec<usize> = (0..ticks.len()).collect();
    order.sort_by_key(|&i| rank(ticks[i].value));
    let mut taken: Vec<[f64; 2]> = Vec::new();
    for i in order {
        let Some(text) = &ticks[i].label else { continue };
        let (width, height) = turned(extent(text, fonts.tick, false), axis.rotate);
        let half = 0.5 * if across { width + 0.4 * fonts.tick } else { height };
        let at = length * axis.scale.position(ticks[i].value);
        if taken.iter().any(|[from, to]| at + half > *from && at - half < *to) {
            ticks[i].label = None;
        } else {
            taken.push([at - half, at + half]);
        }
    }
    ticks
}

fn bar_ticks(colors: &Colors, height: f64) -> Vec<Tick> {
    match colors {
        Colors::Map { from, to, .. } => {
            let scale = Scale { kind: ScaleKind::Linear, from: *from, to: *to };
            scale.ticks(((height / 24.0) as usize).clamp(2, 8))
        }
        Colors::Things { labels, .. } => {
            let tick = |(i, text): (usize, &String)| Tick { value: i as f64, label: Some(text.clone()) };
            labels.iter().enumerate().map(tick).collect()
        }
    }
}

fn bold(item: Item) -> Item {
    match item {
        Item::Label(label) => Item::Label(Label { bold: true, ..label }),
        other => other,
    }
}
