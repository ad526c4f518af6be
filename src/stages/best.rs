//! Best of several runs: select the model with the smallest value of an array, and report the best, median and worst value.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::metrics::{Compute, EvaluationLoss};
use crate::spec::{Decode, Located, Node, Problems, suggest};
use crate::value::{Array, Axis, Dataset};

crate::record! {
    /// Which of several runs is selected.
    pub struct Best with canonical {
        /// The array whose smallest value wins; the first run wins a tie. `evaluation-loss` compares all runs on the same fresh inputs;
        /// `loss` is that of each run's own last batch.
        pub by: String = "loss".to_string(),
        /// The axis of the runs.
        pub over: Located<String>,
        /// With `by: evaluation-loss`: the number of fresh inputs, 65536 by default.
        pub samples: Option<u32> = None,
        /// With `by: evaluation-loss`: the seed of the inputs, 0 by default.
        pub seed: Option<u64> = None,
    }
}

/// The value of `by` that is computed here instead of read.
const EVALUATION: &str = "evaluation-loss";

/// The manifest contains the settings of the evaluation only where a loss is evaluated.
fn canonical(best: &Best, map: &mut Map<String, Json>) {
    match best.evaluation() {
        Some(evaluation) => {
            map.insert("samples".into(), evaluation.samples.manifest());
            map.insert("seed".into(), evaluation.seed.manifest());
            map.insert("version".into(), evaluation.version().manifest());
        }
        None => map.retain(|name, _| name == "by" || name == "over"),
    }
}

impl Best {
    /// The evaluation, if `by` is `evaluation-loss`.
    fn evaluation(&self) -> Option<EvaluationLoss> {
        let defaults = EvaluationLoss::default();
        (self.by == EVALUATION).then(|| EvaluationLoss {
            samples: self.samples.unwrap_or(defaults.samples),
            seed: self.seed.unwrap_or(defaults.seed),
        })
    }

    /// Report settings of an evaluation without `by: evaluation-loss`. `node` is the metric's.
    pub fn check_settings(&self, node: &Node, problems: &mut Problems) {
        for (name, given) in [("samples", self.samples.is_some()), ("seed", self.seed.is_some())] {
            if given && self.by != EVALUATION {
                let error = Error::user(format!("`{name}` requires `by: {EVALUATION}`, found `by: {}`", self.by));
                problems.push(error.at(node.deepest(&["best", name]).span));
            }
        }
        if self.samples == Some(0) {
            let error = Error::user("a loss needs at least one sample").at(node.deepest(&["best", "samples"]).span);
            problems.push(error);
        }
    }

    /// Report an axis that the input does not have.
    pub fn check(&self, axes: &[Axis], problems: &mut Problems) {
        if !axes.iter().any(|axis| axis.name == *self.over) {
            let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
            let error = Error::user(format!("there is no axis `{}` to choose from", *self.over)).at(self.over.span);
            problems.push(error.hint(suggest(&self.over, &names)));
        }
    }

    /// The arrays that the selection adds to a result.
    pub fn outputs(&self) -> [String; 3] {
        ["best", "median", "worst"].map(|name| format!("{}-{name}", self.by))
    }

