//! Tables: rows and columns of formatted cells, and the numbers behind them. No file formats: `tables` creates them, `render` writes them.
//!
//! Texts are markup: plain text with mathematics between dollar signs, `$k$-hot`; `\$` is a dollar sign.

/// A table ready to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The name by which a document refers to it.
    pub name: String,
    pub caption: String,
    /// The key columns, which label the rows, outermost first.
    pub keys: Vec<KeyColumn>,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub footnotes: Vec<String>,
}

/// A key column: its name in the paper file and its header.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyColumn {
    pub name: String,
    pub label: String,
}

/// A column of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its unique name in the paper file.
    pub name: String,
    pub label: String,
    /// Group headers above the label, outermost first.
    pub groups: Vec<String>,
    /// Names of the numbers that its cells hold.
    pub statistics: Vec<String>,
}

/// A row: for each key column its coordinate and label, and for each column a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub coordinates: Vec<String>,
    pub labels: Vec<String>,
    pub cells: Vec<Cell>,
}

/// A cell: its text, and the number for each statistic of the column (NaN if missing).
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub text: String,
    pub values: Vec<f64>,
    pub bold: bool,
}

/// A header that spans adjacent columns; an empty text is no header.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderCell<'a> {
    pub text: &'a str,
    /// The first column that it spans, not counting key columns.
    pub first: usize,
    pub columns: usize,
}

impl Table {
    /// Lines of column headers, outermost first; each line covers all columns, and the last has their labels. Groups are adjacent to
    /// the labels: a column with fewer groups than others has none in the outer lines.
    pub fn headers(&self) -> Vec<Vec<HeaderCell<'_>>> {
        let depth = self.columns.iter().map(|column| column.groups.len()).max().unwrap_or(0);
        let group = |column: usize, line: usize| -> &str {
            let groups = self.columns.get(column).map_or(&[][..], |column| &column.groups);
            (line + groups.len()).checked_sub(depth).and_then(|i| groups.get(i)).map_or("", String::as_str)
        };
        let mut lines: Vec<Vec<HeaderCell>> = Vec::new();
        for line in 0..depth {
            let mut headers: Vec<HeaderCell> = Vec::new();
            for column in 0..self.columns.len() {
                let joins = column > 0 && (0..=line).all(|outer| group(column, outer) == group(column - 1, outer));
                match headers.last_mut() {
                    Some(last) if joins => last.columns += 1,
                    _ => headers.push(HeaderCell { text: group(column, line), first: column, columns: 1 }),
                }
            }
            lines.push(headers);
        }
        let labels = self.columns.iter().enumerate();
        lines.push(labels.map(|(first, column)| HeaderCell { text: &column.label, first, columns: 1 }).collect());
        lines
    }

    /// Whether a row's label in a key column repeats that of the row above, so that it can be omitted.
    pub fn repeats(&self, row: usize, key: usize) -> bool {
        let outer = |row: usize| self.rows.get(row).and_then(|row| row.coordinates.get(..=key));
        key + 1 < self.keys.len() && row > 0 && outer(row).is_some() && outer(row) == outer(row - 1)
    }

    /// The number of rows from this one on that share its label in a key column.
    pub fn height(&self, row: usize, key: usize) -> usize {
        1 + (row + 1..self.rows.len()).take_while(|&next| self.repeats(next, key)).count()
    }

    /// Whether a row begins a new block: another value of the outermost of several keys.
    pub fn begins_block(&self, row: usize) -> bool {
        row > 0 && self.keys.len() > 1 && !self.repeats(row, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, groups: &[&str]) -> Column {
        let groups = groups.iter().map(|group| group.to_string()).collect();
        Column { name: name.into(), label: name.into(), groups, statistics: Vec::new() }
    }

    fn shown(table: &Table) -> Vec<String> {
        let line = |line: &Vec<HeaderCell>| {
            line.iter().map(|h| format!("{}@{}+{}", h.text, h.first, h.columns)).collect::<Vec<_>>().join(" ")
        };
        table.headers().iter().map(line).collect()
    }

    #[test]
    fn equal_groups_of_adjacent_columns_are_merged_within_their_outer_group() {
        let columns = [("n", &[][..]), ("a", &["x", "s"]), ("b", &["x", "s"]), ("c", &["y", "s"]), ("d", &["s"])];
        let columns = columns.iter().map(|(name, groups)| column(name, groups)).collect();
        assert_eq!(
            shown(&Table { columns, ..Table::default() }),
            ["@0+1 x@1+2 y@3+1 @4+1", "@0+1 s@1+2 s@3+1 s@4+1", "n@0+1 a@1+1 b@2+1 c@3+1 d@4+1"]
        );
    }

    #[test]
    fn labels_repeat_only_where_all_outer_labels_do() {
        let key = |name: &str| KeyColumn { name: name.into(), label: name.into() };
        let row = |at: [&str; 3]| Row {
            coordinates: at.map(String::from).to_vec(),
            labels: at.map(String::from).to_vec(),
            cells: Vec::new(),
        };
        let rows = vec![row(["a", "1", "x"]), row(["a", "1", "y"]), row(["b", "1", "y"])];
        let table = Table { keys: vec![key("p"), key("q"), key("r")], rows, ..Table::default() };
        assert_eq!([table.height(0, 0), table.height(0, 1), table.height(0, 2)], [2, 2, 1]);
        assert!(table.repeats(1, 1) && !table.repeats(2, 1) && !table.repeats(1, 2));
        assert!(table.begins_block(2) && !table.begins_block(1));
    }
}
