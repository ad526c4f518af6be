//! Dimensionality of a feature over all experts, in the variants of the published code (C2).

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::metrics::dimensionality::{dimensionality, round_to};
use crate::metrics::specialization::specialization;
use crate::value::{Array, Dataset};

crate::union! {
    /// What the experts' dimensionalities are weighted with.
    pub enum Weighting {
        /// Share of inputs whose highest score is the expert's.
        "usage" => Usage,
        /// Mean softmax probability of the expert (an older line of the published code).
        "softmax" => Softmax,
        /// The expert's share of the feature's squared norm.
        "specialization" => Specialization,
        /// Share of the inputs with the feature present in which the expert is active; 0 for a feature that is never present.
        "presence" => Presence,
    }
}

crate::record! {
    /// `sum_e w_e D_i^e` for every feature.
    pub struct GlobalDimensionality {
        pub weighting: Weighting = Weighting::Usage,
        /// Inputs drawn for the weights; the published code draws 4096 for usage and 1024 for presence.
        pub samples: u32 = 4096,
        pub seed: u64 = 0,
        /// Round to this many decimals; the published code rounds to 3.
        pub decimals: Option<u32> = None,
        /// Features above it count as represented by the model as a whole.
        pub threshold: f64 = 0.05,
    }
}

impl GlobalDimensionality {
    /// The weight of each expert for each feature, row-major \[expert, feature\].
    fn weights(&self, model: &TrainedModel) -> Result<Vec<f64>> {
        let (experts, n) = (model.experts, model.features);
        if self.weighting == Weighting::Specialization {
            return Ok((0..experts * n).map(|at| specialization(model, at / n, at % n)).collect());
        }
        let mut weights = vec![0.0; experts * n];
        let batch = model.batch(self.seed, self.samples as usize, model.probability);
        let mut router = model.router()?;
        let mut present = vec![0.0; n];
        for s in 0..batch.samples() {
            let (index, value) = batch.sample(s);
            match self.weighting {
                Weighting::Usage => {
                    let top = router.top(index, value);
                    (0..n).for_each(|i| weights[top * n + i] += 1.0 / f64::from(self.samples));
                }
                Weighting::Softmax => {
                    for (e, &q) in router.probabilities(index, value).iter().enumerate() {
                        (0..n).for_each(|i| weights[e * n + i] += f64::from(q) / f64::from(self.samples));
                    }
                }
                _ => {
                    index.iter().for_each(|&i| present[i as usize] += 1.0);
                    for &e in router.route(index, value).0 {
                        index.iter().for_each(|&i| weights[e * n + i as usize] += 1.0);
                    }
                }
            }
        }
        if self.weighting == Weighting::Presence {
            for (at, weight) in weights.iter_mut().enumerate() {
                *weight = if present[at % n] > 0.0 { *weight / present[at % n] } else { 0.0 };
            }
        }
        Ok(weights)
    }
}

impl Compute for GlobalDimensionality {
    fn outputs(&self) -> &'static [&'static str] {
        &["global-dimensionality", "globally-represented-features"]
    }

    /// `global-dimensionality` \[feature\] and `globally-represented-features`, how many of them exceed the threshold. An expert without the
    /// feature (D = NaN) or without weight adds nothing.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let weights = self.weights(&model)?;
        let one = |i: usize| -> f64 {
            let terms = (0..model.experts).map(|e| (weights[e * model.features + i], dimensionality(&model, e, i)));
            round_to(terms.filter(|(w, d)| *w > 0.0 && d.is_finite()).map(|(w, d)| w * d).sum(), self.decimals)
        };
        let values: Vec<f64> = (0..model.features).map(one).collect();
        let represented = values.iter().filter(|value| **value > self.threshold).count();
        Ok(Dataset::default()
            .with("globally-represented-features", Array::scalar(represented as f64))
            .with("global-dimensionality", Array::f64(vec![model.feature_axis()], values)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn weights_of_experts_sum_to_one_and_presence_counts_only_present_features() {
        // Expert 0 is taken by feature 0 alone, expert 1 by feature 1 alone.
        let data = sample(&[&[&[1.0, 0.0], &[0.0, 1.0]], &[&[1.0, 0.0], &[0.0, 1.0]]]);
        let with = |weighting| {
            let metric = GlobalDimensionality { weighting, samples: 2000, seed: 3, decimals: None, threshold: 0.05 };
            metric.compute(&data).unwrap().get("global-dimensionality").unwrap().values()
        };
        for weighting in [Weighting::Usage, Weighting::Softmax, Weighting::Specialization, Weighting::Presence] {
            assert!(with(weighting).iter().all(|d| (d - 1.0).abs() < 1e-6));
        }
    }
}