    /// Select the best candidate; adds the best, median and worst value to `result`. NaN is never best.
    pub fn choose(&self, candidates: &[Arc<Dataset>], result: &mut Dataset) -> Result<Option<Arc<Dataset>>> {
        let mut values = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let evaluated = match self.evaluation() {
                Some(evaluation) => Some(evaluation.compute(candidate)?),
                None => None,
            };
            let value =
                evaluated.as_ref().unwrap_or(candidate).get(&self.by).and_then(Array::single).ok_or_else(|| {
                    let names: Vec<&str> = candidate.arrays.keys().map(String::as_str).collect();
                    Error::user(format!("`{}` is not a single number for each run", self.by))
                        .at(self.over.span)
                        .hint(suggest(&self.by, &names))
                })?;
            values.push(if value.is_nan() { f64::INFINITY } else { value });
        }
        let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        if let (Some(first), Some(last)) = (sorted.first(), sorted.last()) {
            let n = sorted.len();
            let median = if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) };
            for (name, value) in self.outputs().iter().zip([*first, median, *last]) {
                result.insert(name, Array::scalar(value));
            }
        }
        Ok(best.map(|i| candidates[i].clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_loss_wins_and_a_tie_goes_to_the_first() {
        let run = |loss: f64, name: f64| {
            Arc::new(Dataset::default().with("loss", Array::scalar(loss)).with("id", Array::scalar(name)))
        };
        let over = Located { value: "run".to_string(), span: Default::default() };
        let best = Best { by: "loss".into(), over, samples: None, seed: None };
        let mut result = Dataset::default();
        let runs = [run(f64::NAN, 0.0), run(0.2, 1.0), run(0.1, 2.0), run(0.1, 3.0)];
        let chosen = best.choose(&runs, &mut result).unwrap().unwrap();
        assert_eq!(chosen.get("id").unwrap().single(), Some(2.0));
        assert_eq!(result.get("loss-best").unwrap().single(), Some(0.1));
        assert_eq!(result.get("loss-worst").unwrap().single(), Some(f64::INFINITY));
    }

    /// Neurons with one feature and this weight.
    fn model(weight: f64, loss: f64) -> Arc<Dataset> {
        let axes = vec![Axis::index("hidden", 1), Axis::index("feature", 1)];
        let feature = || vec![Axis::index("feature", 1)];
        let numbers = [("rectified", 1.0), ("signed", 0.0), ("correlated-pairs", 0.0), ("anticorrelated-pairs", 0.0)];
        let mut model = Dataset::default()
            .with("weights", Array::f64(axes, vec![weight]).unwrap())
            .with("bias", Array::f64(feature(), vec![0.0]).unwrap())
            .with("importance", Array::f64(feature(), vec![1.0]).unwrap())
            .with("probability", Array::scalar(0.5))
            .with("loss", Array::scalar(loss));
        numbers.iter().for_each(|(name, value)| model.insert(name, Array::scalar(*value)));
        Arc::new(model)
    }

    #[test]
    fn the_loss_on_fresh_inputs_decides_not_that_of_the_last_batch() {
        let mut problems = Problems::default();
        let node =
            crate::spec::read("{by: evaluation-loss, over: run, samples: 5000, seed: 3}", &mut problems).unwrap();
        let best = Best::decode(&node, &mut problems).unwrap();
        let mut result = Dataset::default();
        // The output is weight^2 x: the second and the last are equal, and the first had a lucky batch.
        let runs = [model(0.5, 0.0), model(0.9, 0.3), model(0.0, 0.1), model(0.9, 0.1)];
        let chosen = best.choose(&runs, &mut result).unwrap().unwrap();
        assert!(Arc::ptr_eq(&chosen, &runs[1]));
        let loss = |name: &str| result.get(&format!("evaluation-loss-{name}")).unwrap().single().unwrap();
        // The mean of p x^2 (1 - weight^2)^2 with p = 1/2 and a mean x^2 of 1/3.
        assert!((loss("best") * 6.0 - 0.19f64.powi(2)).abs() < 0.003, "{}", loss("best") * 6.0);
        assert!((loss("worst") * 6.0 - 1.0).abs() < 0.06, "{}", loss("worst") * 6.0);
        assert!(loss("best") < loss("median") && loss("median") < loss("worst"));
    }

    #[test]
    fn settings_of_an_evaluation_are_in_the_key_only_with_an_evaluation() {
        let manifest = |text: &str| {
            let mut problems = Problems::default();
            let node = crate::spec::read(text, &mut problems).unwrap();
            Best::decode(&node, &mut problems).unwrap().manifest().to_string()
        };
        assert_eq!(manifest("{by: loss, over: run}"), r#"{"by":"loss","over":"run"}"#);
        let evaluated = r#"{"by":"evaluation-loss","over":"run","samples":65536,"seed":0,"version":1}"#;
        assert_eq!(manifest("{by: evaluation-loss, over: run}"), evaluated);
    }
}
