//! Dimensionality of a feature in an expert: the share of a dimension that it has exclusively (Elhage et al. 2022; C2).

use super::{Compute, TrainedModel, model::dot};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Dimensionality of every feature, and of whole experts.
    pub struct Dimensionality {
        /// Round to this many decimals; the published code rounds to 3.
        pub decimals: Option<u32> = None,
        /// Two features with cosine within this of -1 are an antipodal pair.
        pub antipodal: f64 = 0.1,
    }
}

/// `D_i = |W_i|^2 / sum_j (What_i . W_j)^2`, j = i included; NaN for an exactly zero vector.
pub fn dimensionality(model: &TrainedModel, expert: usize, feature: usize) -> f64 {
    let row = model.row(expert, feature);
    let squared = dot(row, row);
    let sum: f64 = (0..model.features).map(|j| (dot(row, model.row(expert, j)) / squared.sqrt()).powi(2)).sum();
    squared / sum
}

/// Rounded to decimals, half away from zero.
pub fn round_to(value: f64, decimals: Option<u32>) -> f64 {
    match decimals {
        Some(decimals) => {
            let scale = (0..decimals).fold(1.0, |scale, _| scale * 10.0);
            (value * scale).round() / scale
        }
        None => value,
    }
}

impl Compute for Dimensionality {
    fn outputs(&self) -> &'static [&'static str] {
        &["dimensionality", "dimensions-per-feature", "antipodal-pairs"]
    }

    /// `dimensionality` D_i \[expert, feature\]; `dimensions-per-feature` D* = m / |W|_F^2 \[expert\]; `antipodal-pairs` \[expert\].
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let frobenius = |e: usize| (0..model.features).map(|i| model.norm(e, i).powi(2)).sum::<f64>();
        let cosine = |e: usize, i: usize, j: usize| {
            dot(model.row(e, i), model.row(e, j)) / (model.norm(e, i) * model.norm(e, j))
        };
        let pairs = |e: usize| {
            let all = (0..model.features).flat_map(|i| (0..i).map(move |j| (i, j)));
            all.filter(|&(i, j)| (cosine(e, i, j) + 1.0).abs() < self.antipodal).count() as f64
        };
        let per_expert =
            |value: &dyn Fn(usize) -> f64| Array::f64(model.expert_axis(), (0..model.experts).map(value).collect());
        Ok(Dataset::default()
            .with("dimensionality", model.map_features(|e, i| round_to(dimensionality(&model, e, i), self.decimals))?)
            .with("dimensions-per-feature", per_expert(&|e| model.hidden as f64 / frobenius(e))?)
            .with("antipodal-pairs", per_expert(&pairs)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    fn compute(rows: &[&[f64]]) -> Vec<f64> {
        let settings = Dimensionality { decimals: Some(3), antipodal: 0.1 };
        settings.compute(&sample(&[rows])).unwrap().get("dimensionality").unwrap().values()
    }

    #[test]
    fn known_arrangements_have_their_known_dimensionality() {
        assert_eq!(compute(&[&[1., 0., 0.], &[0., 1., 0.], &[0., 0., 1.]]), [1.0, 1.0, 1.0]);
        assert_eq!(compute(&[&[1., 0., 0.], &[-1., 0., 0.], &[0., 1., 0.], &[0., -1., 0.]]), [0.5; 4]);
        assert_eq!(compute(&[&[1., 0.], &[-0.8, 0.], &[0., 1.], &[0., -0.7]]), [0.610, 0.390, 0.671, 0.329]);
        let (c, s) = (-0.5, 0.75f64.sqrt());
        assert_eq!(compute(&[&[1., 0.], &[c, s], &[c, -s]]), [0.667; 3]);
        assert!(compute(&[&[1., 0.], &[0., 0.]])[1].is_nan());
    }

    #[test]
    fn two_antipodal_pairs_in_three_dimensions() {
        let rows: &[&[f64]] = &[&[1., 0., 0.], &[-1., 0., 0.], &[0., 1., 0.], &[0., -1., 0.]];
        let data = Dimensionality { decimals: None, antipodal: 0.1 }.compute(&sample(&[rows])).unwrap();
        assert_eq!(data.get("dimensions-per-feature").unwrap().values(), [0.75]);
        assert_eq!(data.get("antipodal-pairs").unwrap().values(), [2.0]);
    }
}
