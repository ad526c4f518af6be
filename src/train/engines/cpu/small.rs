//! Loss and gradients of small models: one sample a lane, everything in registers (items 2 to 6 of the contract for small models).
//!
//! Features, hidden dimensions and experts are constants of the code, so that every loop over them is unrolled; experts are chosen by masks,
//! not branches. All-zero samples are dropped before and evaluated once.

use std::hint::black_box;

use super::buffer::Floats;
use super::draws::{Begun, Chance, Source};
use super::instance::{Gradients, State, Training};
use super::problem::Problem;
use super::simd::{Kernel, Level, Simd, dispatch, exp, halves, vectors};
use crate::train::{Recipe, Shape, Stream};

/// The most features, hidden dimensions and experts of a small model.
const MOST: [usize; 3] = [3, 2, 3];

/// The most sums over samples: W, b, L, mean probabilities, products of probabilities.
const SUMS: usize = 18 + 9 + 3 + 2 + 9;

/// Steps of training, or with a count of 0 the gradients of the current step; returns the last loss.
type Run = fn(&mut Small, Level, &mut State, u32) -> f32;

/// Whether the contract treats models of this shape as small.
pub fn is_small(shape: Shape) -> bool {
    compiled(shape).is_some()
}

/// The code compiled for a small shape; `None` for all others.
fn compiled(shape: Shape) -> Option<Run> {
    macro_rules! shapes {
        ($($n:literal $m:literal $e:literal),*) => {
            match (shape.features, shape.hidden, shape.experts, shape.active) {
                $(($n, $m, $e, 1) => Some(run::<$n, $m, $e>),)*
                _ => None,
            }
        };
    }
    shapes!(
        1 1 1, 1 1 2, 1 1 3, 1 2 1, 1 2 2, 1 2 3, 2 1 1, 2 1 2, 2 1 3, 2 2 1, 2 2 2, 2 2 3,
        3 1 1, 3 1 2, 3 1 3, 3 2 1, 3 2 2, 3 2 3
    )
}

fn run<const N: usize, const M: usize, const E: usize>(
    small: &mut Small,
    level: Level,
    state: &mut State,
    count: u32,
) -> f32 {
    dispatch(level, Training { engine: Sized::<N, M, E>(small), state, count })
}

/// Buffers of one small model.
#[derive(Clone, Debug)]
pub struct Small {
    run: Run,
    begun: Begun,
    /// Values of each feature in the samples that are not all zero.
    x: [Floats; MOST[0]],
    /// Lanes of each expert in each vector of samples.
    masks: Vec<u8>,
    /// Virtual lanes of the sums, pass by pass.
    partial: Floats,
    /// Importances and the weight of load balancing are below 2^16.
    mild: bool,
}

impl Small {
    /// `None` for a model that is not small.
    pub fn new(problem: &Problem, seed: u64) -> Option<Small> {
        let run = compiled(problem.shape)?;
        let groups = problem.samples.div_ceil(16);
        let blocks = (groups * problem.shape.features).div_ceil(4);
        Some(Small {
            run,
            begun: Begun::new(seed, Stream::Training, blocks, blocks),
            // Compressed vectors are written whole.
            x: std::array::from_fn(|_| Floats::zeros(groups * 16 + 16)),
            masks: vec![0; (groups * 16).div_ceil(8) * 32 * MOST[2]],
            partial: Floats::zeros(4 * SUMS * 16),
            mild: problem.importance.iter().chain([&problem.balance]).all(|&number| number < 65_536.0),
        })
    }

    /// Steps of training, or with `count` 0 the gradients of the current step; returns the last loss.
    pub fn run(&mut self, level: Level, state: &mut State, count: u32) -> f32 {
        (self.run)(self, level, state, count)
    }
}

/// The same with its sizes as constants.
struct Sized<'a, const N: usize, const M: usize, const E: usize>(&'a mut Small);

/// Parameters: each in all lanes; or, for [`lookup`], lane e of the first is that of expert e.
struct Parameters<V: Simd, const N: usize, const M: usize, const E: usize> {
    w: [[[V::F; M]; N]; E],
    b: [[V::F; N]; E],
    slope: [V::F; N],
}

