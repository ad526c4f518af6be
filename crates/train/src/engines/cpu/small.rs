//! Loss and gradients of small mixtures: one sample a lane, everything in registers (items 2 to 7 of the contract for small models).
//!
//! Features, hidden dimensions and experts are constants of the code, so that every loop over them is unrolled; experts are selected by
//! masks, not branches. All-zero samples are dropped by `small_inputs.rs` and evaluated once.

use std::hint::black_box;

use super::gradient_kernel::GradientKernel;
use super::small_inputs::{DrawSmallInputs, SmallInputs};
use super::step_constants::StepConstants;
use super::training_state::TrainingState;
use super::training_steps::TrainingSteps;
use crate::engines::kernel_class::{SMALL_EXPERTS, SMALL_FEATURES, SMALL_HIDDEN};
use crate::models::architecture::ModelShape;
use crate::numerics::aligned::AlignedF32;
use crate::numerics::draws::{BatchId, PresenceThreshold};
use crate::numerics::simd::{Level, Simd, dispatch, exp, fold_lanes, lane_vectors};

/// The most sums over samples: W, b, L, mean probabilities, products of probabilities.
const SUMS: usize = 18 + 9 + 3 + 2 + 9;

/// Steps of training, or with a count of 0 the gradients of the current step; returns the last loss.
type RunSteps = fn(&mut SmallKernel, Level, &mut TrainingState, u32) -> f32;

/// The code compiled for each shape: \[features\]\[hidden\]\[experts\], each less 1.
static COMPILED: [[[RunSteps; SMALL_EXPERTS]; SMALL_HIDDEN]; SMALL_FEATURES] = [
    [
        [run_steps::<1, 1, 1>, run_steps::<1, 1, 2>, run_steps::<1, 1, 3>],
        [run_steps::<1, 2, 1>, run_steps::<1, 2, 2>, run_steps::<1, 2, 3>],
    ],
    [
        [run_steps::<2, 1, 1>, run_steps::<2, 1, 2>, run_steps::<2, 1, 3>],
        [run_steps::<2, 2, 1>, run_steps::<2, 2, 2>, run_steps::<2, 2, 3>],
    ],
    [
        [run_steps::<3, 1, 1>, run_steps::<3, 1, 2>, run_steps::<3, 1, 3>],
        [run_steps::<3, 2, 1>, run_steps::<3, 2, 2>, run_steps::<3, 2, 3>],
    ],
];

fn run_steps<const N: usize, const M: usize, const E: usize>(
    small: &mut SmallKernel,
    level: Level,
    state: &mut TrainingState,
    count: u32,
) -> f32 {
    dispatch(level, TrainingSteps { kernel: SizedKernel::<N, M, E>(small), state, count })
}

/// Buffers of one small model.
#[derive(Clone, Debug)]
pub struct SmallKernel {
    run_steps: RunSteps,
    inputs: SmallInputs,
    /// Lanes of each expert in each vector of samples.
    masks: Vec<u8>,
    /// Virtual lanes of the sums, pass by pass.
    partial: AlignedF32,
    /// Importances and the weight of load balancing are below 2^16.
    moderate: bool,
}

impl SmallKernel {
    /// For a shape that the contract calls small.
    pub fn new(constants: &StepConstants, seed: u64) -> SmallKernel {
        let ModelShape { experts, features, hidden, .. } = constants.shape;
        SmallKernel {
            run_steps: COMPILED[features - 1][hidden - 1][experts - 1],
            inputs: SmallInputs::new(constants, seed),
            masks: vec![0; (constants.samples.next_multiple_of(16)).div_ceil(8) * 32 * SMALL_EXPERTS],
            partial: AlignedF32::zeros(4 * SUMS * 16),
            moderate: constants.importance.iter().chain([&constants.balance]).all(|&number| number < 65_536.0),
        }
    }

    /// Steps of training, or with a count of 0 the gradients of the current step; returns the last loss.
    pub fn run(&mut self, level: Level, state: &mut TrainingState, count: u32) -> f32 {
        (self.run_steps)(self, level, state, count)
    }
}

/// The kernel with its sizes as constants.
struct SizedKernel<'a, const N: usize, const M: usize, const E: usize>(&'a mut SmallKernel);

