//! Page layout: aligns the plot areas of each row and column and leaves the space that ticks, labels and legends need.

use crate::value::Rect;

/// The padding between neighbouring panels and at the page edge, in points.
const GAP: f64 = 10.0;
const EDGE: f64 = 3.0;

/// The margin on each side of a plot area.
#[derive(Clone, Copy, Debug, Default)]
pub struct Margins {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// The grid of panels on the page.
pub struct Grid<'a> {
    pub width: f64,
    pub height: f64,
    pub columns: usize,
    pub rows: usize,
    /// The relative widths and heights of the plot areas.
    pub widths: &'a [f64],
    pub heights: &'a [f64],
    /// The space above all panels.
    pub top: f64,
}

/// The grid cell of a panel: its row, its first column, and how many columns it spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    pub row: usize,
    pub column: usize,
    pub span: usize,
}

impl Grid<'_> {
    /// Estimates the size of a plot area before its margins are known.
    pub fn guess(&self) -> (f64, f64) {
        (0.75 * self.width / self.columns as f64, 0.75 * self.height / self.rows as f64)
    }

    /// Returns the plot area of each panel, from its margins and its aspect ratio.
    pub fn areas(&self, panels: &[(Margins, Option<f64>)], slots: &[Slot]) -> Vec<Rect> {
        let mut around_columns = vec![[0.0f64; 2]; self.columns];
        let mut around_rows = vec![[0.0f64; 2]; self.rows];
        for ((around, _), slot) in panels.iter().zip(slots) {
            let Margins { left, right, top, bottom } = *around;
            let (first, last) = (slot.column, slot.column + slot.span - 1);
            around_columns[first][0] = around_columns[first][0].max(left);
            around_columns[last][1] = around_columns[last][1].max(right);
            let r = &mut around_rows[slot.row];
            *r = [r[0].max(top), r[1].max(bottom)];
        }
        let across = divide(self.width - 2.0 * EDGE, &around_columns, self.widths);
        let down = divide(self.height - self.top - 2.0 * EDGE, &around_rows, self.heights);
        let place = |slot: &Slot, aspect: &Option<f64>| {
            let ((x, _), (y, height)) = (across[slot.column], down[slot.row]);
            let (end, length) = across[slot.column + slot.span - 1];
            let width = end + length - x;
            let mut area = Rect::new(EDGE + x, self.top + EDGE + y, width, height);
            if let Some(aspect) = aspect {
                let shrunk = (area.width.min(area.height / aspect), area.height.min(area.width * aspect));
                area.x += 0.5 * (area.width - shrunk.0);
                area.y += 0.5 * (area.height - shrunk.1);
                (area.width, area.height) = shrunk;
            }
            area
        };
        slots.iter().zip(panels).map(|(slot, (_, aspect))| place(slot, aspect)).collect()
    }
}

/// Returns start and length of each plot area along one direction.
fn divide(total: f64, around: &[[f64; 2]], shares: &[f64]) -> Vec<(f64, f64)> {
    let gaps = GAP * (around.len().saturating_sub(1)) as f64;
    let taken: f64 = around.iter().map(|[before, after]| before + after).sum();
    let share = |i: usize| shares.get(i).copied().filter(|s| *s > 0.0).unwrap_or(1.0);
    let sum: f64 = (0..around.len()).map(share).sum();
    // A page too small for its labels still gets plot areas, which then overlap.
    let free = (total - taken - gaps).max(10.0 * around.len() as f64);
    let mut at = 0.0;
    let mut places = Vec::with_capacity(around.len());
    for (i, [before, after]) in around.iter().enumerate() {
        let length = free * share(i) / sum;
        places.push((at + before, length));
        at += before + length + after + GAP;
    }
    places
}
