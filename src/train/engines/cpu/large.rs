//! Loss and gradients of models that are not small: what all of them share, and those with one active expert (items 2 to 6 of the contract).
//!
//! Samples are grouped by expert and go through each expert's matrices in chunks that stay in the nearest cache.

use super::buffer::Floats;
use super::draws::{Chance, Rows, Source};
use super::instance::Gradients;
use super::layout::Layout;
use super::problem::Problem;
use super::simd::{Simd, exp, tree, vectors};
use super::tiles::{Matrix, Output, Picked, outer, product, transpose};
use crate::train::Shape;

/// Samples that go through an expert together.
const CHUNK: usize = 32;

/// Buffers of one model.
#[derive(Clone, Debug)]
pub struct Large {
    pub(super) layout: Layout,
    pub(super) inputs: Rows,
    /// np, m and E rounded up to 16.
    pub(super) np: usize,
    pub(super) mp: usize,
    pub(super) ep: usize,
    /// W \[E, np, mp\] and G \[np, ep\]: parameters the other way round.
    w: Floats,
    g: Floats,
    /// Gradient of W through inputs, in the layout of W; the one through outputs is in the gradients.
    pub(super) d_inputs: Floats,
    /// Scores \[B, ep\]; softmax probabilities \[B, ep\].
    pub(super) scores: Floats,
    pub(super) q: Floats,
    /// Starting scores: 0, and -inf behind the experts.
    score_start: Floats,
    /// L_j, and its part in one expert.
    pub(super) losses: Floats,
    expert_losses: Floats,
    /// 0, 1, 2, ...
    pub(super) identity: Vec<u32>,
    /// Samples of each expert, ascending, \[E, room\]; all-zero samples are in none.
    order: Vec<u32>,
    room: usize,
    /// g \[CHUNK, np\], h and dh \[CHUNK, mp\].
    slopes: Floats,
    hidden: Floats,
    d_hidden: Floats,
    pub(super) several: super::several::Several,
}

impl Large {
    pub fn new(problem: &Problem, layout: Layout, seed: u64) -> Large {
        let Shape { experts, features, hidden, .. } = problem.shape;
        let round = |n: usize| n.div_ceil(16) * 16;
        let (np, mp, ep) = (round(features), round(hidden), round(experts));
        let samples = round(problem.samples);
        let mut score_start = Floats::zeros(ep);
        score_start[experts..].fill(f32::NEG_INFINITY);
        let zeros = Floats::zeros;
        let balanced = problem.balance > 0.0;
        let single = problem.shape.active == 1;
        Large {
            layout,
            inputs: Rows::of_run(seed, problem.probability, problem.samples, features),
            np,
            mp,
            ep,
            w: zeros(experts * np * mp),
            g: zeros(np * ep),
            d_inputs: zeros(experts * hidden * np),
            scores: zeros(samples * ep),
            q: zeros(if balanced { samples * ep } else { 0 }),
            score_start,
            losses: zeros(np),
            expert_losses: zeros(np),
            identity: (0..samples as u32).collect(),
            order: vec![0; if single { experts * (samples + 16) } else { 0 }],
            room: samples + 16,
            slopes: zeros(CHUNK * np),
            hidden: zeros(CHUNK * mp),
            d_hidden: zeros(CHUNK * mp),
            several: super::several::Several::new(problem, single),
        }
    }
}

impl Gradients for &mut Large {
    #[inline(always)]
    unsafe fn gradients<V: Simd>(
        &mut self,
        problem: &Problem,
        source: Source,
        parameters: &[f32],
        gradients: &mut [f32],
        _asked: bool,
    ) -> f32 {
        let large = &mut **self;
        let Shape { features, active, .. } = problem.shape;
        let chance = Chance::new(problem.probability, source.step);
        unsafe {
            large.inputs.fill::<V>(source, chance, problem.samples, features);
            large.d_inputs.fill(0.0);
            gradients.fill(0.0);
            let loss = if active == 1 {
                large.single::<V>(problem, parameters, gradients)
            } else {
                large.several::<V>(problem, parameters, gradients)
            };
            // The two parts of W's gradient meet.
            for (i, _) in large.d_inputs.iter().enumerate().step_by(V::N) {
                let d = gradients.as_mut_ptr().add(i);
                V::store(d, V::add(V::load(d), V::load(large.d_inputs.as_ptr().add(i))));
            }
            loss
        }
    }
}

