//! Batches of sparse inputs as lists of present features.

use super::distribution::InputDistribution;
use super::draws::{BatchId, RandomStream};
use super::simd::Level;

/// A batch of inputs: for each sample its present features, ascending, and their values.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub features: usize,
    /// Sample s has the entries `starts[s]..starts[s + 1]`.
    pub starts: Vec<u32>,
    pub index: Vec<u32>,
    pub value: Vec<f32>,
}

impl Batch {
    /// Draw `samples` inputs with `features` features, each present with this probability: item 1 of the contract.
    pub fn fill(
        &mut self,
        seed: u64,
        stream: RandomStream,
        step: u32,
        samples: usize,
        features: usize,
        probability: f64,
    ) {
        let distribution = InputDistribution { probability, ..InputDistribution::default() };
        self.fill_from(BatchId { seed, stream, step }, samples, features, distribution);
    }

    /// Draw inputs that may be signed or come in pairs: items 1 and 9 of the contract.
    pub fn fill_from(&mut self, id: BatchId, samples: usize, features: usize, distribution: InputDistribution) {
        self.fill_with(Level::best(), id, samples, features, distribution);
    }

    fn fill_with(
        &mut self,
        level: Level,
        id: BatchId,
        samples: usize,
        features: usize,
        distribution: InputDistribution,
    ) {
        let rows = distribution.draw_rows(level, id, samples, features);
        self.features = features;
        self.starts.clear();
        self.index.clear();
        self.value.clear();
        self.starts.push(0);
        for row in rows.x.chunks_exact(rows.stride.max(1)).take(samples) {
            // Present values are never 0, except a signed one in the very middle, which counts as absent.
            for (i, &x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                self.index.push(i as u32);
                self.value.push(x);
            }
            self.starts.push(self.index.len() as u32);
        }
    }

    pub fn samples(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Present features and values of a sample.
    #[inline(always)]
    pub fn sample(&self, s: usize) -> (&[u32], &[f32]) {
        let range = self.starts[s] as usize..self.starts[s + 1] as usize;
        (&self.index[range.clone()], &self.value[range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::draws::PresenceThreshold;
    use crate::numerics::rng::philox;

    #[test]
    fn a_batch_follows_the_contract_at_every_vector_width() {
        for (n, p, samples, step) in
            [(21usize, 0.3, 150usize, 5u32), (16, 0.01, 40, 0), (100, 1.0, 7, 2), (1, 1.0, 300, 0)]
        {
            for level in Level::available() {
                let mut batch = Batch::default();
                let distribution = InputDistribution { probability: p, ..InputDistribution::default() };
                let id = BatchId { seed: 99, stream: RandomStream::Evaluation, step };
                batch.fill_with(level, id, samples, n, distribution);
                assert_eq!(batch.samples(), samples);
                for s in 0..samples {
                    let mut expected = Vec::new();
                    for i in 0..n {
                        let position = s * n + i;
                        let (place, bits) = if p < 1.0 / 64.0 { (position, 24) } else { (position / 2, 16) };
                        let counter = [(place / 64 * 16 + place % 16) as u32, step, 1, 0];
                        let word = philox(99, counter)[place % 64 / 16];
                        let draw = match (bits, position % 2) {
                            (24, _) => word >> 8,
                            (_, 0) => word & 0xffff,
                            _ => word >> 16,
                        };
                        let levels = p * f64::from(1u32 << bits);
                        let below = (levels * f64::from(step + 1)).floor() - (levels * f64::from(step)).floor();
                        if f64::from(draw) < below {
                            let scale = (1.0 / below) as f32;
                            expected.push((i as u32, (draw as f32).mul_add(scale, 0.5 * scale)));
                        }
                    }
                    let (index, value) = batch.sample(s);
                    let found: Vec<_> = index.iter().copied().zip(value.iter().copied()).collect();
                    assert_eq!(found, expected, "sample {s} of {n} features at {level:?}");
                }
            }
        }
    }

    #[test]
    fn features_are_present_with_their_probability_and_uniform() {
        for p in [1.0, 0.5, 0.01] {
            let mut batch = Batch::default();
            batch.fill(3, RandomStream::Training, 0, 10_000, 10, p);
            let share = batch.index.len() as f64 / 1e5;
            assert!((share - p).abs() < 0.006, "{share} for {p}");
            let mean = batch.value.iter().map(|v| f64::from(*v)).sum::<f64>() / batch.value.len() as f64;
            assert!((mean - 0.5).abs() < 0.03 && batch.value.iter().all(|v| *v > 0.0 && *v <= 1.0), "{mean}");
        }
    }

    #[test]
    fn over_many_steps_the_probability_is_exact() {
        for p in [0.1, 0.3, 0.001, 1e-7] {
            let bits = if p < 1.0 / 64.0 { 16_777_216.0 } else { 65_536.0 };
            let sum: f64 = (0..100_000).map(|step| f64::from(PresenceThreshold::new(p, step).below)).sum();
            assert!((sum / 1e5 / bits / p - 1.0).abs() < 2e-5 / (p * bits), "{p}: {sum}");
        }
    }
}
