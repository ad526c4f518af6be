//! Features per hidden dimension, `|W_e|_F^2 / m`, by expert and averaged with the routing weights (Fig 3; C2).

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Features per dimension of each expert and their average.
    pub struct FeaturesPerDimension {
        /// Inputs drawn for the routing weights.
        pub samples: u32 = 1024,
        pub seed: u64 = 0,
    }
}

impl Compute for FeaturesPerDimension {
    fn outputs(&self) -> &'static [&'static str] {
        &[
            "features-per-dimension",
            "features-per-dimension-undivided",
            "features-per-dimension-of-expert",
            "routing-weight",
        ]
    }

    /// `routing-weight` p_e = mean of a_e \[expert\] (sums to 1); `features-per-dimension-of-expert` |W_e|_F^2 / m \[expert\];
    /// `features-per-dimension-undivided` sum_e p_e |W_e|_F^2 / m; `features-per-dimension` the same divided by k, as in the figure:
    /// with k active experts the squared norms grow like k.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let batch = model.batch(self.seed, self.samples as usize, model.probability);
        let mut router = model.router()?;
        let mut weights = vec![0.0; model.experts];
        for s in 0..batch.samples() {
            let (index, value) = batch.sample(s);
            let (active, a) = router.route(index, value);
            active.iter().zip(a).for_each(|(&e, &a)| weights[e] += f64::from(a));
        }
        weights.iter_mut().for_each(|weight| *weight /= f64::from(self.samples));
        let squared = |e: usize| (0..model.features).map(|i| model.norm(e, i).powi(2)).sum::<f64>();
        let each: Vec<f64> = (0..model.experts).map(|e| squared(e) / model.hidden as f64).collect();
        let undivided: f64 = weights.iter().zip(&each).map(|(p, f)| p * f).sum();
        Ok(Dataset::default()
            .with("features-per-dimension", Array::scalar(undivided / model.active as f64))
            .with("features-per-dimension-undivided", Array::scalar(undivided))
            .with("features-per-dimension-of-expert", Array::f64(model.expert_axis(), each)?)
            .with("routing-weight", Array::f64(model.expert_axis(), weights)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn a_dense_model_counts_its_squared_norms() {
        let data =
            FeaturesPerDimension { samples: 100, seed: 0 }.compute(&sample(&[&[&[1.0], &[-1.0], &[1.0]]])).unwrap();
        assert_eq!(data.get("features-per-dimension").unwrap().single(), Some(3.0));
        assert_eq!(data.get("routing-weight").unwrap().values(), [1.0]);
    }
}
