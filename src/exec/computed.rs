//! Values of axes that a stage makes for others, read from its result.

use crate::error::{Error, Result};
use crate::graph::KnownValues;
use crate::plan::{self, Context, UnitState};
use crate::spec::suggest;
use crate::stages::{self, ComputedValues};
use crate::value::{Coords, Dataset};
use std::collections::HashSet;
use std::sync::Arc;

use super::content;

/// The values that pending stages of the graph wait for, as far as the results are in the cache. Errors: a result has no such array.
pub fn computed_values(context: Context) -> Result<KnownValues> {
    let graph = context.graph;
    let mut known = KnownValues::new();
    for values in graph.pending.iter().filter_map(|stage| stage.values.as_ref()) {
        let Some(of) = graph.position(&values.of) else { continue };
        let plans = plan::plan(context, &[of])?;
        let Some(plan) = plans.last().filter(|plan| plan.stage == of && plan.resolved.complete()) else { continue };
        let result = |unit: &UnitState| match *unit {
            UnitState::Cached { key, digest } => Some((key, digest)),
            _ => None,
        };
        let read = |result| content::dataset(context, of, result).map(Arc::new);
        let parts = plan.resolved.units.iter().filter_map(result).map(read).collect::<Result<Vec<_>>>()?;
        let dataset = stages::stack(&graph.layouts[of], &parts);
        known.insert((values.of.value.clone(), values.array.value.clone()), coords(values, &dataset)?);
    }
    Ok(known)
}

/// The distinct values of an array in the order of their first appearance, or the coordinates of an axis.
fn coords(values: &ComputedValues, dataset: &Dataset) -> Result<Coords> {
    if let Some(array) = dataset.get(&values.array) {
        let mut seen = HashSet::new();
        let mut numbers = array.values();
        if let Some(nan) = numbers.iter().find(|number| !number.is_finite()) {
            let message = format!(
                "`{}` of `{}` holds {nan}, which cannot be a value of an axis",
                values.array.value, values.of.value
            );
            return Err(Error::user(message).at(values.array.span));
        }
        numbers.retain(|number| seen.insert((number + 0.0).to_bits()));
        return Ok(Coords::Numbers(numbers));
    }
    let mut axes = dataset.arrays.values().flat_map(|array| &array.axes);
    if let Some(axis) = axes.find(|axis| axis.name == values.array.value) {
        return Ok(match &axis.coords {
            Coords::Index(length) => Coords::Numbers((0..*length).map(|at| at as f64).collect()),
            coords => coords.clone(),
        });
    }
    let known: Vec<&str> = dataset.arrays.keys().map(String::as_str).collect();
    let error = Error::user(format!("`{}` has no array or axis `{}`", values.of.value, values.array.value));
    let error = error.at(values.array.span).hint(suggest(&values.array, &known));
    Err(dataset.explain(&values.array, error))
}
