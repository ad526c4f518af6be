//! Numbers with units: `90 s`, `2h`, `512 MB`.

/// Units of time and their lengths in seconds.
pub const TIME_UNITS: [(&str, f64); 5] = [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];

/// Units of data sizes in bytes.
pub const SIZE_UNITS: [(&str, f64); 8] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

/// Parse a number with one of these units, in the base unit. The case of the unit does not matter.
pub fn parse_quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<f64>().ok()?, text[end..].trim());
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(number * factor)
}

/// The names of units.
pub fn unit_names<'a>(units: &[(&'a str, f64)]) -> Vec<&'a str> {
    units.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_number_and_a_known_unit() {
        assert_eq!(parse_quantity("1.5 h", &TIME_UNITS), Some(5400.0));
        assert_eq!(parse_quantity("2w", &TIME_UNITS), Some(1_209_600.0));
        assert_eq!(parse_quantity("1gib", &SIZE_UNITS), Some(1_073_741_824.0));
        for text in ["", "3", "h", "-1 h", "1 parsec", "1.2.3 s", "\u{663} s"] {
            assert_eq!(parse_quantity(text, &TIME_UNITS), None, "{text}");
        }
    }
}
