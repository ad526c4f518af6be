//! Reads `.csv` and `.tsv`: a header line, then records (RFC 4180). Number columns become arrays along the axis `row`; columns that the paper
//! file names as axes arrange the others in a grid.

use std::collections::HashSet;

use super::Axes;
use crate::error::{Error, Result};
use crate::spec::{Located, suggest};
use crate::value::{Array, Axis, Coords, Dataset, Dtype};

/// A grid with more cells than this over all columns is rejected as a mistake, unless the file has as many fields.
pub(super) const MOST_CELLS: usize = 50_000_000;

/// A column of unparsed fields.
pub struct Column {
    pub name: String,
    pub fields: Vec<String>,
}

pub fn read(bytes: &[u8], separator: char, axes: &Axes) -> Result<Dataset> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::stage("it is not UTF-8 text"))?;
    let mut lines = CsvRecords { text: text.strip_prefix('\u{feff}').unwrap_or(text), separator, line: 1 };
    let (_, header) =
        lines.next().transpose()?.ok_or_else(|| Error::stage("it is empty: a line of names is missing"))?;
    let mut columns: Vec<Column> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    for (i, name) in header.into_iter().enumerate() {
        // pandas writes its index without a name.
        let name = if i == 0 && name.is_empty() { "index".to_string() } else { name };
        if !known.insert(name.clone()) {
            return Err(Error::stage(format!("two columns are called `{name}`")));
        }
        columns.push(Column { name, fields: Vec::new() });
    }
    for record in lines {
        let (line, fields) = record?;
        if fields.len() == 1 && fields[0].is_empty() && columns.len() > 1 {
            continue;
        }
        if fields.len() != columns.len() {
            let message = format!("line {line} has {} fields, the first line {}", fields.len(), columns.len());
            return Err(Error::stage(message));
        }
        columns.iter_mut().zip(fields).for_each(|(column, field)| column.fields.push(field));
    }
    if columns.iter().all(|column| column.fields.is_empty()) {
        return Err(Error::stage("it has a line of names and no records below it"));
    }
    records(&columns, axes)
}

/// Iterates over records, each with the number of its first line.
struct CsvRecords<'a> {
    text: &'a str,
    separator: char,
    line: usize,
}

impl Iterator for CsvRecords<'_> {
    type Item = Result<(usize, Vec<String>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.text.is_empty() {
            return None;
        }
        let start = self.line;
        let mut fields = vec![String::new()];
        let mut quoted = false;
        let mut chars = self.text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let field = fields.last_mut()?;
            self.line += usize::from(c == '\n');
            match c {
                '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    chars.next();
                    field.push('"');
                }
                '"' if quoted || field.is_empty() => quoted = !quoted,
                c if quoted => field.push(c),
                c if c == self.separator => fields.push(String::new()),
                '\n' => {
                    self.text = &self.text[at + 1..];
                    if field.ends_with('\r') {
                        field.pop();
                    }
                    return Some(Ok((start, fields)));
                }
                c => field.push(c),
            }
        }
        self.text = "";
        if quoted {
            return Some(Err(Error::stage(format!("the quotes that open in line {start} never close"))));
        }
        Some(Ok((start, fields)))
    }
}

/// Convert records to arrays.
pub fn records(columns: &[Column], axes: &Axes) -> Result<Dataset> {
    let names = match axes {
        Axes::All(names) => names.as_slice(),
        Axes::Each(arrays) => {
            let span = arrays.values().flatten().next().map(|name| name.span).unwrap_or_default();
            let error = Error::stage("`axes` of records is a list of columns, not a mapping");
            return Err(error.at(span).hint("write `axes: [COLUMN, ...]`"));
        }
    };
    let rows = columns.first().map_or(0, |column| column.fields.len());
    if names.is_empty() {
        let axis = || vec![Axis::index("row", rows)];
        let mut dataset = Dataset::default();
        for column in columns {
            match numbers(&column.fields) {
                Some(values) => dataset.insert(&column.name, Array::f64(axis(), values)?),
                None => dataset.leave_out(&column.name, why_text(column)),
            }
        }
        if columns.iter().all(|column| is_number(&column.name)) {
            dataset.leave_out("names of columns", NO_HEADER);
        }
        return Ok(dataset);
    }
    grid(columns, names, rows)
}

