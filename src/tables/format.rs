//! Cell formats: text with aggregates in braces, `{mean:.3f} ± {std:.3f}`.
//!
//! `{statistic}` or `{statistic:spec}`; as in Python, a spec is an optional `+`, an optional `.` with the number of digits, and `f` fixed,
//! `e` scientific, `g` significant digits, `%` percent or `d` whole. `{{` and `}}` are braces.

use serde_json::{Value as Json, json};

use super::{Statistic, Summary};
use crate::error::{Error, Span};
use crate::spec::{Decode, Node, Problems, Schemas, choices, nearest, wrong_type};

/// The default number of significant digits.
const DIGITS: usize = 4;

/// A parsed format.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    source: String,
    pieces: Vec<FormatPart>,
}

#[derive(Clone, Debug, PartialEq)]
enum FormatPart {
    Text(String),
    Number(Statistic, NumberSpec),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct NumberSpec {
    plus: bool,
    digits: Option<usize>,
    style: NumberStyle,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum NumberStyle {
    /// Integers exactly, other numbers to four significant digits.
    Plain,
    Fixed,
    Scientific,
    Significant,
    Percent,
    Whole,
}

/// An error in a format: its first character (counted from 0), its length, and the message.
#[derive(Debug, PartialEq)]
struct FormatError {
    at: usize,
    length: usize,
    message: String,
    hint: String,
}

impl Format {
    /// Returns a format that shows one statistic with the default spec.
    pub fn plain(statistic: Statistic) -> Format {
        let spec = NumberSpec { plus: false, digits: None, style: NumberStyle::Plain };
        Format { source: format!("{{{}}}", statistic.name()), pieces: vec![FormatPart::Number(statistic, spec)] }
    }

    /// Returns the statistics that it shows, in order and without duplicates; the first one decides which cell is best.
    pub fn statistics(&self) -> Vec<Statistic> {
        let mut statistics = Vec::new();
        for piece in &self.pieces {
            if let FormatPart::Number(statistic, _) = piece
                && !statistics.contains(statistic)
            {
                statistics.push(*statistic);
            }
        }
        statistics
    }

    /// Formats a cell as markup; `missing` replaces statistics that need more entries than there are.
    pub fn text(&self, summary: &Summary, missing: &str) -> String {
        let piece = |piece: &FormatPart| match piece {
            FormatPart::Text(text) => text.clone(),
            FormatPart::Number(statistic, spec) => match summary.get(*statistic) {
                // Two entries suffice for every statistic, so the NaN is not due to too few entries.
                value if value.is_nan() && (summary.nan() > 0.0 || summary.get(Statistic::N) > 1.0) => "NaN".into(),
                value if value.is_nan() => missing.to_string(),
                value => spec.text(value),
            },
        };
        self.pieces.iter().map(piece).collect()
    }

    fn parse(source: &str) -> Result<Format, FormatError> {
        let chars: Vec<char> = source.chars().collect();
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut at = 0;
        let fault = |at: usize, length: usize, message: String, hint: &str| {
            Err(FormatError { at, length, message, hint: hint.to_string() })
        };
        while let Some(&c) = chars.get(at) {
            match (c, chars.get(at + 1)) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    text.push(c);
                    at += 2;
                }
                ('}', _) => return fault(at, 1, "this `}` closes nothing".into(), "a brace as text is written `}}`"),
                ('{', _) => {
                    let Some(length) = chars.iter().skip(at).position(|&c| c == '}') else {
                        let hint = "a brace as text is written `{{`";
                        return fault(at, chars.len() - at, "this `{` is never closed".into(), hint);
                    };
                    if !text.is_empty() {
                        pieces.push(FormatPart::Text(std::mem::take(&mut text)));
                    }
                    let inside: String = chars.iter().skip(at + 1).take(length - 1).collect();
                    pieces.push(number(&inside, at + 1)?);
                    at += length + 1;
                }
                _ => {
                    text.push(c);
                    at += 1;
                }
            }
        }
        if !text.is_empty() {
            pieces.push(FormatPart::Text(text));
        }
        if !pieces.iter().any(|piece| matches!(piece, FormatPart::Number(..))) {
            return fault(
                0,
                chars.len(),
                "this format shows no number".into(),
                "write an aggregate, such as `{mean:.3f}`",
            );
        }
        Ok(Format { source: source.to_string(), pieces })
    }
}

