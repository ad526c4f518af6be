//! The cells of an image as rectangles.
//!
//! Rectangles stay sharp in every viewer, where many smooth a picture of a few pixels as they enlarge it, whatever the file asks for.
//! But where two rectangles meet inside a pixel, the page shines through both. So each reaches under its neighbours to the right and below,
//! which are drawn later. Cells that let light through, or are not there, have nothing reach under them.

use crate::value::Color;

/// A rectangle on the grid of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub color: Color,
    pub column: usize,
    pub row: usize,
    pub columns: usize,
    pub rows: usize,
}

/// Rectangles to be drawn in this order. Neighbours of one colour in a row are one rectangle.
pub fn blocks(columns: usize, cells: &[Option<Color>]) -> Vec<Block> {
    let mut blocks = Vec::new();
    if columns == 0 {
        return blocks;
    }
    let rows: Vec<&[Option<Color>]> = cells.chunks(columns).collect();
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
                    column,
                    row,
                    columns: run.len() + usize::from(beside),
                    rows: 1 + usize::from(below),
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

    fn sizes(columns: usize, cells: &[Option<Color>]) -> Vec<[usize; 4]> {
        blocks(columns, cells).iter().map(|b| [b.column, b.row, b.columns, b.rows]).collect()
    }

    #[test]
    fn a_cell_reaches_under_those_drawn_after_it() {
        assert_eq!(sizes(2, &[A, B, B, A]), [[0, 0, 2, 2], [1, 0, 1, 2], [0, 1, 2, 1], [1, 1, 1, 1]]);
    }

    #[test]
    fn neighbours_of_one_colour_are_one_rectangle() {
        assert_eq!(sizes(3, &[A, A, B]), [[0, 0, 3, 1], [2, 0, 1, 1]]);
    }

    #[test]
    fn nothing_reaches_under_a_cell_that_lets_light_through() {
        assert_eq!(sizes(2, &[A, None, A, HALF]), [[0, 0, 1, 2], [0, 1, 1, 1], [1, 1, 1, 1]]);
        assert_eq!(sizes(2, &[HALF, A, A, A]), [[0, 0, 1, 1], [1, 0, 1, 2], [0, 1, 2, 1]]);
    }

    #[test]
    fn a_grid_without_columns_or_with_a_short_last_row_is_no_problem() {
        assert_eq!(sizes(0, &[A]), [[0; 4]; 0]);
        assert_eq!(sizes(2, &[A, B, A]), [[0, 0, 2, 1], [1, 0, 1, 1], [0, 1, 1, 1]]);
        assert_eq!(rows(2, &[A, B, A]), 2);
    }
}
