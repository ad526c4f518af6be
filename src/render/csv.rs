//! CSV tables (RFC 4180), for programs: names from the paper file instead of labels, full precision, and one column per number of a cell,
//! such as `unchanged_mean`. Missing values are empty fields.

use crate::value::Table;

/// The CSV of a table. CSV has no comments, so the key is not in it. `spreadsheet`: escape text that a spreadsheet would run as a formula.
pub fn table(table: &Table, spreadsheet: bool) -> String {
    let field = |text: &str| field(&if spreadsheet { no_formula(text) } else { text.to_string() });
    let keys = table.keys.iter().map(|key| field(&key.name));
    let numbers = table.columns.iter().flat_map(|column| {
        column.statistics.iter().map(move |statistic| field(&format!("{}_{statistic}", column.name)))
    });
    let mut out = line(keys.chain(numbers));
    for row in &table.rows {
        let coordinates = row.coordinates.iter().map(|coordinate| field(coordinate));
        out +=
            &line(coordinates.chain(row.cells.iter().flat_map(|cell| cell.values.iter().map(|value| number(*value)))));
    }
    out
}

fn line(fields: impl Iterator<Item = String>) -> String {
    format!("{}\r\n", fields.collect::<Vec<_>>().join(","))
}

/// A text field, quoted if necessary.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

/// Prefix text that a spreadsheet would parse as a formula with an apostrophe; numbers are unchanged.
fn no_formula(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if formula { format!("'{text}") } else { text.to_string() }
}

/// The shortest representation that parses to the same number.
fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        value => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_for_programs() {
        assert_eq!(
            table(&sample(), false),
            "scheme,monosemantic,experts_n,unchanged_mean,unchanged_std,clamped_mean,\"a,b_mean\"\r\n\
             xavier,1,42,0.1,0.01,0.22,-0.5\r\n\
             xavier,2,20,0.08,0.02,0.2,1.234567890123e-5\r\n\
             k-hot,1,0,,,,\r\n"
        );
    }

    #[test]
    fn on_request_no_name_is_a_formula() {
        let mut table = sample();
        table.rows[0].coordinates[0] = "=cmd|'/c calc'!A1".into();
        table.rows[1].coordinates[0] = "-1.5".into();
        assert!(super::table(&table, false).contains("\r\n=cmd"));
        let text = super::table(&table, true);
        assert!(text.contains("\r\n'=cmd|'/c calc'!A1,") && text.contains("\r\n-1.5,"), "{text}");
    }

    #[test]
    fn fields_and_numbers_read_back_as_they_were() {
        assert_eq!(field("a \"b\", c"), "\"a \"\"b\"\", c\"");
        for value in [0.1 + 0.2, 1e-300, -2.5e22, f64::MAX, 3.0, -0.0] {
            assert_eq!(number(value).parse::<f64>().unwrap(), value);
        }
        assert_eq!(number(f64::INFINITY), "inf");
    }
}
