//! Models with several active experts: their outputs are mixed by the renormalised weights, through which the gate learns.
//!
//! Scores, active experts, weights and hidden values are found for the whole batch; then each sample goes forward and backward through all
//! its experts at once.

use super::buffer::Floats;
use super::large::Large;
use super::layout::Layout;
use super::problem::Problem;
use super::simd::{Simd, exp, halves, vectors};
use super::tiles::{Matrix, Output, product, transpose};
use crate::train::Shape;

/// Buffers that only these models need.
#[derive(Clone, Debug, Default)]
pub struct Several {
    /// \[G | W of all experts\] as \[n, width\]; its products with inputs are scores and hidden values of all experts.
    all: Floats,
    width: usize,
    products: Floats,
    /// Active experts of each sample, ascending, \[B, k\].
    active: Vec<u32>,
    /// Their scores, then their weights, \[k, B\].
    weights: Floats,
    stride: usize,
    used: Vec<f32>,
    /// Outputs of the active experts \[k, np\], and slopes of the mixed output \[np\].
    outputs: Floats,
    slopes: Floats,
    g: Floats,
    /// Sums over features waiting for the tree, as 16 or 8 lanes, and when done.
    waiting: Floats,
    sums: Floats,
}

impl Several {
    pub fn new(problem: &Problem, single: bool) -> Several {
        if single {
            return Several::default();
        }
        let Shape { experts, features, hidden, active } = problem.shape;
        let round = |n: usize| n.div_ceil(16) * 16;
        let (width, np, stride) = (round(experts * (hidden + 1)), round(features), round(problem.samples));
        let zeros = Floats::zeros;
        let waiting = round(active * (hidden + 1));
        Several {
            all: zeros(np * width),
            width,
            products: zeros(problem.samples.div_ceil(8) * 8 * width),
            active: vec![0; problem.samples * active],
            weights: zeros(active * stride),
            stride,
            used: vec![0.0; experts],
            outputs: zeros(active * np),
            slopes: zeros(np),
            g: zeros(np),
            waiting: zeros(waiting * 16),
            sums: zeros(waiting),
        }
    }
}

impl Large {
    #[inline(always)]
    pub(super) unsafe fn several<V: Simd>(
        &mut self,
        problem: &Problem,
        parameters: &[f32],
        gradients: &mut [f32],
    ) -> f32 {
        let Shape { experts, active, .. } = problem.shape;
        let samples = problem.samples;
        unsafe {
            self.products::<V>(problem, parameters);
            self.losses.fill(0.0);
            let many = &mut self.several;
            many.used.fill(0.0);
            for s in 0..samples {
                let scores = &many.products[s * many.width..][..experts];
                let chosen = &mut many.active[s * active..(s + 1) * active];
                highest(scores, chosen);
                for (slot, &e) in chosen.iter().enumerate() {
                    many.used[e as usize] += 1.0;
                    many.weights[slot * many.stride + s] = scores[e as usize];
                }
            }
            weigh::<V>(&mut many.weights, many.stride, active);
            for s in 0..samples {
                self.sample::<V>(problem, parameters, gradients, s);
            }
            let loss = self.total::<V>(problem);
            if problem.balance > 0.0 {
                for s in 0..samples {
                    let from = &self.several.products[s * self.several.width..][..experts];
                    let to = &mut self.scores[s * self.ep..(s + 1) * self.ep];
                    to.fill(f32::NEG_INFINITY);
                    to[..experts].copy_from_slice(from);
                }
                let used = std::mem::take(&mut self.several.used);
                let loss = self.balance::<V>(problem, &used, gradients, loss);
                self.several.used = used;
                return loss;
            }
            loss
        }
    }

    /// Scores and hidden values of all samples in all experts.
    #[inline(always)]
    unsafe fn products<V: Simd>(&mut self, problem: &Problem, parameters: &[f32]) {
        let Shape { experts, features, hidden, .. } = problem.shape;
        let every = self.every();
        let many = &mut self.several;
        unsafe {
            // Rows of G, then of W, become columns of `all`: both are stored [.., np].
            let total = experts * (hidden + 1);
            for top in (0..total).step_by(16) {
                let mut rows = [std::ptr::null(); 16];
                for (l, row) in rows.iter_mut().enumerate().take(total - top) {
                    let r = top + l;
                    let at = if r < experts { self.layout.gate(r, 0) } else { (r - experts) * self.np };
                    *row = parameters.as_ptr().add(at);
                }
                // Sixteen rows at a time, gathered so that one transposition serves both kinds.
                let mut block = Floats::default();
                block.reserve(16 * self.np);
                for (l, row) in rows.iter().enumerate() {
                    if !row.is_null() {
                        std::ptr::copy_nonoverlapping(*row, block.as_mut_ptr().add(l * self.np), self.np);
                    }
                }
                let from = Matrix { base: block.as_ptr(), stride: self.np };
                let to = Output { base: many.all.as_mut_ptr().add(top), stride: many.width };
                transpose::<V>(from, 16, features, to);
            }
            let right = Matrix { base: many.all.as_ptr(), stride: many.width };
            let out = Output { base: many.products.as_mut_ptr(), stride: many.width };
            product::<V>(every, problem.samples, right, features, total, std::ptr::null(), out);
        }
    }