/// The error for a file without a header line.
const NO_HEADER: &str = "the first line holds numbers only: is the line of names missing?";

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok()
}

/// The reason why a column is not numeric.
fn why_text(column: &Column) -> String {
    let text = column.fields.iter().enumerate().find(|(_, field)| number(field).is_none());
    match text {
        Some((i, field)) => {
            let short: String = field.chars().take(30).collect();
            format!("the column holds text, such as `{short}` in record {}", i + 1)
        }
        None => "the column holds text".into(),
    }
}

/// The numbers of a column; `None` if a field is not a number.
fn numbers(fields: &[String]) -> Option<Vec<f64>> {
    fields.iter().map(|field| number(field)).collect()
}

fn number(field: &str) -> Option<f64> {
    match field.trim() {
        "" | "NA" | "N/A" | "null" | "None" => Some(f64::NAN),
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        text => text.parse().ok(),
    }
}

/// The distinct coordinates of a column, in file order, and for each row the index of its coordinate.
fn places(column: &Column) -> (Coords, Vec<usize>) {
    let mut seen = std::collections::HashMap::new();
    let mut labels: Vec<String> = Vec::new();
    let numbers = numbers(&column.fields).filter(|numbers| numbers.iter().all(|number| !number.is_nan()));
    let mut place = |label: String| {
        *seen.entry(label.clone()).or_insert_with(|| {
            labels.push(label);
            labels.len() - 1
        })
    };
    match numbers {
        // `0.1` and `1e-1` are the same coordinate.
        Some(numbers) => {
            let places = numbers.iter().map(|number| place(number.to_string())).collect();
            (Coords::Numbers(labels.iter().filter_map(|label| label.parse().ok()).collect()), places)
        }
        None => {
            let places = column.fields.iter().map(|field| place(field.clone())).collect();
            (Coords::Labels(labels), places)
        }
    }
}

