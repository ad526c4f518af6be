//! Number columns for the LaTeX package siunitx, which aligns decimal points.

use crate::markup::latex;
use crate::value::Cell;

/// A formatted number of a cell: `−0.100 ± 0.010`, `14.5%`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number<'a> {
    negative: bool,
    whole: &'a str,
    decimals: &'a str,
    uncertainty: Option<(&'a str, &'a str)>,
    percent: bool,
}

impl Number<'_> {
    fn parse(text: &str) -> Option<Number<'_>> {
        let (text, percent) = text.strip_suffix('%').map_or((text, false), |text| (text, true));
        let (value, uncertainty) = text.split_once(" ± ").map_or((text, None), |(value, error)| (value, Some(error)));
        let unsigned = value.strip_prefix(['−', '-']);
        let (whole, decimals) = digits(unsigned.unwrap_or(value))?;
        let uncertainty = match uncertainty {
            Some(error) => Some(digits(error)?),
            None => None,
        };
        Some(Number { negative: unsigned.is_some(), whole, decimals, uncertainty, percent })
    }

    fn text(&self) -> String {
        let point = |(whole, decimals): (&str, &str)| match decimals {
            "" => whole.to_string(),
            decimals => format!("{whole}.{decimals}"),
        };
        let sign = if self.negative { "-" } else { "" };
        let error = self.uncertainty.map_or(String::new(), |error| format!(" +- {}", point(error)));
        format!("{sign}{}{error}{}", point((self.whole, self.decimals)), if self.percent { "\\%" } else { "" })
    }
}

/// The digits before and after the decimal point.
fn digits(text: &str) -> Option<(&str, &str)> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && numeric(whole) && numeric(decimals)).then_some((whole, decimals))
}

/// The column specification for these cells; `r` if none of them is a number.
pub fn column<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    let numbers: Vec<Number> = cells.filter_map(|cell| Number::parse(&cell.text)).collect();
    if numbers.is_empty() {
        return "r".into();
    }
    let longest = |length: &dyn Fn(&Number) -> usize| numbers.iter().map(length).max().unwrap_or(0);
    let sign = if numbers.iter().any(|number| number.negative) { "-" } else { "" };
    let mut format = format!("{sign}{}", longest(&|n| n.whole.len()));
    format += &format!(".{}", longest(&|n| n.decimals.len()));
    let mut options = String::new();
    // Significant digits of the uncertainty.
    let error = longest(&|n| {
        let significant = |(whole, decimals): (&str, &str)| {
            let digits = format!("{whole}{decimals}");
            digits.trim_start_matches('0').len().max(1)
        };
        n.uncertainty.map_or(0, significant)
    });
    if error > 0 {
        format += &format!("({error})");
        options += ", separate-uncertainty";
    }
    if numbers.iter().any(|number| number.percent) {
        options += ", table-space-text-post=\\%";
    }
    format!("S[table-format={format}{options}, detect-weight, mode=text]")
}

/// A cell of such a column; anything but a number is in braces.
pub fn cell(cell: &Cell) -> String {
    let bold = if cell.bold { "\\bfseries " } else { "" };
    match Number::parse(&cell.text) {
        Some(number) => format!("{bold}{}", number.text()),
        None => format!("{{{bold}{}}}", latex(&cell.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<Cell> {
        let bold = |text: &str| text.ends_with('!');
        texts.iter().map(|t| Cell { text: t.trim_end_matches('!').into(), values: vec![], bold: bold(t) }).collect()
    }

    #[test]
    fn a_column_has_room_for_its_longest_numbers() {
        let column = |texts: &[&str]| column(cells(texts).iter());
        assert_eq!(column(&["42", "7"]), "S[table-format=2.0, detect-weight, mode=text]");
        assert_eq!(column(&["−0.5", "10.25", "–"]), "S[table-format=-2.2, detect-weight, mode=text]");
        assert_eq!(
            column(&["0.100 ± 0.010", "1.2 ± 0.125"]),
            "S[table-format=1.3(3), separate-uncertainty, detect-weight, mode=text]"
        );
        assert_eq!(column(&["14.5%"]), "S[table-format=2.1, table-space-text-post=\\%, detect-weight, mode=text]");
        assert_eq!(column(&["$x$", "–"]), "r");
    }

    #[test]
    fn numbers_are_plain_and_other_text_is_in_braces() {
        let written: Vec<String> =
            cells(&["−0.5!", "0.10 ± 0.01", "100.0%!", "–", "1.2.3", "$10^{-5}$!"]).iter().map(cell).collect();
        assert_eq!(
            written,
            ["\\bfseries -0.5", "0.10 +- 0.01", "\\bfseries 100.0\\%", "{--}", "{1.2.3}", "{\\bfseries $10^{-5}$}"]
        );
    }
}
