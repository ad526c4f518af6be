//! Norms of features, their interference, and the Gram matrix: the bars and images of Fig 1, 2 and 6.

use super::{Compute, TrainedModel, model::dot};
use crate::error::Result;
use crate::value::{Array, Axis, Dataset};

crate::record! {
    /// Norms, interference and the Gram matrix of every expert.
    pub struct FeatureGeometry {}
}

impl Compute for FeatureGeometry {
    fn outputs(&self) -> &'static [&'static str] {
        &["feature-norm", "polysemanticity", "net-interference", "gram"]
    }

    /// `feature-norm` |W_i|; `polysemanticity` sqrt(sum_{j != i} (Wn_i . W_j)^2); `net-interference` the same sum weighted with the
    /// features' probability, without the root; `gram` W W^T \[expert, feature, feature2\].
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let (e, n) = (model.experts, model.features);
        let axes = model.expert_axis().into_iter().chain([model.feature_axis(), Axis::index("feature2", n)]).collect();
        let triples = (0..e * n * n).map(|at| (at / (n * n), at / n % n, at % n));
        let gram = triples.map(|(e, i, j)| dot(model.row(e, i), model.row(e, j))).collect();
        let p = model.probability;
        Ok(Dataset::default()
            .with("feature-norm", model.map_features(|e, i| model.norm(e, i))?)
            .with("polysemanticity", model.map_features(|e, i| model.polysemanticity(e, i))?)
            .with("net-interference", model.map_features(|e, i| model.interference(e, i, 1e-5, |_| p))?)
            .with("gram", Array::f64(axes, gram)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn an_antipodal_pair_interferes_fully_and_a_lone_feature_not_at_all() {
        let data = FeatureGeometry {}.compute(&sample(&[&[&[1.0, 0.0], &[-1.0, 0.0], &[0.0, 2.0]]])).unwrap();
        assert_eq!(data.get("feature-norm").unwrap().values(), [1.0, 1.0, 2.0]);
        let pol = data.get("polysemanticity").unwrap().values();
        assert!((pol[0] - 1.0).abs() < 1e-4 && (pol[1] - 1.0).abs() < 1e-4 && pol[2] == 0.0);
        assert!((data.get("net-interference").unwrap().values()[0] - 0.5).abs() < 1e-4);
        assert_eq!(data.get("gram").unwrap().values(), [1.0, -1.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 4.0]);
    }
}
