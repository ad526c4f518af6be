//! Two datasets compared array by array, place by place: places are the same where their coordinates are.

use std::collections::HashSet;

use crate::value::{Array, Axis, Dataset};

/// Coordinates that are named in a message.
const NAMED: usize = 5;
/// Values that are listed of one array; of more it is known how many there are.
const LISTED: usize = 1000;

/// How one array differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub array: String,
    pub what: What,
}

/// In what an array differs.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    New,
    Gone,
    /// Its axes, its coordinates or its type: `step: added 5, 6; removed 1`.
    Shape(String),
    Values(Values),
}

/// The values that differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Of so many.
    pub total: usize,
    pub changed: usize,
    /// The one that differs most.
    pub largest: Value,
    /// In the order of their places, the first thousand.
    pub listed: Vec<Value>,
}

/// A value and what it was before.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// `probability=0.1 run=1`.
    pub place: String,
    pub old: f64,
    pub new: f64,
}

impl Value {
    /// A number that became none, or the other way round, is more than any distance.
    fn distance(&self) -> f64 {
        if self.old.is_nan() || self.new.is_nan() { f64::INFINITY } else { (self.old - self.new).abs() }
    }
}

impl Values {
    /// Those of the same array elsewhere, added to these.
    fn join(&mut self, other: Values) {
        self.total += other.total;
        self.changed += other.changed;
        if other.largest.distance() > self.largest.distance() {
            self.largest = other.largest;
        }
        self.listed.extend(other.listed);
        self.listed.truncate(LISTED);
    }
}

impl Difference {
    /// `loss: 3 of 201 values differ, by at most 1.2e-7 (step=4: 0.5 -> 0.5000001)`.
    pub fn words(&self) -> String {
        let words = match &self.what {
            What::New => "is new".to_string(),
            What::Gone => "is no more".to_string(),
            What::Shape(words) => words.clone(),
            What::Values(Values { total, changed, largest, .. }) => {
                let Value { place, old, new } = largest;
                if *total == 1 && place.is_empty() {
                    format!("{old} -> {new}")
                } else {
                    let distance = largest.distance();
                    let by = if distance.is_finite() { format!(", by at most {distance:.2e}") } else { String::new() };
                    format!("{changed} of {total} values differ{by} ({place}: {old} -> {new})")
                }
            }
        };
        format!("{}: {words}", self.array)
    }
}

/// Everything in which two datasets differ; nothing if every number is the same, bit for bit.
pub fn compare(old: &Dataset, new: &Dataset) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut tell = |array: &str, what: What| found.push(Difference { array: array.to_string(), what });
    for (name, old) in &old.arrays {
        match new.get(name) {
            None => tell(name, What::Gone),
            Some(new) => arrays(old, new).into_iter().for_each(|what| tell(name, what)),
        }
    }
    for name in new.arrays.keys().filter(|name| old.get(name).is_none()) {
        tell(name, What::New);
    }
    found
}

/// Add the differences of one unit, at the place `unit`, to those of others: an array is told of once.
pub fn join(all: &mut Vec<Difference>, unit: &str, differences: Vec<Difference>) {
    for mut difference in differences {
        if let What::Values(values) = &mut difference.what {
            let listed = values.listed.iter_mut();
            listed.chain([&mut values.largest]).for_each(|value| value.place = joined(unit, &value.place));
        }
        let known = all.iter_mut().find(|known| match (&known.what, &difference.what) {
            _ if known.array != difference.array => false,
            (What::Values(_), What::Values(_)) => true,
            (known, other) => known == other,
        });
        match (known.map(|known| &mut known.what), difference.what) {
            (Some(What::Values(known)), What::Values(values)) => known.join(values),
            (Some(_), _) => {}
            (None, what) => all.push(Difference { array: difference.array, what }),
        }
    }
}

fn joined(outer: &str, inner: &str) -> String {
    format!("{outer} {inner}").trim().to_string()
}

fn arrays(old: &Array, new: &Array) -> Vec<What> {
    fn names(array: &Array) -> Vec<&str> {
        array.axes.iter().map(|axis| axis.name.as_str()).collect()
    }
    if names(old) != names(new) {
        let list = |names: Vec<&str>| if names.is_empty() { "no axes".to_string() } else { names.join(", ") };
        return vec![What::Shape(format!("had {}, has {}", list(names(old)), list(names(new))))];
    }
    let mut found = Vec::new();
    // For each axis the places that both have, as positions in the old and in the new array.
    let common: Vec<Vec<(usize, usize)>> = old.axes.iter().zip(&new.axes).map(|(a, b)| pairs(a, b)).collect();
    for ((a, b), pairs) in old.axes.iter().zip(&new.axes).zip(&common) {
        found.extend(came_and_went(a, b, pairs).map(What::Shape));
    }
    if old.dtype != new.dtype {
        found.push(What::Shape(format!("was {:?}, is {:?}", old.dtype, new.dtype).to_lowercase()));
    }
    found.extend(values(old, new, &common).map(What::Values));
    found
}

