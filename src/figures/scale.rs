//! Axis scales (linear, logarithmic, categorical) and their ticks.

crate::union! {
    /// The scale of an axis.
    pub enum ScaleKind {
        /// Linear: equal differences have equal lengths.
        "linear" => Linear,
        /// Logarithmic: equal ratios have equal lengths.
        "log" => Log,
    }
}

/// The largest number of decimals; more are meaningless for a double.
pub const MAX_DECIMALS: u32 = 15;

/// A scale: its kind and its limits, `from` at the low end.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    pub kind: ScaleKind,
    pub from: f64,
    pub to: f64,
}

/// A tick: its value and its label (`None` for minor ticks).
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: Option<String>,
}

impl Scale {
    /// Maps a value to its position, 0 at `from` and 1 at `to`; NaN if the scale cannot show it.
    pub fn position(&self, value: f64) -> f64 {
        match self.kind {
            ScaleKind::Linear if (self.to - self.from).is_finite() => (value - self.from) / (self.to - self.from),
            // Limits whose difference overflows.
            ScaleKind::Linear => (0.5 * value - 0.5 * self.from) / (0.5 * self.to - 0.5 * self.from),
            ScaleKind::Log => (log10(value) - log10(self.from)) / (log10(self.to) - log10(self.from)),
        }
    }

    /// Returns about `count` ticks at round values inside the limits.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.kind {
            ScaleKind::Linear => linear_ticks(self.from, self.to, count),
            ScaleKind::Log => log_ticks(self.from, self.to, count),
        }
    }

    /// Returns ticks at the given values, without those outside the limits.
    pub fn ticks_at(&self, values: &[f64], decimals: Option<usize>) -> Vec<Tick> {
        let decimals = decimals.unwrap_or_else(|| values.iter().map(|v| decimals_of(*v)).max().unwrap_or(0));
        let inside = values.iter().filter(|v| (-1e-9..=1.0 + 1e-9).contains(&self.position(**v)));
        inside.map(|&value| Tick { value, label: Some(number(value, decimals)) }).collect()
    }
}

/// log10 from the crate's own logarithm, the same on every machine; NaN where it is undefined.
fn log10(value: f64) -> f64 {
    if value >= f64::MIN_POSITIVE && value.is_finite() {
        crate::train::ln(value) / std::f64::consts::LN_10
    } else {
        f64::NAN
    }
}

/// Returns the fewest decimals that show a value exactly, up to 6.
fn decimals_of(value: f64) -> usize {
    (0..6)
        .find(|&d| {
            let shift = 10f64.powi(d as i32);
            ((value * shift).round() - value * shift).abs() < 1e-6 * shift.max(1.0) * 1e-3
        })
        .unwrap_or(6)
}

/// Formats a number with a typographic minus.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", if value == 0.0 { 0.0 } else { value });
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().any(|c| c.is_ascii_digit() && c != '0') => format!("−{rest}"),
        Some(rest) => rest.to_string(),
        None => text,
    }
}