    /// One sample forward and backward.
    #[inline(always)]
    unsafe fn sample<V: Simd>(&mut self, problem: &Problem, parameters: &[f32], gradients: &mut [f32], s: usize) {
        let Shape { experts, features, hidden, active: k } = problem.shape;
        let np = self.np;
        let layout = self.layout;
        let losses = self.losses.as_mut_ptr();
        let d_inputs = self.d_inputs.as_mut_ptr();
        let many = &mut self.several;
        unsafe {
            let zero = V::splat(0.0);
            let x = self.inputs.x.as_ptr().add(s * np);
            let (parameters, gradients) = (parameters.as_ptr(), gradients.as_mut_ptr());
            let products = many.products.as_ptr().add(s * many.width);
            let active = many.active.as_ptr().add(s * k);
            let weights = many.weights.as_ptr().add(s);
            let outputs = many.outputs.as_mut_ptr();
            let slopes = many.slopes.as_mut_ptr();
            // Forward: two vectors of features at a time.
            let forward =
                Forward { problem, layout, parameters, products, active, weights, k, x, losses, outputs, slopes };
            let mut j = 0;
            while j < features {
                if np - j >= 2 * V::N {
                    forward.columns::<V, 2>(many.stride, j);
                    j += 2 * V::N;
                } else {
                    forward.columns::<V, 1>(many.stride, j);
                    j += V::N;
                }
            }
            // Backward, experts one by one; what is summed over features waits for the tree.
            let per = hidden + 1;
            let waiting = many.waiting.as_mut_ptr();
            let g = many.g.as_mut_ptr();
            for slot in 0..k {
                let e = *active.add(slot) as usize;
                let a = V::splat(*weights.add(slot * many.stride));
                let d_bias = gradients.add(layout.bias(e, 0));
                let mut lanes = [zero; 4];
                let mut j = 0;
                while j < features {
                    for r in 0..vectors::<V>() {
                        let at = j + r * V::N;
                        if at < np {
                            let (y, slope) = (V::load(outputs.add(slot * np + at)), V::load(slopes.add(at)));
                            lanes[r] = V::fma(slope, y, lanes[r]);
                            let d = V::keep(V::greater(y, zero), V::mul(a, slope));
                            V::store(g.add(at), d);
                            V::store(d_bias.add(at), V::add(V::load(d_bias.add(at)), d));
                        }
                    }
                    j += vectors::<V>() * V::N;
                }
                V::store(waiting.add(slot * per * V::N), halves::<V>(&lanes));
                let h = products.add(experts + e * hidden);
                for c in 0..hidden {
                    let column = (e * hidden + c) * np;
                    let (w, d_w) = (parameters.add(column), gradients.add(column));
                    let h = V::splat(*h.add(c));
                    let mut lanes = [zero; 4];
                    let mut j = 0;
                    while j < features {
                        for r in 0..vectors::<V>() {
                            let at = j + r * V::N;
                            if at < np {
                                let d = V::load(g.add(at));
                                lanes[r] = V::fma(d, V::load(w.add(at)), lanes[r]);
                                V::store(d_w.add(at), V::fma(d, h, V::load(d_w.add(at))));
                            }
                        }
                        j += vectors::<V>() * V::N;
                    }
                    V::store(waiting.add((slot * per + 1 + c) * V::N), halves::<V>(&lanes));
                }
            }
            let sums = many.sums.as_mut_ptr();
            for first in (0..k * per).step_by(V::N) {
                let mut group = [zero; 16];
                for l in 0..V::N {
                    group[l] = V::load(waiting.add((first + l) * V::N));
                }
                V::store(sums.add(first), V::fold(&group[..V::N]));
            }
            // The gate learns through the weights: d s_e = a_e (u_e - sum a u).
            let mut inner = 0.0f32;
            for slot in 0..k {
                inner = (*weights.add(slot * many.stride)).mul_add(*sums.add(slot * per), inner);
            }
            for slot in 0..k {
                let e = *active.add(slot) as usize;
                let d_score = V::splat(*weights.add(slot * many.stride) * (*sums.add(slot * per) - inner));
                let d_gate = gradients.add(layout.gate(e, 0));
                for j in (0..features).step_by(V::N) {
                    V::store(d_gate.add(j), V::fma(d_score, V::load(x.add(j)), V::load(d_gate.add(j))));
                }
                for c in 0..hidden {
                    let d_hidden = V::splat(*sums.add(slot * per + 1 + c));
                    let d_w = d_inputs.add((e * hidden + c) * np);
                    for j in (0..features).step_by(V::N) {
                        V::store(d_w.add(j), V::fma(d_hidden, V::load(x.add(j)), V::load(d_w.add(j))));
                    }
                }
            }
        }
    }
}

