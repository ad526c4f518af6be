//! Which features a model represents.

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Features with a norm above a threshold.
    pub struct RepresentedFeatures {
        pub least_norm: f64 = 0.5,
    }
}

impl Compute for RepresentedFeatures {
    fn outputs(&self) -> &'static [&'static str] {
        &["represented", "represented-features", "represented-features-of-expert"]
    }

    /// `represented` 0 or 1 \[expert, feature\]; `represented-features-of-expert` \[expert\]; `represented-features` of any expert.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let is = |e: usize, i: usize| model.norm(e, i) > self.least_norm;
        let any = (0..model.features).filter(|&i| (0..model.experts).any(|e| is(e, i))).count();
        let counts = (0..model.experts).map(|e| (0..model.features).filter(|&i| is(e, i)).count() as f64).collect();
        Ok(Dataset::default()
            .with("represented", model.map_features(|e, i| f64::from(u8::from(is(e, i))))?)
            .with("represented-features-of-expert", Array::f64(model.expert_axis(), counts)?)
            .with("represented-features", Array::scalar(any as f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn a_feature_of_two_experts_counts_once() {
        let data =
            RepresentedFeatures { least_norm: 0.5 }.compute(&sample(&[&[&[1.0], &[0.1]], &[&[1.0], &[0.9]]])).unwrap();
        assert_eq!(data.get("represented-features").unwrap().single(), Some(2.0));
        assert_eq!(data.get("represented-features-of-expert").unwrap().values(), [1.0, 2.0]);
    }

    #[test]
    fn features_of_two_layers_are_columns_and_have_no_axis_of_experts() {
        let data = super::super::model::layers(&[&[1.0, 0.1, 0.4], &[0.0, 0.2, 0.4]], None);
        let data = RepresentedFeatures { least_norm: 0.5 }.compute(&data).unwrap();
        let represented = data.get("represented").unwrap();
        assert_eq!((represented.axes.len(), represented.values()), (1, vec![1.0, 0.0, 1.0]));
        assert_eq!(data.get("represented-features").unwrap().single(), Some(2.0));
    }
}
