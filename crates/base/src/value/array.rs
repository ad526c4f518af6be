//! Labelled arrays: axes have names and coordinates, and are selected by name, not by position.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::numbers::Numbers;
use crate::error::{Error, Result};
use crate::spec::{nearest, suggest};

/// How numbers are stored in results. In memory they are [`Numbers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F64,
    I64,
}

/// The coordinates of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Coords {
    /// Plain positions `0..n`.
    Index(usize),
    Numbers(Vec<f64>),
    Labels(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub name: String,
    pub coords: Coords,
}

/// A labelled array: one axis per dimension, data in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub axes: Vec<Axis>,
    pub dtype: Dtype,
    pub data: Numbers,
}

/// Named arrays that belong together, such as the weights of one model or the results of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub arrays: BTreeMap<String, Array>,
    /// Arrays, columns or files that could not be read, by name, with the reason. For messages only; not part of the encoding.
    pub unread: BTreeMap<String, Unread>,
}

/// Something that could not be read as an array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// `it holds complex numbers`.
    pub why: String,
    /// Whether this is a whole file, not a part of one.
    pub file: bool,
}

impl Axis {
    /// The axis with the coordinates at these positions.
    pub fn only(&self, positions: &[usize]) -> Axis {
        let coords = self.coords.only(positions);
        Axis { name: self.name.clone(), coords }
    }

    /// Its name and coordinates: what decides the labels and the places of what is stacked along it.
    pub fn manifest(&self) -> Json {
        let coords = match &self.coords {
            Coords::Index(length) => json!(length),
            Coords::Numbers(numbers) => json!(numbers.iter().map(|number| number.to_string()).collect::<Vec<_>>()),
            Coords::Labels(labels) => json!({ "labels": labels }),
        };
        json!([self.name, coords])
    }
}