/// The places that two axes share, as positions on the old and on the new one.
pub fn pairs(old: &Axis, new: &Axis) -> Vec<(usize, usize)> {
    if old.coords == new.coords {
        return (0..old.len()).map(|i| (i, i)).collect();
    }
    (0..old.len()).filter_map(|i| Some((i, new.coords.position(&old.coords.label(i))?))).collect()
}

/// `step: added 5, 6; removed 1`.
pub fn came_and_went(old: &Axis, new: &Axis, common: &[(usize, usize)]) -> Option<String> {
    let kept: HashSet<usize> = common.iter().map(|(i, _)| *i).collect();
    let there: HashSet<usize> = common.iter().map(|(_, j)| *j).collect();
    let list = |word: &str, axis: &Axis, known: &HashSet<usize>| {
        let others: Vec<String> =
            (0..axis.len()).filter(|i| !known.contains(i)).map(|i| axis.coords.label(i)).collect();
        let shown = others.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        match others.len() {
            0 => None,
            n if n > NAMED => Some(format!("{word} {shown} and {} more", n - NAMED)),
            _ => Some(format!("{word} {shown}")),
        }
    };
    let parts: Vec<String> = [list("added", new, &there), list("removed", old, &kept)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{}: {}", old.name, parts.join("; ")))
}

fn values(old: &Array, new: &Array, common: &[Vec<(usize, usize)>]) -> Option<Values> {
    let total: usize = common.iter().map(Vec::len).product();
    let mut found: Option<Values> = None;
    let (mut i, mut j) = (vec![0; common.len()], vec![0; common.len()]);
    for place in 0..total {
        let mut rest = place;
        for (dim, pairs) in common.iter().enumerate().rev() {
            (i[dim], j[dim]) = pairs[rest % pairs.len()];
            rest /= pairs.len();
        }
        let (Some(&a), Some(&b)) = (old.data.get(i.as_slice()), new.data.get(j.as_slice())) else { continue };
        if a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan() {
            continue;
        }
        let value = || {
            let axes = old.axes.iter().zip(&i).map(|(axis, i)| format!("{}={}", axis.name, axis.coords.label(*i)));
            Value { place: axes.collect::<Vec<_>>().join(" "), old: a, new: b }
        };
        let found = found.get_or_insert_with(|| Values { total, changed: 0, largest: value(), listed: Vec::new() });
        found.changed += 1;
        if found.listed.len() < LISTED {
            found.listed.push(value());
        }
        if (Value { place: String::new(), old: a, new: b }).distance() > found.largest.distance() {
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

    fn told(old: &Dataset, new: &Dataset) -> Vec<String> {
        compare(old, new).iter().map(Difference::words).collect()
    }

    #[test]
    fn equal_datasets_do_not_differ() {
        let one = dataset(&[1.0, 2.0], &[f64::NAN, 0.25]);
        assert_eq!(told(&one, &one.clone()), [""; 0]);
    }

    #[test]
    fn the_largest_difference_is_told_with_its_place() {
        let (old, mut new) =
            (dataset(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), dataset(&[1.0, 2.0, 3.0], &[1.0, 2.5, 3.125]));
        assert_eq!(told(&old, &new), ["loss: 2 of 3 values differ, by at most 5.00e-1 (step=2: 2 -> 2.5)"]);
        new.arrays.insert("best".into(), Array::scalar(0.25));
        assert_eq!(told(&old, &new)[0], "best: 0.5 -> 0.25");
    }

    #[test]
    fn places_are_found_by_their_coordinates() {
        let (old, new) = (dataset(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), dataset(&[3.0, 2.0, 4.0], &[3.0, 2.25, 9.0]));
        assert_eq!(
            told(&old, &new),
            ["loss: step: added 4; removed 1", "loss: 1 of 2 values differ, by at most 2.50e-1 (step=2: 2 -> 2.25)"]
        );
    }

    #[test]
    fn arrays_and_axes_that_came_and_went_are_told() {
        let old = dataset(&[1.0], &[1.0]);
        let new = Dataset::default().with("loss", Array::scalar(1.0)).with("other", Array::scalar(1.0));
        assert_eq!(told(&old, &new), ["best: is no more", "loss: had step, has no axes", "other: is new"]);
    }

    #[test]
    fn the_differences_of_several_units_are_told_of_an_array_once() {
        let (one, two) = (Dataset::default().with("loss", Array::scalar(1.0)), Dataset::default());
        let differ = |new: f64| compare(&one, &two.clone().with("loss", Array::scalar(new)));
        let mut all = Vec::new();
        [("run=1", 1.5), ("run=2", 3.0), ("run=3", 1.0)]
            .into_iter()
            .for_each(|(unit, new)| join(&mut all, unit, differ(new)));
        let words: Vec<String> = all.iter().map(Difference::words).collect();
        assert_eq!(words, ["loss: 2 of 2 values differ, by at most 2.00e0 (run=2: 1 -> 3)"]);
    }
}