/// Whether each sample finds the parameters of its expert by one permutation, and not by one selection an expert: where it is faster.
#[inline(always)]
fn lookup<V: Simd>(experts: usize) -> bool {
    experts == 3 || experts > 1 && V::N == 8
}

/// Sums over the samples of a lane: gradients and L.
struct Sums<V: Simd, const N: usize, const M: usize, const E: usize> {
    w: [[[V::F; M]; N]; E],
    b: [[V::F; N]; E],
    loss: [V::F; N],
}

/// Sums of the load-balancing loss.
struct Shares<V: Simd, const N: usize, const E: usize> {
    /// Probabilities of experts 1 and 2.
    mean: [V::F; 2],
    /// x_i times the product of two experts' probabilities: 0 and 1, 0 and 2, 1 and 2.
    pair: [[V::F; N]; 3],
    /// Samples of each expert, over all lanes.
    count: [u32; E],
}

impl<const N: usize, const M: usize, const E: usize> Gradients for Sized<'_, N, M, E> {
    #[inline(always)]
    unsafe fn gradients<V: Simd>(
        &mut self,
        problem: &Problem,
        source: Source,
        parameters: &[f32],
        gradients: &mut [f32],
        asked: bool,
    ) -> f32 {
        let chance = Chance::new(problem.probability, source.step);
        unsafe {
            let small = &mut *self.0;
            let count = V::enter(Inputs::<N> { small, source, chance, samples: problem.samples });
            // Below these limits no loss overflows: |z| < 2^44, so that sums over 2^20 samples of d d < 2^88, times importances, stay below 2^126.
            let asked = asked || !small.mild || !below::<V>(parameters, 1_048_576.0);
            step::<V, N, M, E>(small, problem, parameters, gradients, count, asked)
        }
    }
}

/// Whether all numbers are between -limit and limit; reads whole vectors.
#[inline(always)]
unsafe fn below<V: Simd>(numbers: &[f32], limit: f32) -> bool {
    unsafe {
        let mut all = V::first(V::N);
        for i in (0..numbers.len()).step_by(V::N) {
            all = V::and(all, V::greater(V::splat(limit), V::abs(V::load(numbers.as_ptr().add(i)))));
        }
        V::bits(all) == V::bits(V::first(V::N))
    }
}

/// Draws the batch, as a function for all models with N features.
struct Inputs<'a, const N: usize> {
    small: &'a mut Small,
    source: Source,
    chance: Chance,
    samples: usize,
}

impl<const N: usize> Kernel for Inputs<'_, N> {
    type Output = usize;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> usize {
        let Inputs { small, source, chance, samples } = self;
        match chance.wide {
            true => unsafe { inputs::<V, N, true>(small, source, chance, samples) },
            false => unsafe { inputs::<V, N, false>(small, source, chance, samples) },
        }
    }
}

/// Draw the batch and keep the samples that are not all zero, in order; returns their number.
#[inline(always)]
unsafe fn inputs<V: Simd, const N: usize, const WIDE: bool>(
    small: &mut Small,
    source: Source,
    chance: Chance,
    samples: usize,
) -> usize {
    unsafe {
        let per = if WIDE { 16 } else { 32 };
        let groups = samples.div_ceil(per);
        let words = small.begun.room();
        small.begun.fill::<V>(source.step, 0, (groups * N).div_ceil(4), words);
        let mut kept = Kept::<N> { x: std::array::from_fn(|i| small.x[i].as_mut_ptr()), count: 0 };
        for group in 0..groups {
            let left = samples - group * per;
            for part in 0..per / 16 {
                for lane in (0..16).step_by(V::N) {
                    let words = words.add(group * N * 16 + lane);
                    let before = part * 16 + lane;
                    if before + V::N <= left {
                        kept.take::<V, WIDE, false>(words, chance, part, V::N);
                    } else if before < left {
                        kept.take::<V, WIDE, true>(words, chance, part, left - before);
                    }
                }
            }
        }
        kept.count
    }
}

/// Where the next sample that is not all zero goes.
struct Kept<const N: usize> {
    x: [*mut f32; N],
    count: usize,
}

