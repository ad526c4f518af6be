//! The distribution of inputs: sparse uniform features as in `draws.rs` (item 1 of the contract), which may be signed or come in correlated
//! or anticorrelated pairs (item 9).

use super::draws::{BLOCK, BatchId, InputRows, PresenceThreshold, draw_words};
use super::simd::{Level, Simd, SimdKernel, dispatch};

/// How the inputs of a batch are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InputDistribution {
    /// Chance that a feature is present.
    pub probability: f64,
    /// Values on [-1, 1) instead of [0, 1).
    pub signed: bool,
    /// The first `correlated` pairs of features are present together or not at all.
    pub correlated: usize,
    /// Of the `anticorrelated` pairs that follow, the two are never present together.
    pub anticorrelated: usize,
}

impl InputDistribution {
    fn threshold(&self, step: u32) -> PresenceThreshold {
        let threshold = PresenceThreshold::new(self.probability, step);
        match self.signed && threshold.below > 0.0 {
            true => PresenceThreshold { offset: threshold.scale - 1.0, scale: 2.0 * threshold.scale, ..threshold },
            false => threshold,
        }
    }

    /// Draw a batch into `rows`. `words` is scratch space.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub unsafe fn fill<V: Simd>(
        &self,
        rows: &mut InputRows,
        words: &mut Vec<u32>,
        id: BatchId,
        samples: usize,
        n: usize,
    ) {
        let threshold = self.threshold(id.step);
        unsafe { rows.fill::<V>(id, threshold, samples, n) };
        if self.correlated + self.anticorrelated == 0 {
            return;
        }
        // The second of each pair is drawn again.
        let draws = if threshold.wide { BLOCK } else { 2 * BLOCK };
        let blocks = (samples * n).div_ceil(draws);
        words.resize(blocks * BLOCK, 0);
        unsafe { draw_words::<V>(id, 0, blocks, words.as_mut_ptr()) };
        let draw = |position: usize| match (threshold.wide, position % 2) {
            (true, _) => words[position] >> 8,
            (_, 0) => words[position / 2] & 0xffff,
            _ => words[position / 2] >> 16,
        };
        let bits = if threshold.wide { 24 } else { 16 };
        let unit = 1.0 / (1u32 << bits) as f32;
        let (scale, offset) = if self.signed { (2.0 * unit, unit - 1.0) } else { (unit, 0.5 * unit) };
        for s in 0..samples {
            let row = &mut rows.x[s * rows.stride..][..n];
            for pair in 0..self.correlated + self.anticorrelated {
                let first = draw(s * n + 2 * pair);
                row[2 * pair + 1] = if pair < self.correlated {
                    let own = draw(s * n + 2 * pair + 1) as f32;
                    if (first as f32) < threshold.below { own.mul_add(scale, offset) } else { 0.0 }
                } else {
                    let mirrored = ((1u32 << bits) - 1 - first) as f32;
                    if mirrored < threshold.below { mirrored.mul_add(threshold.scale, threshold.offset) } else { 0.0 }
                };
            }
            rows.any[s] = f32::from(row.iter().any(|&x| x != 0.0));
        }
    }
}

impl InputDistribution {
    /// A batch as rows, drawn with these vector instructions.
    pub fn draw_rows(self, level: Level, id: BatchId, samples: usize, features: usize) -> InputRows {
        dispatch(level, DrawRows { distribution: self, id, samples, features })
    }
}

struct DrawRows {
    distribution: InputDistribution,
    id: BatchId,
    samples: usize,
    features: usize,
}

