//! Which features a neuron serves, with neurons sorted by how much they serve a single one (Elhage et al. 2022, the privileged basis).

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Weights of neurons, the most monosemantic first.
    pub struct NeuronWeights {
        /// A neuron with a monosemanticity above this is monosemantic.
        pub threshold: f64 = 0.99,
    }
}

/// `max_i |w_i| / sqrt(sum_i w_i^2 + 1e-6)` of a neuron's weights: 1 if it serves one feature, `1/sqrt(n)` if all n alike.
pub fn monosemanticity(weights: &[f64]) -> f64 {
    let largest = weights.iter().fold(0.0f64, |largest, w| largest.max(w.abs()));
    largest / (weights.iter().map(|w| w * w).sum::<f64>() + 1e-6).sqrt()
}

impl Compute for NeuronWeights {
    fn outputs(&self) -> &'static [&'static str] {
        &["neuron-weights", "monosemanticity", "polysemantic", "monosemantic-neurons"]
    }

    /// `neuron-weights` W \[neuron, feature\] and `monosemanticity` \[neuron\], both sorted by monosemanticity, falling, equal ones in their
    /// order in W; `polysemantic` \[neuron\] 0 for monosemantic neurons, else 1; `monosemantic-neurons` their number.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let mut neurons: Vec<(f64, Vec<f64>)> =
            model.neurons()?.into_iter().map(|weights| (monosemanticity(&weights), weights)).collect();
        neurons.sort_by(|a, b| b.0.total_cmp(&a.0));
        let how: Vec<f64> = neurons.iter().map(|neuron| neuron.0).collect();
        let polysemantic: Vec<f64> = how.iter().map(|&how| if how > self.threshold { 0.0 } else { 1.0 }).collect();
        let monosemantic = polysemantic.iter().filter(|&&is| is == 0.0).count();
        let weights = neurons.into_iter().flat_map(|neuron| neuron.1).collect();
        let neuron = || vec![model.neuron_axis()];
        Ok(Dataset::default()
            .with("neuron-weights", Array::f64(vec![model.neuron_axis(), model.feature_axis()], weights)?)
            .with("monosemanticity", Array::f64(neuron(), how)?)
            .with("polysemantic", Array::f64(neuron(), polysemantic)?)
            .with("monosemantic-neurons", Array::scalar(monosemantic as f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::layers;
    use super::*;

    #[test]
    fn neurons_are_sorted_by_their_largest_share() {
        // The second and the last neuron serve one feature each, the first two alike, the third two unequally.
        let data = layers(&[&[1.0, 1.0], &[0.0, -2.0], &[3.0, 1.0], &[0.5, 0.0]], None);
        let data = NeuronWeights { threshold: 0.99 }.compute(&data).unwrap();
        let of = |name: &str| data.get(name).unwrap().values();
        assert_eq!(of("neuron-weights"), [0.0, -2.0, 0.5, 0.0, 3.0, 1.0, 1.0, 1.0]);
        let expected = [1.0, 1.0, 0.9f64.sqrt(), 0.5f64.sqrt()];
        assert!(of("monosemanticity").iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
        assert_eq!((of("polysemantic"), of("monosemantic-neurons")), (vec![0.0, 0.0, 1.0, 1.0], vec![2.0]));
    }

    #[test]
    fn a_mixture_of_experts_has_no_neurons() {
        let error = NeuronWeights { threshold: 0.99 }.compute(&super::super::model::sample(&[&[&[1.0]]])).unwrap_err();
        assert_eq!(error.message, "this metric is of neurons, and a mixture of experts has none");
    }
}
