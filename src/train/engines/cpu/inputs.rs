//! Inputs beyond independent features in [0, 1]: signed values and pairs of features (item 9 of the contract). Everything else is drawn as
//! in `draws.rs`.

use super::draws::{BLOCK, Chance, Rows, Source, fill_words};
use super::simd::Simd;
use crate::train::{Data, Recipe};

/// How a batch's inputs are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Law {
    pub probability: f64,
    pub signed: bool,
    /// Pairs of features that are present together, the first features; then pairs that never are.
    pub together: usize,
    pub apart: usize,
}

impl Law {
    pub fn of(recipe: &Recipe) -> Law {
        let Data::SparseUniform(data) = &recipe.data;
        Law {
            probability: data.probability,
            signed: data.signed,
            together: data.correlated_pairs as usize,
            apart: data.anticorrelated_pairs as usize,
        }
    }

    /// What makes a draw a value at a step.
    fn chance(&self, step: u32) -> Chance {
        let chance = Chance::new(self.probability, step);
        match self.signed && chance.below > 0.0 {
            true => Chance { half: chance.scale - 1.0, scale: 2.0 * chance.scale, ..chance },
            false => chance,
        }
    }

    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub unsafe fn fill<V: Simd>(
        &self,
        rows: &mut Rows,
        words: &mut Vec<u32>,
        source: Source,
        samples: usize,
        n: usize,
    ) {
        let chance = self.chance(source.step);
        unsafe { rows.fill::<V>(source, chance, samples, n) };
        if self.together + self.apart == 0 {
            return;
        }
        // The second of each pair is drawn anew.
        let draws = if chance.wide { BLOCK } else { 2 * BLOCK };
        let blocks = (samples * n).div_ceil(draws);
        words.resize(blocks * BLOCK, 0);
        unsafe { fill_words::<V>(source, 0, blocks, words.as_mut_ptr()) };
        let draw = |position: usize| match (chance.wide, position % 2) {
            (true, _) => words[position] >> 8,
            (_, 0) => words[position / 2] & 0xffff,
            _ => words[position / 2] >> 16,
        };
        let bits = if chance.wide { 24 } else { 16 };
        let unit = 1.0 / (1u32 << bits) as f32;
        let (scale, half) = if self.signed { (2.0 * unit, unit - 1.0) } else { (unit, 0.5 * unit) };
        for s in 0..samples {
            let row = &mut rows.x[s * rows.stride..][..n];
            for pair in 0..self.together + self.apart {
                let first = draw(s * n + 2 * pair);
                row[2 * pair + 1] = if pair < self.together {
                    let own = draw(s * n + 2 * pair + 1) as f32;
                    if (first as f32) < chance.below { own.mul_add(scale, half) } else { 0.0 }
                } else {
                    let mirrored = ((1u32 << bits) - 1 - first) as f32;
                    if mirrored < chance.below { mirrored.mul_add(chance.scale, chance.half) } else { 0.0 }
                };
            }
            rows.any[s] = f32::from(row.iter().any(|&x| x != 0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Stream;
    use crate::train::engines::cpu::simd::{Kernel, Level, dispatch};

    struct Fill<'a>(Law, &'a mut Rows, Source, usize, usize);

    impl Kernel for Fill<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<V: Simd>(self) {
            let Fill(law, rows, source, samples, n) = self;
            unsafe { law.fill::<V>(rows, &mut Vec::new(), source, samples, n) };
        }
    }

    fn batch(law: Law, step: u32, n: usize, samples: usize) -> Vec<Vec<f32>> {
        let all = Level::available().into_iter().map(|level| {
            let mut rows = Rows::default();
            dispatch(level, Fill(law, &mut rows, Source { seed: 5, stream: Stream::Training, step }, samples, n));
            let x: Vec<Vec<f32>> = (0..samples).map(|s| rows.x[s * rows.stride..][..n].to_vec()).collect();
            assert!(x.iter().zip(rows.any.iter()).all(|(x, &any)| x.iter().any(|&x| x != 0.0) == (any > 0.0)));
            x
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().all(|x| *x == all[0]), "the same at every width");
        all.into_iter().next().unwrap_or_default()
    }

    fn share(batch: &[Vec<f32>], test: impl Fn(&[f32]) -> bool) -> f64 {
        batch.iter().filter(|x| test(x)).count() as f64 / batch.len() as f64
    }

    /// Mean and variance of what is there.
    fn moments(batch: &[Vec<f32>], feature: usize) -> (f64, f64) {
        let there: Vec<f64> = batch.iter().map(|x| f64::from(x[feature])).filter(|&x| x != 0.0).collect();
        let mean = there.iter().sum::<f64>() / there.len() as f64;
        (mean, there.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / there.len() as f64)
    }

    #[test]
    fn signed_values_are_uniform_on_both_sides_of_zero() {
        for p in [1.0, 0.3, 0.01] {
            let x = batch(Law { probability: p, signed: true, ..Law::default() }, 3, 3, 30_000);
            assert!((share(&x, |x| x[1] != 0.0) - p).abs() < 0.01);
            let (mean, variance) = moments(&x, 1);
            let slack = 3.0 / (p * 3e4f64).sqrt();
            assert!(mean.abs() < slack && (variance - 1.0 / 3.0).abs() < slack, "{mean} {variance}");
            assert!(x.iter().flatten().all(|x| (-1.0..=1.0).contains(x)));
        }
    }

    #[test]
    fn correlated_features_come_together_with_values_of_their_own() {
        for (p, signed) in [(0.3, false), (0.3, true), (0.01, false)] {
            let law = Law { probability: p, signed, together: 2, apart: 0 };
            let x = batch(law, 0, 5, 100_000);
            assert!((share(&x, |x| x[2] != 0.0) - p).abs() < 0.005);
            // A signed value may be exactly zero.
            assert!(share(&x, |x| (x[2] != 0.0) != (x[3] != 0.0)) <= if signed { 1e-4 } else { 0.0 });
            assert!((share(&x, |x| x[0] != 0.0 && x[2] != 0.0) - p * p).abs() < 0.005, "pairs are independent");
            assert!((share(&x, |x| x[0] != 0.0 && x[4] != 0.0) - p * p).abs() < 0.005, "single features too");
            let there: Vec<&Vec<f32>> = x.iter().filter(|x| x[2] != 0.0).collect();
            let mean = |f: &dyn Fn(&[f32]) -> f64| there.iter().map(|x| f(x)).sum::<f64>() / there.len() as f64;
            let (a, b) = (mean(&|x| f64::from(x[2])), mean(&|x| f64::from(x[3])));
            let product = mean(&|x| f64::from(x[2]) * f64::from(x[3]));
            assert!((product - a * b).abs() < 0.012, "values are independent: {product} {a} {b}");
            let (mean, variance) = moments(&x, 3);
            let (m, v) = if signed { (0.0, 1.0 / 3.0) } else { (0.5, 1.0 / 12.0) };
            assert!((mean - m).abs() < 0.03 && (variance - v).abs() < 0.02, "{mean} {variance}");
        }
    }

    #[test]
    fn anticorrelated_features_never_come_together() {
        for (p, step) in [(0.5, 0), (0.3, 1), (0.01, 2), (0.499_999, 77)] {
            let x = batch(Law { probability: p, together: 1, apart: 1, ..Law::default() }, step, 4, 100_000);
            assert_eq!(share(&x, |x| x[2] != 0.0 && x[3] != 0.0), 0.0);
            for feature in [2, 3] {
                assert!((share(&x, |x| x[feature] != 0.0) - p).abs() < 0.006);
                let (mean, variance) = moments(&x, feature);
                assert!((mean - 0.5).abs() < 0.03 && (variance - 1.0 / 12.0).abs() < 0.01, "{mean} {variance}");
            }
        }
    }
}