/// Parameters: each in all lanes; or, with [`uses_permutation`], lane e of the first is that of expert e.
struct SmallParameters<V: Simd, const N: usize, const M: usize, const E: usize> {
    w: [[[V::F; M]; N]; E],
    b: [[V::F; N]; E],
    slope: [V::F; N],
}

/// Whether a permutation gives each sample the parameters of its expert, where it is faster than one select an expert.
#[inline(always)]
fn uses_permutation<V: Simd>(experts: usize) -> bool {
    experts == 3 || experts > 1 && V::N == 8
}

/// Sums over the samples of a lane: gradients and L.
struct LaneSums<V: Simd, const N: usize, const M: usize, const E: usize> {
    w: [[[V::F; M]; N]; E],
    b: [[V::F; N]; E],
    loss: [V::F; N],
}

/// Sums of the load-balancing loss.
struct BalanceSums<V: Simd, const N: usize, const E: usize> {
    /// Probabilities of experts 1 and 2.
    mean: [V::F; 2],
    /// x_i times the product of two experts' probabilities: 0 and 1, 0 and 2, 1 and 2.
    pair: [[V::F; N]; 3],
    /// Samples of each expert, over all lanes.
    count: [u32; E],
}

impl<const N: usize, const M: usize, const E: usize> GradientKernel for SizedKernel<'_, N, M, E> {
    #[inline(always)]
    unsafe fn gradients<V: Simd>(
        &mut self,
        constants: &StepConstants,
        id: BatchId,
        parameters: &[f32],
        gradients: &mut [f32],
        want_loss: bool,
    ) -> f32 {
        let threshold = PresenceThreshold::new(constants.probability, id.step);
        unsafe {
            let small = &mut *self.0;
            let count = V::call_kernel(DrawSmallInputs::<N> {
                inputs: &mut small.inputs,
                step: id.step,
                threshold,
                samples: constants.samples,
            });
            // Below these limits no loss overflows: |z| < 2^44, so that sums over 2^20 samples of d d < 2^88, times importances, stay below 2^126.
            let want_loss = want_loss || !small.moderate || !all_below::<V>(parameters, 1_048_576.0);
            step::<V, N, M, E>(small, constants, parameters, gradients, count, want_loss)
        }
    }
}

/// Whether all numbers are between -limit and limit; reads whole vectors.
#[inline(always)]
unsafe fn all_below<V: Simd>(numbers: &[f32], limit: f32) -> bool {
    unsafe {
        let mut all = V::first_lanes(V::N);
        for i in (0..numbers.len()).step_by(V::N) {
            all = V::and(all, V::greater(V::splat(limit), V::abs(V::load(numbers.as_ptr().add(i)))));
        }
        V::mask_bits(all) == V::mask_bits(V::first_lanes(V::N))
    }
}

/// The inputs of one vector of samples, and which lanes hold samples.
#[inline(always)]
unsafe fn load<V: Simd, const N: usize, const TAIL: bool>(
    x: &[AlignedF32; SMALL_FEATURES],
    at: usize,
    left: usize,
) -> ([V::F; N], V::M) {
    unsafe {
        let valid = V::first_lanes(if TAIL { left } else { V::N });
        let mut input = [V::splat(0.0); N];
        for i in 0..N {
            input[i] = V::load(x[i].as_ptr().add(at));
            if TAIL {
                input[i] = V::select_or_zero(valid, input[i]);
            }
        }
        (input, valid)
    }
}

