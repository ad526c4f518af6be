//! Loss and gradients of mixtures with one active expert that are not small (items 2 to 7 of the contract).
//!
//! Samples are grouped by expert and go through each expert's matrices in chunks that stay in the L1 cache.

use super::gradient_kernel::GradientKernel;
use super::mixture_buffers::MixtureBuffers;
use super::output_layer::OutputLayer;
use super::step_constants::StepConstants;
use super::tiles::{GatheredRows, Matrix, MatrixMut, outer, product, transpose};
use crate::models::architecture::ModelShape;
use crate::numerics::aligned::AlignedF32;
use crate::numerics::draws::BatchId;
use crate::numerics::simd::Simd;

/// Samples that go through an expert at once.
const CHUNK: usize = 32;

/// Buffers of one model.
#[derive(Clone, Debug)]
pub struct Top1Kernel {
    shared: MixtureBuffers,
    /// m rounded up to 16.
    mp: usize,
    /// W \[E, np, mp\] and G \[np, ep\]: transposed parameters.
    w: AlignedF32,
    g: AlignedF32,
    /// Starting scores: 0, and -inf in the padding behind the experts.
    score_start: AlignedF32,
    /// The part of one expert in L_j.
    expert_losses: AlignedF32,
    /// Samples of each expert, ascending, \[E, capacity\]; all-zero samples are in none.
    order: Vec<u32>,
    capacity: usize,
    /// g \[CHUNK, np\], h and dh \[CHUNK, mp\].
    slopes: AlignedF32,
    hidden: AlignedF32,
    d_hidden: AlignedF32,
}

impl Top1Kernel {
    pub fn new(constants: &StepConstants, seed: u64) -> Top1Kernel {
        let ModelShape { experts, hidden, .. } = constants.shape;
        let shared = MixtureBuffers::new(constants, seed);
        let (np, mp, ep) = (shared.np, hidden.next_multiple_of(16), shared.ep);
        let capacity = constants.samples.next_multiple_of(16) + 16;
        let mut score_start = AlignedF32::zeros(ep);
        score_start[experts..].fill(f32::NEG_INFINITY);
        let zeros = AlignedF32::zeros;
        Top1Kernel {
            shared,
            mp,
            w: zeros(experts * np * mp),
            g: zeros(np * ep),
            score_start,
            expert_losses: zeros(np),
            order: vec![0; experts * capacity],
            capacity,
            slopes: zeros(CHUNK * np),
            hidden: zeros(CHUNK * mp),
            d_hidden: zeros(CHUNK * mp),
        }
    }
}

impl GradientKernel for &mut Top1Kernel {
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

impl Top1Kernel {
    #[inline(always)]
    unsafe fn compute<V: Simd>(&mut self, constants: &StepConstants, parameters: &[f32], gradients: &mut [f32]) -> f32 {
        let ModelShape { experts, features, hidden, .. } = constants.shape;
        let samples = constants.samples;
        let balanced = constants.balance > 0.0 && experts > 1;
        unsafe {
            for e in 0..experts {
                let from =
                    Matrix { base: parameters.as_ptr().add(e * hidden * self.shared.np), stride: self.shared.np };
                let to = MatrixMut { base: self.w.as_mut_ptr().add(e * self.shared.np * self.mp), stride: self.mp };
                transpose::<V>(from, hidden, features, to);
            }
            if experts > 1 {
                self.compute_scores::<V>(constants, parameters);
            }
            let counts = self.group_by_expert::<V>(samples, experts);
            // All-zero samples: expert 0, evaluated once.
            let zeros = (samples - counts.iter().sum::<usize>()) as f32;
            let bias = self.shared.layout.bias(0, 0);
            for j in (0..features).step_by(V::N) {
                let y = V::max(V::load(parameters.as_ptr().add(bias + j)), V::splat(0.0));
                V::store(self.shared.losses.as_mut_ptr().add(j), V::mul(V::splat(zeros), V::mul(y, y)));
            }
            for e in 0..experts {
                self.compute_expert::<V>(constants, parameters, gradients, e, counts[e]);
            }
            for j in (0..features).step_by(V::N) {
                let y = V::max(V::load(parameters.as_ptr().add(bias + j)), V::splat(0.0));
                let d = gradients.as_mut_ptr().add(bias + j);
                let g = V::mul(V::load(constants.slope.as_ptr().add(j)), y);
                V::store(d, V::fma(V::splat(zeros), g, V::load(d)));
            }
            let mut loss = self.shared.total_loss::<V>(constants);
            if balanced {
                let mut used: Vec<f32> = counts.iter().map(|&count| count as f32).collect();
                used[0] += zeros;
                loss = self.shared.add_load_balancing::<V>(constants, &used, gradients, loss);
            }
            if experts == 1 {
                // The one expert is used by all: f = P = 1.
                loss += constants.balance;
            }
            loss
        }
    }

