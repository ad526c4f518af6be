//! Loss and gradients of mixtures with several active experts (items 2 to 7 of the contract): their outputs are mixed by the renormalised
//! weights, through which the gate learns.
//!
//! Scores, active experts, weights and hidden values are computed for the whole batch; then each sample goes forward and backward through
//! all its experts at once.

use super::gradient_kernel::GradientKernel;
use super::mixture_buffers::MixtureBuffers;
use super::mixture_layout::MixtureLayout;
use super::step_constants::StepConstants;
use super::tiles::{Matrix, MatrixMut, product, transpose};
use crate::models::architecture::ModelShape;
use crate::numerics::aligned::AlignedF32;
use crate::numerics::draws::BatchId;
use crate::numerics::routing::{for_each_set_bit, mark_top_k};
use crate::numerics::simd::{Simd, exp, fold_lanes, lane_vectors};

/// Buffers of one model.
#[derive(Clone, Debug)]
pub struct TopKKernel {
    shared: MixtureBuffers,
    /// \[G | W of all experts\] as \[n, width\]; its products with inputs are scores and hidden values of all experts.
    all: AlignedF32,
    width: usize,
    products: AlignedF32,
    /// Active experts of each sample, ascending, \[B, k\].
    active: Vec<u32>,
    /// Their scores, then their weights, \[k, B\].
    weights: AlignedF32,
    stride: usize,
    used: Vec<f32>,
    /// Outputs of the active experts \[k, np\], and slopes of the mixed output \[np\].
    outputs: AlignedF32,
    slopes: AlignedF32,
    g: AlignedF32,
    /// Sums over features, as 16 or 8 lanes until the tree adds these, and then as numbers.
    partial: AlignedF32,
    sums: AlignedF32,
}

impl TopKKernel {
    pub fn new(constants: &StepConstants, seed: u64) -> TopKKernel {
        let ModelShape { experts, features, hidden, active } = constants.shape;
        let round = |n: usize| n.next_multiple_of(16);
        let (width, np, stride) = (round(experts * (hidden + 1)), round(features), round(constants.samples));
        let zeros = AlignedF32::zeros;
        let partial = round(active * (hidden + 1));
        TopKKernel {
            shared: MixtureBuffers::new(constants, seed),
            all: zeros(np * width),
            width,
            products: zeros(constants.samples.next_multiple_of(8) * width),
            active: vec![0; constants.samples * active],
            weights: zeros(active * stride),
            stride,
            used: vec![0.0; experts],
            outputs: zeros(active * np),
            slopes: zeros(np),
            g: zeros(np),
            partial: zeros(partial * 16),
            sums: zeros(partial),
        }
    }
}

impl GradientKernel for &mut TopKKernel {
    #[inline(always)]
    unsafe fn gradients<V: Simd>(
        &mut self,
        constants: &StepConstants,
        id: BatchId,
        parameters: &[f32],
        gradients: &mut [f32],
        _want_loss: bool,
    ) -> f32 {
        unsafe {
            self.shared.begin_step::<V>(constants, id, gradients);
            let loss = self.compute::<V>(constants, parameters, gradients);
            self.shared.add_input_gradients::<V>(gradients);
            loss
        }
    }
}

