//! Numbers, times and lists in words.

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

/// An estimate is not worth more than two digits.
pub fn about(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "less than a second".into(),
        s if (99.5..3600.0).contains(&s) => format!("about {:.0} min", s / 60.0),
        s => format!("about {}", duration(s)),
    }
}

/// What one unit of a kind is called.
pub fn unit(kind: &str) -> &'static str {
    match kind {
        "train" => "model",
        "sweep" | "metric" => "point",
        "table" => "cell",
        "figure" => "figure",
        "exec" => "program",
        "data" => "source",
        _ => "unit",
    }
}

/// Text without control characters, which a terminal would obey.
pub fn harmless(text: &str) -> String {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        text.chars()
            .flat_map(|c| {
                let escaped: Vec<char> =
                    if c.is_control() && c != '\n' { c.escape_default().collect() } else { vec![c] };
                escaped
            })
            .collect()
    } else {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(count(1, "model"), "1 model");
        assert_eq!(count(22_620, "model"), "22,620 models");
        assert_eq!(count(2, "entry"), "2 entries");
        let all: Vec<String> = [0.008, 1.23, 45.4, 200.0, 7500.0].into_iter().map(duration).collect();
        assert_eq!(all, ["8 ms", "1.2 s", "45 s", "3 min 20 s", "2 h 5 min"]);
        assert_eq!(about(260.0), "about 4 min");
    }

    #[test]
    fn a_terminal_is_given_no_orders() {
        assert_eq!(harmless("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\n");
    }
}