/// From hidden values of a sample to its experts' outputs and the slopes of their mixture.
struct Forward<'a> {
    problem: &'a Problem,
    layout: Layout,
    parameters: *const f32,
    products: *const f32,
    active: *const u32,
    weights: *const f32,
    k: usize,
    x: *const f32,
    losses: *mut f32,
    outputs: *mut f32,
    slopes: *mut f32,
}

impl Forward<'_> {
    #[inline(always)]
    unsafe fn columns<V: Simd, const R: usize>(&self, stride: usize, j: usize) {
        let Shape { experts, hidden, .. } = self.problem.shape;
        let np = self.layout.stride;
        unsafe {
            let zero = V::splat(0.0);
            let mut mixed = [zero; R];
            for slot in 0..self.k {
                let e = *self.active.add(slot) as usize;
                let a = V::splat(*self.weights.add(slot * stride));
                let bias = self.parameters.add(self.layout.bias(e, 0) + j);
                let mut z = [zero; R];
                for r in 0..R {
                    z[r] = V::load(bias.add(r * V::N));
                }
                let h = self.products.add(experts + e * hidden);
                let mut column = self.parameters.add(e * hidden * np + j);
                for c in 0..hidden {
                    let h = V::splat(*h.add(c));
                    for r in 0..R {
                        z[r] = V::fma(h, V::load(column.add(r * V::N)), z[r]);
                    }
                    column = column.add(np);
                }
                for r in 0..R {
                    let y = V::max(z[r], zero);
                    V::store(self.outputs.add(slot * np + j + r * V::N), y);
                    mixed[r] = V::fma(a, y, mixed[r]);
                }
            }
            for r in 0..R {
                let at = j + r * V::N;
                let d = V::sub(mixed[r], V::load(self.x.add(at)));
                V::store(self.losses.add(at), V::fma(d, d, V::load(self.losses.add(at))));
                V::store(self.slopes.add(at), V::mul(V::load(self.problem.slope.as_ptr().add(at)), d));
            }
        }
    }
}

/// The experts with the highest scores, ascending; ties go to the lowest index.
#[inline(always)]
fn highest(scores: &[f32], chosen: &mut [u32]) {
    let mut taken = [0u64; 4096 / 64];
    for _ in 0..chosen.len() {
        let (mut best, mut high) = (usize::MAX, f32::NEG_INFINITY);
        for (e, &score) in scores.iter().enumerate() {
            let free = taken[e / 64] >> (e % 64) & 1 == 0;
            let better = free & ((score > high) | (best == usize::MAX));
            high = if better { score } else { high };
            best = if better { e } else { best };
        }
        taken[best / 64] |= 1 << (best % 64);
    }
    let mut next = chosen.iter_mut();
    for (w, mut bits) in taken.into_iter().enumerate() {
        while bits != 0 {
            if let Some(slot) = next.next() {
                *slot = w as u32 * 64 + bits.trailing_zeros();
            }
            bits &= bits - 1;
        }
    }
}

/// Scores of active experts \[k, B\] to weights: exp(s - max) over the sum of these, ascending.
#[inline(always)]
unsafe fn weigh<V: Simd>(weights: &mut [f32], stride: usize, active: usize) {
    unsafe {
        for s in (0..stride).step_by(V::N) {
            let at = weights.as_mut_ptr().add(s);
            let mut high = V::load(at);
            for slot in 1..active {
                high = V::max(high, V::load(at.add(slot * stride)));
            }
            let mut sum = V::splat(0.0);
            for slot in 0..active {
                let e = exp::<V>(V::sub(V::load(at.add(slot * stride)), high));
                sum = V::add(sum, e);
                V::store(at.add(slot * stride), e);
            }
            for slot in 0..active {
                V::store(at.add(slot * stride), V::div(V::load(at.add(slot * stride)), sum));
            }
        }
    }
}