impl Large {
    /// k = 1.
    #[inline(always)]
    unsafe fn single<V: Simd>(&mut self, problem: &Problem, parameters: &[f32], gradients: &mut [f32]) -> f32 {
        let Shape { experts, features, hidden, .. } = problem.shape;
        let samples = problem.samples;
        let balanced = problem.balance > 0.0 && experts > 1;
        unsafe {
            for e in 0..experts {
                let from = Matrix { base: parameters.as_ptr().add(e * hidden * self.np), stride: self.np };
                let to = Output { base: self.w.as_mut_ptr().add(e * self.np * self.mp), stride: self.mp };
                transpose::<V>(from, hidden, features, to);
            }
            if experts > 1 {
                self.score::<V>(problem, parameters);
            }
            let counts = self.group::<V>(samples, experts);
            // All-zero samples: expert 0, evaluated once.
            let zeros = (samples - counts.iter().sum::<usize>()) as f32;
            let bias = self.layout.bias(0, 0);
            for j in (0..features).step_by(V::N) {
                let y = V::max(V::load(parameters.as_ptr().add(bias + j)), V::splat(0.0));
                V::store(self.losses.as_mut_ptr().add(j), V::mul(V::splat(zeros), V::mul(y, y)));
            }
            for e in 0..experts {
                self.expert::<V>(problem, parameters, gradients, e, counts[e]);
            }
            for j in (0..features).step_by(V::N) {
                let y = V::max(V::load(parameters.as_ptr().add(bias + j)), V::splat(0.0));
                let d = gradients.as_mut_ptr().add(bias + j);
                let g = V::mul(V::load(problem.slope.as_ptr().add(j)), y);
                V::store(d, V::fma(V::splat(zeros), g, V::load(d)));
            }
            let mut loss = self.total::<V>(problem);
            if balanced {
                let mut used: Vec<f32> = counts.iter().map(|&count| count as f32).collect();
                used[0] += zeros;
                loss = self.balance::<V>(problem, &used, gradients, loss);
            }
            if experts == 1 {
                // The one expert is used by all: f = P = 1.
                loss += problem.balance;
            }
            loss
        }
    }

    /// Lists each expert's samples; returns how many each has. All-zero samples stand apart.
    #[inline(always)]
    unsafe fn group<V: Simd>(&mut self, samples: usize, experts: usize) -> Vec<usize> {
        let mut counts = vec![0; experts];
        // One expert alone has no scores.
        let scored = if experts > 1 { experts } else { 0 };
        for top in (0..samples).step_by(V::N) {
            unsafe {
                // Of each sample, a lane, the highest score so far and its expert.
                let (mut high, mut expert) = (V::splat(f32::NEG_INFINITY), V::splat(0.0));
                for first in (0..scored).step_by(V::N) {
                    let mut tile = [V::splat(0.0); 16];
                    for l in 0..V::N {
                        tile[l] = V::load(self.scores.as_ptr().add((top + l) * self.ep + first));
                    }
                    V::transpose(&mut tile[..V::N]);
                    for (l, &score) in tile.iter().enumerate().take(V::N.min(experts - first)) {
                        expert = V::select(V::greater(score, high), V::splat((first + l) as f32), expert);
                        high = V::max(score, high);
                    }
                }
                let any = V::greater(V::load(self.inputs.any.as_ptr().add(top)), V::splat(0.0));
                let any = V::and(any, V::first(samples - top));
                let sample = V::load_words(self.identity.as_ptr().add(top));
                for (e, count) in counts.iter_mut().enumerate() {
                    let mine = V::and(any, V::equal(expert, V::splat(e as f32)));
                    V::compress_words(mine, sample, self.order.as_mut_ptr().add(e * self.room + *count));
                    *count += V::bits(mine).count_ones() as usize;
                }
            }
        }
        counts
    }

    /// Scores of all samples.
    #[inline(always)]
    unsafe fn score<V: Simd>(&mut self, problem: &Problem, parameters: &[f32]) {
        let Shape { experts, features, .. } = problem.shape;
        unsafe {
            let gate = Matrix { base: parameters.as_ptr().add(self.layout.gate(0, 0)), stride: self.np };
            transpose::<V>(gate, experts, features, Output { base: self.g.as_mut_ptr(), stride: self.ep });
            let right = Matrix { base: self.g.as_ptr(), stride: self.ep };
            let out = Output { base: self.scores.as_mut_ptr(), stride: self.ep };
            let start = self.score_start.as_ptr();
            product::<V>(self.every(), problem.samples, right, features, experts, start, out);
        }
    }

