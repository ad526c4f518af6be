//! A table: nested headers, rows of formatted cells, footnotes. It knows no file format: `tables` makes it, `render` writes it.

/// A table ready to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub caption: String,
    /// Names of the leading columns that name the rows.
    pub row_headers: Vec<String>,
    /// Lines of column headers, outermost first; each line covers all value columns.
    pub headers: Vec<Vec<Header>>,
    pub rows: Vec<Row>,
    pub footnotes: Vec<String>,
}

/// A header that covers some neighbouring columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub text: String,
    pub columns: usize,
}

/// One row: its labels (one for each row header) and its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub labels: Vec<String>,
    pub cells: Vec<Cell>,
}

/// One entry: what is shown, and the number behind it (NaN where there is none).
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub text: String,
    pub value: f64,
    pub bold: bool,
}
