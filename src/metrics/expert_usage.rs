//! How often each expert is used: ordinarily, and when its monosemantic features are present (Table 1; C6).

use super::monosemantic_features::monosemantic;
use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::train::{Batch, RandomStream, Router};
use crate::value::{Array, Dataset};

crate::record! {
    /// Share of inputs whose highest score is the expert's, under three conditions.
    pub struct ExpertUsage {
        /// Inputs for each condition.
        pub samples: u32 = 8192,
        /// Chance that a feature is present in these inputs; by default the model's own. The published code used 1.
        pub probability: Option<f64> = None,
        /// Polysemanticity below which a feature is monosemantic.
        pub threshold: f64 = 0.2,
        pub seed: u64 = 0,
    }
}

impl Compute for ExpertUsage {
    fn outputs(&self) -> &'static [&'static str] {
        &["usage-unchanged", "usage-clamped", "usage-only-active", "monosemantic"]
    }

    /// All \[expert\]: `monosemantic` the number c of monosemantic features; `usage-unchanged` on ordinary inputs; `usage-clamped` with
    /// all c features set to 1; `usage-only-active` with nothing but those c features, all of one value drawn from U(0, 1) for each
    /// input. The last two are NaN for an expert without monosemantic features.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let samples = self.samples as usize;
        let batch = model.batch(self.seed, samples, self.probability.unwrap_or(model.probability));
        let mut common = Batch::default();
        common.fill(self.seed, RandomStream::Common, 0, samples, 1, 1.0);
        let mut router = model.router()?;
        let mut unchanged = vec![0.0; model.experts];
        for s in 0..samples {
            let (index, value) = batch.sample(s);
            unchanged[router.top(index, value)] += 1.0 / samples as f64;
        }
        let (mut counts, mut clamped, mut only) = (Vec::new(), Vec::new(), Vec::new());
        for e in 0..model.experts {
            let features: Vec<u32> = monosemantic(&model, e, self.threshold).into_iter().map(|i| i as u32).collect();
            counts.push(features.len() as f64);
            if features.is_empty() {
                clamped.push(f64::NAN);
                only.push(f64::NAN);
                continue;
            }
            let share = |router: &mut Router, input: &mut dyn FnMut(usize) -> (Vec<u32>, Vec<f32>)| {
                let hits = (0..samples).filter(|&s| {
                    let (index, value) = input(s);
                    router.top(&index, &value) == e
                });
                hits.count() as f64 / samples as f64
            };
            clamped.push(share(&mut router, &mut |s| clamp(batch.sample(s), &features)));
            only.push(share(&mut router, &mut |s| {
                let value = common.sample(s).1.first().copied().unwrap_or(0.0);
                (features.clone(), vec![value; features.len()])
            }));
        }
        let axis = || model.expert_axis();
        Ok(Dataset::default()
            .with("monosemantic", Array::f64(axis(), counts)?)
            .with("usage-unchanged", Array::f64(axis(), unchanged)?)
            .with("usage-clamped", Array::f64(axis(), clamped)?)
            .with("usage-only-active", Array::f64(axis(), only)?))
    }
}

/// An input with these features (ascending) set to 1.
fn clamp((index, value): (&[u32], &[f32]), features: &[u32]) -> (Vec<u32>, Vec<f32>) {
    let kept = index.iter().copied().zip(value.iter().copied()).filter(|(i, _)| !features.contains(i));
    let mut all: Vec<(u32, f32)> = kept.chain(features.iter().map(|&i| (i, 1.0))).collect();
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn an_experts_own_feature_alone_selects_it_always() {
        // The sample's gate gives feature i to expert i mod 2.
        let data = sample(&[&[&[1.0, 0.0], &[0.0, 0.0]], &[&[0.0, 0.0], &[0.0, 1.0]]]);
        let usage =
            ExpertUsage { samples: 4000, probability: Some(1.0), threshold: 0.2, seed: 1 }.compute(&data).unwrap();
        let of = |name: &str| usage.get(name).unwrap().values();
        assert!((of("usage-unchanged")[0] - 0.5).abs() < 0.03);
        assert_eq!(of("monosemantic"), [2.0, 2.0]);
        // Both features have a direction of their own in either expert, so both are clamped: a tie, which goes to expert 0.
        assert_eq!(of("usage-clamped"), [1.0, 0.0]);
        assert_eq!(of("usage-only-active"), [1.0, 0.0]);
    }

    #[test]
    fn clamping_keeps_the_other_features() {
        assert_eq!(clamp((&[0, 3], &[0.5, 0.25]), &[2, 3]), (vec![0, 2, 3], vec![0.5, 1.0, 1.0]));
    }
}