/// Parses the inside of a pair of braces that starts at this character of the format.
fn number(inside: &str, at: usize) -> Result<FormatPart, FormatError> {
    let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let Some(statistic) = Statistic::named(name) else {
        let known = Statistic::ALL.map(Statistic::name);
        let hint = match nearest(name, known).filter(|_| !name.is_empty()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("aggregates are {}", choices(&known)),
        };
        return Err(FormatError {
            at,
            length: name.chars().count(),
            message: format!("unknown aggregate `{name}`"),
            hint,
        });
    };
    match NumberSpec::parse(spec) {
        Some(spec) => Ok(FormatPart::Number(statistic, spec)),
        None => Err(FormatError {
            at: at + name.chars().count() + 1,
            length: spec.chars().count(),
            message: format!("`{spec}` is not a way to write a number"),
            hint: "write `.3f` (fixed), `.2e` (scientific), `.3g` (significant digits), `.1%` (percent) or `d` (whole)"
                .into(),
        }),
    }
}

impl NumberSpec {
    fn parse(text: &str) -> Option<NumberSpec> {
        let (plus, text) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (precision, style) = text.split_at(end);
        let digits = match precision.strip_prefix('.') {
            Some(digits) => Some(digits.parse::<usize>().ok().filter(|digits| *digits <= 17)?),
            None if precision.is_empty() => None,
            None => return None,
        };
        let style = match (style, digits) {
            ("", None) => NumberStyle::Plain,
            ("g", _) | ("", Some(_)) => NumberStyle::Significant,
            ("f", _) => NumberStyle::Fixed,
            ("e", _) => NumberStyle::Scientific,
            ("%", _) => NumberStyle::Percent,
            ("d", None) => NumberStyle::Whole,
            _ => return None,
        };
        Some(NumberSpec { plus, digits, style })
    }

    /// Formats a number as markup, with a typographic minus and powers of ten as math.
    fn text(&self, value: f64) -> String {
        let digits = self.digits.unwrap_or(DIGITS);
        let size = value.abs();
        let (body, power) = match self.style {
            _ if size.is_infinite() => ("∞".to_string(), None),
            NumberStyle::Fixed => (format!("{size:.digits$}"), None),
            NumberStyle::Percent => (format!("{:.digits$}%", size * 100.0), None),
            NumberStyle::Whole => (format!("{size:.0}"), None),
            NumberStyle::Plain if size.fract() == 0.0 && size < 1e15 => (format!("{size:.0}"), None),
            NumberStyle::Scientific => scientific(size, digits),
            NumberStyle::Plain | NumberStyle::Significant => significant(size, digits.max(1)),
        };
        let sign = match (value < 0.0 && body.contains(|c: char| c != '0' && c != '.' && c != '%'), self.plus) {
            (true, _) => "−",
            (false, true) => "+",
            (false, false) => "",
        };
        match power {
            Some(power) => format!("${}{body} \\times 10^{{{power}}}$", sign.replace('−', "-")),
            None => format!("{sign}{body}"),
        }
    }
}

fn scientific(size: f64, digits: usize) -> (String, Option<i32>) {
    let text = format!("{size:.digits$e}");
    match text.split_once('e') {
        Some((body, power)) => (body.to_string(), power.parse().ok()),
        None => (text, None),
    }
}

/// Formats to n significant digits without trailing zeros; scientific for very small numbers and for those with more integer digits.
fn significant(size: f64, digits: usize) -> (String, Option<i32>) {
    let (body, power) = scientific(size, digits - 1);
    let exponent = power.unwrap_or(0);
    let (body, power) = match usize::try_from(digits as i32 - 1 - exponent) {
        Ok(decimals) if exponent >= -4 => (format!("{size:.decimals$}"), None),
        _ => (body, power),
    };
    let body = if body.contains('.') { body.trim_end_matches('0').trim_end_matches('.').to_string() } else { body };
    (body, power)
}

