//! Compares two datasets array by array. Values are matched by their coordinates, not by their positions.

use std::collections::HashSet;

use crate::value::{Array, Axis, Dataset};

/// The coordinates that a message lists.
const MAX_LISTED_COORDINATES: usize = 5;
/// The changed values of an array that are kept; the others are only counted.
const MAX_LISTED_VALUES: usize = 1000;

/// A difference in one array.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayDiff {
    pub array: String,
    pub change: ArrayChange,
}

/// How an array differs.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayChange {
    Added,
    Removed,
    /// Its axes, its coordinates or its type: `step: added 5, 6; removed 1`.
    Shape(String),
    Values(ChangedValues),
}

/// The values that differ.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedValues {
    /// The number of values that were compared.
    pub total: usize,
    pub changed: usize,
    /// The largest difference.
    pub largest: ChangedValue,
    /// The first changed values, in the order of the array.
    pub listed: Vec<ChangedValue>,
}

/// An old and a new value.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedValue {
    /// `probability=0.1 run=1`.
    pub coordinates: String,
    pub old: f64,
    pub new: f64,
}

impl ChangedValue {
    /// The absolute difference; infinite between a number and NaN.
    fn distance(&self) -> f64 {
        if self.old.is_nan() || self.new.is_nan() { f64::INFINITY } else { (self.old - self.new).abs() }
    }
}

impl ChangedValues {
    /// Add the changed values of the same array in another unit.
    fn merge(&mut self, other: ChangedValues) {
        self.total += other.total;
        self.changed += other.changed;
        if other.largest.distance() > self.largest.distance() {
            self.largest = other.largest;
        }
        self.listed.extend(other.listed);
        self.listed.truncate(MAX_LISTED_VALUES);
    }
}

impl ArrayDiff {
    /// `loss: 3 of 201 values differ, by at most 1.2e-7 (step=4: 0.5 -> 0.5000001)`.
    pub fn describe(&self) -> String {
        let change = match &self.change {
            ArrayChange::Added => "added".to_string(),
            ArrayChange::Removed => "removed".to_string(),
            ArrayChange::Shape(shape) => shape.clone(),
            ArrayChange::Values(ChangedValues { total, changed, largest, .. }) => {
                let ChangedValue { coordinates, old, new } = largest;
                if *total == 1 && coordinates.is_empty() {
                    format!("{old} -> {new}")
                } else {
                    let distance = largest.distance();
                    let by = if distance.is_finite() { format!(", by at most {distance:.2e}") } else { String::new() };
                    format!("{changed} of {total} values differ{by} ({coordinates}: {old} -> {new})")
                }
            }
        };
        format!("{}: {change}", self.array)
    }
}

/// All differences between two datasets; none if every number is the same, bit for bit.
pub fn compare(old: &Dataset, new: &Dataset) -> Vec<ArrayDiff> {
    let mut found = Vec::new();
    let mut add = |array: &str, change: ArrayChange| found.push(ArrayDiff { array: array.to_string(), change });
    for (name, old) in &old.arrays {
        match new.get(name) {
            None => add(name, ArrayChange::Removed),
            Some(new) => compare_arrays(old, new).into_iter().for_each(|change| add(name, change)),
        }
    }
    for name in new.arrays.keys().filter(|name| old.get(name).is_none()) {
        add(name, ArrayChange::Added);
    }
    found
}

/// Add the differences of the unit at the coordinates `unit` to those of other units, so that each array is reported once.
pub fn merge(all: &mut Vec<ArrayDiff>, unit: &str, diffs: Vec<ArrayDiff>) {
    for mut diff in diffs {
        if let ArrayChange::Values(values) = &mut diff.change {
            let listed = values.listed.iter_mut();
            listed.chain([&mut values.largest]).for_each(|value| {
                value.coordinates = format!("{unit} {}", value.coordinates).trim().to_string();
            });
        }
        let known = all.iter_mut().find(|known| match (&known.change, &diff.change) {
            _ if known.array != diff.array => false,
            (ArrayChange::Values(_), ArrayChange::Values(_)) => true,
            (known, other) => known == other,
        });
        match (known.map(|known| &mut known.change), diff.change) {
            (Some(ArrayChange::Values(known)), ArrayChange::Values(values)) => known.merge(values),
            (Some(_), _) => {}
            (None, change) => all.push(ArrayDiff { array: diff.array, change }),
        }
    }
}

fn compare_arrays(old: &Array, new: &Array) -> Vec<ArrayChange> {
    fn names(array: &Array) -> Vec<&str> {
        array.axes.iter().map(|axis| axis.name.as_str()).collect()
    }
    if names(old) != names(new) {
        let list = |names: Vec<&str>| if names.is_empty() { "no axes".to_string() } else { names.join(", ") };
        return vec![ArrayChange::Shape(format!("had {}, has {}", list(names(old)), list(names(new))))];
    }
    let mut found = Vec::new();
    // For each axis the coordinates that both arrays have, as old and new positions.
    let common: Vec<Vec<(usize, usize)>> =
        old.axes.iter().zip(&new.axes).map(|(a, b)| common_coordinates(a, b)).collect();
    for ((a, b), pairs) in old.axes.iter().zip(&new.axes).zip(&common) {
        found.extend(describe_coordinates(a, b, pairs).map(ArrayChange::Shape));
    }
    if old.dtype != new.dtype {
        found.push(ArrayChange::Shape(format!("was {:?}, is {:?}", old.dtype, new.dtype).to_lowercase()));
    }
    found.extend(compare_values(old, new, &common).map(ArrayChange::Values));
    found
}

