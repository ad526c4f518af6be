//! One training run: the unit of both `train` and `sweep`, so that equal recipes have equal keys.

use serde_json::json;

use super::Unit;
use crate::error::{Error, Result};
use crate::spec::{Decode, Node, Problems, Yaml, choices};
use crate::train::{self, Architecture, Control, Model, Recipe, RecipeManifestText};
use crate::value::{Array, Axis, Dataset, encode};

/// Where the recipe names an unknown model, list the known ones and point to `exec`.
pub fn suggest_models(recipe: &Node, problems: &mut Problems) {
    let Some(model) = recipe.get("model") else { return };
    let (name, span) = match &model.value {
        Yaml::Map(entries) if entries.len() == 1 => (entries[0].0.name.as_str(), entries[0].0.span),
        Yaml::Text(name) => (name.as_str(), model.span),
        _ => return,
    };
    if !Model::NAMES.contains(&name) {
        problems.add_hint(span, &format!("the models are {}", choices(Model::NAMES)));
        problems.add_hint(span, "for any other model, run your own training program in an `exec` stage");
    }
}

/// Arrays of every training run, besides its parameters and [`facts`].
const COMMON: [&str; 5] = ["importance", "loss", "loss-history", "probability", "steps-run"];

/// Names of the arrays in the result of a training run.
pub fn arrays(recipe: &Recipe) -> Vec<String> {
    let parameters = recipe.parameters().into_iter().map(|parameter| parameter.name);
    let facts = facts(recipe).into_iter().map(|(name, _)| name);
    let mut names: Vec<String> = COMMON.into_iter().chain(parameters).chain(facts).map(str::to_string).collect();
    names.sort();
    names
}

/// Numbers that metrics need from a recipe, besides probability and importance.
fn facts(recipe: &Recipe) -> Vec<(&'static str, f64)> {
    let distribution = recipe.distribution();
    match recipe.architecture() {
        Architecture::Mixture(mixture) => vec![("active", mixture.shape.active as f64)],
        Architecture::TwoLayer(layers) => vec![
            ("rectified", f64::from(u8::from(layers.flags.rectified))),
            ("signed", f64::from(u8::from(distribution.signed))),
            ("correlated-pairs", distribution.correlated as f64),
            ("anticorrelated-pairs", distribution.anticorrelated as f64),
        ],
    }
}

/// Describe a training run.
pub fn unit(recipe: &Recipe) -> Unit {
    let mut manifest = json!({"kind": "train", "contract": train::CONTRACT_VERSION});
    // Moved: `json!` would copy it, and there can be many thousand points.
    manifest["recipe"] = recipe.manifest();
    Unit { manifest, reads: Vec::new(), seconds: recipe.seconds() }
}

