//! Features that share their direction with no other feature of the expert (C6).

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Axis, Dataset};

crate::record! {
    /// Features with a polysemanticity below a threshold, and those with the lowest.
    pub struct MonosemanticFeatures {
        pub threshold: f64 = 0.2,
        /// How many of the most monosemantic features of each expert are listed.
        pub most: u32 = 5,
        /// Only features with at least this norm are listed: a short one is orthogonal to others by chance.
        pub norm: f64 = 0.5,
    }
}

/// The monosemantic features of an expert, ascending: polysemanticity below the threshold, whatever the norm.
pub fn monosemantic(model: &TrainedModel, expert: usize, threshold: f64) -> Vec<usize> {
    (0..model.features).filter(|&i| model.polysemanticity(expert, i) < threshold).collect()
}

impl MonosemanticFeatures {
    /// Polysemanticity and number of an expert's features of some length, the lowest first.
    fn ranked(&self, model: &TrainedModel, expert: usize) -> Vec<(f64, usize)> {
        let long = (0..model.features).filter(|&i| model.norm(expert, i) >= self.norm);
        let mut ranked: Vec<(f64, usize)> = long.map(|i| (model.polysemanticity(expert, i), i)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ranked
    }
}

impl Compute for MonosemanticFeatures {
    fn outputs(&self) -> &'static [&'static str] {
        &["monosemantic-feature", "monosemantic", "most-monosemantic-feature", "most-monosemantic-value"]
    }

    /// `monosemantic-feature` 0 or 1 \[expert, feature\]; `monosemantic` how many \[expert\]; `most-monosemantic-feature` the number of the
    /// feature with the lowest polysemanticity, the second lowest, ... and `most-monosemantic-value` this polysemanticity \[expert, rank\],
    /// NaN where an expert has no more features.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let found: Vec<Vec<usize>> = (0..model.experts).map(|e| monosemantic(&model, e, self.threshold)).collect();
        let counts = found.iter().map(|features| features.len() as f64).collect();
        let ranked: Vec<Vec<(f64, usize)>> = (0..model.experts).map(|e| self.ranked(&model, e)).collect();
        let most = self.most as usize;
        let listed = |of: &dyn Fn(&(f64, usize)) -> f64| -> Result<Array> {
            let rows = ranked.iter().flat_map(|row| (0..most).map(|rank| row.get(rank).map_or(f64::NAN, of)));
            Array::f64([model.expert_axis(), vec![Axis::index("rank", most)]].concat(), rows.collect())
        };
        Ok(Dataset::default()
            .with("most-monosemantic-feature", listed(&|(_, i)| *i as f64)?)
            .with("most-monosemantic-value", listed(&|(value, _)| *value)?)
            .with("monosemantic-feature", model.map_features(|e, i| f64::from(u8::from(found[e].contains(&i))))?)
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
        let data = MonosemanticFeatures { threshold: 0.2, most: 2, norm: 0.5 }.compute(&sample(&[rows])).unwrap();
        assert_eq!(data.get("monosemantic-feature").unwrap().values(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(data.get("monosemantic").unwrap().values(), [2.0]);
        // The last feature is orthogonal to all others, and too short to count.
        let most = |name: &str| data.get(name).unwrap().values();
        assert_eq!(most("most-monosemantic-feature"), [0.0, 1.0]);
        assert_eq!(most("most-monosemantic-value")[0], 0.0);
    }
}