fn grid(columns: &[Column], names: &[Located<String>], rows: usize) -> Result<Dataset> {
    let mut axes = Vec::new();
    let mut cells = vec![0usize; rows];
    for name in names {
        let column = columns.iter().find(|column| column.name == name.value).ok_or_else(|| {
            let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let error = Error::stage(format!("there is no column `{}`", name.value)).at(name.span);
            if known.iter().all(|name| is_number(name)) {
                error.hint(NO_HEADER)
            } else {
                error.hint(suggest(name, &known))
            }
        })?;
        let (coords, places) = places(column);
        let n = coords.len();
        cells.iter_mut().zip(places).for_each(|(cell, place)| *cell = cell.saturating_mul(n).saturating_add(place));
        axes.push(Axis { name: name.value.clone(), coords });
    }
    let most = MOST_CELLS.max(rows.saturating_mul(columns.len())) / columns.len().max(1);
    let size = axes.iter().try_fold(1usize, |size, axis| size.checked_mul(axis.len())).filter(|size| *size <= most);
    let size = size.ok_or_else(|| {
        let lengths: Vec<String> = axes.iter().map(|axis| format!("{} {}", axis.len(), axis.name)).collect();
        Error::stage(format!("a grid of {} is too large for {rows} records", lengths.join(" x ")))
    })?;
    let mut taken = vec![false; size];
    for (row, &cell) in cells.iter().enumerate() {
        if std::mem::replace(&mut taken[cell], true) {
            let at = names.iter().map(|name| {
                let field =
                    columns.iter().find(|column| column.name == name.value).map(|column| column.fields[row].as_str());
                format!("{}={}", name.value, field.unwrap_or_default())
            });
            let message = format!("two records stand at {}", at.collect::<Vec<_>>().join(" "));
            return Err(Error::stage(message).hint("name another column as an axis that tells them apart"));
        }
    }
    let mut dataset = Dataset::default();
    for column in columns.iter().filter(|column| names.iter().all(|name| name.value != column.name)) {
        let Some(numbers) = numbers(&column.fields) else {
            dataset.leave_out(&column.name, why_text(column));
            continue;
        };
        let mut values = vec![f64::NAN; size];
        cells.iter().zip(numbers).for_each(|(&cell, number)| values[cell] = number);
        dataset.insert(&column.name, Array::new(axes.clone(), Dtype::F64, values)?);
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Decode, Problems};

    fn parsed(text: &str, axes: &str) -> Result<Dataset> {
        let mut problems = Problems::default();
        let axes = Axes::decode(&crate::spec::read(axes, &mut problems).unwrap(), &mut problems).unwrap();
        read(text.as_bytes(), ',', &axes)
    }

    fn told(text: &str, axes: &str) -> String {
        let error = parsed(text, axes).unwrap_err();
        format!("{} [{}]", error.message, error.hints.join("; "))
    }

    #[test]
    fn columns_of_numbers_are_arrays_along_the_rows() {
        let dataset =
            parsed("\u{feff}epoch,\"test, loss\",name\r\n1,0.5,a\r\n2,NA,\"b\nc\"\r\n\r\n3,1e-3,\"\"\"\"", "[]")
                .unwrap();
        assert_eq!(dataset.arrays.keys().collect::<Vec<_>>(), ["epoch", "test, loss"]);
        let loss = dataset.get("test, loss").unwrap();
        assert_eq!(loss.axes, [Axis::index("row", 3)]);
        assert!(loss.values()[0] == 0.5 && loss.values()[1].is_nan() && loss.values()[2] == 1e-3);
    }

    #[test]
    fn columns_that_are_axes_make_a_grid() {
        let text = "model,density,loss\nMoE,0.1,1\ndense,0.1,2\ndense,5e-1,3\n";
        let dataset = parsed(text, "[model, density]").unwrap();
        let loss = dataset.get("loss").unwrap();
        assert_eq!(loss.axes[0], Axis::labels("model", vec!["MoE".into(), "dense".into()]));
        assert_eq!(loss.axes[1], Axis::numbers("density", vec![0.1, 0.5]));
        let values = loss.values();
        assert!(values[0] == 1.0 && values[1].is_nan() && values[2..] == [2.0, 3.0]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        assert_eq!(told("a,b\n1,2\n3\n", "[]"), "line 3 has 1 fields, the first line 2 []");
        assert_eq!(told("a,\"b\n1,2\n", "[]"), "the quotes that open in line 1 never close []");
        assert_eq!(told("a,a\n1,2\n", "[]"), "two columns are called `a` []");
        assert_eq!(told("", "[]"), "it is empty: a line of names is missing []");
        assert_eq!(told("model,loss\nx,1\n", "[modle]"), "there is no column `modle` [did you mean `model`?]");
        assert_eq!(
            told("model,run,loss\nx,0,1\nx,1,2\n", "[model]"),
            "two records stand at model=x [name another column as an axis that tells them apart]"
        );
    }

    #[test]
    fn a_grid_of_few_records_is_not_larger_than_memory() {
        // Every record has its own coordinates: the grid has the square of their number, for each of many columns.
        let header: Vec<String> = (0..200).map(|i| format!("c{i}")).collect();
        let mut text = format!("a,b,{}\n", header.join(","));
        (0..1000).for_each(|row| text += &format!("{row},{row},{}\n", vec!["1"; 200].join(",")));
        assert_eq!(told(&text, "[a, b]"), "a grid of 1000 a x 1000 b is too large for 1000 records []");
        // Duplicate names are found with a hash map, not by comparing pairs.
        let many: Vec<String> = (0..100_000).map(|i| format!("c{i}")).collect();
        let ones = vec!["1"; 100_000].join(",");
        assert_eq!(parsed(&format!("{}\n{ones}\n", many.join(",")), "[]").unwrap().arrays.len(), 100_000);
    }

    #[test]
    fn a_file_without_records_or_without_names_is_reported() {
        assert_eq!(told("a,b\n", "[]"), "it has a line of names and no records below it []");
        assert_eq!(told("a,b\n\n", "[a]"), "it has a line of names and no records below it []");
        assert_eq!(
            told("0.1,2\n0.2,3\n", "[lr]"),
            "there is no column `lr` [the first line holds numbers only: is the line of names missing?]"
        );
        let dataset = parsed("0.1,2\n0.2,3\n", "[]").unwrap();
        assert_eq!(dataset.why_unread("names of columns"), Some(NO_HEADER));
    }

    #[test]
    fn columns_of_text_are_left_out_with_the_reason() {
        for axes in ["[]", "[lr]"] {
            let dataset = parsed("lr,acc\n0.1,0.5\n0.2,0.5%\n", axes).unwrap();
            let why = dataset.why_unread("acc").unwrap();
            assert_eq!(why, "the column holds text, such as `0.5%` in record 2");
        }
    }
}