impl Coords {
    pub fn len(&self) -> usize {
        match self {
            Coords::Index(n) => *n,
            Coords::Numbers(values) => values.len(),
            Coords::Labels(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The coordinate as a number: its value, or its position where it is a label.
    pub fn number(&self, position: usize) -> f64 {
        match self {
            Coords::Numbers(values) => values.get(position).copied().unwrap_or(f64::NAN),
            _ => position as f64,
        }
    }

    /// The coordinate as text, the shortest that reads back to the same number.
    pub fn label(&self, position: usize) -> String {
        match self {
            Coords::Index(_) => position.to_string(),
            Coords::Numbers(values) => values.get(position).map(|v| v.to_string()).unwrap_or_default(),
            Coords::Labels(values) => values.get(position).cloned().unwrap_or_default(),
        }
    }

    /// The coordinate as JSON: a number or a text.
    pub fn json(&self, position: usize) -> Json {
        match self {
            Coords::Index(_) => json!(position),
            Coords::Numbers(values) => json!(values.get(position)),
            Coords::Labels(values) => json!(values.get(position)),
        }
    }

    /// A hint for a coordinate that does not exist.
    pub fn offer(&self, typed: &str) -> String {
        const MANY: usize = 12;
        let labels: Vec<String> = (0..self.len().min(MANY)).map(|i| self.label(i)).collect();
        match self {
            _ if self.is_empty() => "it has no coordinates at all".into(),
            Coords::Labels(labels) => {
                let names: Vec<&str> = labels.iter().map(String::as_str).collect();
                if labels.len() <= MANY || nearest(typed, names.iter().copied()).is_some() {
                    suggest(typed, &names)
                } else {
                    format!("it has {} coordinates, such as `{}`", labels.len(), names[0])
                }
            }
            Coords::Index(n) => format!("its positions count from 0 to {}", n.saturating_sub(1)),
            Coords::Numbers(numbers) if numbers.len() <= MANY => format!("its values are {}", labels.join(", ")),
            Coords::Numbers(numbers) => {
                format!("its {} values go from {} to {}", numbers.len(), self.label(0), self.label(numbers.len() - 1))
            }
        }
    }

    /// The position of a coordinate given as text (`0.1` and `1e-1` are the same number).
    pub fn position(&self, wanted: &str) -> Option<usize> {
        match self {
            Coords::Index(n) => wanted.parse::<usize>().ok().filter(|i| i < n),
            Coords::Numbers(values) => {
                let number: f64 = wanted.parse().ok()?;
                values.iter().position(|v| (v - number).abs() <= 1e-12 * number.abs())
            }
            Coords::Labels(values) => values.iter().position(|v| v == wanted),
        }
    }
}

impl Coords {
    /// The coordinates at these positions.
    pub fn only(&self, positions: &[usize]) -> Coords {
        match self {
            Coords::Index(_) => Coords::Numbers(positions.iter().map(|at| *at as f64).collect()),
            Coords::Numbers(values) => {
                Coords::Numbers(positions.iter().filter_map(|at| values.get(*at).copied()).collect())
            }
            Coords::Labels(values) => {
                Coords::Labels(positions.iter().filter_map(|at| values.get(*at).cloned()).collect())
            }
        }
    }

    /// Whether this is the coordinate at a position, however it is written.
    pub fn is_at(&self, position: usize, wanted: &str) -> bool {
        self.only(&[position]).position(wanted).is_some()
    }
}

impl Axis {
    pub fn index(name: &str, n: usize) -> Self {
        Axis { name: name.into(), coords: Coords::Index(n) }
    }

    pub fn numbers(name: &str, values: Vec<f64>) -> Self {
        Axis { name: name.into(), coords: Coords::Numbers(values) }
    }

    pub fn labels(name: &str, values: Vec<String>) -> Self {
        Axis { name: name.into(), coords: Coords::Labels(values) }
    }

    pub fn len(&self) -> usize {
        self.coords.len()
    }

    /// All coordinates as text.
    pub fn texts(&self) -> Vec<String> {
        (0..self.len()).map(|i| self.coords.label(i)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.coords.is_empty()
    }
}

impl Array {
    /// An array from its axes and row-major data; an internal error where the lengths disagree.
    pub fn new(axes: Vec<Axis>, dtype: Dtype, data: impl Into<Numbers>) -> Result<Self> {
        let shape: Vec<usize> = axes.iter().map(Axis::len).collect();
        let data: Numbers = data.into();
        let length = data.len();
        let data = data
            .shaped(&shape)
            .ok_or_else(|| Error::internal(format!("an array of shape {shape:?} of {length} numbers")))?;
        Ok(Array { axes, dtype, data })
    }

    pub fn f32(axes: Vec<Axis>, data: &[f32]) -> Result<Self> {
        Array::new(axes, Dtype::F32, data.to_vec())
    }

    pub fn f64(axes: Vec<Axis>, data: Vec<f64>) -> Result<Self> {
        Array::new(axes, Dtype::F64, data)
    }

    pub fn scalar(value: f64) -> Self {
        Array { axes: Vec::new(), dtype: Dtype::F64, data: Numbers::scalar(value) }
    }

    pub fn shape(&self) -> &[usize] {
        self.data.shape()
    }

    /// The array with its axes reversed.
    pub fn transposed(mut self) -> Array {
        self.axes.reverse();
        self.data = self.data.transposed();
        self
    }

    pub fn axis(&self, name: &str) -> Option<&Axis> {
        self.axes.iter().find(|axis| axis.name == name)
    }

    /// The dimension that carries this axis.
    pub fn dim(&self, name: &str) -> Option<usize> {
        self.axes.iter().position(|axis| axis.name == name)
    }

    /// Where an entry is, given its position along each dimension: `model=dense p=0.1`.
    pub fn place(&self, position: &dyn Fn(usize) -> usize) -> String {
        let place = |(dim, axis): (usize, &Axis)| format!("{}={}", axis.name, axis.coords.label(position(dim)));
        self.axes.iter().enumerate().map(place).collect::<Vec<_>>().join(" ")
    }

    /// All values in row-major order.
    pub fn values(&self) -> Vec<f64> {
        self.data.values()
    }

    /// The single value of an array without axes (or with axes of length one).
    pub fn single(&self) -> Option<f64> {
        if self.data.len() == 1 { self.data.iter().next() } else { None }
    }

    /// Select one position of an axis and drop the axis. `None` if there is no such axis or position.
    pub fn at(&self, axis: &str, position: usize) -> Option<Array> {
        let dim = self.dim(axis)?;
        if position >= self.axes[dim].len() {
            return None;
        }
        let mut axes = self.axes.clone();
        axes.remove(dim);
        Some(Array { axes, dtype: self.dtype, data: self.data.at(dim, position) })
    }

    /// The part of the array between two positions of an axis.
    pub fn range(&self, axis: &str, from: usize, to: usize) -> Option<Array> {
        let dim = self.dim(axis)?;
        let n = self.axes[dim].len();
        let (from, to) = (from.min(n), to.min(n).max(from.min(n)));
        let mut axes = self.axes.clone();
        axes[dim].coords = match &axes[dim].coords {
            Coords::Index(_) => Coords::Index(to - from),
            Coords::Numbers(values) => Coords::Numbers(values[from..to].to_vec()),
            Coords::Labels(values) => Coords::Labels(values[from..to].to_vec()),
        };
        Some(Array { axes, dtype: self.dtype, data: self.data.range(dim, from, to) })
    }

    /// Stack arrays of equal shape along new leading axes, in row-major order: the points of a sweep become one array. Parts that are missing
    /// are NaN; with one of them, integers become floating-point numbers. `None` if the shapes differ, or all are missing.
    pub fn stack(outer: &[Axis], parts: &[Option<&Array>]) -> Option<Array> {
        let first = parts.iter().flatten().next()?;
        if parts.len() != outer.iter().map(Axis::len).product::<usize>() {
            return None;
        }
        if parts.iter().flatten().any(|part| part.axes != first.axes) {
            return None;
        }
        let axes: Vec<Axis> = outer.iter().chain(&first.axes).cloned().collect();
        let nan = parts.contains(&None).then(|| first.data.nan());
        let data: Option<Vec<&Numbers>> =
            parts.iter().map(|part| part.map_or(nan.as_ref(), |p| Some(&p.data))).collect();
        let dtype = if nan.is_some() && first.dtype == Dtype::I64 { Dtype::F64 } else { first.dtype };
        Array::new(axes, dtype, Numbers::joined(&data?)?).ok()
    }
}

/// Maximum number of unread items that an error lists.
const MOST_UNREAD: usize = 5;

impl Dataset {
    /// Approximate memory size.
    pub fn bytes(&self) -> usize {
        let coords = |axis: &Axis| match &axis.coords {
            Coords::Index(_) => 0,
            Coords::Numbers(values) => 8 * values.len(),
            Coords::Labels(labels) => labels.iter().map(|label| 24 + label.len()).sum(),
        };
        self.arrays.values().map(|array| array.data.bytes() + array.axes.iter().map(coords).sum::<usize>()).sum()
    }

    /// Record why something in a file could not be read as an array.
    pub fn leave_out(&mut self, name: &str, why: impl Into<String>) {
        self.unread.insert(name.to_string(), Unread { why: why.into(), file: false });
    }

    /// The reason why an array or column could not be read, if known.
    pub fn why_unread(&self, name: &str) -> Option<&str> {
        self.unread.get(name).map(|unread| unread.why.as_str())
    }

    /// Add a hint for each unread item to an error about a missing name.
    pub fn explain(&self, missing: &str, error: Error) -> Error {
        let others = self.unread.iter().filter(|(name, _)| *name != missing).take(MOST_UNREAD);
        others.fold(error, |error, (name, unread)| error.hint(format!("`{name}` was not read: {}", unread.why)))
    }

    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    pub fn insert(&mut self, name: &str, array: Array) {
        self.arrays.insert(name.to_string(), array);
    }

    pub fn with(mut self, name: &str, array: Array) -> Self {
        self.insert(name, array);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Array {
        Array::f64(
            vec![Axis::index("expert", 2), Axis::numbers("p", vec![0.1, 0.5, 1.0])],
            (0..6).map(f64::from).collect(),
        )
        .unwrap()
    }

    #[test]
    fn selecting_a_coordinate_drops_its_axis() {
        let column = grid().at("p", 1).unwrap();
        assert_eq!(column.values(), [1.0, 4.0]);
        assert_eq!(column.axes.len(), 1);
        assert!(grid().at("q", 0).is_none() && grid().at("p", 3).is_none());
    }

    #[test]
    fn coordinates_are_found_by_value_whatever_their_spelling() {
        assert_eq!(grid().axes[1].coords.position("1e-1"), Some(0));
        assert_eq!(grid().axes[1].coords.position("0.3"), None);
    }

    #[test]
    fn missing_parts_are_nan() {
        let integers = Array::new(Vec::new(), Dtype::I64, Numbers::from(vec![3_i32]).shaped(&[]).unwrap()).unwrap();
        let stacked = Array::stack(&[Axis::index("seed", 2)], &[None, Some(&integers)]).unwrap();
        assert_eq!(stacked.dtype, Dtype::F64);
        assert!(stacked.values()[0].is_nan() && stacked.values()[1] == 3.0);
        assert!(Array::stack(&[Axis::index("seed", 1)], &[None]).is_none());
    }

    #[test]
    fn equal_parts_stack_and_unequal_parts_do_not() {
        let (a, b) = (grid(), grid());
        let stacked =
            Array::stack(&[Axis::labels("model", vec!["x".into(), "y".into()])], &[Some(&a), Some(&b)]).unwrap();
        assert_eq!(stacked.shape(), [2, 2, 3]);
        let other = Array::scalar(1.0);
        assert!(Array::stack(&[Axis::index("model", 2)], &[Some(&a), Some(&other)]).is_none());
    }
}