    /// All inputs in order.
    pub(super) fn every(&self) -> Picked {
        Picked { base: self.inputs.x.as_ptr(), stride: self.np, index: self.identity.as_ptr() }
    }

    /// Samples of one expert forward and backward.
    #[inline(always)]
    unsafe fn expert<V: Simd>(
        &mut self,
        problem: &Problem,
        parameters: &[f32],
        gradients: &mut [f32],
        e: usize,
        count: usize,
    ) {
        let Shape { features, hidden, .. } = problem.shape;
        let (np, mp) = (self.np, self.mp);
        unsafe {
            self.expert_losses.fill(0.0);
            let w = Matrix { base: self.w.as_ptr().add(e * np * mp), stride: mp };
            let columns = e * hidden * np;
            for first in (0..count).step_by(CHUNK) {
                let here = CHUNK.min(count - first);
                let index = self.order.as_ptr().add(e * self.room + first);
                let inputs = Picked { base: self.inputs.x.as_ptr(), stride: np, index };
                let h = Output { base: self.hidden.as_mut_ptr(), stride: mp };
                product::<V>(inputs, here, w, features, hidden, std::ptr::null(), h);
                let task = Outputs {
                    inputs,
                    hidden: self.hidden.as_ptr(),
                    mp,
                    terms: hidden,
                    columns: parameters.as_ptr().add(columns),
                    np,
                    bias: parameters.as_ptr().add(self.layout.bias(e, 0)),
                    d_bias: gradients.as_mut_ptr().add(self.layout.bias(e, 0)),
                    slope: problem.slope.as_ptr(),
                    losses: self.expert_losses.as_mut_ptr(),
                    g: self.slopes.as_mut_ptr(),
                };
                task.run::<V>(here, features);
                let g = Picked { base: self.slopes.as_ptr(), stride: np, index: self.identity.as_ptr() };
                let dh = Output { base: self.d_hidden.as_mut_ptr(), stride: mp };
                product::<V>(g, here, w, features, hidden, std::ptr::null(), dh);
                let h = Matrix { base: self.hidden.as_ptr(), stride: mp };
                let d = Output { base: gradients.as_mut_ptr().add(columns), stride: np };
                outer::<V>(h, hidden, g, here, features, d);
                let dh = Matrix { base: self.d_hidden.as_ptr(), stride: mp };
                let d = Output { base: self.d_inputs.as_mut_ptr().add(columns), stride: np };
                outer::<V>(dh, hidden, inputs, here, features, d);
            }
            for j in (0..features).step_by(V::N) {
                let all = self.losses.as_mut_ptr().add(j);
                V::store(all, V::add(V::load(all), V::load(self.expert_losses.as_ptr().add(j))));
            }
        }
    }

    /// The batch's loss from L_j.
    #[inline(always)]
    pub(super) unsafe fn total<V: Simd>(&self, problem: &Problem) -> f32 {
        unsafe {
            let mut lanes = [V::splat(0.0); 4];
            for (v, j) in (0..problem.shape.features).step_by(V::N).enumerate() {
                let lane = &mut lanes[v % vectors::<V>()];
                *lane =
                    V::fma(V::load(problem.importance.as_ptr().add(j)), V::load(self.losses.as_ptr().add(j)), *lane);
            }
            tree::<V>(&lanes) * problem.scale
        }
    }

    /// Adds the load-balancing loss to `loss` and its gradient to the gate's. `used` are the numbers of samples of each expert.
    #[inline(always)]
    pub(super) unsafe fn balance<V: Simd>(
        &mut self,
        problem: &Problem,
        used: &[f32],
        gradients: &mut [f32],
        loss: f32,
    ) -> f32 {
        let Shape { experts, features, .. } = problem.shape;
        let samples = problem.samples as f32;
        let share: Vec<f32> = used.iter().map(|count| count / samples).collect();
        let strength = problem.balance * experts as f32;
        let factor = strength / samples;
        let mut mean = vec![0.0f32; experts];
        for s in 0..problem.samples {
            let padded = experts.div_ceil(V::N) * V::N;
            let scores = &self.scores[s * self.ep..][..padded];
            let q = &mut self.q[s * self.ep..][..padded];
            unsafe { softmax::<V>(scores, q, experts) };
            let mut inner = 0.0f32;
            for e in 0..experts {
                mean[e] += q[e];
                inner = q[e].mul_add(share[e], inner);
            }
            for e in 0..experts {
                q[e] = factor * q[e] * (share[e] - inner);
            }
        }
        let mut even = 0.0f32;
        for e in 0..experts {
            even = share[e].mul_add(mean[e] / samples, even);
        }
        unsafe {
            let d = Output { base: gradients.as_mut_ptr().add(self.layout.gate(0, 0)), stride: self.np };
            let left = Matrix { base: self.q.as_ptr(), stride: self.ep };
            outer::<V>(left, experts, self.every(), problem.samples, features, d);
        }
        strength.mul_add(even, loss)
    }
}

