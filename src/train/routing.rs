//! Which experts an input goes to: items 2 of the contract, shared by the engine and by metrics.

use super::math;

/// The active experts among `scores`, ascending, in `active`, and their weights in `weights`. Ties go to the lowest index.
#[inline(always)]
pub fn select(scores: &[f32], k: usize, active: &mut Vec<usize>, weights: &mut Vec<f32>) {
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
    // Experts already chosen are marked in 64-bit words, so that a pass over the scores has no other branch than the comparison.
    let mut taken = [0u64; 4096 / 64];
    for _ in 0..k.min(scores.len()) {
        let (mut best, mut highest) = (usize::MAX, f32::NEG_INFINITY);
        for (e, &score) in scores.iter().enumerate() {
            let free = taken[e / 64] >> (e % 64) & 1 == 0;
            let better = free & ((score > highest) | (best == usize::MAX));
            highest = if better { score } else { highest };
            best = if better { e } else { best };
        }
        taken[best / 64] |= 1 << (best % 64);
        active.push(best);
    }
    active.sort_unstable();
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

/// Routes inputs of one trained model.
#[derive(Clone, Debug)]
pub struct Router {
    experts: usize,
    features: usize,
    active: usize,
    /// G, row-major \[experts, features\].
    gate: Vec<f32>,
    scores: Vec<f32>,
    chosen: Vec<usize>,
    weights: Vec<f32>,
}

impl Router {
    pub fn new(gate: Vec<f32>, experts: usize, active: usize) -> Router {
        let features = gate.len() / experts.max(1);
        Router { experts, features, active, gate, scores: Vec::new(), chosen: Vec::new(), weights: Vec::new() }
    }

    fn score(&mut self, index: &[u32], value: &[f32]) {
        self.scores.clear();
        for e in 0..self.experts {
            let row = &self.gate[e * self.features..(e + 1) * self.features];
            let chain = |sum: f32, (&i, &x): (&u32, &f32)| x.mul_add(row.get(i as usize).copied().unwrap_or(0.0), sum);
            self.scores.push(index.iter().zip(value).fold(0.0, chain));
        }
    }

    /// The active experts of an input (present features, values) and their weights a_e.
    pub fn route(&mut self, index: &[u32], value: &[f32]) -> (&[usize], &[f32]) {
        self.score(index, value);
        select(&self.scores, self.active, &mut self.chosen, &mut self.weights);
        (&self.chosen, &self.weights)
    }

    /// The expert with the highest score.
    pub fn top(&mut self, index: &[u32], value: &[f32]) -> usize {
        self.score(index, value);
        select(&self.scores, 1, &mut self.chosen, &mut self.weights);
        self.chosen.first().copied().unwrap_or(0)
    }

    /// Softmax probabilities of all experts.
    pub fn probabilities(&mut self, index: &[u32], value: &[f32]) -> &[f32] {
        self.score(index, value);
        softmax(self.scores.iter().copied(), &mut self.weights);
        &self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_index_and_weights_sum_to_one() {
        let (mut active, mut weights) = (Vec::new(), Vec::new());
        select(&[0.0, 0.0, 0.0], 1, &mut active, &mut weights);
        assert_eq!((active.clone(), weights.clone()), (vec![0], vec![1.0]));
        select(&[0.5, 1.0, 0.5, 0.5], 2, &mut active, &mut weights);
        assert_eq!(active, [0, 1]);
        assert!((weights[0] + weights[1] - 1.0).abs() < 1e-6 && weights[1] > weights[0]);
    }
}
