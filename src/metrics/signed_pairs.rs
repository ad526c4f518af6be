//! Features whose absolute value is computed as ReLU(x) + ReLU(-x), by two neurons of their own.

use super::neurons::monosemanticity;
use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Features with a clean pair of neurons, one for each sign.
    pub struct SignedPairs {
        /// A neuron with a monosemanticity above this serves a single feature.
        pub threshold: f64 = 0.99,
    }
}

impl Compute for SignedPairs {
    fn outputs(&self) -> &'static [&'static str] {
        &["signed-pair", "signed-pairs"]
    }

    /// `signed-pair` \[feature\] is 1 where exactly two monosemantic neurons serve the feature, with weights W1 of opposite sign and positive
    /// weights W2, else 0; `signed-pairs` is the number of these features.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let (into, out) = (model.neurons()?, model.neurons_out()?);
        let pure: Vec<usize> = (0..model.hidden).filter(|&k| monosemanticity(&into[k]) > self.threshold).collect();
        let served = |k: usize| (0..model.features).max_by(|&a, &b| into[k][a].abs().total_cmp(&into[k][b].abs()));
        let is_pair = |i: usize| {
            let of: Vec<usize> = pure.iter().copied().filter(|&k| served(k) == Some(i)).collect();
            matches!(of[..], [a, b] if into[a][i] * into[b][i] < 0.0 && out[a][i] > 0.0 && out[b][i] > 0.0)
        };
        let pairs: Vec<f64> = (0..model.features).map(|i| f64::from(u8::from(is_pair(i)))).collect();
        let count = pairs.iter().sum();
        Ok(Dataset::default()
            .with("signed-pair", Array::f64(vec![model.feature_axis()], pairs)?)
            .with("signed-pairs", Array::scalar(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::layers;
    use super::*;

    #[test]
    fn a_pair_needs_both_signs_and_two_positive_outputs() {
        let of = |into: &[&[f64]], out: &[&[f64]]| {
            SignedPairs { threshold: 0.99 }
                .compute(&layers(into, Some(out)))
                .unwrap()
                .get("signed-pair")
                .unwrap()
                .values()
        };
        let into: &[&[f64]] = &[&[1.0, 0.0], &[-1.0, 0.0], &[0.0, 2.0], &[0.0, -1.5]];
        assert_eq!(of(into, &[&[1.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 0.5, 0.7]]), [1.0, 1.0]);
        assert_eq!(of(into, &[&[1.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 0.5, -0.7]]), [1.0, 0.0]);
        // Two neurons of one sign, and a neuron of two features.
        let into: &[&[f64]] = &[&[1.0, 0.0], &[1.0, 0.0], &[0.0, 2.0], &[1.0, -1.5]];
        assert_eq!(of(into, &[&[1.0; 4], &[1.0; 4]]), [0.0, 0.0]);
    }
}
