//! Batches of sparse uniform inputs as lists of present features.

use super::Inputs;
use super::engines::cpu::draws::{Rows, Source};
use super::engines::cpu::simd::{Kernel, Level, Simd, dispatch};

/// Which numbers a batch is made of: training and evaluation never share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Training = 0,
    Evaluation = 1,
    /// One common value a sample, for inputs in which all present features are equal.
    Common = 2,
}

/// Inputs as rows, whatever the size of the model: for each sample its present features, ascending, and their values.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub features: usize,
    /// Sample s has the entries `starts[s]..starts[s + 1]`.
    pub starts: Vec<u32>,
    pub index: Vec<u32>,
    pub value: Vec<f32>,
}

impl Batch {
    /// `samples` inputs with `features` features, each present with this probability: item 1 of the contract.
    pub fn fill(&mut self, seed: u64, stream: Stream, step: u32, samples: usize, features: usize, probability: f64) {
        let inputs = Inputs { probability, ..Inputs::default() };
        self.fill_from(seed, stream, step, samples, features, inputs);
    }

    /// The same of inputs that may be signed or come in pairs: items 1 and 9 of the contract.
    pub fn fill_from(&mut self, seed: u64, stream: Stream, step: u32, samples: usize, features: usize, inputs: Inputs) {
        self.fill_with(Level::best(), Source { seed, stream, step }, samples, features, inputs);
    }

    pub(crate) fn fill_with(&mut self, level: Level, source: Source, samples: usize, features: usize, law: Inputs) {
        let mut rows = Rows::default();
        dispatch(level, Fill { rows: &mut rows, source, law, samples, features });
        self.features = features;
        self.starts.clear();
        self.index.clear();
        self.value.clear();
        self.starts.push(0);
        for row in rows.x.chunks_exact(rows.stride.max(1)).take(samples) {
            // Present values are never 0, but for a signed one in the very middle, which counts as absent.
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

struct Fill<'a> {
    rows: &'a mut Rows,
    source: Source,
    law: Inputs,
    samples: usize,
    features: usize,
}

impl Kernel for Fill<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let Fill { rows, source, law, samples, features } = self;
        unsafe { law.fill::<V>(rows, &mut Vec::new(), source, samples, features) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::engines::cpu::draws::Chance;
    use crate::train::rng::philox;

    #[test]
    fn a_batch_is_what_the_contract_says_at_every_vector_width() {
        for (n, p, samples, step) in
            [(21usize, 0.3, 150usize, 5u32), (16, 0.01, 40, 0), (100, 1.0, 7, 2), (1, 1.0, 300, 0)]
        {
            for level in Level::available() {
                let mut batch = Batch::default();
                let law = Inputs { probability: p, ..Inputs::default() };
                batch.fill_with(level, Source { seed: 99, stream: Stream::Evaluation, step }, samples, n, law);
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
            batch.fill(3, Stream::Training, 0, 10_000, 10, p);
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
            let sum: f64 = (0..100_000).map(|step| f64::from(Chance::new(p, step).below)).sum();
            assert!((sum / 1e5 / bits / p - 1.0).abs() < 2e-5 / (p * bits), "{p}: {sum}");
        }
    }
}
