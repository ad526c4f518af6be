//! The parameters that a run starts from, the same for all engines.

use crate::models::architecture::Parameter;
use crate::numerics::rng::RandomWords;
use crate::recipe::Recipe;
use crate::settings::init::Initialiser;

/// Streams of random words, so that no two parameters share any.
#[derive(Clone, Copy)]
enum InitStream {
    Weights = 0,
    Bias = 1,
    Gate = 2,
    WeightsOut = 3,
}

/// Initial values in the order of [`Recipe::parameters`].
pub fn initial_parameters(recipe: &Recipe) -> Vec<Vec<f32>> {
    recipe.parameters().iter().map(|parameter| initialise(recipe.seed, parameter)).collect()
}

fn initialise(seed: u64, parameter: &Parameter) -> Vec<f32> {
    let stream = match parameter.name {
        "bias" => InitStream::Bias,
        "gate" => InitStream::Gate,
        "weights-out" => InitStream::WeightsOut,
        _ => InitStream::Weights,
    };
    let lengths: Vec<usize> = parameter.axes.iter().map(|&(_, length)| length).collect();
    let [fan_in, fan_out] = parameter.fans.map(|fan| fan as f64);
    let mut values = vec![0.0; parameter.len()];
    let mut words = RandomWords::new(seed, stream as u32);
    match &parameter.initialiser {
        Initialiser::Zero => {}
        Initialiser::XavierNormal => {
            let deviation = (2.0 / (fan_in + fan_out)).sqrt();
            values.iter_mut().for_each(|value| *value = (deviation * words.normal()) as f32);
        }
        Initialiser::KaimingUniform => {
            let bound = (6.0 / fan_in).sqrt();
            values.iter_mut().for_each(|value| *value = (bound * (2.0 * words.uniform() - 1.0)) as f32);
        }
        Initialiser::Diagonal => {
            // Of a three-dimensional tensor the diagonal is (d, d, d), as in torch's fill_diagonal_.
            let stride = lengths.iter().fold(0, |stride, length| stride * length + 1);
            for d in 0..lengths.iter().copied().min().unwrap_or(0) {
                values[d * stride] = 1.0;
            }
        }
        kind @ (Initialiser::OrderedKHot | Initialiser::RandomKHot) => {
            let &[experts, features] = lengths.as_slice() else { return values };
            let order = match kind {
                Initialiser::RandomKHot => words.permutation(features),
                _ => (0..features).collect(),
            };
            let group = features / experts;
            for (position, feature) in order.into_iter().enumerate() {
                values[(position / group.max(1)).min(experts - 1) * features + feature] = 1.0;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AbsoluteValue, InitSettings, Model, Neurons};

    #[test]
    fn xavier_follows_torchs_fans() {
        let recipe = Recipe::example(100, 10, 10, 1);
        let [weights, bias, gate] = initial_parameters(&recipe).try_into().unwrap();
        assert!((deviation(&weights) - 0.0426).abs() < 0.001);
        assert!((deviation(&bias) - 0.135).abs() < 0.008 && (deviation(&gate) - 0.135).abs() < 0.008);
        assert_ne!(bias, gate);
    }

    fn deviation(v: &[f32]) -> f64 {
        (v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / v.len() as f64).sqrt()
    }

    #[test]
    fn the_number_of_instances_decides_the_scale_of_initial_weights() {
        // 7 x 5 x 10: sqrt(2/120); as one instance sqrt(2/60). Many seeds, because one model has 50 weights.
        let size = |instances| {
            let model = Model::Neurons(Neurons { features: 10, hidden: 5 });
            let init = InitSettings { instances: Some(instances), ..InitSettings::default() };
            let weights = (0..200).flat_map(|seed| {
                let recipe = Recipe { model: model.clone(), init: init.clone(), seed, ..Recipe::example(1, 1, 1, 1) };
                initial_parameters(&recipe).swap_remove(0)
            });
            deviation(&weights.collect::<Vec<f32>>())
        };
        assert!((size(7) - 0.1291).abs() < 0.002 && (size(1) - 0.1826).abs() < 0.003);
    }

    #[test]
    fn kaiming_is_uniform_up_to_its_bound_and_biases_of_neurons_are_zero() {
        let model = Model::AbsoluteValue(AbsoluteValue { features: 100, hidden: 40 });
        let [weights, out, bias] =
            initial_parameters(&Recipe { model, ..Recipe::example(1, 1, 1, 1) }).try_into().unwrap();
        for w in [&weights, &out] {
            let largest = w.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            assert!((0.0385..=0.03873).contains(&largest) && (deviation(w) - 0.03873 / 3f64.sqrt()).abs() < 5e-4);
        }
        assert!(weights != out && bias == [0.0; 100]);
    }

    #[test]
    fn a_diagonal_has_ones_where_all_indices_are_equal() {
        let mut recipe = Recipe::example(3, 2, 2, 1);
        let diagonal = Some(Initialiser::Diagonal);
        recipe.init = InitSettings { weights: diagonal.clone(), bias: diagonal.clone(), ..InitSettings::default() };
        let [weights, bias, _] = initial_parameters(&recipe).try_into().unwrap();
        assert_eq!(weights, [1., 0., 0., 0., 0., 0., 0., 0., 0., 1., 0., 0.]);
        assert_eq!(bias, [1., 0., 0., 0., 1., 0.]);
        recipe.model = Model::Neurons(Neurons { features: 3, hidden: 2 });
        recipe.init.bias = None;
        assert_eq!(initial_parameters(&recipe)[0], [1., 0., 0., 0., 1., 0.]);
    }

    #[test]
    fn a_k_hot_gate_gives_every_feature_to_one_expert() {
        let mut recipe = Recipe::example(20, 5, 4, 1);
        recipe.init.gate = Some(Initialiser::OrderedKHot);
        let ordered = initial_parameters(&recipe).swap_remove(2);
        assert!((0..20).all(|i| ordered[(i / 5) * 20 + i] == 1.0));
        recipe.init.gate = Some(Initialiser::RandomKHot);
        let random = initial_parameters(&recipe).swap_remove(2);
        assert_ne!(ordered, random);
        assert!((0..20).all(|i| (0..4).map(|e| random[e * 20 + i]).sum::<f32>() == 1.0));
        assert!((0..4).all(|e| random[e * 20..(e + 1) * 20].iter().sum::<f32>() == 5.0));
    }
}
