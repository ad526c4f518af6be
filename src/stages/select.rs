//! Selections by name: which units of an input they select, and which conditions remain to be applied inside units.
//!
//! A name is an axis of the input stage, `stage` where several stages are combined, or something inside its units: an array, or an axis of
//! arrays.

use std::collections::HashSet;

use super::{Outline, Read};
use crate::error::Error;
use crate::metrics;
use crate::spec::Coordinate;
use crate::spec::{Located, Problems, nearest, suggest};
use crate::value::Axis;

/// The name of the axis of combined stages.
const STAGES: &str = "stage";

/// What a name in a selection refers to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SelectionTarget {
    /// An axis of the stage, or values along one: selects units.
    Points,
    /// The stage's own name: selects stages.
    Stage,
    /// An array, or an axis of arrays: selects entries.
    Inside,
}

impl SelectionTarget {
    pub fn find(name: &str, input: &Outline) -> SelectionTarget {
        match input.layout.coords(name) {
            Some(_) => SelectionTarget::Points,
            None if name == STAGES => SelectionTarget::Stage,
            None => SelectionTarget::Inside,
        }
    }
}

/// The canonical text of a coordinate, so that `1e-1` and `0.1` are the same cell.
pub fn canonical(coordinate: &Coordinate, name: &str, input: &Outline) -> String {
    let text = coordinate.text();
    match SelectionTarget::find(name, input) {
        SelectionTarget::Points => {
            let coords = input.layout.coords(name).map(|(_, coords)| coords);
            coords.and_then(|c| Some(c.label(c.position(text)?))).unwrap_or_else(|| text.to_string())
        }
        SelectionTarget::Stage => text.to_string(),
        SelectionTarget::Inside => text.parse::<f64>().map_or_else(|_| text.to_string(), |number| number.to_string()),
    }
}

/// A name, and the coordinates or values that it may have.
pub type Condition<N> = (N, Vec<String>);

/// The units of an input that meet the conditions on its axes, and the remaining conditions; `None` if the stage itself is not selected.
pub fn units(
    position: usize,
    input: &Outline,
    conditions: &[Condition<&str>],
) -> Option<(Read, Vec<Condition<String>>)> {
    let axes = &input.layout.axes;
    // The selected positions of each axis; `None` is all. An axis may be long and only a small part of it selected.
    let mut chosen: Vec<Option<Vec<usize>>> = vec![None; axes.len()];
    let mut left = Vec::new();
    for (name, values) in conditions {
        match SelectionTarget::find(name, input) {
            SelectionTarget::Points => {
                let Some((dim, coords)) = input.layout.coords(name) else { continue };
                let chosen = &mut chosen[dim];
                let mut wanted: Vec<usize> = if axes[dim].name == **name {
                    values.iter().filter_map(|value| coords.position(value)).collect()
                } else {
                    // Values along an axis may repeat.
                    let is = |at: &usize| values.iter().any(|value| coords.is_at(*at, value));
                    (0..coords.len()).filter(is).collect()
                };
                wanted.sort_unstable();
                wanted.dedup();
                match chosen {
                    Some(chosen) => chosen.retain(|position| wanted.binary_search(position).is_ok()),
                    None => *chosen = Some(wanted),
                }
            }
            SelectionTarget::Stage if values.iter().any(|value| value == input.name) => {}
            SelectionTarget::Stage => return None,
            SelectionTarget::Inside => left.push((name.to_string(), values.clone())),
        }
    }
    // The product of the positions, the last axis varying fastest.
    let grow = |units: Vec<usize>, (axis, positions): (&Axis, &Option<Vec<usize>>)| -> Vec<usize> {
        let below = |unit: usize| -> Vec<usize> {
            let first = unit * axis.len();
            match positions {
                Some(positions) => positions.iter().map(|position| first + position).collect(),
                None => (first..first + axis.len()).collect(),
            }
        };
        units.into_iter().flat_map(below).collect()
    };
    let grid = axes.iter().zip(&chosen).fold(vec![0], grow);
    let units = grid.into_iter().filter_map(|at| input.layout.unit_at(at)).collect();
    Some((Read { input: position, units, points: None }, left))
}

/// Report an array that a stage does not have.
pub fn check_array(name: &Located<String>, input: &Outline, problems: &mut Problems) {
    let Some(known) = input.stage.arrays() else { return };
    if known.iter().all(|array| *array != name.value) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let error = Error::user(format!("`{}` has no array `{}`", input.name, name.value)).at(name.span);
        problems.push(error.hint(suggest(name, &known)));
    }
}

