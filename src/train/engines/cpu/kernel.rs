//! One training step's loss and gradients, fused: each sample goes forward and backward while its numbers are in registers, inputs are
//! lists of present features, and only active experts are touched.
//!
//! Weights are kept twice: `rows` \[E, n, mp\] for sums over present inputs, `columns` \[E, m, np\] for all outputs; mp and np are m and
//! n rounded up to whole vectors, the padding being zero.

use super::simd::{LANES, Level, Simd};
use crate::train::routing::{select, softmax};
use crate::train::{Batch, Shape};

/// Numbers padded to whole vectors.
pub fn padded(n: usize, width: usize) -> usize {
    n.div_ceil(width) * width
}

/// Everything one instance computes with.
#[derive(Clone, Debug)]
pub struct State {
    pub shape: Shape,
    pub mp: usize,
    pub np: usize,
    pub ep: usize,
    /// W as \[E, n, mp\].
    pub rows: Vec<f32>,
    /// W as \[E, m, np\].
    pub columns: Vec<f32>,
    /// b as \[E, np\].
    pub bias: Vec<f32>,
    /// G as \[n, ep\].
    pub gate: Vec<f32>,
    /// Gradients: of outputs \[E, m, np\], of inputs \[E, n, mp\], of b \[E, np\], of G \[n, ep\].
    pub d_columns: Vec<f32>,
    pub d_rows: Vec<f32>,
    pub d_bias: Vec<f32>,
    pub d_gate: Vec<f32>,
    /// I as \[np\], and c_j = 2 I_j times the loss' scale.
    pub importance: Vec<f32>,
    pub slope: Vec<f32>,
    /// 1/B or 1/(B n).
    pub scale: f32,
    /// Weight of the load-balancing loss.
    pub balance: f32,
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    dense: Vec<f32>,
    hidden: Vec<f32>,
    d_hidden: Vec<f32>,
    g: Vec<f32>,
    outputs: Vec<f32>,
    mixed: Vec<f32>,
    scores: Vec<f32>,
    active: Vec<usize>,
    weights: Vec<f32>,
    /// Expert of each sample, and samples sorted by expert (k = 1).
    expert: Vec<u32>,
    order: Vec<u32>,
    starts: Vec<u32>,
    losses: Vec<f32>,
    probabilities: Vec<f32>,
    d_scores: Vec<f32>,
}

impl State {
    /// Buffers for a model; parameters are all zero.
    pub fn new(shape: Shape, importance: &[f32], scale: f64, balance: f64, level: Level) -> State {
        let width = if level == Level::Avx512 { 16 } else { 8 };
        let Shape { experts, features, hidden, active } = shape;
        let (mp, np, ep) = (padded(hidden, width), padded(features, width), padded(experts, width));
        let mut weights = vec![0.0; np];
        let mut slope = vec![0.0; np];
        for (i, &value) in importance.iter().enumerate().take(features) {
            weights[i] = value;
            slope[i] = (2.0 * f64::from(value) * scale) as f32;
        }
        let zero = |n: usize| vec![0.0f32; n];
        State {
            shape,
            mp,
            np,
            ep,
            rows: zero(experts * features * mp),
            columns: zero(experts * hidden * np),
            bias: zero(experts * np),
            gate: zero(features * ep),
            d_columns: zero(experts * hidden * np),
            d_rows: zero(experts * features * mp),
            d_bias: zero(experts * np),
            d_gate: zero(features * ep),
            importance: weights,
            slope,
            scale: scale as f32,
            balance: balance as f32,
            scratch: Scratch {
                dense: zero(np),
                hidden: zero(active * mp),
                d_hidden: zero(mp),
                g: zero(np),
                outputs: zero(active * np),
                mixed: zero(np),
                scores: zero(ep),
                ..Scratch::default()
            },
        }
    }

    /// Loss of a batch, and its gradients into the `d_` fields.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`, and the state must have been made for its width.
    #[inline(always)]
    pub unsafe fn step<V: Simd>(&mut self, batch: &Batch) -> f32 {
        self.d_columns.fill(0.0);
        self.d_rows.fill(0.0);
        self.d_bias.fill(0.0);
        self.d_gate.fill(0.0);
        let samples = batch.samples();
        self.scratch.losses.clear();
        self.scratch.losses.resize(samples, 0.0);
        let mut scratch = std::mem::take(&mut self.scratch);
        let loss = unsafe {
            if self.shape.active == 1 {
                self.single::<V>(batch, &mut scratch)
            } else {
                self.several::<V>(batch, &mut scratch)
            }
        };
        self.scratch = scratch;
        loss
    }

