//! Matches the units of two layouts by their coordinates, whatever the order of the axes.

use super::super::datasets::{common_coordinates, describe_coordinates};
use crate::stages::Layout;
use crate::value::Axis;

/// The units that both layouts have, as old and new positions. Added and removed coordinates are appended to `shape`; `None` if the axes differ.
pub fn common_units(old: &Layout, new: &Layout, shape: &mut Vec<String>) -> Option<Vec<(usize, usize)>> {
    let names = |layout: &Layout| {
        let mut names: Vec<&str> = layout.axes.iter().map(|axis| axis.name.as_str()).collect();
        names.sort_unstable();
        if names.is_empty() { "no axes".to_string() } else { names.join(", ") }
    };
    if names(old) != names(new) {
        shape.push(format!("had {}, has {}", names(old), names(new)));
        return None;
    }
    let mut units = vec![(0, 0)];
    let stride = |layout: &Layout, axis: usize| layout.axes[axis + 1..].iter().map(Axis::len).product::<usize>();
    for (at, axis) in new.axes.iter().enumerate() {
        let before = old.axes.iter().position(|other| other.name == axis.name)?;
        let common = common_coordinates(&old.axes[before], axis);
        shape.extend(describe_coordinates(&old.axes[before], axis, &common));
        let (then, now) = (stride(old, before), stride(new, at));
        let along = |(a, b): (usize, usize)| common.iter().map(move |(i, j)| (a + i * then, b + j * now));
        units = units.into_iter().flat_map(along).collect();
    }
    Some(units.into_iter().filter_map(|(a, b)| Some((old.unit_at(a)?, new.unit_at(b)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_matched_by_coordinates_whatever_the_order_of_the_axes() {
        let (p, run) = (Axis::numbers("p", vec![0.1, 0.2, 0.5]), Axis::index("run", 2));
        let old = Layout::new(vec![p, run.clone()]);
        let new = Layout::new(vec![run, Axis::numbers("p", vec![0.5, 0.1, 0.7])]);
        let mut shape = Vec::new();
        let found = common_units(&old, &new, &mut shape).unwrap();
        let labels: Vec<(String, String)> = found.iter().map(|(a, b)| (old.label(*a), new.label(*b))).collect();
        let label = |p: &str, run: usize| (format!("p={p} run={run}"), format!("run={run} p={p}"));
        assert_eq!(labels, [label("0.1", 0), label("0.5", 0), label("0.1", 1), label("0.5", 1)]);
        assert_eq!(shape, ["p: added 0.7; removed 0.2"]);
        assert_eq!(common_units(&old, &Layout::new(Vec::new()), &mut shape), None);
        assert_eq!(shape[1], "had p, run, has no axes");
    }
}