/// Routes one vector of samples: the lanes of each expert go to `masks`.
#[inline(always)]
unsafe fn route<V: Simd, const N: usize, const E: usize, const TAIL: bool>(
    g: &[[V::F; N]; E],
    shares: &mut BalanceSums<V, N, E>,
    (input, valid): ([V::F; N], V::M),
    masks: *mut u8,
) {
    unsafe {
        let zero = V::splat(0.0);
        let mut score = [zero; E];
        for e in 0..E {
            score[e] = V::mul(input[0], g[e][0]);
            for i in 1..N {
                score[e] = V::fma(input[i], g[e][i], score[e]);
            }
        }
        let mut mine = [valid; E];
        // The best expert's exponential is exactly 1.
        let one = V::splat(1.0);
        let mut q = [one; E];
        let mut product = [one; 3];
        if E == 2 {
            let difference = V::sub(score[1], score[0]);
            (mine[0], mine[1]) = (V::and_not_greater(valid, difference, zero), V::and_greater(valid, difference, zero));
            let low = exp::<V>(V::neg_abs(difference));
            let high = V::div(one, V::add(one, low));
            let low = V::mul(low, high);
            q[1] = V::select(mine[1], high, low);
            product[0] = V::mul(low, high);
        } else {
            let (first, last) = (V::max(score[1], score[0]), score[E - 1]);
            let best = V::max(last, first);
            mine[0] = V::and_not_greater(V::and_not_greater(valid, score[1], score[0]), last, first);
            mine[1] = V::and_not_greater(V::and_greater(valid, score[1], score[0]), last, first);
            mine[E - 1] = V::and_greater(valid, last, first);
            let low = exp::<V>(V::sub(V::select(mine[0], score[1], score[0]), best));
            let high = exp::<V>(V::sub(V::select(mine[E - 1], score[1], score[E - 1]), best));
            q[0] = V::select(mine[0], one, low);
            q[E - 1] = V::select(mine[E - 1], one, high);
            // Expert 1 is the best, or takes the position of the best expert.
            q[1] = V::select(mine[0], low, V::select(mine[E - 1], high, one));
            let share = V::div(one, V::add(V::add(q[0], q[1]), q[E - 1]));
            for e in 0..E {
                q[e] = V::mul(q[e], share);
            }
            product = [V::mul(q[0], q[1]), V::mul(q[0], q[E - 1]), V::mul(q[1], q[E - 1])];
        }
        for e in 0..E {
            V::store_mask(masks.add(e * V::MASK), mine[e]);
        }
        for e in 1..E {
            shares.count[e] += V::mask_bits(mine[e]).count_ones();
            let sum = &mut shares.mean[e - 1];
            *sum = if TAIL { V::add_where(valid, *sum, q[e]) } else { V::add(*sum, q[e]) };
        }
        for pair in 0..E * (E - 1) / 2 {
            for i in 0..N {
                shares.pair[pair][i] = V::fma(input[i], product[pair], shares.pair[pair][i]);
            }
        }
    }
}

/// One vector of samples forward and backward.
#[inline(always)]
unsafe fn samples<V: Simd, const N: usize, const M: usize, const E: usize, const TAIL: bool, const LOSS: bool>(
    p: &SmallParameters<V, N, M, E>,
    sums: &mut LaneSums<V, N, M, E>,
    (input, valid): ([V::F; N], V::M),
    masks: *const u8,
) {
    unsafe {
        let zero = V::splat(0.0);
        let mut mine = [valid; E];
        if E > 1 {
            // The mask of expert 0 is stored as well: computing it from the others would cost a select for each sum.
            for e in 0..E {
                mine[e] = V::load_mask(masks.add(e * V::MASK));
            }
        }
        let (mut w, mut b) = (p.w[0], p.b[0]);
        if uses_permutation::<V>(E) {
            let expert = V::index_from_masks(mine[1], if E == 3 { mine[2] } else { V::first_lanes(0) });
            for i in 0..N {
                for k in 0..M {
                    w[i][k] = V::permute(w[i][k], expert);
                }
                b[i] = V::permute(b[i], expert);
            }
        } else {
            for e in 1..E {
                for i in 0..N {
                    for k in 0..M {
                        w[i][k] = V::select(mine[e], p.w[e][i][k], w[i][k]);
                    }
                    b[i] = V::select(mine[e], p.b[e][i], b[i]);
                }
            }
        }
        // Forward.
        let mut h = [zero; M];
        for k in 0..M {
            h[k] = V::mul(input[0], w[0][k]);
            for i in 1..N {
                h[k] = V::fma(input[i], w[i][k], h[k]);
            }
        }
        // Errors and backward.
        let mut g = [zero; N];
        for i in 0..N {
            let mut z = b[i];
            for k in 0..M {
                z = V::fma(h[k], w[i][k], z);
            }
            if TAIL {
                z = V::select_or_zero(valid, z);
            }
            if LOSS {
                let d = V::sub(V::max(z, zero), input[i]);
                sums.loss[i] = V::fma(d, d, sums.loss[i]);
            }
            g[i] = V::mul(p.slope[i], V::select_or_zero(V::greater(z, zero), V::sub(z, input[i])));
        }
        let mut dh = [zero; M];
        for k in 0..M {
            dh[k] = V::mul(g[0], w[0][k]);
            for i in 1..N {
                dh[k] = V::fma(g[i], w[i][k], dh[k]);
            }
        }
        for i in 0..N {
            for k in 0..M {
                let d = V::fma(input[i], dh[k], V::mul(g[i], h[k]));
                for e in 0..E {
                    let sum = &mut sums.w[e][i][k];
                    *sum = if E == 1 { V::add(*sum, d) } else { V::add_where(mine[e], *sum, d) };
                }
            }
            for e in 0..E {
                let sum = &mut sums.b[e][i];
                *sum = if E == 1 { V::add(*sum, g[i]) } else { V::add_where(mine[e], *sum, g[i]) };
            }
        }
    }
}