impl<const N: usize> Kept<N> {
    /// One vector of samples from its words; if TAIL, only the first `left` are samples.
    #[inline(always)]
    unsafe fn take<V: Simd, const WIDE: bool, const TAIL: bool>(
        &mut self,
        words: *const u32,
        chance: Chance,
        part: usize,
        left: usize,
    ) {
        unsafe {
            let (below, scale, half) = (V::splat(chance.below), V::splat(chance.scale), V::splat(chance.half));
            let mut x = [V::splat(0.0); N];
            let mut any = V::first(0);
            for i in 0..N {
                let word = V::load_words(words.add(16 * i));
                let draw = match (WIDE, part) {
                    (true, _) => V::upper(word),
                    (false, 0) => V::low_half(word),
                    _ => V::high_half(word),
                };
                let present = V::greater(below, draw);
                any = V::or(any, present);
                x[i] = V::keep(present, V::fma(draw, scale, half));
            }
            if TAIL {
                any = V::and(any, V::first(left));
            }
            for i in 0..N {
                V::compress(any, x[i], self.x[i].add(self.count));
            }
            self.count += V::bits(any).count_ones() as usize;
        }
    }
}

/// The batch of a step, row-major \[B, n\]; samples that are all zero come last. `None` for a model that is not small.
pub fn rows(recipe: &Recipe, step: u32) -> Option<Vec<f32>> {
    let problem = Problem::new(recipe);
    let mut small = Small::new(&problem, recipe.seed)?;
    let source = Source { seed: recipe.seed, stream: Stream::Training, step };
    let (chance, samples, n) = (Chance::new(problem.probability, step), problem.samples, problem.shape.features);
    let (level, to) = (Level::best(), &mut small);
    let count = match n {
        1 => dispatch(level, Inputs::<1> { small: to, source, chance, samples }),
        2 => dispatch(level, Inputs::<2> { small: to, source, chance, samples }),
        _ => dispatch(level, Inputs::<3> { small: to, source, chance, samples }),
    };
    let mut rows = vec![0.0; samples * n];
    for (s, row) in rows.chunks_exact_mut(n).enumerate().take(count) {
        row.iter_mut().zip(&small.x).for_each(|(x, feature)| *x = feature[s]);
    }
    Some(rows)
}

/// The inputs of one vector of samples, and which lanes hold samples.
#[inline(always)]
unsafe fn load<V: Simd, const N: usize, const TAIL: bool>(
    x: &[Floats; MOST[0]],
    at: usize,
    left: usize,
) -> ([V::F; N], V::M) {
    unsafe {
        let valid = V::first(if TAIL { left } else { V::N });
        let mut input = [V::splat(0.0); N];
        for i in 0..N {
            input[i] = V::load(x[i].as_ptr().add(at));
            if TAIL {
                input[i] = V::keep(valid, input[i]);
            }
        }
        (input, valid)
    }
}