/// The coordinates that two axes share, as positions on the old and on the new axis.
pub fn common_coordinates(old: &Axis, new: &Axis) -> Vec<(usize, usize)> {
    if old.coords == new.coords {
        return (0..old.len()).map(|i| (i, i)).collect();
    }
    (0..old.len()).filter_map(|i| Some((i, new.coords.position(&old.coords.label(i))?))).collect()
}

/// The coordinates that were added and removed: `step: added 5, 6; removed 1`.
pub fn describe_coordinates(old: &Axis, new: &Axis, common: &[(usize, usize)]) -> Option<String> {
    let common_old: HashSet<usize> = common.iter().map(|(i, _)| *i).collect();
    let common_new: HashSet<usize> = common.iter().map(|(_, j)| *j).collect();
    let list = |word: &str, axis: &Axis, known: &HashSet<usize>| {
        let others: Vec<String> =
            (0..axis.len()).filter(|i| !known.contains(i)).map(|i| axis.coords.label(i)).collect();
        let shown = others.iter().take(MAX_LISTED_COORDINATES).cloned().collect::<Vec<_>>().join(", ");
        match others.len() {
            0 => None,
            n if n > MAX_LISTED_COORDINATES => Some(format!("{word} {shown} and {} more", n - MAX_LISTED_COORDINATES)),
            _ => Some(format!("{word} {shown}")),
        }
    };
    let parts: Vec<String> =
        [list("added", new, &common_new), list("removed", old, &common_old)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{}: {}", old.name, parts.join("; ")))
}

/// The values at common coordinates that differ in their bits; NaN equals NaN.
fn compare_values(old: &Array, new: &Array, common: &[Vec<(usize, usize)>]) -> Option<ChangedValues> {
    let total: usize = common.iter().map(Vec::len).product();
    let mut found: Option<ChangedValues> = None;
    let (mut i, mut j) = (vec![0; common.len()], vec![0; common.len()]);
    for index in 0..total {
        let mut rest = index;
        for (dim, pairs) in common.iter().enumerate().rev() {
            (i[dim], j[dim]) = pairs[rest % pairs.len()];
            rest /= pairs.len();
        }
        let (Some(a), Some(b)) = (old.data.get(i.as_slice()), new.data.get(j.as_slice())) else { continue };
        if a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan() {
            continue;
        }
        let value = || {
            let axes = old.axes.iter().zip(&i).map(|(axis, i)| format!("{}={}", axis.name, axis.coords.label(*i)));
            ChangedValue { coordinates: axes.collect::<Vec<_>>().join(" "), old: a, new: b }
        };
        let found =
            found.get_or_insert_with(|| ChangedValues { total, changed: 0, largest: value(), listed: Vec::new() });
        found.changed += 1;
        if found.listed.len() < MAX_LISTED_VALUES {
            found.listed.push(value());
        }
        if (ChangedValue { coordinates: String::new(), old: a, new: b }).distance() > found.largest.distance() {
            found.largest = value();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(steps: &[f64], loss: &[f64]) -> Dataset {
        let loss = Array::f64(vec![Axis::numbers("step", steps.to_vec())], loss.to_vec()).unwrap();
        Dataset::default().with("loss", loss).with("best", Array::scalar(0.5))
    }

    fn describe(old: &Dataset, new: &Dataset) -> Vec<String> {
        compare(old, new).iter().map(ArrayDiff::describe).collect()
    }

    #[test]
    fn equal_datasets_do_not_differ() {
        let one = dataset(&[1.0, 2.0], &[f64::NAN, 0.25]);
        assert_eq!(describe(&one, &one.clone()), [""; 0]);
    }

    #[test]
    fn the_largest_difference_is_reported_with_its_coordinates() {
        let (old, mut new) =
            (dataset(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), dataset(&[1.0, 2.0, 3.0], &[1.0, 2.5, 3.125]));
        assert_eq!(describe(&old, &new), ["loss: 2 of 3 values differ, by at most 5.00e-1 (step=2: 2 -> 2.5)"]);
        new.arrays.insert("best".into(), Array::scalar(0.25));
        assert_eq!(describe(&old, &new)[0], "best: 0.5 -> 0.25");
    }

    #[test]
    fn values_are_matched_by_their_coordinates() {
        let (old, new) = (dataset(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), dataset(&[3.0, 2.0, 4.0], &[3.0, 2.25, 9.0]));
        assert_eq!(
            describe(&old, &new),
            ["loss: step: added 4; removed 1", "loss: 1 of 2 values differ, by at most 2.50e-1 (step=2: 2 -> 2.25)"]
        );
    }

    #[test]
    fn added_and_removed_arrays_and_axes_are_reported() {
        let old = dataset(&[1.0], &[1.0]);
        let new = Dataset::default().with("loss", Array::scalar(1.0)).with("other", Array::scalar(1.0));
        assert_eq!(describe(&old, &new), ["best: removed", "loss: had step, has no axes", "other: added"]);
    }

    #[test]
    fn each_array_is_reported_once_for_all_units() {
        let (one, two) = (Dataset::default().with("loss", Array::scalar(1.0)), Dataset::default());
        let differ = |new: f64| compare(&one, &two.clone().with("loss", Array::scalar(new)));
        let mut all = Vec::new();
        [("run=1", 1.5), ("run=2", 3.0), ("run=3", 1.0)]
            .into_iter()
            .for_each(|(unit, new)| merge(&mut all, unit, differ(new)));
        let lines: Vec<String> = all.iter().map(ArrayDiff::describe).collect();
        assert_eq!(lines, ["loss: 2 of 2 values differ, by at most 2.00e0 (run=2: 1 -> 3)"]);
    }
}
