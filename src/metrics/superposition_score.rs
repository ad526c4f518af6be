//! The score of the phase diagrams (C2, C4), in the published and in the corrected form.

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::Dataset;

crate::record! {
    /// `sum_j (What_i . W_j)^2` for every feature of every expert.
    pub struct SuperpositionScore {
        /// Below this norm a feature scores 0.
        pub least_norm: f64 = 0.0,
    }
}

impl Compute for SuperpositionScore {
    fn outputs(&self) -> &'static [&'static str] {
        &["superposition-score", "superposition-score-corrected", "norm"]
    }

    /// `superposition-score` includes j = i, as published: a lone unit feature scores 1, an antipodal unit pair 2.
    /// `superposition-score-corrected` leaves j = i out: 0 and 1. `norm` |W_i|. All \[expert, feature\].
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let score = |e: usize, i: usize| {
            if model.norm(e, i) > self.least_norm { model.interference(e, i, 0.0, |_| 1.0) } else { 0.0 }
        };
        let own = |e: usize, i: usize| if model.norm(e, i) > self.least_norm { model.norm(e, i).powi(2) } else { 0.0 };
        Ok(Dataset::default()
            .with("superposition-score", model.map_features(|e, i| score(e, i) + own(e, i))?)
            .with("superposition-score-corrected", model.map_features(score)?)
            .with("norm", model.map_features(|e, i| model.norm(e, i))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn the_published_score_counts_the_feature_itself() {
        let data = SuperpositionScore { least_norm: 0.0 }.compute(&sample(&[&[&[1.0], &[-1.0], &[0.0]]])).unwrap();
        assert_eq!(data.get("superposition-score").unwrap().values(), [2.0, 2.0, 0.0]);
        assert_eq!(data.get("superposition-score-corrected").unwrap().values(), [1.0, 1.0, 0.0]);
    }
}