/// Softmax of scores padded with -inf: exp(s - max) over their sum, ascending.
#[inline(always)]
unsafe fn softmax<V: Simd>(scores: &[f32], q: &mut [f32], experts: usize) {
    unsafe {
        let mut high = V::splat(f32::NEG_INFINITY);
        for v in (0..scores.len()).step_by(V::N) {
            high = V::max(high, V::load(scores.as_ptr().add(v)));
        }
        let high = V::highest(high);
        for v in (0..scores.len()).step_by(V::N) {
            V::store(q.as_mut_ptr().add(v), exp::<V>(V::sub(V::load(scores.as_ptr().add(v)), high)));
        }
        let sum = q[..experts].iter().fold(0.0f32, |sum, e| sum + e);
        for v in (0..scores.len()).step_by(V::N) {
            let at = q.as_mut_ptr().add(v);
            V::store(at, V::div(V::load(at), V::splat(sum)));
        }
    }
}

/// From hidden values of a chunk to errors, their slopes g, and the sums over them.
struct Outputs {
    inputs: Picked,
    hidden: *const f32,
    mp: usize,
    terms: usize,
    columns: *const f32,
    np: usize,
    bias: *const f32,
    d_bias: *mut f32,
    slope: *const f32,
    losses: *mut f32,
    g: *mut f32,
}

impl Outputs {
    #[inline(always)]
    unsafe fn run<V: Simd>(&self, count: usize, features: usize) {
        let vectors = features.div_ceil(V::N);
        let mut v = 0;
        while v < vectors {
            let j = v * V::N;
            unsafe {
                match (V::N, vectors - v) {
                    (16, 4..) => self.columns::<V, 4>(count, j),
                    (16, 3) => self.columns::<V, 3>(count, j),
                    (_, 2..) => self.columns::<V, 2>(count, j),
                    _ => self.columns::<V, 1>(count, j),
                }
            }
            v += if V::N == 16 { 4.min(vectors - v) } else { 2.min(vectors - v) };
        }
    }

    #[inline(always)]
    unsafe fn columns<V: Simd, const R: usize>(&self, count: usize, j: usize) {
        let mut s = 0;
        unsafe {
            while s + 4 <= count {
                self.rows::<V, R, 4>(s, j);
                s += 4;
            }
            while s < count {
                self.rows::<V, R, 1>(s, j);
                s += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<V: Simd, const R: usize, const S: usize>(&self, s: usize, j: usize) {
        unsafe {
            let zero = V::splat(0.0);
            let mut z = [[zero; R]; S];
            for r in 0..R {
                let b = V::load(self.bias.add(j + r * V::N));
                for i in 0..S {
                    z[i][r] = b;
                }
            }
            let mut column = self.columns.add(j);
            for k in 0..self.terms {
                let mut w = [zero; R];
                for r in 0..R {
                    w[r] = V::load(column.add(r * V::N));
                }
                for i in 0..S {
                    let h = V::splat(*self.hidden.add((s + i) * self.mp + k));
                    for r in 0..R {
                        z[i][r] = V::fma(h, w[r], z[i][r]);
                    }
                }
                column = column.add(self.np);
            }
            for r in 0..R {
                let at = j + r * V::N;
                let slope = V::load(self.slope.add(at));
                let (mut loss, mut bias) = (V::load(self.losses.add(at)), V::load(self.d_bias.add(at)));
                for i in 0..S {
                    let x = V::load(self.inputs.row(s + i).add(at));
                    let d = V::sub(V::max(z[i][r], zero), x);
                    loss = V::fma(d, d, loss);
                    let g = V::keep(V::greater(z[i][r], zero), V::mul(slope, d));
                    V::store(self.g.add((s + i) * self.np + at), g);
                    bias = V::add(bias, g);
                }
                V::store(self.losses.add(at), loss);
                V::store(self.d_bias.add(at), bias);
            }
        }
    }
}
