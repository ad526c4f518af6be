//! One training run: the unit that `train` and `sweep` share, so that equal recipes have equal keys wherever they stand.

use serde_json::json;

use super::Unit;
use crate::error::{Error, Result};
use crate::spec::{Decode, Node, Problems};
use crate::train::{self, Control, Recipe};
use crate::value::{Array, Axis, Dataset, encode};

/// The arrays of a training run.
pub const ARRAYS: [&str; 9] =
    ["active", "bias", "gate", "importance", "loss", "loss-history", "probability", "steps-run", "weights"];

/// Describe a training run.
pub fn unit(recipe: &Recipe) -> Unit {
    let mut manifest = json!({"kind": "train", "contract": train::CONTRACT_VERSION});
    // Moved in: `json!` would copy it, and there can be many thousand points.
    manifest["recipe"] = recipe.manifest();
    Unit { manifest, reads: Vec::new(), seconds: recipe.seconds() }
}

/// Train it; the result is the weights, the losses, and what metrics need to know of the recipe.
pub fn run(recipe: &Recipe, control: &dyn Control) -> Result<Option<Vec<u8>>> {
    match train::train(recipe, control)? {
        Some(outcome) => Ok(Some(encode(&dataset(recipe, &outcome)?))),
        None => Ok(None),
    }
}

fn dataset(recipe: &Recipe, outcome: &train::Outcome) -> Result<Dataset> {
    let shape = recipe.shape();
    let expert = || Axis::index("expert", shape.experts);
    let feature = || Axis::index("feature", shape.features);
    let (steps, losses): (Vec<f64>, Vec<f64>) =
        outcome.history.iter().map(|&(step, loss)| (f64::from(step), f64::from(loss))).unzip();
    Ok(Dataset::default()
        .with("weights", Array::f32(vec![expert(), feature(), Axis::index("hidden", shape.hidden)], &outcome.weights)?)
        .with("bias", Array::f32(vec![expert(), feature()], &outcome.bias)?)
        .with("gate", Array::f32(vec![expert(), feature()], &outcome.gate)?)
        .with("loss", Array::scalar(f64::from(outcome.loss)))
        .with("loss-history", Array::f64(vec![Axis::numbers("step", steps)], losses)?)
        .with("steps-run", Array::scalar(f64::from(outcome.steps_run)))
        .with("importance", Array::f32(vec![feature()], &recipe.importance())?)
        .with("probability", Array::scalar(recipe.probability()))
        .with("active", Array::scalar(shape.active as f64)))
}

/// Report what is wrong with a recipe, at the place of the field in the file.
pub fn check(recipe: &Recipe, body: &Node, problems: &mut Problems) {
    for fault in recipe.check() {
        let path: Vec<&str> = fault.field.split('.').collect();
        let mut error = Error::user(fault.message).at(body.deepest(&path).span);
        if let Some(hint) = fault.hint {
            error = error.hint(hint);
        }
        problems.push(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::read;

    #[test]
    fn a_training_run_holds_the_arrays_that_it_promises() {
        let text = "{model: {moe-autoencoder: {features: 2, hidden: 1}}, data: {sparse-uniform: {probability: 0.5}}, batch: 4, steps: 1}";
        let mut problems = Problems::default();
        let node = read(text, &mut problems).unwrap();
        let recipe = Recipe::decode(&node, &mut problems).unwrap();
        let bytes = run(&recipe, &train::Unattended).unwrap().unwrap();
        let names: Vec<String> = super::super::dataset(&bytes).unwrap().arrays.into_keys().collect();
        assert_eq!(names, ARRAYS);
    }
}