impl TopKKernel {
    #[inline(always)]
    unsafe fn compute<V: Simd>(&mut self, constants: &StepConstants, parameters: &[f32], gradients: &mut [f32]) -> f32 {
        let ModelShape { experts, active, .. } = constants.shape;
        let samples = constants.samples;
        unsafe {
            self.compute_products::<V>(constants, parameters);
            self.shared.losses.fill(0.0);
            self.used.fill(0.0);
            for s in 0..samples {
                let scores = &self.products[s * self.width..][..experts];
                let chosen = &mut self.active[s * active..(s + 1) * active];
                let mut slots = chosen.iter_mut();
                for_each_set_bit(mark_top_k(scores, active), |e| {
                    if let Some(slot) = slots.next() {
                        *slot = e as u32;
                    }
                });
                for (slot, &e) in chosen.iter().enumerate() {
                    self.used[e as usize] += 1.0;
                    self.weights[slot * self.stride + s] = scores[e as usize];
                }
            }
            softmax_columns::<V>(&mut self.weights, self.stride, active);
            for s in 0..samples {
                self.compute_sample::<V>(constants, parameters, gradients, s);
            }
            let loss = self.shared.total_loss::<V>(constants);
            if constants.balance > 0.0 {
                for s in 0..samples {
                    let from = &self.products[s * self.width..][..experts];
                    let to = &mut self.shared.scores[s * self.shared.ep..(s + 1) * self.shared.ep];
                    to.fill(f32::NEG_INFINITY);
                    to[..experts].copy_from_slice(from);
                }
                let used = std::mem::take(&mut self.used);
                let loss = self.shared.add_load_balancing::<V>(constants, &used, gradients, loss);
                self.used = used;
                return loss;
            }
            loss
        }
    }

    /// Scores and hidden values of all samples in all experts.
    #[inline(always)]
    unsafe fn compute_products<V: Simd>(&mut self, constants: &StepConstants, parameters: &[f32]) {
        let ModelShape { experts, features, hidden, .. } = constants.shape;
        let inputs = self.shared.all_inputs();
        let np = self.shared.np;
        unsafe {
            // Rows of G, then of W, become columns of `all`: both are stored [.., np].
            let total = experts * (hidden + 1);
            for top in (0..total).step_by(16) {
                let mut rows = [std::ptr::null(); 16];
                for (l, row) in rows.iter_mut().enumerate().take(total - top) {
                    let r = top + l;
                    let at = if r < experts { self.shared.layout.gate(r, 0) } else { (r - experts) * np };
                    *row = parameters.as_ptr().add(at);
                }
                // Sixteen rows at a time, gathered so that one transposition serves both kinds.
                let mut block = AlignedF32::default();
                block.reserve(16 * np);
                for (l, row) in rows.iter().enumerate() {
                    if !row.is_null() {
                        std::ptr::copy_nonoverlapping(*row, block.as_mut_ptr().add(l * np), np);
                    }
                }
                let from = Matrix { base: block.as_ptr(), stride: np };
                let to = MatrixMut { base: self.all.as_mut_ptr().add(top), stride: self.width };
                transpose::<V>(from, 16, features, to);
            }
            let right = Matrix { base: self.all.as_ptr(), stride: self.width };
            let out = MatrixMut { base: self.products.as_mut_ptr(), stride: self.width };
            product::<V>(inputs, constants.samples, right, features, total, std::ptr::null(), out);
        }
    }