/// All samples, the tree, and the gradients.
#[inline(always)]
unsafe fn step<V: Simd, const N: usize, const M: usize, const E: usize>(
    small: &mut SmallKernel,
    constants: &StepConstants,
    parameters: &[f32],
    gradients: &mut [f32],
    count: usize,
    want_loss: bool,
) -> f32 {
    unsafe {
        let zero = V::splat(0.0);
        let (bias, gate) = (E * N * M, E * N * (M + 1));
        let mut g = [[zero; N]; E];
        let mut p = SmallParameters::<V, N, M, E> { w: [[[zero; M]; N]; E], b: [[zero; N]; E], slope: [zero; N] };
        for e in 0..E {
            for i in 0..N {
                g[e][i] = V::splat(*parameters.get_unchecked(gate + e * N + i));
            }
        }
        if uses_permutation::<V>(E) {
            for i in 0..N {
                let mut table = [0.0f32; 16];
                for k in 0..M {
                    for e in 0..E {
                        table[e] = *parameters.get_unchecked((e * N + i) * M + k);
                    }
                    p.w[0][i][k] = V::load(table.as_ptr());
                }
                for e in 0..E {
                    table[e] = *parameters.get_unchecked(bias + e * N + i);
                }
                p.b[0][i] = V::load(table.as_ptr());
            }
        } else {
            for e in 0..E {
                for i in 0..N {
                    for k in 0..M {
                        p.w[e][i][k] = V::splat(*parameters.get_unchecked((e * N + i) * M + k));
                    }
                    p.b[e][i] = V::splat(*parameters.get_unchecked(bias + e * N + i));
                }
            }
        }
        for i in 0..N {
            p.slope[i] = V::splat(constants.slope[i]);
        }
        let full = count / V::N;
        let left = count - full * V::N;
        // Positions of the sums of probabilities, of their products and of L, behind those of the parameters.
        let mean = gate;
        let pairs = mean + E - 1;
        let losses = pairs + E * (E - 1) / 2 * N;
        let total = losses + N;
        let mut counts = [0u32; E];
        let stride = E * V::MASK;
        // A pass takes the vectors of its virtual lanes: first their routing, then the rest, so that registers suffice for either.
        // The number of passes is hidden from the compiler, or it would write the code once for each.
        for pass in 0..black_box(lane_vectors::<V>()) {
            let tail = left > 0 && full % lane_vectors::<V>() == pass;
            let partial = small.partial.as_mut_ptr().add(pass * SUMS * V::N);
            if E > 1 {
                let masks = small.masks.as_mut_ptr();
                let mut shares = BalanceSums::<V, N, E> { mean: [zero; 2], pair: [[zero; N]; 3], count: [0; E] };
                let mut v = pass;
                while v < full {
                    let input = load::<V, N, false>(&small.inputs.x, v * V::N, V::N);
                    route::<V, N, E, false>(&g, &mut shares, input, masks.add(v * stride));
                    v += lane_vectors::<V>();
                }
                if tail {
                    let input = load::<V, N, true>(&small.inputs.x, full * V::N, left);
                    route::<V, N, E, true>(&g, &mut shares, input, masks.add(full * stride));
                }
                for e in 1..E {
                    V::store(partial.add((mean + e - 1) * V::N), shares.mean[e - 1]);
                    counts[e] += shares.count[e];
                }
                for pair in 0..E * (E - 1) / 2 {
                    for i in 0..N {
                        V::store(partial.add((pairs + pair * N + i) * V::N), shares.pair[pair][i]);
                    }
                }
            }
            let masks = small.masks.as_ptr();
            let mut sums = LaneSums::<V, N, M, E> { w: [[[zero; M]; N]; E], b: [[zero; N]; E], loss: [zero; N] };
            macro_rules! samples {
                ($loss:literal) => {{
                    let mut v = pass;
                    while v < full {
                        let input = load::<V, N, false>(&small.inputs.x, v * V::N, V::N);
                        samples::<V, N, M, E, false, $loss>(&p, &mut sums, input, masks.add(v * stride));
                        v += lane_vectors::<V>();
                    }
                    if tail {
                        let input = load::<V, N, true>(&small.inputs.x, full * V::N, left);
                        samples::<V, N, M, E, true, $loss>(&p, &mut sums, input, masks.add(full * stride));
                    }
                }};
            }
            if want_loss {
                samples!(true);
            } else {
                samples!(false);
            }
            for i in 0..N {
                for e in 0..E {
                    for k in 0..M {
                        V::store(partial.add(((e * N + i) * M + k) * V::N), sums.w[e][i][k]);
                    }
                    V::store(partial.add((bias + e * N + i) * V::N), sums.b[e][i]);
                }
                V::store(partial.add((losses + i) * V::N), sums.loss[i]);
            }
        }
        let mut sum = [0.0f32; SUMS + 16];
        let mut first = 0;
        while first < if want_loss { total } else { losses } {
            let mut group = [zero; 16];
            for l in 0..V::N {
                if first + l < total {
                    let mut lanes = [zero; 4];
                    for pass in 0..lane_vectors::<V>() {
                        lanes[pass] = V::load(small.partial.as_ptr().add((pass * SUMS + first + l) * V::N));
                    }
                    group[l] = fold_lanes::<V>(&lanes);
                }
            }
            V::store(sum.as_mut_ptr().add(first), V::horizontal_sums(&group[..V::N]));
            first += V::N;
        }
        // All-zero samples belong to expert 0.
        let zeros = (constants.samples - count) as f32;
        let mut loss = 0.0f32;
        for i in 0..N {
            let b = parameters[bias + i];
            let y = if b > 0.0 { b } else { 0.0 };
            let l = zeros.mul_add(y * y, sum[losses + i]);
            loss = constants.importance[i].mul_add(l, loss);
            let d = &mut sum[bias + i];
            *d = zeros.mul_add(constants.slope[i] * y, *d);
        }
        gradients[..gate].copy_from_slice(&sum[..gate]);
        loss *= constants.scale;
        if E == 1 {
            // The one expert is used by all: f = P = 1.
            loss += constants.balance;
        }
        // Without load balancing this adds nothing to the loss, and makes the gate's gradient 0.
        if E > 1 {
            counts[0] = constants.samples as u32 - counts.iter().sum::<u32>();
            let samples = constants.samples as f32;
            let strength = constants.balance * E as f32;
            let factor = strength / samples;
            let mut share = [0.0f32; E];
            let mut probability = [1.0f32; E];
            for e in 0..E {
                share[e] = counts[e] as f32 / samples;
                if e > 0 {
                    probability[e] = zeros.mul_add(1.0 / E as f32, sum[mean + e - 1]) / samples;
                    probability[0] -= probability[e];
                }
            }
            let mut even = 0.0f32;
            for e in 0..E {
                even = share[e].mul_add(probability[e], even);
            }
            loss = strength.mul_add(even, loss);
            for e in 0..E {
                for i in 0..N {
                    let mut d = 0.0f32;
                    for other in 0..E {
                        if other != e {
                            let pair = e + other - 1;
                            d = (share[e] - share[other]).mul_add(sum[pairs + pair * N + i], d);
                        }
                    }
                    gradients[gate + e * N + i] = factor * d;
                }
            }
        }
        loss
    }
}