/// Report a count along an axis of arrays without naming the array whose entries are counted.
pub fn check_count(column: &Located<String>, names: &[&Located<String>], input: &Outline, problems: &mut Problems) {
    let Some(known) = input.stage.arrays() else { return };
    let mut inside = names.iter().filter(|name| SelectionTarget::find(name, input) == SelectionTarget::Inside);
    if let Some(axis) = inside.clone().next().filter(|_| inside.all(|name| metrics::AXES.contains(&name.as_str())))
        && !known.contains(&axis.value)
    {
        let message = format!("`{}` counts along the axis `{}`, but entries of which array?", column.value, axis.value);
        problems.push(Error::user(message).at(column.span).hint("name it: `{count: true, value: ARRAY}`"));
    }
}

/// Report a name or coordinates that select nothing in a stage. `coordinates` is `None` for all coordinates, which are only known for an
/// axis of stages before anything runs; `together` are the stages that the input is combined with.
pub fn check(
    name: &Located<String>,
    coordinates: Option<&[&Coordinate]>,
    input: &Outline,
    together: &[Located<String>],
    problems: &mut Problems,
) {
    let target = SelectionTarget::find(name, input);
    if let Some(axis) = axis(name, input, together) {
        for coordinate in coordinates.unwrap_or_default() {
            if axis.coords.position(coordinate.text()).is_none() {
                let whose =
                    if target == SelectionTarget::Stage { String::new() } else { format!(" of `{}`", input.name) };
                let message = format!("axis `{}`{whose} has no `{}`", name.value, coordinate.text());
                problems.push(Error::user(message).at(coordinate.span()).hint(axis.coords.offer(coordinate.text())));
            }
        }
        return;
    }
    let known = input.stage.arrays();
    let is_array = known.as_ref().is_some_and(|arrays| arrays.contains(&name.value));
    if let Some(arrays) = &known
        && !is_array
        && !metrics::AXES.contains(&name.as_str())
    {
        let names: Vec<&str> = input.layout.names().chain(arrays.iter().map(String::as_str)).collect();
        let hint = match nearest(name, metrics::AXES) {
            Some(near) if nearest(name, names.iter().copied()).is_none() => format!("did you mean `{near}`?"),
            _ => suggest(name, &names),
        };
        let error = Error::user(format!("`{}` has no axis or array `{}`", input.name, name.value)).at(name.span);
        problems.push(error.hint(hint));
        return;
    }
    let Some(coordinates) = coordinates else {
        let example = format!("for example `{}: [0, 1]`", name.value);
        if input.stage.declares_axis(name) {
            let message = format!(
                "the values of `{}` of `{}` are known only after it has run: list the values that get rows",
                name.value, input.name
            );
            let hint = format!("write `rows: {{{}: [VALUE, VALUE]}}`", name.value);
            problems.push(Error::user(message).at(name.span).hint(hint));
            return;
        }
        let message = format!("`{}` is not an axis of `{}`: list the values that get rows", name.value, input.name);
        problems.push(Error::user(message).at(name.span).hint(example));
        return;
    };
    for coordinate in coordinates.iter().filter(|c| is_array && c.text().parse::<f64>().is_err()) {
        let message = format!("`{}` is an array of numbers, and `{}` is not a number", name.value, coordinate.text());
        problems.push(Error::user(message).at(coordinate.span()));
    }
}

/// The axis of stages with this name, if there is one.
pub fn axis(name: &str, input: &Outline, together: &[Located<String>]) -> Option<Axis> {
    match SelectionTarget::find(name, input) {
        SelectionTarget::Points => {
            let (dim, coords) = input.layout.coords(name)?;
            if input.layout.axes[dim].name == name {
                return input.layout.axes.get(dim).cloned();
            }
            let mut seen = HashSet::new();
            let first: Vec<usize> = (0..coords.len()).filter(|&at| seen.insert(coords.label(at))).collect();
            Some(Axis { name: name.to_string(), coords: coords.only(&first) })
        }
        SelectionTarget::Stage => {
            Some(Axis::labels(STAGES, together.iter().map(|stage| stage.value.clone()).collect()))
        }
        SelectionTarget::Inside => None,
    }
}
