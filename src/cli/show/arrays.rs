//! Prints named arrays: type, axes and shape, small values, and the coordinates of the axes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cli::words::{harmless, number};
use crate::stages::Layout;
use crate::value::{Array, Axis, Coords, Dataset, Dtype, Unread};

/// Maximum number of values to print.
const FEW: usize = 12;
/// Maximum number of rows of a matrix to print.
const ROWS: usize = 16;

/// All arrays of a stage.
pub fn text(name: &str, dataset: &Dataset) -> String {
    let rows: Vec<[String; 3]> =
        dataset.arrays.iter().map(|(name, array)| [name.clone(), dtype(array).into(), shape(&array.axes)]).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = format!("{name}\n");
    for (row, array) in rows.iter().zip(dataset.arrays.values()) {
        let line = format!(
            "  {:a$}  {:b$}  {:c$}  {}",
            row[0],
            row[1],
            row[2],
            summary(array),
            a = widths[0],
            b = widths[1],
            c = widths[2]
        );
        text += line.trim_end();
        text.push('\n');
        text += &matrix(array);
    }
    text + &axes(dataset.arrays.values().flat_map(|array| &array.axes)) + &unread(dataset)
}

/// Items that could not be read, with the reasons.
fn unread(dataset: &Dataset) -> String {
    if dataset.unread.is_empty() {
        return String::new();
    }
    let width = dataset.unread.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(name, unread): (&String, &Unread)| {
        format!("  {}  {}\n", harmless(&format!("{name:width$}")), harmless(&unread.why))
    };
    format!("not read\n{}", dataset.unread.iter().map(line).collect::<String>())
}

/// Names and shapes only, from the first of many units.
pub fn shapes(name: &str, layout: &Layout, first: &Dataset) -> String {
    let width = first.arrays.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{name}\n");
    for (name, array) in &first.arrays {
        let all: Vec<Axis> = layout.axes.iter().chain(&array.axes).cloned().collect();
        text += format!("  {name:width$}  {}  {}", dtype(array), shape(&all)).trim_end();
        text.push('\n');
    }
    text + &axes(layout.axes.iter().chain(first.arrays.values().flat_map(|array| &array.axes))) + &unread(first)
}

/// One JSON line per array.
pub fn to_json(stage: &str, dataset: &Dataset) -> String {
    let line = |(name, array): (&String, &Array)| {
        let axes: Vec<_> = array.axes.iter().map(|axis| json!({"name": axis.name, "coords": coords(axis)})).collect();
        let json =
            json!({"stage": stage, "array": name, "dtype": dtype(array), "axes": axes, "values": array.values()});
        format!("{json}\n")
    };
    dataset.arrays.iter().map(line).collect()
}

fn coords(axis: &Axis) -> serde_json::Value {
    match &axis.coords {
        Coords::Index(n) => json!((0..*n).collect::<Vec<_>>()),
        Coords::Numbers(values) => json!(values),
        Coords::Labels(values) => json!(values),
    }
}

fn dtype(array: &Array) -> &'static str {
    match array.dtype {
        Dtype::F32 => "f32",
        Dtype::F64 => "f64",
        Dtype::I64 => "i64",
    }
}

/// `expert 4 x feature 20`.
fn shape(axes: &[Axis]) -> String {
    axes.iter().map(|axis| format!("{} {}", axis.name, axis.len())).collect::<Vec<_>>().join(" x ")
}

/// The values if there are few, else their range; small matrices are printed below.
fn summary(array: &Array) -> String {
    let values = array.values();
    if values.len() <= FEW && array.axes.len() <= 1 {
        return values.iter().map(|v| number(*v)).collect::<Vec<_>>().join(" ");
    }
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let (low, high) = finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let strange = values.len() - finite.len();
    let strange = if strange > 0 { format!(", {strange} not finite") } else { String::new() };
    if finite.is_empty() {
        format!("nothing finite{strange}")
    } else {
        format!("{} to {}{strange}", number(low), number(high))
    }
}

/// A small matrix, one row per line.
fn matrix(array: &Array) -> String {
    let &[rows, columns] = array.shape() else { return String::new() };
    if rows > ROWS || columns > FEW || rows * columns == 0 {
        return String::new();
    }
    let cells: Vec<String> = array.data.iter().map(number).collect();
    let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let labels: Vec<String> = (0..rows).map(|row| array.axes[0].coords.label(row)).collect();
    let label_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (row, label) in cells.chunks(columns).zip(&labels) {
        let cells: Vec<String> = row.iter().map(|cell| format!("{cell:>width$}")).collect();
        text += &format!("      {label:>label_width$} | {}\n", cells.join(" "));
    }
    text
}

/// The coordinates of every axis, each once.
fn axes<'a>(all: impl Iterator<Item = &'a Axis>) -> String {
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    for axis in all {
        let n = axis.len();
        let words = match &axis.coords {
            Coords::Index(_) if n > 1 => format!("0 to {}", n - 1),
            _ if n <= FEW => (0..n).map(|i| axis.coords.label(i)).collect::<Vec<_>>().join(", "),
            _ => format!(
                "{}, {}, ... {} ({n} values)",
                axis.coords.label(0),
                axis.coords.label(1),
                axis.coords.label(n - 1)
            ),
        };
        known.insert(&axis.name, words);
    }
    let width = known.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let lines: String = known.iter().map(|(name, words)| format!("  {name:width$}  {words}\n")).collect();
    if lines.is_empty() { lines } else { format!("axes\n{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_shown_with_their_axes_and_small_values() {
        let axes = vec![Axis::numbers("p", vec![0.1, 0.5]), Axis::labels("model", vec!["Dense".into(), "MoE".into()])];
        let dataset = Dataset::default()
            .with("loss", Array::f64(axes, vec![0.0012345, 2.0, f64::NAN, 12.3456]).unwrap())
            .with("total", Array::scalar(3.0));
        assert_eq!(
            text("fig", &dataset),
            "fig\n\
             \x20 loss   f64  p 2 x model 2  0.001234 to 12.35, 1 not finite\n\
             \x20     0.1 | 0.001234        2\n\
             \x20     0.5 |      NaN    12.35\n\
             \x20 total  f64                 3\n\
             axes\n\
             \x20 model  Dense, MoE\n\
             \x20 p      0.1, 0.5\n"
        );
    }
}
