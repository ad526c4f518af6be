//! Formats and parses counts, durations and sizes, and escapes text for terminals.

use std::time::Duration;

use crate::spec::{SIZE_UNITS, TIME_UNITS, parse_quantity, unit_names};

/// `1 model`, `2 models`, `22,620 models`.
pub fn count(n: usize, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    };
    format!("{} {}", thousands(n), if n == 1 { noun } else { &plural })
}

/// `22,620`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `8 ms`, `1.2 s`, `45 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.0995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Format an estimated duration with two significant digits.
pub fn about(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "less than a second".into(),
        s if (99.5..3600.0).contains(&s) => format!("about {:.0} min", s / 60.0),
        s => format!("about {}", duration(s)),
    }
}

/// Four significant digits.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || value.fract() == 0.0 && size < 1e6 {
        format!("{}", value + 0.0)
    } else if !value.is_finite() {
        value.to_string()
    } else if (1e-3..1e6).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
        let text = format!("{value:.decimals$}");
        if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    } else {
        format!("{value:.3e}")
    }
}

/// `820 B`, `12 kB`, `3.4 MB`, `1.2 GB`.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 1e3 => format!("{n:.0} B"),
        n if n < 1e6 => format!("{:.0} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// `90min`, `12 h`, `30d`; `0`.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    parse(text, &TIME_UNITS, "30h").map(Duration::from_secs_f64)
}

/// `500MB`, `2 GB`; `0`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZE_UNITS, "30MB").map(|bytes| bytes as u64)
}

/// Parse a number with a unit; zero needs none.
fn parse(text: &str, units: &[(&str, f64)], example: &str) -> Result<f64, String> {
    let is_zero = text.parse::<f64>() == Ok(0.0);
    match parse_quantity(text, units).or(is_zero.then_some(0.0)) {
        Some(value) if value < 1e18 => Ok(value),
        _ => Err(format!("a number and one of {}, such as `{example}`", unit_names(units).join(", "))),
    }
}

/// Escape characters that affect a terminal: control characters and bidirectional overrides.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if affects_terminal(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Like [`harmless`], but keeps the colour codes that this program writes.
pub fn harmless_but_colors(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out += &harmless(&rest[..at]);
        let length = color(&rest[at..]);
        match length {
            Some(length) => out += &rest[at..at + length],
            None => out += &harmless("\u{1b}"),
        }
        rest = &rest[at + length.unwrap_or(1)..];
    }
    out + &harmless(rest)
}

/// The length of a colour code that this program writes.
fn color(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find('m')?;
    let own = match codes.get(..end)? {
        "0" | "1" | "2" | "1;31" | "32" | "33" | "36" | "49" => true,
        other => {
            let numbers = other.strip_prefix("38;2;").or_else(|| other.strip_prefix("48;2;"))?;
            numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
        }
    };
    own.then_some(end + 3)
}

/// Escape such characters in JSON as `\uXXXX`; serde does not escape all of them.
pub fn harmless_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => out.push(c),
            c if affects_terminal(c) => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

fn affects_terminal(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_formatted() {
        assert_eq!(count(1, "model"), "1 model");
        assert_eq!(count(22_620, "model"), "22,620 models");
        assert_eq!(count(2, "entry"), "2 entries");
        let all: Vec<String> = [0.008, 1.23, 45.4, 200.0, 7500.0].into_iter().map(duration).collect();
        assert_eq!(all, ["8 ms", "1.2 s", "45 s", "3 min 20 s", "2 h 5 min"]);
        assert_eq!(about(260.0), "about 4 min");
    }

    #[test]
    fn times_and_sizes_are_parsed() {
        assert_eq!(parse_time("1.5 h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_time("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!((parse_time("0"), parse_size("2 GB")), (Ok(Duration::ZERO), Ok(2_000_000_000)));
        assert_eq!(
            parse_size("12"),
            Err("a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB, such as `30MB`".into())
        );
        assert!(
            ["", "d", "-1d", "1e300d", "3 parsecs", "9".repeat(400).as_str()]
                .iter()
                .all(|text| parse_time(text).is_err())
        );
        assert_eq!((bytes(820), bytes(12_345_678)), ("820 B".to_string(), "12.3 MB".to_string()));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(harmless("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\n");
        assert_eq!(harmless("\u{9b}2J\u{7f}\u{202e}é−"), "\\u{9b}2J\\u{7f}\\u{202e}é−");
    }

    #[test]
    fn only_colors_of_this_program_are_kept() {
        let own = "\u{1b}[1;31merror\u{1b}[0m \u{1b}[38;2;1;2;3m\u{1b}[49m▀\n";
        assert_eq!(harmless_but_colors(own), own);
        for code in ["[2J", "]0;title\u{7}", "[8m", "[38;2;1;2;3", "[1;1H", "[38;2;1m\u{9b}2J"] {
            let text = harmless_but_colors(&format!("a\u{1b}{code}b"));
            assert!(!text.contains(['\u{7}', '\u{9b}']), "{text:?}");
            assert!(!text.contains('\u{1b}') || code.starts_with("[38;2;1m"), "{text:?}");
        }
    }

    #[test]
    fn control_characters_in_json_are_escaped() {
        let json = serde_json::json!({"a": "\u{9b}2J\u{7f}\u{202e}\u{1b}"}).to_string();
        let text = harmless_json(&json);
        assert_eq!(text, r#"{"a":"\u009b2J\u007f\u202e\u001b"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["a"], "\u{9b}2J\u{7f}\u{202e}\u{1b}");
    }
}