    /// k = 1: samples sorted by expert, so that an expert's weights stay in the nearest cache.
    #[inline(always)]
    unsafe fn single<V: Simd>(&mut self, batch: &Batch, s: &mut Scratch) -> f32 {
        let Shape { experts, .. } = self.shape;
        let samples = batch.samples();
        let balanced = self.balance > 0.0;
        s.expert.clear();
        s.starts.clear();
        s.starts.resize(experts + 2, 0);
        let mut zeros = 0u32;
        let mut means = vec![0.0f32; if balanced { experts } else { 0 }];
        if balanced {
            s.probabilities.resize(samples * experts, 0.0);
        }
        for sample in 0..samples {
            let (index, value) = batch.sample(sample);
            if index.is_empty() {
                zeros += 1;
                s.expert.push(u32::MAX);
                continue;
            }
            let mut expert = 0;
            if experts > 1 {
                unsafe { self.score::<V>(index, value, &mut s.scores) };
                for e in 1..experts {
                    if s.scores[e] > s.scores[expert] {
                        expert = e;
                    }
                }
            }
            if balanced {
                softmax(s.scores[..experts].iter().copied(), &mut s.weights);
                s.probabilities[sample * experts..(sample + 1) * experts].copy_from_slice(&s.weights);
                means.iter_mut().zip(&s.weights).for_each(|(mean, q)| *mean += q);
            }
            s.expert.push(expert as u32);
            s.starts[expert + 1] += 1;
        }
        let counts: Vec<u32> = s.starts[1..=experts].to_vec();
        for e in 0..experts {
            s.starts[e + 1] += s.starts[e];
        }
        s.order.resize(samples, 0);
        let mut next = s.starts.clone();
        for (sample, &expert) in s.expert.iter().enumerate() {
            if expert != u32::MAX {
                s.order[next[expert as usize] as usize] = sample as u32;
                next[expert as usize] += 1;
            }
        }
        for expert in 0..experts {
            for at in s.starts[expert]..s.starts[expert + 1] {
                let sample = s.order[at as usize] as usize;
                let (index, value) = batch.sample(sample);
                unsafe {
                    let loss = self.sample::<V>(expert, index, value, s);
                    *s.losses.get_unchecked_mut(sample) = loss;
                }
            }
        }
        let mut total = lanes_of(&s.losses);
        if zeros > 0 {
            total = unsafe { self.all_zero::<V>(zeros as f32) } + total;
        }
        let mut loss = total * self.scale;
        if balanced {
            loss += unsafe { self.balance_single::<V>(batch, s, &counts, zeros, &means) };
        }
        loss
    }

    /// Scores of a sample: item 2 of the contract.
    #[inline(always)]
    unsafe fn score<V: Simd>(&self, index: &[u32], value: &[f32], scores: &mut [f32]) {
        for v in (0..self.ep).step_by(V::N) {
            unsafe {
                let mut sum = V::splat(0.0);
                for (&i, &x) in index.iter().zip(value) {
                    sum = V::fma(V::splat(x), V::load(self.gate.as_ptr().add(i as usize * self.ep + v)), sum);
                }
                V::store(scores.as_mut_ptr().add(v), sum);
            }
        }
    }

    /// h of a sample in one expert.
    #[inline(always)]
    unsafe fn hidden<V: Simd>(&self, expert: usize, index: &[u32], value: &[f32], hidden: *mut f32) {
        let rows = unsafe { self.rows.as_ptr().add(expert * self.shape.features * self.mp) };
        for v in (0..self.mp).step_by(V::N) {
            unsafe {
                let mut sum = V::splat(0.0);
                for (&i, &x) in index.iter().zip(value) {
                    sum = V::fma(V::splat(x), V::load(rows.add(i as usize * self.mp + v)), sum);
                }
                V::store(hidden.add(v), sum);
            }
        }
    }

    /// z of R neighbouring vectors of outputs.
    #[inline(always)]
    unsafe fn outputs<V: Simd, const R: usize>(&self, expert: usize, j: usize, hidden: *const f32) -> [V::F; R] {
        unsafe {
            let bias = self.bias.as_ptr().add(expert * self.np + j);
            let columns = self.columns.as_ptr().add(expert * self.shape.hidden * self.np + j);
            let mut z = [V::splat(0.0); R];
            for (r, z) in z.iter_mut().enumerate() {
                *z = V::load(bias.add(r * V::N));
            }
            for k in 0..self.shape.hidden {
                let h = V::splat(*hidden.add(k));
                let column = columns.add(k * self.np);
                for (r, z) in z.iter_mut().enumerate() {
                    *z = V::fma(h, V::load(column.add(r * V::N)), *z);
                }
            }
            z
        }
    }