impl Decode for Format {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Some(text) = node.as_text() else { return wrong_type(node, problems) };
        match Format::parse(text) {
            Ok(format) => Some(format),
            Err(fault) => {
                problems.push(
                    Error::user(fault.message).at(place(node.span, text, fault.at, fault.length)).hint(fault.hint),
                );
                None
            }
        }
    }
    fn manifest(&self) -> Json {
        json!(self.source)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "string", "examples": ["{mean:.3f}", "{mean:.2f} ± {std:.2f}", "{median:.3g}", "{n}"]})
    }
    fn expected() -> String {
        "a format such as `{mean:.3f}`".into()
    }
}

/// Returns the span of some characters of a one-line scalar, plain or quoted, or else the span of the whole text.
fn place(span: Span, text: &str, at: usize, length: usize) -> Span {
    let written = text.chars().count();
    let before = match (span.length as usize).checked_sub(written) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span,
    };
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { column: span.column.saturating_add(small(at + before)), length: small(length.max(1)), ..span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::read;

    fn shown(format: &str, entries: &[f64]) -> String {
        Format::parse(format).unwrap().text(&Summary::from_entries(entries), "–")
    }

    #[test]
    fn statistics_are_written_as_the_format_says() {
        let entries = [0.5, 0.25, 0.75];
        for (format, text) in [
            ("{mean:.3f} ± {std:.3f}", "0.500 ± 0.250"),
            ("{n}", "3"),
            ("{mean}", "0.5"),
            ("{mean:.1%}", "50.0%"),
            ("{min:+.2f} to {max:+.2f}", "+0.25 to +0.75"),
            ("{sum:.2e}", "$1.50 \\times 10^{0}$"),
            ("{sum:d}", "2"),
            ("{{{median:.1f}}}", "{0.5}"),
        ] {
            assert_eq!(shown(format, &entries), text, "{format}");
        }
    }

    #[test]
    fn numbers_keep_their_digits_and_their_sign() {
        for (format, value, text) in [
            ("{mean}", 0.000123456, "0.0001235"),
            ("{mean}", 0.0000123456, "$1.235 \\times 10^{-5}$"),
            ("{mean}", 22620.0, "22620"),
            ("{mean:.3g}", 22620.0, "$2.26 \\times 10^{4}$"),
            ("{mean:.3g}", 0.1, "0.1"),
            ("{mean:.3}", 0.99999, "1"),
            ("{mean}", -1.5, "−1.5"),
            ("{mean:.1f}", -0.01, "0.0"),
            ("{mean:.1e}", -1.25e-7, "$-1.2 \\times 10^{-7}$"),
            ("{mean}", f64::NEG_INFINITY, "−∞"),
            ("{mean}", 0.0, "0"),
        ] {
            assert_eq!(shown(format, &[value]), text, "{format} of {value}");
        }
    }

    #[test]
    fn a_missing_number_is_shown_as_missing() {
        assert_eq!(shown("{mean:.1f} ± {std:.1f}", &[1.0]), "1.0 ± –");
    }

    #[test]
    fn an_error_is_located_within_the_format() {
        let fault = |text: &str| {
            let mut problems = Problems::default();
            let node = read(text, &mut problems).unwrap();
            assert!(Format::decode(&node, &mut problems).is_none());
            let error = problems.into_errors().remove(0);
            let span = error.span.unwrap();
            format!("{}+{} {} [{}]", span.column, span.length, error.message, error.hints.join("; "))
        };
        assert_eq!(fault("\"{mean} ± {stdd}\""), "12+4 unknown aggregate `stdd` [did you mean `std`?]");
        assert_eq!(
            fault("\"{mean:.3q}\""),
            "8+3 `.3q` is not a way to write a number [write `.3f` (fixed), `.2e` (scientific), `.3g` (significant digits), `.1%` (percent) or `d` (whole)]"
        );
        assert_eq!(fault("'{mean'"), "2+5 this `{` is never closed [a brace as text is written `{{`]");
        assert_eq!(fault("mean }"), "6+1 this `}` closes nothing [a brace as text is written `}}`]");
        assert_eq!(fault("0.5"), "1+3 expected a format such as `{mean:.3f}`, found the number `0.5` []");
        assert_eq!(fault("mean"), "1+4 this format shows no number [write an aggregate, such as `{mean:.3f}`]");
        assert_eq!(
            fault("\"{}\""),
            "3+1 unknown aggregate `` [aggregates are `mean`, `std`, `median`, `min`, `max`, `sum`, `n` or `sem`]"
        );
    }
}
