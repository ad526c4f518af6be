//! What a model is trained on: the distribution of inputs and the weight of each feature's error.

use crate::numerics::distribution::InputDistribution;
use crate::numerics::rng::RandomWords;

repro_base::union! {
    /// What a model is trained on.
    pub enum Data {
        /// Features present with one probability, their values uniform on [0, 1).
        "sparse-uniform" => SparseUniform(SparseUniform),
    }
}

repro_base::record! {
    /// Sparse uniform features: either `probability` or `sparsity`.
    pub struct SparseUniformSettings {
        /// Chance that a feature is present, in (0, 1].
        pub probability: Option<f64> = None,
        /// Chance that a feature is absent: 1 - probability.
        pub sparsity: Option<f64> = None,
        /// Weight of each feature's error in the loss: a number for all, a list, or a mapping.
        pub importance: Importance = Importance::default(),
        /// Values uniform on [-1, 1) instead of [0, 1).
        pub signed: bool = false,
        /// Number of correlated pairs: the first pairs of features are present together or not at all; their values are independent.
        pub correlated_pairs: u32 = 0,
        /// Number of anticorrelated pairs: in the next pairs of features the two are never present together; needs a probability of at most 0.5.
        pub anticorrelated_pairs: u32 = 0,
    }
}

/// Features present with one probability, their values uniform.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseUniform {
    /// Chance that a feature is present, in (0, 1].
    pub probability: f64,
    /// Weight of each feature's error in the loss.
    pub importance: Importance,
    /// Values on [-1, 1) instead of [0, 1).
    pub signed: bool,
    /// Features 2i and 2i + 1 are present together, for i below this.
    pub correlated_pairs: u32,
    /// Of the pairs that follow, the two are never present together.
    pub anticorrelated_pairs: u32,
}

repro_base::record! {
    /// Weight of each feature's error: one of `constant`, `powers` and `values`, and maybe another weight for the last feature.
    pub struct ImportanceSettings {
        /// The same weight for every feature.
        pub constant: Option<f64> = None,
        /// Powers of this base: `base^(first + i)` for feature i = 0, 1, ...
        pub powers: Option<f64> = None,
        /// With `powers`: the exponent of feature 0.
        pub first: f64 = 0.0,
        /// With `powers`: deal the powers to the features in a random order decided by this seed.
        pub shuffle: Option<u64> = None,
        /// The weights one by one.
        pub values: Option<Vec<f64>> = None,
        /// Another weight for the last feature.
        pub last: Option<f64> = None,
    }
}

/// Weight of each feature's error in the loss. A number or a list in the paper file is short for `constant` or `values`.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance(pub ImportanceSettings);

impl Default for Importance {
    fn default() -> Self {
        Importance(ImportanceSettings {
            constant: Some(1.0),
            powers: None,
            first: 0.0,
            shuffle: None,
            values: None,
            last: None,
        })
    }
}

impl SparseUniform {
    /// How a batch is drawn.
    pub fn distribution(&self) -> InputDistribution {
        InputDistribution {
            probability: self.probability,
            signed: self.signed,
            correlated: self.correlated_pairs as usize,
            anticorrelated: self.anticorrelated_pairs as usize,
        }
    }
}

impl Importance {
    /// The weights of `n` features.
    pub fn weights(&self, n: usize) -> Vec<f32> {
        let settings = &self.0;
        let mut weights = match (&settings.values, settings.powers) {
            (Some(values), _) => values.iter().map(|&value| value as f32).collect(),
            (None, Some(base)) => powers(base, settings.first, settings.shuffle, n),
            (None, None) => vec![settings.constant.unwrap_or(1.0) as f32; n],
        };
        if let (Some(last), Some(slot)) = (settings.last, weights.last_mut()) {
            *slot = last as f32;
        }
        weights
    }
}

/// `base^(first + i)` by repeated multiplication where the exponent is whole, so that it is the same everywhere.
fn powers(base: f64, first: f64, shuffle: Option<u64>, n: usize) -> Vec<f32> {
    let start = if first.fract() == 0.0 && first.abs() < 1e6 { whole_power(base, first as i64) } else { f64::NAN };
    let mut value = start;
    let mut values = Vec::with_capacity(n);
    for _ in 0..n {
        values.push(value as f32);
        value *= base;
    }
    match shuffle {
        Some(seed) => RandomWords::new(seed, 9).permutation(n).into_iter().map(|i| values[i]).collect(),
        None => values,
    }
}

fn whole_power(base: f64, exponent: i64) -> f64 {
    let power = (0..exponent.unsigned_abs()).fold(1.0, |product, _| product * base);
    if exponent < 0 { 1.0 / power } else { power }
}