    /// List the samples of each expert and return their numbers. All-zero samples are left out.
    #[inline(always)]
    unsafe fn group_by_expert<V: Simd>(&mut self, samples: usize, experts: usize) -> Vec<usize> {
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
                        tile[l] = V::load(self.shared.scores.as_ptr().add((top + l) * self.shared.ep + first));
                    }
                    V::transpose(&mut tile[..V::N]);
                    for (l, &score) in tile.iter().enumerate().take(V::N.min(experts - first)) {
                        expert = V::select(V::greater(score, high), V::splat((first + l) as f32), expert);
                        high = V::max(score, high);
                    }
                }
                let any = V::greater(V::load(self.shared.inputs.any.as_ptr().add(top)), V::splat(0.0));
                let any = V::and(any, V::first_lanes(samples - top));
                let sample = V::load_words(self.shared.identity.as_ptr().add(top));
                for (e, count) in counts.iter_mut().enumerate() {
                    let mine = V::and(any, V::equal(expert, V::splat(e as f32)));
                    V::compress_words(mine, sample, self.order.as_mut_ptr().add(e * self.capacity + *count));
                    *count += V::mask_bits(mine).count_ones() as usize;
                }
            }
        }
        counts
    }

    /// Scores of all samples.
    #[inline(always)]
    unsafe fn compute_scores<V: Simd>(&mut self, constants: &StepConstants, parameters: &[f32]) {
        let ModelShape { experts, features, .. } = constants.shape;
        unsafe {
            let gate = Matrix { base: parameters.as_ptr().add(self.shared.layout.gate(0, 0)), stride: self.shared.np };
            transpose::<V>(gate, experts, features, MatrixMut { base: self.g.as_mut_ptr(), stride: self.shared.ep });
            let right = Matrix { base: self.g.as_ptr(), stride: self.shared.ep };
            let out = MatrixMut { base: self.shared.scores.as_mut_ptr(), stride: self.shared.ep };
            let start = self.score_start.as_ptr();
            product::<V>(self.shared.all_inputs(), constants.samples, right, features, experts, start, out);
        }
    }

    /// Samples of one expert forward and backward.
    #[inline(always)]
    unsafe fn compute_expert<V: Simd>(
        &mut self,
        constants: &StepConstants,
        parameters: &[f32],
        gradients: &mut [f32],
        e: usize,
        count: usize,
    ) {
        let ModelShape { features, hidden, .. } = constants.shape;
        let (np, mp) = (self.shared.np, self.mp);
        unsafe {
            self.expert_losses.fill(0.0);
            let w = Matrix { base: self.w.as_ptr().add(e * np * mp), stride: mp };
            let columns = e * hidden * np;
            for first in (0..count).step_by(CHUNK) {
                let here = CHUNK.min(count - first);
                let index = self.order.as_ptr().add(e * self.capacity + first);
                let inputs = GatheredRows { base: self.shared.inputs.x.as_ptr(), stride: np, index };
                let h = MatrixMut { base: self.hidden.as_mut_ptr(), stride: mp };
                product::<V>(inputs, here, w, features, hidden, std::ptr::null(), h);
                let output_layer = OutputLayer {
                    inputs,
                    hidden: self.hidden.as_ptr(),
                    mp,
                    terms: hidden,
                    columns: parameters.as_ptr().add(columns),
                    np,
                    bias: parameters.as_ptr().add(self.shared.layout.bias(e, 0)),
                    d_bias: gradients.as_mut_ptr().add(self.shared.layout.bias(e, 0)),
                    slope: constants.slope.as_ptr(),
                    losses: self.expert_losses.as_mut_ptr(),
                    g: self.slopes.as_mut_ptr(),
                };
                output_layer.run::<V, false>(here, features);
                let g = GatheredRows { base: self.slopes.as_ptr(), stride: np, index: self.shared.identity.as_ptr() };
                let dh = MatrixMut { base: self.d_hidden.as_mut_ptr(), stride: mp };
                product::<V>(g, here, w, features, hidden, std::ptr::null(), dh);
                let h = Matrix { base: self.hidden.as_ptr(), stride: mp };
                let d = MatrixMut { base: gradients.as_mut_ptr().add(columns), stride: np };
                outer::<V>(h, hidden, g, here, features, d);
                let dh = Matrix { base: self.d_hidden.as_ptr(), stride: mp };
                let d = MatrixMut { base: self.shared.d_inputs.as_mut_ptr().add(columns), stride: np };
                outer::<V>(dh, hidden, inputs, here, features, d);
            }
            for j in (0..features).step_by(V::N) {
                let all = self.shared.losses.as_mut_ptr().add(j);
                V::store(all, V::add(V::load(all), V::load(self.expert_losses.as_ptr().add(j))));
            }
        }
    }
}
