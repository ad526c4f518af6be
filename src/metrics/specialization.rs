//! Each expert's share of the squared norm of a feature (C2).

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::metrics::dimensionality::round_to;
use crate::value::Dataset;

crate::record! {
    /// Share of each feature's squared norm in each expert.
    pub struct Specialization {
        /// Round to this many decimals; the published code rounds to 3.
        pub decimals: Option<u32> = None,
    }
}

/// `S_i^e = |W_i^e|^2 / sum_e' |W_i^e'|^2`.
pub fn specialization(model: &TrainedModel, expert: usize, feature: usize) -> f64 {
    let squared = |e: usize| model.norm(e, feature).powi(2);
    squared(expert) / (0..model.experts).map(squared).sum::<f64>()
}

impl Compute for Specialization {
    fn outputs(&self) -> &'static [&'static str] {
        &["specialization"]
    }

    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let shares = model.map_features(|e, i| round_to(specialization(&model, e, i), self.decimals))?;
        Ok(Dataset::default().with("specialization", shares))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn shares_follow_squared_norms() {
        let data = Specialization { decimals: None }.compute(&sample(&[&[&[1.0], &[0.0]], &[&[2.0], &[1.0]]])).unwrap();
        let shares = data.get("specialization").unwrap().values();
        assert!((shares[0] - 0.2).abs() < 1e-12 && (shares[2] - 0.8).abs() < 1e-12);
        assert_eq!((shares[1], shares[3]), (0.0, 1.0));
    }
}