    /// Forward and backward of a sample in its only expert; returns its loss.
    #[inline(always)]
    unsafe fn sample<V: Simd>(&mut self, expert: usize, index: &[u32], value: &[f32], s: &mut Scratch) -> f32 {
        unsafe {
            self.hidden::<V>(expert, index, value, s.hidden.as_mut_ptr());
            scatter(&mut s.dense, index, value);
            let mut lanes = [V::splat(0.0); 4];
            let per = LANES / V::N;
            let vectors = self.np / V::N;
            let mut v = 0;
            // Whole groups of 32 lanes together, then what is left.
            macro_rules! group {
                ($count:literal) => {{
                    let z = self.outputs::<V, $count>(expert, v * V::N, s.hidden.as_ptr());
                    for (r, z) in z.into_iter().enumerate() {
                        let j = (v + r) * V::N;
                        let y = V::where_positive(z, z);
                        let error = V::sub(y, V::load(s.dense.as_ptr().add(j)));
                        let weighted = V::mul(V::load(self.importance.as_ptr().add(j)), error);
                        lanes[r] = V::fma(weighted, error, lanes[r]);
                        let g = V::where_positive(z, V::mul(V::load(self.slope.as_ptr().add(j)), error));
                        V::store(s.g.as_mut_ptr().add(j), g);
                        let d = self.d_bias.as_mut_ptr().add(expert * self.np + j);
                        V::store(d, V::add(V::load(d), g));
                    }
                    v += $count;
                }};
            }
            while vectors - v >= per {
                if per == 4 { group!(4) } else { group!(2) }
            }
            match vectors - v {
                1 => group!(1),
                2 => group!(2),
                3 => group!(3),
                _ => {}
            }
            let _ = v;
            let loss = V::tree(&lanes);
            self.backward::<V>(expert, index, value, s.hidden.as_ptr(), s.g.as_ptr(), &mut s.d_hidden);
            unscatter(&mut s.dense, index);
            loss
        }
    }

    /// Gradients of one expert from g: outputs, hidden, inputs.
    #[inline(always)]
    unsafe fn backward<V: Simd>(
        &mut self,
        expert: usize,
        index: &[u32],
        value: &[f32],
        hidden: *const f32,
        g: *const f32,
        d_hidden: &mut [f32],
    ) {
        unsafe {
            let base = expert * self.shape.hidden * self.np;
            let per = LANES / V::N;
            let vectors = self.np / V::N;
            for k in 0..self.shape.hidden {
                let h = V::splat(*hidden.add(k));
                let column = self.columns.as_ptr().add(base + k * self.np);
                let d_column = self.d_columns.as_mut_ptr().add(base + k * self.np);
                let mut lanes = [V::splat(0.0); 4];
                let mut v = 0;
                macro_rules! group {
                    ($count:literal) => {{
                        for r in 0..$count {
                            let j = (v + r) * V::N;
                            let g = V::load(g.add(j));
                            lanes[r] = V::fma(g, V::load(column.add(j)), lanes[r]);
                            let d = d_column.add(j);
                            V::store(d, V::fma(g, h, V::load(d)));
                        }
                        v += $count;
                    }};
                }
                while vectors - v >= per {
                    if per == 4 { group!(4) } else { group!(2) }
                }
                match vectors - v {
                    1 => group!(1),
                    2 => group!(2),
                    3 => group!(3),
                    _ => {}
                }
                let _ = v;
                *d_hidden.get_unchecked_mut(k) = V::tree(&lanes);
            }
            let rows = self.d_rows.as_mut_ptr().add(expert * self.shape.features * self.mp);
            for v in (0..self.mp).step_by(V::N) {
                let d = V::load(d_hidden.as_ptr().add(v));
                for (&i, &x) in index.iter().zip(value) {
                    let row = rows.add(i as usize * self.mp + v);
                    V::store(row, V::fma(V::splat(x), d, V::load(row)));
                }
            }
        }
    }

    /// All-zero samples of expert 0, evaluated once: item 6 of the contract. Returns their unscaled loss.
    #[inline(always)]
    unsafe fn all_zero<V: Simd>(&mut self, count: f32) -> f32 {
        unsafe {
            let mut lanes = [V::splat(0.0); 4];
            let per = LANES / V::N;
            for v in 0..self.np / V::N {
                let j = v * V::N;
                let b = V::load(self.bias.as_ptr().add(j));
                let y = V::where_positive(b, b);
                let weighted = V::mul(V::load(self.importance.as_ptr().add(j)), y);
                lanes[v % per] = V::fma(weighted, y, lanes[v % per]);
                let g = V::mul(V::load(self.slope.as_ptr().add(j)), y);
                let d = self.d_bias.as_mut_ptr().add(j);
                V::store(d, V::fma(V::splat(count), g, V::load(d)));
            }
            count * V::tree(&lanes)
        }
    }