/// Routes one vector of samples: the lanes of each expert go to `masks`.
#[inline(always)]
unsafe fn route<V: Simd, const N: usize, const E: usize, const TAIL: bool>(
    g: &[[V::F; N]; E],
    shares: &mut Shares<V, N, E>,
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
            // Expert 1 is the best, or the one that took the place of the best.
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
            shares.count[e] += V::bits(mine[e]).count_ones();
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
    p: &Parameters<V, N, M, E>,
    sums: &mut Sums<V, N, M, E>,
    (input, valid): ([V::F; N], V::M),
    masks: *const u8,
) {
    unsafe {
        let zero = V::splat(0.0);
        let mut mine = [valid; E];
        if E > 1 {
            // Expert 0's are kept as well: lanes of no other expert would cost a selection for each of its sums.
            for e in 0..E {
                mine[e] = V::load_mask(masks.add(e * V::MASK));
            }
        }
        let (mut w, mut b) = (p.w[0], p.b[0]);
        if lookup::<V>(E) {
            let expert = V::numbered(mine[1], if E == 3 { mine[2] } else { V::first(0) });
            for i in 0..N {
                for k in 0..M {
                    w[i][k] = V::lookup(w[i][k], expert);
                }
                b[i] = V::lookup(b[i], expert);
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
                z = V::keep(valid, z);
            }
            if LOSS {
                let d = V::sub(V::max(z, zero), input[i]);
                sums.loss[i] = V::fma(d, d, sums.loss[i]);
            }
            g[i] = V::mul(p.slope[i], V::keep(V::greater(z, zero), V::sub(z, input[i])));
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
    small: &mut Small,
    problem: &Problem,
    parameters: &[f32],
    gradients: &mut [f32],
    count: usize,
    asked: bool,
) -> f32 {
    unsafe {
        let zero = V::splat(0.0);
        let (bias, gate) = (E * N * M, E * N * (M + 1));
        let mut g = [[zero; N]; E];
        let mut p = Parameters::<V, N, M, E> { w: [[[zero; M]; N]; E], b: [[zero; N]; E], slope: [zero; N] };
        for e in 0..E {
            for i in 0..N {
                g[e][i] = V::splat(*parameters.get_unchecked(gate + e * N + i));
            }
        }
        if lookup::<V>(E) {
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
            p.slope[i] = V::splat(problem.slope[i]);
        }
        let full = count / V::N;
        let left = count - full * V::N;
        // Where the sums of probabilities, of their products and L begin, behind those of the parameters.
        let mean = gate;
        let pairs = mean + E - 1;
        let losses = pairs + E * (E - 1) / 2 * N;
        let total = losses + N;
        let mut counts = [0u32; E];
        let stride = E * V::MASK;
        // A pass takes the vectors of its virtual lanes: first their routing, then the rest, so that registers suffice for either.
        // The number of passes is hidden from the compiler, or it would write the code once for each.
        for pass in 0..black_box(vectors::<V>()) {
            let tail = left > 0 && full % vectors::<V>() == pass;
            let partial = small.partial.as_mut_ptr().add(pass * SUMS * V::N);
            if E > 1 {
                let masks = small.masks.as_mut_ptr();
                let mut shares = Shares::<V, N, E> { mean: [zero; 2], pair: [[zero; N]; 3], count: [0; E] };
                let mut v = pass;
                while v < full {
                    let input = load::<V, N, false>(&small.x, v * V::N, V::N);
                    route::<V, N, E, false>(&g, &mut shares, input, masks.add(v * stride));
                    v += vectors::<V>();
                }
                if tail {
                    let input = load::<V, N, true>(&small.x, full * V::N, left);
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
            let mut sums = Sums::<V, N, M, E> { w: [[[zero; M]; N]; E], b: [[zero; N]; E], loss: [zero; N] };
            macro_rules! samples {
                ($loss:literal) => {{
                    let mut v = pass;
                    while v < full {
                        let input = load::<V, N, false>(&small.x, v * V::N, V::N);
                        samples::<V, N, M, E, false, $loss>(&p, &mut sums, input, masks.add(v * stride));
                        v += vectors::<V>();
                    }
                    if tail {
                        let input = load::<V, N, true>(&small.x, full * V::N, left);
                        samples::<V, N, M, E, true, $loss>(&p, &mut sums, input, masks.add(full * stride));
                    }
                }};
            }
            if asked {
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
        while first < if asked { total } else { losses } {
            let mut group = [zero; 16];
            for l in 0..V::N {
                if first + l < total {
                    let mut lanes = [zero; 4];
                    for pass in 0..vectors::<V>() {
                        lanes[pass] = V::load(small.partial.as_ptr().add((pass * SUMS + first + l) * V::N));
                    }
                    group[l] = halves::<V>(&lanes);
                }
            }
            V::store(sum.as_mut_ptr().add(first), V::fold(&group[..V::N]));
            first += V::N;
        }
        // All-zero samples belong to expert 0.
        let zeros = (problem.samples - count) as f32;
        let mut loss = 0.0f32;
        for i in 0..N {
            let b = parameters[bias + i];
            let y = if b > 0.0 { b } else { 0.0 };
            let l = zeros.mul_add(y * y, sum[losses + i]);
            loss = problem.importance[i].mul_add(l, loss);
            let d = &mut sum[bias + i];
            *d = zeros.mul_add(problem.slope[i] * y, *d);
        }
        gradients[..gate].copy_from_slice(&sum[..gate]);
        loss *= problem.scale;
        if E == 1 {
            // The one expert is used by all: f = P = 1.
            loss += problem.balance;
        }
        // Without load balancing this adds nothing to the loss, and makes the gate's gradient 0.
        if E > 1 {
            counts[0] = problem.samples as u32 - counts.iter().sum::<u32>();
            let samples = problem.samples as f32;
            let strength = problem.balance * E as f32;
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
