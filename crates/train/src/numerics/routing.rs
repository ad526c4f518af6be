//! Top-k routing: which experts an input goes to (item 2 of the contract). The CPU engine and the metrics share it.

use super::math;
use super::simd::{Level, Simd, SimdKernel, dispatch};

/// The most experts that a model may have.
pub const MAX_EXPERTS: usize = 4096;

/// Marks the `k` highest scores as bits of 64-bit words; ties go to the lowest index. A pass over the scores has no other branch than the
/// comparison.
#[inline(always)]
pub fn mark_top_k(scores: &[f32], k: usize) -> [u64; MAX_EXPERTS / 64] {
    let mut taken = [0u64; MAX_EXPERTS / 64];
    for _ in 0..k {
        let (mut best, mut highest) = (usize::MAX, f32::NEG_INFINITY);
        for (e, &score) in scores.iter().enumerate() {
            let free = taken[e / 64] >> (e % 64) & 1 == 0;
            let better = free & ((score > highest) | (best == usize::MAX));
            highest = if better { score } else { highest };
            best = if better { e } else { best };
        }
        taken[best / 64] |= 1 << (best % 64);
    }
    taken
}

/// Calls `f` with the position of every set bit, ascending.
#[inline(always)]
pub fn for_each_set_bit(words: [u64; MAX_EXPERTS / 64], mut f: impl FnMut(usize)) {
    for (w, mut bits) in words.into_iter().enumerate() {
        while bits != 0 {
            f(w * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// The active experts among `scores`, ascending, in `active`, and their weights in `weights`. Ties go to the lowest index.
#[inline(always)]
pub fn select_experts(scores: &[f32], k: usize, active: &mut Vec<usize>, weights: &mut Vec<f32>) {
    active.clear();
    weights.clear();
    if k == 1 {
        let mut best = 0;
        for (e, &score) in scores.iter().enumerate() {
            if score > scores[best] {
                best = e;
            }
        }
        active.push(best);
        weights.push(1.0);
        return;
    }
    for_each_set_bit(mark_top_k(scores, k.min(scores.len())), |e| active.push(e));
    softmax(active.iter().map(|&e| scores[e]), weights);
}

/// Softmax in the order given: exp(s - max) over their sum.
#[inline(always)]
pub fn softmax(scores: impl Iterator<Item = f32> + Clone, out: &mut Vec<f32>) {
    let max = scores.clone().fold(f32::NEG_INFINITY, f32::max);
    out.clear();
    let mut sum = 0.0;
    for score in scores {
        let e = math::exp(score - max);
        sum += e;
        out.push(e);
    }
    out.iter_mut().for_each(|value| *value /= sum);
}

/// The number of experts is padded to a multiple of this, a whole number of vectors at every width.
const PAD: usize = 16;

/// Routes inputs of one trained model.
#[derive(Clone, Debug)]
pub struct Router {
    experts: usize,
    active: usize,
    /// G, row-major \[features, experts padded with zeros\].
    gate: Vec<f32>,
    padded: usize,
    scores: Vec<f32>,
    chosen: Vec<usize>,
    weights: Vec<f32>,
}

/// Scores of all experts for one input: item 2 of the contract.
struct ScoreExperts<'a> {
    gate: &'a [f32],
    padded: usize,
    index: &'a [u32],
    value: &'a [f32],
    scores: &'a mut [f32],
}

impl SimdKernel for ScoreExperts<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let gate = self.gate;
        for first in (0..self.padded).step_by(V::N) {
            // Sound: `padded` is a multiple of N, rows outside the gate are skipped, and `scores` has `padded` numbers.
            unsafe {
                let mut sum = V::splat(0.0);
                for (&i, &x) in self.index.iter().zip(self.value) {
                    let at = i as usize * self.padded + first;
                    if at + V::N <= gate.len() {
                        sum = V::fma(V::splat(x), V::load(gate.as_ptr().add(at)), sum);
                    }
                }
                V::store(self.scores.as_mut_ptr().add(first), sum);
            }
        }
    }
}

impl Router {
    /// `gate` is G, row-major \[experts, features\].
    pub fn new(gate: Vec<f32>, experts: usize, active: usize) -> Router {
        let features = gate.len() / experts.max(1);
        let padded = experts.div_ceil(PAD) * PAD;
        let mut columns = vec![0.0; features * padded];
        for (e, row) in gate.chunks_exact(features.max(1)).enumerate().take(experts) {
            row.iter().enumerate().for_each(|(i, g)| columns[i * padded + e] = *g);
        }
        let scores = vec![0.0; padded];
        Router { experts, active, gate: columns, padded, scores, chosen: Vec::new(), weights: Vec::new() }
    }

    fn score(&mut self, index: &[u32], value: &[f32]) {
        let (gate, padded, scores) = (&self.gate, self.padded, &mut self.scores);
        dispatch(Level::best(), ScoreExperts { gate, padded, index, value, scores });
    }

    /// The active experts of an input (present features, values) and their weights a_e.
    pub fn route(&mut self, index: &[u32], value: &[f32]) -> (&[usize], &[f32]) {
        self.score(index, value);
        select_experts(&self.scores[..self.experts], self.active, &mut self.chosen, &mut self.weights);
        (&self.chosen, &self.weights)
    }

    /// The expert with the highest score.
    pub fn top(&mut self, index: &[u32], value: &[f32]) -> usize {
        self.score(index, value);
        select_experts(&self.scores[..self.experts], 1, &mut self.chosen, &mut self.weights);
        self.chosen.first().copied().unwrap_or(0)
    }

    /// Softmax probabilities of all experts.
    pub fn probabilities(&mut self, index: &[u32], value: &[f32]) -> &[f32] {
        self.score(index, value);
        softmax(self.scores[..self.experts].iter().copied(), &mut self.weights);
        &self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_chains_over_present_features() {
        let (experts, features) = (19, 7);
        let gate: Vec<f32> = (0..experts * features).map(|i| ((i * 37) % 101) as f32 / 100.0 - 0.5).collect();
        let mut router = Router::new(gate.clone(), experts, 2);
        let (index, value) = ([1, 4, 6], [0.3, 0.7, 0.9]);
        router.score(&index, &value);
        for e in 0..experts {
            let chain =
                index.iter().zip(value).fold(0.0f32, |sum, (&i, x)| x.mul_add(gate[e * features + i as usize], sum));
            assert_eq!(router.scores[e], chain);
        }
    }

    #[test]
    fn ties_go_to_the_lowest_index_and_weights_sum_to_one() {
        let (mut active, mut weights) = (Vec::new(), Vec::new());
        select_experts(&[0.0, 0.0, 0.0], 1, &mut active, &mut weights);
        assert_eq!((active.clone(), weights.clone()), (vec![0], vec![1.0]));
        select_experts(&[0.5, 1.0, 0.5, 0.5], 2, &mut active, &mut weights);
        assert_eq!(active, [0, 1]);
        assert!((weights[0] + weights[1] - 1.0).abs() < 1e-6 && weights[1] > weights[0]);
    }
}