    /// Load balancing for k = 1: returns its loss and adds its gradient to the gate's.
    #[inline(always)]
    unsafe fn balance_single<V: Simd>(
        &mut self,
        batch: &Batch,
        s: &mut Scratch,
        counts: &[u32],
        zeros: u32,
        means: &[f32],
    ) -> f32 {
        let experts = self.shape.experts;
        let samples = batch.samples() as f32;
        let mut shares: Vec<f32> = counts.iter().map(|&count| count as f32 / samples).collect();
        shares[0] = (counts[0] + zeros) as f32 / samples;
        let even = zeros as f32 * (1.0 / experts as f32);
        let mut sum = 0.0f32;
        for (share, mean) in shares.iter().zip(means) {
            sum = share.mul_add((mean + even) / samples, sum);
        }
        let strength = self.balance * experts as f32;
        s.d_scores.clear();
        s.d_scores.resize(self.ep, 0.0);
        for sample in 0..batch.samples() {
            let (index, value) = batch.sample(sample);
            if index.is_empty() {
                continue;
            }
            let q = &s.probabilities[sample * experts..(sample + 1) * experts];
            unsafe { self.gate_gradient::<V>(index, value, q, &shares, strength / samples, &mut s.d_scores) };
        }
        strength * sum
    }

    /// dG += x_i factor q_e (f_e - sum f q).
    #[inline(always)]
    unsafe fn gate_gradient<V: Simd>(
        &mut self,
        index: &[u32],
        value: &[f32],
        q: &[f32],
        shares: &[f32],
        factor: f32,
        d_scores: &mut [f32],
    ) {
        let mut inner = 0.0f32;
        for (q, share) in q.iter().zip(shares) {
            inner = q.mul_add(*share, inner);
        }
        for ((d, q), share) in d_scores.iter_mut().zip(q).zip(shares) {
            *d = factor * q * (share - inner);
        }
        unsafe { self.add_gate::<V>(index, value, d_scores) };
    }

    /// dG += x_i ds; `d_scores` is padded with zeros.
    #[inline(always)]
    unsafe fn add_gate<V: Simd>(&mut self, index: &[u32], value: &[f32], d_scores: &[f32]) {
        for v in (0..self.ep).step_by(V::N) {
            unsafe {
                let d = V::load(d_scores.as_ptr().add(v));
                for (&i, &x) in index.iter().zip(value) {
                    let row = self.d_gate.as_mut_ptr().add(i as usize * self.ep + v);
                    V::store(row, V::fma(V::splat(x), d, V::load(row)));
                }
            }
        }
    }

