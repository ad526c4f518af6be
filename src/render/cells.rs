//! Converts the cells of an image to rectangles.
//!
//! Many viewers interpolate enlarged raster images, whatever the file asks for; rectangles stay sharp. But antialiasing shows the background
//! through the seam of two rectangles. So each rectangle extends under its right and lower neighbours, which are drawn later. Nothing extends
//! under translucent or missing cells.

use crate::value::{Color, Rect};

/// How far a cell extends under its neighbours, in points: about a screen pixel. With more, the antialiased upper edge of the neighbour
/// would show its colour along the whole cell.
const REACH: f64 = 0.75;

/// A rectangle, in units of cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    pub color: Color,
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// The rectangles of an image, in drawing order. Adjacent cells of one colour in a row are merged.
pub fn blocks(area: Rect, columns: usize, cells: &[Option<Color>]) -> Vec<Block> {
    let mut blocks = Vec::new();
    if columns == 0 {
        return blocks;
    }
    let rows: Vec<&[Option<Color>]> = cells.chunks(columns).collect();
    let reach = |length: f64, count: usize| if length > 0.0 { (REACH * count as f64 / length).min(1.0) } else { 0.0 };
    let (across, down) = (reach(area.width, columns), reach(area.height, rows.len()));
    let opaque = |row: usize, from: usize, to: usize| {
        let cells = rows.get(row).and_then(|cells| cells.get(from..to));
        cells.is_some_and(|cells| cells.iter().all(|cell| cell.is_some_and(|c| c.3 == 255)))
    };
    for (row, cells) in rows.iter().enumerate() {
        let mut column = 0;
        for run in cells.chunk_by(|a, b| a == b) {
            let end = column + run.len();
            if let Some(&Some(color)) = run.first() {
                let beside = color.3 == 255 && opaque(row, end, end + 1);
                let below = color.3 == 255 && opaque(row + 1, column, end + usize::from(beside));
                blocks.push(Block {
                    color,
                    x: column as f64,
                    y: row as f64,
                    width: run.len() as f64 + if beside { across } else { 0.0 },
                    height: 1.0 + if below { down } else { 0.0 },
                });
            }
            column = end;
        }
    }
    blocks
}

/// The grid's number of rows.
pub fn rows(columns: usize, cells: &[Option<Color>]) -> usize {
    cells.len().div_ceil(columns.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<Color> = Some(Color(1, 0, 0, 255));
    const B: Option<Color> = Some(Color(2, 0, 0, 255));
    const HALF: Option<Color> = Some(Color(1, 0, 0, 128));

    /// Blocks of an image whose cells are three points wide and high.
    fn sizes(columns: usize, cells: &[Option<Color>]) -> Vec<[f64; 4]> {
        let area = Rect::new(0.0, 0.0, 3.0 * columns as f64, 3.0 * rows(columns, cells) as f64);
        blocks(area, columns, cells).iter().map(|b| [b.x, b.y, b.width, b.height]).collect()
    }

    #[test]
    fn a_cell_extends_under_those_drawn_after_it() {
        assert_eq!(
            sizes(2, &[A, B, B, A]),
            [[0.0, 0.0, 1.25, 1.25], [1.0, 0.0, 1.0, 1.25], [0.0, 1.0, 1.25, 1.0], [1.0, 1.0, 1.0, 1.0]]
        );
    }

    #[test]
    fn adjacent_cells_of_one_colour_are_merged() {
        assert_eq!(sizes(3, &[A, A, B]), [[0.0, 0.0, 2.25, 1.0], [2.0, 0.0, 1.0, 1.0]]);
    }

    #[test]
    fn nothing_extends_under_a_translucent_cell() {
        assert_eq!(sizes(2, &[A, None, A, HALF]), [[0.0, 0.0, 1.0, 1.25], [0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]);
        assert_eq!(sizes(2, &[HALF, A, A, A]), [[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.25], [0.0, 1.0, 2.0, 1.0]]);
    }

    #[test]
    fn a_grid_without_columns_or_with_a_short_last_row_is_accepted() {
        assert_eq!(sizes(0, &[A]), [[0.0; 4]; 0]);
        assert_eq!(sizes(2, &[A, B, A]), [[0.0, 0.0, 1.25, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]]);
        assert_eq!(rows(2, &[A, B, A]), 2);
    }
}
