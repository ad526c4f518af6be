//! Selections by name on the units of an input: which units they choose, and what is left to select inside of units.
//!
//! A name is an axis of the input stage, `stage` where several stages are taken together, or something inside its units: an array, or an
//! axis of arrays.

use super::{Outline, Read};
use crate::error::Error;
use crate::metrics;
use crate::spec::Coordinate;
use crate::spec::{Located, Problems, nearest, suggest};
use crate::value::Axis;

/// The axis along which several stages lie that are taken together.
const STAGES: &str = "stage";

/// Where a name of a selection is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// An axis of the stage: chooses units.
    Axis(usize),
    /// The stage's own name: chooses stages.
    Stage,
    /// An array, or an axis of arrays: chooses entries.
    Inside,
}

impl Place {
    pub fn of(name: &str, input: &Outline) -> Place {
        match input.layout.axes.iter().position(|axis| axis.name == name) {
            Some(dim) => Place::Axis(dim),
            None if name == STAGES => Place::Stage,
            None => Place::Inside,
        }
    }
}

/// The one spelling of a coordinate, so that `1e-1` and `0.1` are the same cell.
pub fn canonical(coordinate: &Coordinate, name: &str, input: &Outline) -> String {
    let text = coordinate.text();
    match Place::of(name, input) {
        Place::Axis(dim) => {
            let coords = input.layout.axes.get(dim).map(|axis| &axis.coords);
            coords.and_then(|c| Some(c.label(c.position(text)?))).unwrap_or_else(|| text.to_string())
        }
        Place::Stage => text.to_string(),
        Place::Inside => text.parse::<f64>().map_or_else(|_| text.to_string(), |number| number.to_string()),
    }
}

/// For a name the coordinates or values that are let through.
pub type Condition<N> = (N, Vec<String>);

/// The units of an input that conditions on its axes let through, and the conditions that are left; `None` if the stage itself is not
/// chosen.
pub fn units(
    position: usize,
    input: &Outline,
    conditions: &[Condition<&str>],
) -> Option<(Read, Vec<Condition<String>>)> {
    let axes = &input.layout.axes;
    // Of each axis the positions that are let through; `None` is all. An axis may be long and most of it not wanted.
    let mut chosen: Vec<Option<Vec<usize>>> = vec![None; axes.len()];
    let mut left = Vec::new();
    for (name, values) in conditions {
        match Place::of(name, input) {
            Place::Axis(dim) => {
                let (Some(axis), Some(chosen)) = (axes.get(dim), chosen.get_mut(dim)) else { continue };
                let mut wanted: Vec<usize> = values.iter().filter_map(|value| axis.coords.position(value)).collect();
                wanted.sort_unstable();
                wanted.dedup();
                match chosen {
                    Some(chosen) => chosen.retain(|position| wanted.binary_search(position).is_ok()),
                    None => *chosen = Some(wanted),
                }
            }
            Place::Stage if values.iter().any(|value| value == input.name) => {}
            Place::Stage => return None,
            Place::Inside => left.push((name.to_string(), values.clone())),
        }
    }
    // The product of the positions, the last axis running fastest.
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
    let units = axes.iter().zip(&chosen).fold(vec![0], grow);
    Some((Read { input: position, units }, left))
}

/// Report an array that a stage is known not to hold.
pub fn check_array(name: &Located<String>, input: &Outline, problems: &mut Problems) {
    let Some(known) = input.stage.arrays() else { return };
    if known.iter().all(|array| *array != name.value) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let error = Error::user(format!("`{}` has no array `{}`", input.name, name.value)).at(name.span);
        problems.push(error.hint(suggest(name, &known)));
    }
}

/// Report a count along an axis of arrays that no array has: nothing says which array's entries are counted.
pub fn check_count(column: &Located<String>, names: &[&Located<String>], input: &Outline, problems: &mut Problems) {
    let Some(known) = input.stage.arrays() else { return };
    let mut inside = names.iter().filter(|name| Place::of(name, input) == Place::Inside);
    if let Some(axis) = inside.clone().next().filter(|_| inside.all(|name| metrics::AXES.contains(&name.as_str())))
        && !known.contains(&axis.value)
    {
        let message = format!("`{}` counts along the axis `{}`, but entries of which array?", column.value, axis.value);
        problems.push(Error::user(message).at(column.span).hint("name it: `{count: true, value: ARRAY}`"));
    }
}

/// Report a name or coordinates that select nothing in a stage. `coordinates` are `None` where every coordinate is asked for, which only
/// an axis of stages can answer before anything runs; `together` are the stages that the input is taken together with.
pub fn check(
    name: &Located<String>,
    coordinates: Option<&[&Coordinate]>,
    input: &Outline,
    together: &[Located<String>],
    problems: &mut Problems,
) {
    let place = Place::of(name, input);
    if let Some(axis) = axis(name, input, together) {
        for coordinate in coordinates.unwrap_or_default() {
            if axis.coords.position(coordinate.text()).is_none() {
                let whose = if place == Place::Stage { String::new() } else { format!(" of `{}`", input.name) };
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
        let axes = input.layout.axes.iter().map(|axis| axis.name.as_str());
        let names: Vec<&str> = axes.chain(arrays.iter().map(String::as_str)).collect();
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
                "the values of `{}` of `{}` are known only when it has run: list those that have rows",
                name.value, input.name
            );
            let hint = format!("write `rows: {{{}: [VALUE, VALUE]}}`", name.value);
            problems.push(Error::user(message).at(name.span).hint(hint));
            return;
        }
        let message = format!("`{}` is no axis of `{}`: list the values that have rows", name.value, input.name);
        problems.push(Error::user(message).at(name.span).hint(example));
        return;
    };
    for coordinate in coordinates.iter().filter(|c| is_array && c.text().parse::<f64>().is_err()) {
        let message =
            format!("`{}` is an array: its values are numbers, and `{}` is none", name.value, coordinate.text());
        problems.push(Error::user(message).at(coordinate.span()));
    }
}

/// The axis of stages that a name stands for, if it stands for one.
pub fn axis(name: &str, input: &Outline, together: &[Located<String>]) -> Option<Axis> {
    match Place::of(name, input) {
        Place::Axis(dim) => input.layout.axes.get(dim).cloned(),
        Place::Stage => Some(Axis::labels(STAGES, together.iter().map(|stage| stage.value.clone()).collect())),
        Place::Inside => None,
    }
}
