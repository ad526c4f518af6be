//! Batches of sparse uniform inputs as lists of present features.

use super::engines::cpu::simd::{Level, Simd, dispatch};

/// Which numbers a batch is made of: training and evaluation never share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Training = 0,
    Evaluation = 1,
    /// One common value a sample, for inputs in which all present features are equal.
    Common = 2,
}

/// Inputs of one step: for each sample its present features, ascending, and their values.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub features: usize,
    /// Sample s has the entries `starts[s]..starts[s + 1]`.
    pub starts: Vec<u32>,
    pub index: Vec<u32>,
    pub value: Vec<f32>,
    /// Random words of a block of samples, one plane for each of the four words of a counter.
    words: [Vec<u32>; 4],
}

/// Samples whose random words are made together: their planes fit the first-level cache.
const BLOCK: usize = 32;

impl Batch {
    /// `samples` inputs with `features` features, each present with this probability: item 1 of the contract.
    pub fn fill(&mut self, seed: u64, stream: Stream, step: u32, samples: usize, features: usize, probability: f64) {
        self.fill_with(Level::best(), seed, stream, step, samples, features, probability);
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn fill_with(
        &mut self,
        level: Level,
        seed: u64,
        stream: Stream,
        step: u32,
        samples: usize,
        features: usize,
        probability: f64,
    ) {
        let call = Fill { batch: self, seed, stream, step, samples, features, probability };
        dispatch(level, call);
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
    batch: &'a mut Batch,
    seed: u64,
    stream: Stream,
    step: u32,
    samples: usize,
    features: usize,
    probability: f64,
}

impl super::engines::cpu::simd::Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let Fill { batch, seed, stream, step, samples, features, probability } = self;
        let quarter = features.div_ceil(4);
        // Present when word <= last; p = 1 makes every word present.
        let last = (probability * 4_294_967_296.0 - 1.0).clamp(0.0, 4_294_967_295.0) as u32;
        let scale = (1.0 / (probability * 16_777_216.0)) as f32;
        batch.features = features;
        batch.starts.clear();
        batch.starts.reserve(samples + 1);
        batch.starts.push(0);
        let most = samples * features + V::N;
        batch.index.resize(most, 0);
        batch.value.resize(most, 0.0);
        let mut count = 0usize;
        for block in (0..samples).step_by(BLOCK) {
            let rows = BLOCK.min(samples - block);
            let total = rows * quarter;
            for plane in &mut batch.words {
                plane.resize(BLOCK * quarter + 2 * V::N, 0);
            }
            let first = (block * quarter) as u32;
            for t in (0..total).step_by(V::N) {
                let words = unsafe { V::philox(seed, first.wrapping_add(t as u32), step, stream as u32) };
                for (plane, word) in batch.words.iter_mut().zip(words) {
                    // Planes are longer than `total` by at least one vector.
                    unsafe { V::store_words(plane.as_mut_ptr().add(t), word) };
                }
            }
            for row in 0..rows {
                for (w, plane) in batch.words.iter().enumerate() {
                    let width = quarter.min(features.saturating_sub(w * quarter));
                    for c in (0..width).step_by(V::N) {
                        let at = row * quarter + c;
                        // At most one entry a feature and sample, and a vector to spare.
                        count += unsafe {
                            let (index, value) =
                                (batch.index.as_mut_ptr().add(count), batch.value.as_mut_ptr().add(count));
                            let first = (w * quarter + c) as u32;
                            V::present(plane.as_ptr().add(at), V::N.min(width - c), last, first, scale, index, value)
                        };
                    }
                }
                batch.starts.push(count as u32);
            }
        }
        batch.index.truncate(count);
        batch.value.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rng::philox;

    #[test]
    fn a_batch_is_what_the_contract_says_at_every_vector_width() {
        let (n, p, samples) = (21usize, 0.3, 70usize);
        let quarter = n.div_ceil(4);
        for level in Level::available() {
            let mut batch = Batch::default();
            batch.fill_with(level, 99, Stream::Evaluation, 5, samples, n, p);
            for s in 0..samples {
                let (index, value) = batch.sample(s);
                let mut expected = Vec::new();
                for i in 0..n {
                    let t = (s * quarter + i % quarter) as u32;
                    let word = philox(99, [t, 5, 1, 0])[i / quarter];
                    if f64::from(word) <= p * 4_294_967_296.0 - 1.0 {
                        expected.push((i as u32, (word >> 8) as f32 * (1.0 / (p * 16_777_216.0)) as f32));
                    }
                }
                let found: Vec<_> = index.iter().copied().zip(value.iter().copied()).collect();
                assert_eq!(found, expected, "sample {s} at {level:?}");
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
            assert!((mean - 0.5).abs() < 0.03 && batch.value.iter().all(|v| (0.0..1.0).contains(v)), "{mean}");
        }
    }
}