impl SimdKernel for DrawRows {
    type Output = InputRows;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> InputRows {
        let DrawRows { distribution, id, samples, features } = self;
        let mut rows = InputRows::default();
        unsafe { distribution.fill::<V>(&mut rows, &mut Vec::new(), id, samples, features) };
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::draws::RandomStream;

    fn batch(distribution: InputDistribution, step: u32, n: usize, samples: usize) -> Vec<Vec<f32>> {
        let all = Level::available().into_iter().map(|level| {
            let id = BatchId { seed: 5, stream: RandomStream::Training, step };
            let rows = distribution.draw_rows(level, id, samples, n);
            let x: Vec<Vec<f32>> = (0..samples).map(|s| rows.x[s * rows.stride..][..n].to_vec()).collect();
            assert!(x.iter().zip(rows.any.iter()).all(|(x, &any)| x.iter().any(|&x| x != 0.0) == (any > 0.0)));
            x
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().all(|x| *x == all[0]), "every width draws the same");
        all.into_iter().next().unwrap_or_default()
    }

    fn share(batch: &[Vec<f32>], test: impl Fn(&[f32]) -> bool) -> f64 {
        batch.iter().filter(|x| test(x)).count() as f64 / batch.len() as f64
    }

    /// Mean and variance of the values of a feature where it is present.
    fn moments(batch: &[Vec<f32>], feature: usize) -> (f64, f64) {
        let present: Vec<f64> = batch.iter().map(|x| f64::from(x[feature])).filter(|&x| x != 0.0).collect();
        let mean = present.iter().sum::<f64>() / present.len() as f64;
        (mean, present.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / present.len() as f64)
    }

    #[test]
    fn signed_values_are_uniform_on_both_sides_of_zero() {
        for p in [1.0, 0.3, 0.01] {
            let x =
                batch(InputDistribution { probability: p, signed: true, ..InputDistribution::default() }, 3, 3, 30_000);
            assert!((share(&x, |x| x[1] != 0.0) - p).abs() < 0.01);
            let (mean, variance) = moments(&x, 1);
            let slack = 3.0 / (p * 3e4f64).sqrt();
            assert!(mean.abs() < slack && (variance - 1.0 / 3.0).abs() < slack, "{mean} {variance}");
            assert!(x.iter().flatten().all(|x| (-1.0..=1.0).contains(x)));
        }
    }

    #[test]
    fn correlated_features_are_present_together_with_independent_values() {
        for (p, signed) in [(0.3, false), (0.3, true), (0.01, false)] {
            let distribution = InputDistribution { probability: p, signed, correlated: 2, anticorrelated: 0 };
            let x = batch(distribution, 0, 5, 100_000);
            assert!((share(&x, |x| x[2] != 0.0) - p).abs() < 0.005);
            // A signed value may be exactly zero.
            assert!(share(&x, |x| (x[2] != 0.0) != (x[3] != 0.0)) <= if signed { 1e-4 } else { 0.0 });
            assert!((share(&x, |x| x[0] != 0.0 && x[2] != 0.0) - p * p).abs() < 0.005, "pairs are independent");
            assert!((share(&x, |x| x[0] != 0.0 && x[4] != 0.0) - p * p).abs() < 0.005, "single features too");
            let present: Vec<&Vec<f32>> = x.iter().filter(|x| x[2] != 0.0).collect();
            let mean = |f: &dyn Fn(&[f32]) -> f64| present.iter().map(|x| f(x)).sum::<f64>() / present.len() as f64;
            let (a, b) = (mean(&|x| f64::from(x[2])), mean(&|x| f64::from(x[3])));
            let product = mean(&|x| f64::from(x[2]) * f64::from(x[3]));
            assert!((product - a * b).abs() < 0.012, "values are independent: {product} {a} {b}");
            let (mean, variance) = moments(&x, 3);
            let (m, v) = if signed { (0.0, 1.0 / 3.0) } else { (0.5, 1.0 / 12.0) };
            assert!((mean - m).abs() < 0.03 && (variance - v).abs() < 0.02, "{mean} {variance}");
        }
    }

    #[test]
    fn anticorrelated_features_are_never_present_together() {
        for (p, step) in [(0.5, 0), (0.3, 1), (0.01, 2), (0.499_999, 77)] {
            let x = batch(
                InputDistribution { probability: p, correlated: 1, anticorrelated: 1, ..InputDistribution::default() },
                step,
                4,
                100_000,
            );
            assert_eq!(share(&x, |x| x[2] != 0.0 && x[3] != 0.0), 0.0);
            for feature in [2, 3] {
                assert!((share(&x, |x| x[feature] != 0.0) - p).abs() < 0.006);
                let (mean, variance) = moments(&x, feature);
                assert!((mean - 0.5).abs() < 0.03 && (variance - 1.0 / 12.0).abs() < 0.01, "{mean} {variance}");
            }
        }
    }
}
