//! Initial parameters.

use super::rng::Words;
use super::{Initialiser, Recipe, Shape};

/// Streams of random words, so that no two parameters share any.
#[derive(Clone, Copy)]
enum Parameter {
    Weights = 0,
    Bias = 1,
    Gate = 2,
}

/// W \[experts, features, hidden\], b \[experts, features\] and G \[experts, features\].
pub struct Parameters {
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub gate: Vec<f32>,
}

/// The parameters a run begins with.
pub fn parameters(recipe: &Recipe) -> Parameters {
    let shape = recipe.shape();
    let Shape { experts, features, hidden, .. } = shape;
    // torch's fans: of [E, n, m] fan_in = n m, fan_out = E m; of [E, n] fan_in = n, fan_out = E (nn.init._calculate_fan_in_and_fan_out).
    let deep = 2.0 / (hidden * (features + experts)) as f64;
    let flat = 2.0 / (features + experts) as f64;
    let make =
        |how: &Initialiser, parameter, variance, width| fill(how, recipe.seed, parameter, variance, shape, width);
    Parameters {
        weights: make(&recipe.init.weights, Parameter::Weights, deep, hidden),
        bias: make(&recipe.init.bias, Parameter::Bias, flat, 1),
        gate: make(&recipe.init.gate, Parameter::Gate, flat, 1),
    }
}

fn fill(how: &Initialiser, seed: u64, parameter: Parameter, variance: f64, shape: Shape, width: usize) -> Vec<f32> {
    let (experts, features) = (shape.experts, shape.features);
    let mut values = vec![0.0; experts * features * width];
    let mut words = Words::new(seed, parameter as u32);
    match how {
        Initialiser::Zero => {}
        Initialiser::XavierNormal => {
            let deviation = variance.sqrt();
            values.iter_mut().for_each(|value| *value = (deviation * words.normal()) as f32);
        }
        Initialiser::Diagonal => {
            for e in 0..experts.min(features) {
                // Of a three-dimensional tensor the diagonal is (e, e, e), as in torch's fill_diagonal_.
                if width == 1 || e < width {
                    values[(e * features + e) * width + if width == 1 { 0 } else { e }] = 1.0;
                }
            }
        }
        Initialiser::OrderedKHot | Initialiser::RandomKHot => {
            let order = match how {
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

    #[test]
    fn xavier_follows_torchs_fans() {
        let recipe = Recipe::example(100, 10, 10, 1);
        let p = parameters(&recipe);
        let deviation = |v: &[f32]| (v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
        assert!((deviation(&p.weights) - 0.0426).abs() < 0.001);
        assert!((deviation(&p.bias) - 0.135).abs() < 0.008 && (deviation(&p.gate) - 0.135).abs() < 0.008);
        assert_ne!(p.bias, p.gate);
    }

    #[test]
    fn a_k_hot_gate_gives_every_feature_to_one_expert() {
        let mut recipe = Recipe::example(20, 5, 4, 1);
        recipe.init.gate = Initialiser::OrderedKHot;
        let ordered = parameters(&recipe).gate;
        assert!((0..20).all(|i| ordered[(i / 5) * 20 + i] == 1.0));
        recipe.init.gate = Initialiser::RandomKHot;
        let random = parameters(&recipe).gate;
        assert_ne!(ordered, random);
        assert!((0..20).all(|i| (0..4).map(|e| random[e * 20 + i]).sum::<f32>() == 1.0));
        assert!((0..4).all(|e| random[e * 20..(e + 1) * 20].iter().sum::<f32>() == 5.0));
    }
}