    /// One sample forward and backward.
    #[inline(always)]
    unsafe fn compute_sample<V: Simd>(
        &mut self,
        constants: &StepConstants,
        parameters: &[f32],
        gradients: &mut [f32],
        s: usize,
    ) {
        let ModelShape { experts, features, hidden, active: k } = constants.shape;
        let np = self.shared.np;
        let layout = self.shared.layout;
        let losses = self.shared.losses.as_mut_ptr();
        let d_inputs = self.shared.d_inputs.as_mut_ptr();
        unsafe {
            let zero = V::splat(0.0);
            let x = self.shared.inputs.x.as_ptr().add(s * np);
            let (parameters, gradients) = (parameters.as_ptr(), gradients.as_mut_ptr());
            let products = self.products.as_ptr().add(s * self.width);
            let active = self.active.as_ptr().add(s * k);
            let weights = self.weights.as_ptr().add(s);
            let outputs = self.outputs.as_mut_ptr();
            let slopes = self.slopes.as_mut_ptr();
            // Forward: two vectors of features at a time.
            let forward = ExpertForward {
                constants,
                layout,
                parameters,
                products,
                active,
                weights,
                k,
                x,
                losses,
                outputs,
                slopes,
            };
            let mut j = 0;
            while j < features {
                if np - j >= 2 * V::N {
                    forward.columns::<V, 2>(self.stride, j);
                    j += 2 * V::N;
                } else {
                    forward.columns::<V, 1>(self.stride, j);
                    j += V::N;
                }
            }
            // Backward, experts one by one; sums over features are kept as lanes until the tree adds them.
            let per = hidden + 1;
            let partial = self.partial.as_mut_ptr();
            let g = self.g.as_mut_ptr();
            for slot in 0..k {
                let e = *active.add(slot) as usize;
                let a = V::splat(*weights.add(slot * self.stride));
                let d_bias = gradients.add(layout.bias(e, 0));
                let mut lanes = [zero; 4];
                let mut j = 0;
                while j < features {
                    for r in 0..lane_vectors::<V>() {
                        let at = j + r * V::N;
                        if at < np {
                            let (y, slope) = (V::load(outputs.add(slot * np + at)), V::load(slopes.add(at)));
                            lanes[r] = V::fma(slope, y, lanes[r]);
                            let d = V::select_or_zero(V::greater(y, zero), V::mul(a, slope));
                            V::store(g.add(at), d);
                            V::store(d_bias.add(at), V::add(V::load(d_bias.add(at)), d));
                        }
                    }
                    j += lane_vectors::<V>() * V::N;
                }
                V::store(partial.add(slot * per * V::N), fold_lanes::<V>(&lanes));
                let h = products.add(experts + e * hidden);
                for c in 0..hidden {
                    let column = (e * hidden + c) * np;
                    let (w, d_w) = (parameters.add(column), gradients.add(column));
                    let h = V::splat(*h.add(c));
                    let mut lanes = [zero; 4];
                    let mut j = 0;
                    while j < features {
                        for r in 0..lane_vectors::<V>() {
                            let at = j + r * V::N;
                            if at < np {
                                let d = V::load(g.add(at));
                                lanes[r] = V::fma(d, V::load(w.add(at)), lanes[r]);
                                V::store(d_w.add(at), V::fma(d, h, V::load(d_w.add(at))));
                            }
                        }
                        j += lane_vectors::<V>() * V::N;
                    }
                    V::store(partial.add((slot * per + 1 + c) * V::N), fold_lanes::<V>(&lanes));
                }
            }
            let sums = self.sums.as_mut_ptr();
            for first in (0..k * per).step_by(V::N) {
                let mut group = [zero; 16];
                for l in 0..V::N {
                    group[l] = V::load(partial.add((first + l) * V::N));
                }
                V::store(sums.add(first), V::horizontal_sums(&group[..V::N]));
            }
            // The gate learns through the weights: d s_e = a_e (u_e - sum a u).
            let mut inner = 0.0f32;
            for slot in 0..k {
                inner = (*weights.add(slot * self.stride)).mul_add(*sums.add(slot * per), inner);
            }
            for slot in 0..k {
                let e = *active.add(slot) as usize;
                let d_score = V::splat(*weights.add(slot * self.stride) * (*sums.add(slot * per) - inner));
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

/// Arguments of the forward pass of a sample: from its hidden values to the outputs of its experts and the slopes of their mixture.
struct ExpertForward<'a> {
    constants: &'a StepConstants,
    layout: MixtureLayout,
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

impl ExpertForward<'_> {
    #[inline(always)]
    unsafe fn columns<V: Simd, const R: usize>(&self, stride: usize, j: usize) {
        let ModelShape { experts, hidden, .. } = self.constants.shape;
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
                V::store(self.slopes.add(at), V::mul(V::load(self.constants.slope.as_ptr().add(at)), d));
            }
        }
    }
}

/// Scores of active experts \[k, B\] to weights in place: exp(s - max) over the sum of these, ascending.
#[inline(always)]
unsafe fn softmax_columns<V: Simd>(weights: &mut [f32], stride: usize, active: usize) {
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
