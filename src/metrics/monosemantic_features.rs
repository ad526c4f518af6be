//! Features that share their direction with no other feature of the expert (C6).

use super::{Compute, Model};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Features with a polysemanticity below a threshold.
    pub struct MonosemanticFeatures {
        pub threshold: f64 = 0.2,
    }
}

/// The monosemantic features of an expert, ascending: polysemanticity below the threshold, whatever the norm.
pub fn monosemantic(model: &Model, expert: usize, threshold: f64) -> Vec<usize> {
    (0..model.features).filter(|&i| model.polysemanticity(expert, i) < threshold).collect()
}

impl Compute for MonosemanticFeatures {
    fn outputs(&self) -> &'static [&'static str] {
        &["monosemantic-feature", "monosemantic"]
    }

    /// `monosemantic-feature` 0 or 1 \[expert, feature\]; `monosemantic` how many \[expert\].
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = Model::of(model)?;
        let found: Vec<Vec<usize>> = (0..model.experts).map(|e| monosemantic(&model, e, self.threshold)).collect();
        let counts = found.iter().map(|features| features.len() as f64).collect();
        Ok(Dataset::default()
            .with("monosemantic-feature", model.each(|e, i| f64::from(u8::from(found[e].contains(&i))))?)
            .with("monosemantic", Array::f64(model.expert_axis(), counts)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn only_lone_directions_count() {
        let rows: &[&[f64]] = &[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, -1.0, 0.0], &[0.0, 0.0, 1e-9]];
        let data = MonosemanticFeatures { threshold: 0.2 }.compute(&sample(&[rows])).unwrap();
        assert_eq!(data.get("monosemantic-feature").unwrap().values(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(data.get("monosemantic").unwrap().values(), [2.0]);
    }
}
