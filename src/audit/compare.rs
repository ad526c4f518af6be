//! Two datasets compared array by array, place by place: places are the same where their coordinates are.

use crate::value::{Array, Axis, Dataset};

/// Coordinates that are named in a message.
const NAMED: usize = 5;

/// How one array differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub array: String,
    /// `3 of 201 values differ, by at most 1.2e-7 (step=4: 0.5 -> 0.5000001)`.
    pub words: String,
}

/// Everything in which two datasets differ; nothing if every number is the same, bit for bit.
pub fn compare(old: &Dataset, new: &Dataset) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut tell = |array: &str, words: String| found.push(Difference { array: array.to_string(), words });
    for (name, old) in &old.arrays {
        match new.get(name) {
            None => tell(name, "is no more".into()),
            Some(new) => arrays(old, new).into_iter().for_each(|words| tell(name, words)),
        }
    }
    for name in new.arrays.keys().filter(|name| old.get(name).is_none()) {
        tell(name, "is new".into());
    }
    found
}

fn arrays(old: &Array, new: &Array) -> Vec<String> {
    fn names(array: &Array) -> Vec<&str> {
        array.axes.iter().map(|axis| axis.name.as_str()).collect()
    }
    if names(old) != names(new) {
        let list = |names: Vec<&str>| if names.is_empty() { "no axes".to_string() } else { names.join(", ") };
        return vec![format!("had {}, has {}", list(names(old)), list(names(new)))];
    }
    let mut words = Vec::new();
    // For each axis the places that both have, as positions in the old and in the new array.
    let mut common: Vec<Vec<(usize, usize)>> = Vec::new();
    for (a, b) in old.axes.iter().zip(&new.axes) {
        let pairs: Vec<(usize, usize)> = if a.coords == b.coords {
            (0..a.len()).map(|i| (i, i)).collect()
        } else {
            (0..a.len()).filter_map(|i| Some((i, b.coords.position(&a.coords.label(i))?))).collect()
        };
        words.extend(came_and_went(a, b, &pairs));
        common.push(pairs);
    }
    if old.dtype != new.dtype {
        words.push(format!("was {:?}, is {:?}", old.dtype, new.dtype).to_lowercase());
    }
    words.extend(values(old, new, &common));
    words
}

/// `step: added 5, 6; removed 1`.
fn came_and_went(old: &Axis, new: &Axis, common: &[(usize, usize)]) -> Option<String> {
    let kept: std::collections::HashSet<usize> = common.iter().map(|(i, _)| *i).collect();
    let there: std::collections::HashSet<usize> = common.iter().map(|(_, j)| *j).collect();
    let list = |word: &str, axis: &Axis, known: &std::collections::HashSet<usize>| {
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

fn values(old: &Array, new: &Array, common: &[Vec<(usize, usize)>]) -> Option<String> {
    let total: usize = common.iter().map(Vec::len).product();
    let (mut changed, mut largest, mut at) = (0usize, -1.0f64, None);
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
        changed += 1;
        // A number that became none, or the other way round, is more than any distance.
        let distance = if a.is_nan() || b.is_nan() { f64::INFINITY } else { (a - b).abs() };
        if distance > largest {
            (largest, at) = (distance, Some((i.clone(), a, b)));
        }
    }
    let (position, a, b) = at?;
    let axes = old.axes.iter().zip(&position).map(|(axis, i)| format!("{}={}", axis.name, axis.coords.label(*i)));
    let place = axes.collect::<Vec<_>>().join(" ");
    if total == 1 {
        return Some(format!("{a} -> {b}"));
    }
    let by = if largest.is_finite() { format!(", by at most {largest:.2e}") } else { String::new() };
    Some(format!("{changed} of {total} values differ{by} ({place}: {a} -> {b})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(steps: &[f64], loss: &[f64]) -> Dataset {
        let loss = Array::f64(vec![Axis::numbers("step", steps.to_vec())], loss.to_vec()).unwrap();
        Dataset::default().with("loss", loss).with("best", Array::scalar(0.5))
    }

    fn told(old: &Dataset, new: &Dataset) -> Vec<String> {
        compare(old, new).iter().map(|difference| format!("{}: {}", difference.array, difference.words)).collect()
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
}