    /// k > 1: all active experts of a sample together; the gate learns through the weights a_e.
    #[inline(always)]
    unsafe fn several<V: Simd>(&mut self, batch: &Batch, s: &mut Scratch) -> f32 {
        let Shape { experts, active: k, .. } = self.shape;
        let samples = batch.samples();
        let balanced = self.balance > 0.0;
        let mut counts = vec![0u32; experts];
        let mut means = vec![0.0f32; experts];
        s.d_scores.clear();
        s.d_scores.resize(self.ep, 0.0);
        if balanced {
            s.probabilities.resize(samples * experts, 0.0);
        }
        for sample in 0..samples {
            let (index, value) = batch.sample(sample);
            unsafe {
                self.score::<V>(index, value, &mut s.scores);
                if balanced {
                    softmax(s.scores[..experts].iter().copied(), &mut s.weights);
                    s.probabilities[sample * experts..(sample + 1) * experts].copy_from_slice(&s.weights);
                    means.iter_mut().zip(&s.weights).for_each(|(mean, q)| *mean += q);
                }
                select(&s.scores[..experts], k, &mut s.active, &mut s.weights);
                s.active.iter().for_each(|&e| counts[e] += 1);
                scatter(&mut s.dense, index, value);
                for j in (0..self.np).step_by(V::N) {
                    V::store(s.mixed.as_mut_ptr().add(j), V::splat(0.0));
                }
                for (slot, (&expert, &a)) in s.active.iter().zip(&s.weights).enumerate() {
                    let hidden = s.hidden.as_mut_ptr().add(slot * self.mp);
                    self.hidden::<V>(expert, index, value, hidden);
                    let a = V::splat(a);
                    let (vectors, mut v) = (self.np / V::N, 0);
                    macro_rules! group {
                        ($count:literal) => {{
                            let z = self.outputs::<V, $count>(expert, v * V::N, hidden);
                            for (r, z) in z.into_iter().enumerate() {
                                let j = (v + r) * V::N;
                                let y = V::where_positive(z, z);
                                V::store(s.outputs.as_mut_ptr().add(slot * self.np + j), y);
                                let mixed = s.mixed.as_mut_ptr().add(j);
                                V::store(mixed, V::fma(a, y, V::load(mixed)));
                            }
                            v += $count;
                        }};
                    }
                    while vectors - v >= 4 {
                        group!(4)
                    }
                    while v < vectors {
                        group!(1)
                    }
                }
                let mut lanes = [V::splat(0.0); 4];
                let per = LANES / V::N;
                for (v, j) in (0..self.np).step_by(V::N).enumerate() {
                    let mixed = s.mixed.as_mut_ptr().add(j);
                    let error = V::sub(V::load(mixed), V::load(s.dense.as_ptr().add(j)));
                    let weighted = V::mul(V::load(self.importance.as_ptr().add(j)), error);
                    lanes[v % per] = V::fma(weighted, error, lanes[v % per]);
                    // From here on `mixed` holds the slope of the loss at each output.
                    V::store(mixed, V::mul(V::load(self.slope.as_ptr().add(j)), error));
                }
                s.losses[sample] = V::tree(&lanes);
                // u_e = sum_j slope_j y_ej, then d s_e = a_e (u_e - sum a u).
                let mut inner = 0.0f32;
                s.d_scores.fill(0.0);
                for slot in 0..s.active.len() {
                    let mut lanes = [V::splat(0.0); 4];
                    for (v, j) in (0..self.np).step_by(V::N).enumerate() {
                        let y = V::load(s.outputs.as_ptr().add(slot * self.np + j));
                        lanes[v % per] = V::fma(V::load(s.mixed.as_ptr().add(j)), y, lanes[v % per]);
                    }
                    let u = V::tree(&lanes);
                    s.d_scores[s.active[slot]] = u;
                    inner = s.weights[slot].mul_add(u, inner);
                }
                for slot in 0..s.active.len() {
                    let expert = s.active[slot];
                    s.d_scores[expert] = s.weights[slot] * (s.d_scores[expert] - inner);
                }
                self.add_gate::<V>(index, value, &s.d_scores);
                for slot in 0..s.active.len() {
                    let (expert, a) = (s.active[slot], V::splat(s.weights[slot]));
                    for j in (0..self.np).step_by(V::N) {
                        let y = V::load(s.outputs.as_ptr().add(slot * self.np + j));
                        let g = V::where_positive(y, V::mul(a, V::load(s.mixed.as_ptr().add(j))));
                        V::store(s.g.as_mut_ptr().add(j), g);
                        let d = self.d_bias.as_mut_ptr().add(expert * self.np + j);
                        V::store(d, V::add(V::load(d), g));
                    }
                    let hidden = s.hidden.as_ptr().add(slot * self.mp);
                    self.backward::<V>(expert, index, value, hidden, s.g.as_ptr(), &mut s.d_hidden);
                }
                unscatter(&mut s.dense, index);
            }
        }
        let mut loss = lanes_of(&s.losses) * self.scale;
        if balanced {
            let count = samples as f32;
            let shares: Vec<f32> = counts.iter().map(|&c| c as f32 / count).collect();
            let strength = self.balance * experts as f32;
            let mut sum = 0.0f32;
            for (share, mean) in shares.iter().zip(&means) {
                sum = share.mul_add(mean / count, sum);
            }
            let mut d_scores = std::mem::take(&mut s.d_scores);
            for sample in 0..samples {
                let (index, value) = batch.sample(sample);
                let q = &s.probabilities[sample * experts..(sample + 1) * experts];
                unsafe { self.gate_gradient::<V>(index, value, q, &shares, strength / count, &mut d_scores) };
            }
            s.d_scores = d_scores;
            loss = strength.mul_add(sum, loss);
        }
        loss
    }
}

/// Sum of the samples' losses: 32 lanes, lane = sample mod 32, then the tree.
fn lanes_of(losses: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for chunk in losses.chunks(LANES) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, loss)| *lane += loss);
    }
    super::simd::tree(lanes)
}

#[inline(always)]
fn scatter(dense: &mut [f32], index: &[u32], value: &[f32]) {
    for (&i, &x) in index.iter().zip(value) {
        dense[i as usize] = x;
    }
}

#[inline(always)]
fn unscatter(dense: &mut [f32], index: &[u32]) {
    for &i in index {
        dense[i as usize] = 0.0;
    }
}