/// Returns the round step (1, 2, 2.5 or 5 times a power of ten) that gives at most `count` intervals.
fn round_step(range: f64, count: usize) -> f64 {
    let rough = range / count.max(1) as f64;
    let power = 10f64.powi(log10(rough).floor() as i32);
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    factors.iter().map(|f| f * power).find(|step| *step >= rough * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

/// Tick labels of a linear axis are written with a power of ten from this size on.
const LARGE: f64 = 1e15;

/// Formats a tick label: large numbers with a power of ten, and with enough digits to distinguish the ticks.
fn plain_or_power(value: f64, all: &[f64]) -> String {
    if value.abs() < LARGE {
        return number(value, decimals_of(value));
    }
    let written = |digits: usize| -> Vec<String> { all.iter().map(|v| format!("{v:.digits$e}")).collect() };
    let distinct = |texts: &[String]| texts.windows(2).all(|pair| pair[0] != pair[1]);
    let digits = (1..16).find(|&digits| distinct(&written(digits))).unwrap_or(16);
    let text = format!("{value:.digits$e}");
    match text.split_once('e') {
        Some((body, power)) => format!("${body} \\times 10^{{{power}}}$"),
        None => text,
    }
}

fn linear_ticks(from: f64, to: f64, count: usize) -> Vec<Tick> {
    let (low, high) = (from.min(to), from.max(to));
    if !(high - low).is_normal() {
        let values = if low < high { vec![low, high] } else { vec![low] };
        return values.into_iter().map(|value| Tick { value, label: Some(plain_or_power(value, &[value])) }).collect();
    }
    let step = round_step(high - low, count);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let values: Vec<f64> = (first..=last).map(|i| i as f64 * step).collect();
    if values.iter().any(|value| value.abs() >= LARGE) {
        let label = |value: &f64| Tick { value: *value, label: Some(plain_or_power(*value, &values)) };
        return values.iter().map(label).collect();
    }
    let decimals = decimals_of(step).max(values.iter().map(|v| decimals_of(*v)).max().unwrap_or(0));
    values.into_iter().map(|value| Tick { value, label: Some(number(value, decimals)) }).collect()
}

/// Ticks at powers of ten, or, below two decades, at 1, 2, 3, ... times them, with minor ticks between.
fn log_ticks(from: f64, to: f64, count: usize) -> Vec<Tick> {
    let (low, high) = (from.min(to), from.max(to));
    let (first, last) = (log10(low).floor() as i32, log10(high).ceil() as i32);
    let inside = |v: f64| v.is_finite() && v >= low * (1.0 - 1e-9) && v <= high * (1.0 + 1e-9);
    let decades = log10(high) - log10(low);
    let every = ((decades / count.max(1) as f64).ceil() as i32).max(1);
    let mut ticks = Vec::new();
    for exponent in first..=last {
        let power = 10f64.powi(exponent);
        for factor in 1..10 {
            let value = f64::from(factor) * power;
            if !inside(value) {
                continue;
            }
            let label = if factor == 1 && (exponent - first) % every == 0 || factor > 1 && decades < 1.5 {
                let plain = (-3..5).contains(&exponent);
                Some(if plain { number(value, (-exponent).max(0) as usize) } else { format!("$10^{{{exponent}}}$") })
            } else {
                None
            };
            ticks.push(Tick { value, label });
        }
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(kind: ScaleKind, from: f64, to: f64, count: usize) -> Vec<String> {
        Scale { kind, from, to }.ticks(count).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_at_round_values() {
        assert_eq!(labels(ScaleKind::Linear, 0.0, 1.02, 6), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            labels(ScaleKind::Linear, -1.0, 1.0, 8),
            ["−1.00", "−0.75", "−0.50", "−0.25", "0.00", "0.25", "0.50", "0.75", "1.00"]
        );
        assert_eq!(labels(ScaleKind::Linear, -0.5, 19.5, 5), ["0", "5", "10", "15"]);
        assert_eq!(labels(ScaleKind::Linear, 3.0, 3.0, 5), ["3"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_or_their_multiples() {
        assert_eq!(labels(ScaleKind::Log, 1.0, 10.0, 5), ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
        assert_eq!(labels(ScaleKind::Log, 1e-6, 1e2, 5), ["$10^{-6}$", "$10^{-4}$", "0.01", "1", "100"]);
    }

    #[test]
    fn extreme_limits_have_finite_positions_and_distinct_ticks() {
        for (kind, from, to) in [
            (ScaleKind::Linear, 1.615e18, 1.785e18),
            (ScaleKind::Linear, f64::MIN, f64::MAX),
            (ScaleKind::Linear, 1e16, 1e16 + 8.0),
            (ScaleKind::Log, f64::MIN_POSITIVE, f64::MAX),
        ] {
            let scale = Scale { kind: kind.clone(), from, to };
            let ticks = scale.ticks(6);
            assert!(!ticks.is_empty() && ticks.iter().all(|tick| scale.position(tick.value).is_finite()), "{scale:?}");
            let labels: Vec<&String> = ticks.iter().filter_map(|tick| tick.label.as_ref()).collect();
            assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
            assert!(labels.iter().all(|label| label.chars().count() < 40), "{labels:?}");
        }
        assert_eq!(labels(ScaleKind::Linear, 1.6e18, 1.7e18, 2)[0], "$1.60 \\times 10^{18}$");
    }

    #[test]
    fn positions_run_from_zero_to_one() {
        let log = Scale { kind: ScaleKind::Log, from: 1.0, to: 100.0 };
        assert!((log.position(10.0) - 0.5).abs() < 1e-12 && log.position(-1.0).is_nan());
        assert_eq!(Scale { kind: ScaleKind::Linear, from: 2.0, to: 0.0 }.position(0.5), 0.75);
    }
}