/// The canonical text of the manifest in [`unit`], and the estimated seconds.
pub fn text(recipe: &Recipe, texts: &mut RecipeManifestText) -> (String, f64) {
    let mut text = format!(r#"{{"contract":{},"kind":"train","recipe":"#, train::CONTRACT_VERSION);
    texts.write(recipe, &mut text);
    text.push('}');
    (text, recipe.seconds())
}

/// Train a model; the result contains the weights, the losses, and the numbers of the recipe that metrics need.
pub fn run(recipe: &Recipe, control: &dyn Control) -> Result<Option<Vec<u8>>> {
    train::train(recipe, control)?.map(|outcome| payload(recipe, &outcome)).transpose()
}

/// Encode the result of a training run.
pub fn payload(recipe: &Recipe, outcome: &train::TrainingResult) -> Result<Vec<u8>> {
    Ok(encode(&dataset(recipe, outcome)?))
}

fn dataset(recipe: &Recipe, outcome: &train::TrainingResult) -> Result<Dataset> {
    let (steps, losses): (Vec<f64>, Vec<f64>) =
        outcome.history.iter().map(|&(step, loss)| (f64::from(step), f64::from(loss))).unzip();
    let mut dataset = Dataset::default();
    for (parameter, values) in recipe.parameters().iter().zip(&outcome.parameters) {
        let axes = parameter.axes.iter().map(|&(name, length)| Axis::index(name, length)).collect();
        dataset.insert(parameter.name, Array::f32(axes, values)?);
    }
    for (name, value) in facts(recipe) {
        dataset.insert(name, Array::scalar(value));
    }
    let features = vec![Axis::index("feature", recipe.shape().features)];
    Ok(dataset
        .with("loss", Array::scalar(f64::from(outcome.loss)))
        .with("loss-history", Array::f64(vec![Axis::numbers("step", steps)], losses)?)
        .with("steps-run", Array::scalar(f64::from(outcome.steps_run)))
        .with("importance", Array::f32(features, &recipe.importance())?)
        .with("probability", Array::scalar(recipe.probability())))
}

/// Report the errors of a recipe at the locations of its fields.
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
    use crate::metrics::{self, Compute};
    use crate::spec::read;

    /// A recipe of four features, two of which come in a pair where the model allows it.
    fn recipe(model: &str, more: &str) -> Recipe {
        let text = format!(
            "{{model: {{{model}}}, data: {{sparse-uniform: {{probability: 0.4, importance: {{powers: 0.7}}{more}}}}}, \
             batch: 64, steps: 40, optimizer: {{adam: {{lr: 0.02}}}}}}"
        );
        let mut problems = Problems::default();
        let node = read(&text, &mut problems).unwrap();
        Recipe::decode(&node, &mut problems).unwrap()
    }

    #[test]
    fn the_loss_on_fresh_inputs_is_that_of_the_models_definition() {
        let pairs = ", correlated-pairs: 1, anticorrelated-pairs: 1";
        for (model, more) in [
            ("moe-autoencoder: {features: 4, hidden: 2}", ""),
            ("moe-autoencoder: {features: 4, hidden: 2, experts: 3, active: 2}", ""),
            ("linear-bottleneck: {features: 4, hidden: 2}", pairs),
            ("neurons: {features: 4, hidden: 3}", ""),
            ("absolute-value: {features: 4, hidden: 5}", ", signed: true"),
        ] {
            let recipe = recipe(model, more);
            let outcome = train::train(&recipe, &train::Unattended).unwrap().unwrap();
            // More than two blocks of inputs.
            let settings = metrics::EvaluationLoss { samples: 5000, seed: 8 };
            let found = settings.compute(&dataset(&recipe, &outcome).unwrap()).unwrap();
            let found = found.get("evaluation-loss").unwrap().single().unwrap();
            let theta: Vec<f64> = outcome.parameters.iter().flatten().map(|&value| f64::from(value)).collect();
            let mut inputs = Vec::new();
            for (block, samples) in [2048, 2048, 904].into_iter().enumerate() {
                let mut batch = train::Batch::default();
                let id = train::BatchId { seed: 8, stream: train::RandomStream::Evaluation, step: block as u32 };
                batch.fill_from(id, samples, 4, recipe.distribution());
                for s in 0..samples {
                    let mut x = vec![0.0; 4];
                    let (index, value) = batch.sample(s);
                    index.iter().zip(value).for_each(|(&i, &value)| x[i as usize] = f64::from(value));
                    inputs.push(x);
                }
            }
            assert_eq!(inputs.iter().flatten().any(|&x| x < 0.0), more.contains("signed"));
            assert_eq!(inputs.iter().all(|x| (x[0] == 0.0) == (x[1] == 0.0)), more.contains("correlated"));
            let importance = recipe.importance();
            let expected = recipe.model.entry().loss(&theta, &inputs, &importance);
            let expected = expected / 5000.0 / 4.0;
            assert!((found / expected - 1.0).abs() < 1e-6, "{model}: {found} and {expected}");
            assert!((0.3..3.0).contains(&(found / f64::from(outcome.loss))), "{model}: {found}, {}", outcome.loss);
        }
    }

    #[test]
    fn a_training_run_holds_the_arrays_that_it_promises() {
        for model in ["moe-autoencoder", "linear-bottleneck", "neurons", "absolute-value"] {
            let text = format!(
                "{{model: {{{model}: {{features: 2, hidden: 1}}}}, data: {{sparse-uniform: {{probability: 0.5}}}}, batch: 4, steps: 1}}"
            );
            let mut problems = Problems::default();
            let node = read(&text, &mut problems).unwrap();
            let recipe = Recipe::decode(&node, &mut problems).unwrap();
            let bytes = run(&recipe, &train::Unattended).unwrap().unwrap();
            let names: Vec<String> = super::super::dataset(&bytes).unwrap().arrays.into_keys().collect();
            assert_eq!(names, arrays(&recipe));
        }
    }
}
