//! The loss of a trained model on inputs that no training run has seen: the same inputs for every model, so that losses can be compared.

use super::model::transpose;
use super::{Compute, TrainedModel};
use crate::error::{Error, Result};
use crate::train::{Batch, BatchId, InputDistribution, RandomStream, Router};
use crate::value::{Array, Dataset};

crate::record! {
    /// Loss on fresh inputs, drawn as those of the training.
    pub struct EvaluationLoss {
        /// How many inputs.
        pub samples: u32 = 65_536,
        /// Decides the inputs; equal seeds give equal inputs to all models with as many features and the same probability.
        pub seed: u64 = 0,
    }
}

impl Default for EvaluationLoss {
    fn default() -> Self {
        EvaluationLoss { samples: 65_536, seed: 0 }
    }
}

/// Inputs drawn at once: memory does not grow with their number.
const BLOCK: usize = 2048;

impl Compute for EvaluationLoss {
    fn outputs(&self) -> &'static [&'static str] {
        &["evaluation-loss"]
    }

    /// `evaluation-loss`: the mean over inputs and features of I_i (y_i - t_i)^2 with the target t of the model, x or |x|. It is the mean
    /// over features whatever the reduction in training, and has no load-balancing term. ForwardPass passes are in binary64.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        Ok(Dataset::default().with("evaluation-loss", Array::scalar(self.loss(model)?)))
    }
}

impl EvaluationLoss {
    fn loss(&self, dataset: &Dataset) -> Result<f64> {
        let model = TrainedModel::from_dataset(dataset)?;
        let importance = model.array("importance")?.values();
        let n = model.features;
        if self.samples == 0 || importance.len() != n {
            return Err(Error::stage("a loss needs at least one sample, and one importance for each feature"));
        }
        let mut forward = ForwardPass::new(&model)?;
        let distribution = input_distribution(&model)?;
        let mut squared = vec![0.0; n];
        let mut all_zero = 0u32;
        let mut batch = Batch::default();
        let samples = self.samples as usize;
        for (block, from) in (0..samples).step_by(BLOCK).enumerate() {
            let id = BatchId { seed: self.seed, stream: RandomStream::Evaluation, step: block as u32 };
            batch.fill_from(id, BLOCK.min(samples - from), n, distribution);
            for s in 0..batch.samples() {
                let (index, value) = batch.sample(s);
                if index.is_empty() {
                    all_zero += 1;
                    continue;
                }
                forward.add_errors(index, value, 1.0, &mut squared);
            }
        }
        // Inputs without any feature are equal.
        forward.add_errors(&[], &[], f64::from(all_zero), &mut squared);
        let sum: f64 = importance.iter().zip(&squared).map(|(importance, squared)| importance * squared).sum();
        Ok(sum / samples as f64 / n as f64)
    }
}

/// The distribution of the model's inputs.
fn input_distribution(model: &TrainedModel) -> Result<InputDistribution> {
    let plain = InputDistribution { probability: model.probability, ..InputDistribution::default() };
    if !model.layered {
        return Ok(plain);
    }
    Ok(InputDistribution {
        signed: model.number("signed")? != 0.0,
        correlated: model.number("correlated-pairs")? as usize,
        anticorrelated: model.number("anticorrelated-pairs")? as usize,
        ..plain
    })
}

/// One input at a time through the model.
enum ForwardPass {
    Experts {
        router: Router,
        features: usize,
        hidden: usize,
        /// W \[expert, feature, hidden\] and its transpose \[expert, hidden, feature\]; b \[expert, feature\].
        weights: Vec<f64>,
        transposed: Vec<f64>,
        bias: Vec<f64>,
    },
    Layers {
        rectified: bool,
        magnitude: bool,
        hidden: usize,
        /// W \[feature, hidden\], V \[hidden, feature\], b \[feature\].
        first: Vec<f64>,
        second: Vec<f64>,
        bias: Vec<f64>,
    },
}

impl ForwardPass {
    fn new(model: &TrainedModel) -> Result<ForwardPass> {
        let (experts, features, hidden) = (model.experts, model.features, model.hidden);
        let rows = (0..experts).flat_map(|e| (0..features).map(move |i| (e, i)));
        let weights: Vec<f64> = rows.flat_map(|(e, i)| model.row(e, i).iter().copied()).collect();
        let size = features * hidden;
        let transposed = weights.chunks(size.max(1)).flat_map(|w| transpose(w, features, hidden)).collect();
        let bias = model.array("bias")?.values();
        if !model.layered {
            return Ok(ForwardPass::Experts { router: model.router()?, features, hidden, weights, transposed, bias });
        }
        // Only the model with untied weights computes the absolute value.
        let magnitude = model.has("weights-out");
        let second =
            if magnitude { transpose(&model.array("weights-out")?.values(), features, hidden) } else { transposed };
        let rectified = model.number("rectified")? != 0.0;
        Ok(ForwardPass::Layers { rectified, magnitude, hidden, first: weights, second, bias })
    }

    /// Add `weight` times the squared error of every output for an input (present features, values) to `squared`.
    fn add_errors(&mut self, index: &[u32], value: &[f32], weight: f64, squared: &mut [f64]) {
        let n = squared.len();
        let mut output = vec![0.0; n];
        let mut magnitude = false;
        match self {
            ForwardPass::Experts { router, features, hidden, weights, transposed, bias } => {
                let size = *features * *hidden;
                let (active, routing) = router.route(index, value);
                let mut sum = vec![0.0; n];
                for (&e, &a) in active.iter().zip(routing) {
                    sum.copy_from_slice(&bias[e * n..][..n]);
                    let (w, v) = (&weights[e * size..][..size], &transposed[e * size..][..size]);
                    layer(w, v, *hidden, false, (index, value), &mut sum);
                    output.iter_mut().zip(&sum).for_each(|(y, z)| *y += f64::from(a) * z.max(0.0));
                }
            }
            ForwardPass::Layers { rectified, magnitude: is, hidden, first, second, bias } => {
                magnitude = *is;
                output.copy_from_slice(bias);
                layer(first, second, *hidden, *rectified, (index, value), &mut output);
                output.iter_mut().for_each(|y| *y = y.max(0.0));
            }
        }
        for (&i, &x) in index.iter().zip(value) {
            output[i as usize] -= f64::from(if magnitude { x.abs() } else { x });
        }
        squared.iter_mut().zip(&output).for_each(|(squared, error)| *squared += weight * error * error);
    }
}

/// Add V f(W x) to `output`: W is \[feature, hidden\], V is \[hidden, feature\].
fn layer(w: &[f64], v: &[f64], hidden: usize, rectified: bool, (index, value): (&[u32], &[f32]), output: &mut [f64]) {
    let mut h = vec![0.0; hidden];
    for (&i, &x) in index.iter().zip(value) {
        let row = &w[i as usize * hidden..][..hidden];
        h.iter_mut().zip(row).for_each(|(h, w)| *h += f64::from(x) * w);
    }
    let n = output.len();
    for (k, &h) in h.iter().enumerate().filter(|(_, h)| **h > 0.0 || **h < 0.0 && !rectified) {
        output.iter_mut().zip(&v[k * n..][..n]).for_each(|(y, v)| *y += h * v);
    }
}
