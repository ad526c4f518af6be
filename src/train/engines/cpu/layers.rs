//! Loss and gradients of models of two layers (item 10 of the contract): h = f(W x), y = ReLU(V h + b), with V = W^T if tied.
//!
//! Samples go through the layers in chunks that stay in the nearest cache. Where few features are present, the first layer and its gradient
//! take the present ones alone: the same chains with the terms left out that are zero.

use super::buffer::Floats;
use super::draws::{Rows, Source};
use super::inputs::Law;
use super::instance::Gradients;
use super::problem::Problem;
use super::simd::{Simd, tree, vectors};
use super::tiles::{Matrix, Output, Picked, outer, product, transpose};
use crate::train::{Layers, Recipe, Shape};

/// Samples that go through the layers together.
const CHUNK: usize = 32;

/// Below this share of present features, lists of them are faster than rows.
const SPARSE: f64 = 0.3;

/// Where each parameter lies: W \[m, np\], b \[np\] and, unless tied, V as \[m, np\], with np = n rounded up to 16.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    n: usize,
    m: usize,
    np: usize,
    tied: bool,
}

impl Places {
    pub fn new(shape: Shape, layers: Layers) -> Places {
        let Shape { features: n, hidden: m, .. } = shape;
        Places { n, m, np: n.div_ceil(16) * 16, tied: layers.tied }
    }

    fn bias(&self) -> usize {
        self.m * self.np
    }

    /// The first number of V, which is W itself if tied.
    fn out(&self) -> usize {
        if self.tied { 0 } else { self.bias() + self.np }
    }

    pub fn len(&self) -> usize {
        self.out() + self.m * self.np + if self.tied { self.np } else { 0 }
    }

    /// All parameters in the order of checkpoints and results: W \[m, n\], V \[n, m\] unless tied, b \[n\].
    pub fn all(&self) -> Vec<usize> {
        let Places { n, m, np, tied } = *self;
        let weights = (0..m).flat_map(|k| (0..n).map(move |i| k * np + i));
        let out = (0..if tied { 0 } else { n }).flat_map(|i| (0..m).map(move |k| self.out() + k * np + i));
        weights.chain(out).chain((0..n).map(|i| self.bias() + i)).collect()
    }
}

/// Buffers of one model.
#[derive(Clone, Debug)]
pub struct TwoLayers {
    layers: Layers,
    law: Law,
    places: Places,
    /// m rounded up to 16.
    mp: usize,
    inputs: Rows,
    words: Vec<u32>,
    /// Samples that are not all zero, ascending.
    order: Vec<u32>,
    /// For each of these its present features `starts[r]..starts[r + 1]`, ascending; only where few are present.
    sparse: bool,
    starts: Vec<usize>,
    index: Vec<u32>,
    value: Floats,
    /// W^T and V, both \[np, mp\].
    first: Floats,
    second: Floats,
    /// Gradient of W through inputs, \[mp, np\], and the same as \[np, mp\].
    d_first: Floats,
    d_turned: Floats,
    /// L_j.
    losses: Floats,
    /// g \[CHUNK, np\]; h and dh \[CHUNK, mp\]; 0, 1, 2, ...
    slopes: Floats,
    hidden: Floats,
    d_hidden: Floats,
    identity: Vec<u32>,
}

impl TwoLayers {
    pub fn new(recipe: &Recipe, layers: Layers, problem: &Problem) -> TwoLayers {
        let places = Places::new(problem.shape, layers);
        let Places { m, np, .. } = places;
        let mp = m.div_ceil(16) * 16;
        let law = Law::of(recipe);
        let zeros = Floats::zeros;
        let model = TwoLayers {
            layers,
            law,
            places,
            mp,
            inputs: Rows::default(),
            words: Vec::new(),
            order: Vec::with_capacity(problem.samples),
            sparse: false,
            starts: Vec::new(),
            index: Vec::new(),
            value: zeros(0),
            first: zeros(np * mp),
            second: zeros(if layers.tied { 0 } else { np * mp }),
            d_first: zeros(mp * np),
            d_turned: zeros(0),
            losses: zeros(np),
            slopes: zeros(CHUNK * np),
            hidden: zeros(CHUNK * mp),
            d_hidden: zeros(CHUNK * mp),
            identity: (0..CHUNK as u32).collect(),
        };
        model.with_lists(law.probability < SPARSE, problem.samples)
    }

    /// Whether the first layer works on lists of present features, which changes no bit.
    pub fn with_lists(mut self, sparse: bool, samples: usize) -> TwoLayers {
        let Places { n, np, .. } = self.places;
        let (room, turned) = if sparse { (samples * n + 16, np * self.mp) } else { (0, 0) };
        (self.sparse, self.index, self.value, self.d_turned) =
            (sparse, vec![0; room], Floats::zeros(room), Floats::zeros(turned));
        self
    }
}

impl Gradients for &mut TwoLayers {
    #[inline(always)]
    unsafe fn gradients<V: Simd>(
        &mut self,
        problem: &Problem,
        source: Source,
        parameters: &[f32],
        gradients: &mut [f32],
        _asked: bool,
    ) -> f32 {
        let model = &mut **self;
        unsafe {
            model.law.fill::<V>(&mut model.inputs, &mut model.words, source, problem.samples, model.places.n);
            match model.layers {
                Layers { rectified: false, magnitude: false, .. } => {
                    model.step::<V, false, false>(problem, parameters, gradients)
                }
                Layers { rectified: false, magnitude: true, .. } => {
                    model.step::<V, false, true>(problem, parameters, gradients)
                }
                Layers { rectified: true, magnitude: false, .. } => {
                    model.step::<V, true, false>(problem, parameters, gradients)
                }
                Layers { rectified: true, magnitude: true, .. } => {
                    model.step::<V, true, true>(problem, parameters, gradients)
                }
            }
        }
    }
}

impl TwoLayers {
    #[inline(always)]
    unsafe fn step<V: Simd, const RECTIFIED: bool, const MAGNITUDE: bool>(
        &mut self,
        problem: &Problem,
        parameters: &[f32],
        gradients: &mut [f32],
    ) -> f32 {
        let Places { n, m, np, tied } = self.places;
        let mp = self.mp;
        unsafe {
            self.order.clear();
            self.order
                .extend((0..problem.samples as u32).filter(|&s| *self.inputs.any.get_unchecked(s as usize) > 0.0));
            if self.sparse {
                self.list::<V>();
                self.d_turned.fill(0.0);
            }
            let turn = |base: *const f32, to: &mut Floats| {
                transpose::<V>(Matrix { base, stride: np }, m, n, Output { base: to.as_mut_ptr(), stride: mp });
            };
            turn(parameters.as_ptr(), &mut self.first);
            if !tied {
                turn(parameters.as_ptr().add(self.places.out()), &mut self.second);
            }
            gradients.fill(0.0);
            self.d_first.fill(0.0);
            self.losses.fill(0.0);
            for first in (0..self.order.len()).step_by(CHUNK) {
                let count = CHUNK.min(self.order.len() - first);
                self.chunk::<V, RECTIFIED, MAGNITUDE>(problem, parameters, gradients, first, count);
            }
            self.zero_samples::<V>(problem, parameters, gradients);
            if self.sparse {
                let from = Matrix { base: self.d_turned.as_ptr(), stride: mp };
                transpose::<V>(from, n, m, Output { base: self.d_first.as_mut_ptr(), stride: np });
            }
            for at in (0..m * np).step_by(V::N) {
                let (d, own) = (gradients.as_mut_ptr().add(at), V::load(self.d_first.as_ptr().add(at)));
                V::store(d, if tied { V::add(V::load(d), own) } else { own });
            }
            self.total::<V>(problem)
        }
    }

    /// Lists of present features of the samples in `order`.
    #[inline(always)]
    unsafe fn list<V: Simd>(&mut self) {
        let Places { n, np, .. } = self.places;
        self.starts.clear();
        let mut count = 0;
        unsafe {
            let zero = V::splat(0.0);
            for &s in &self.order {
                self.starts.push(count);
                let row = self.inputs.x.as_ptr().add(s as usize * np);
                for c in (0..n).step_by(V::N) {
                    let x = V::load(row.add(c));
                    let present = V::or(V::greater(x, zero), V::greater(zero, x));
                    let mut bits = V::bits(present);
                    if bits == 0 {
                        continue;
                    }
                    V::compress(present, x, self.value.as_mut_ptr().add(count));
                    while bits != 0 {
                        *self.index.get_unchecked_mut(count) = c as u32 + bits.trailing_zeros();
                        bits &= bits - 1;
                        count += 1;
                    }
                }
            }
            self.starts.push(count);
        }
    }

    /// Samples `first..first + count` of `order` forward and backward.
    #[inline(always)]
    unsafe fn chunk<V: Simd, const RECTIFIED: bool, const MAGNITUDE: bool>(
        &mut self,
        problem: &Problem,
        parameters: &[f32],
        gradients: &mut [f32],
        first: usize,
        count: usize,
    ) {
        let Places { n, m, np, tied } = self.places;
        let mp = self.mp;
        unsafe {
            let inputs = Picked { base: self.inputs.x.as_ptr(), stride: np, index: self.order.as_ptr().add(first) };
            let h = Output { base: self.hidden.as_mut_ptr(), stride: mp };
            if self.sparse {
                self.gather::<V>(first, count);
            } else {
                let w = Matrix { base: self.first.as_ptr(), stride: mp };
                product::<V>(inputs, count, w, n, m, std::ptr::null(), h);
            }
            if RECTIFIED {
                for at in (0..count * mp).step_by(V::N) {
                    let h = self.hidden.as_mut_ptr().add(at);
                    V::store(h, V::max(V::load(h), V::splat(0.0)));
                }
            }
            let outputs = Outputs {
                inputs,
                hidden: self.hidden.as_ptr(),
                mp,
                terms: m,
                columns: parameters.as_ptr().add(self.places.out()),
                np,
                bias: parameters.as_ptr().add(self.places.bias()),
                d_bias: gradients.as_mut_ptr().add(self.places.bias()),
                slope: problem.slope.as_ptr(),
                losses: self.losses.as_mut_ptr(),
                g: self.slopes.as_mut_ptr(),
            };
            outputs.run::<V, MAGNITUDE>(count, n);
            let g = Picked { base: self.slopes.as_ptr(), stride: np, index: self.identity.as_ptr() };
            let v = Matrix { base: if tied { self.first.as_ptr() } else { self.second.as_ptr() }, stride: mp };
            let dh = Output { base: self.d_hidden.as_mut_ptr(), stride: mp };
            product::<V>(g, count, v, n, m, std::ptr::null(), dh);
            if RECTIFIED {
                for at in (0..count * mp).step_by(V::N) {
                    let (h, d) = (V::load(self.hidden.as_ptr().add(at)), self.d_hidden.as_mut_ptr().add(at));
                    V::store(d, V::keep(V::greater(h, V::splat(0.0)), V::load(d)));
                }
            }
            let h = Matrix { base: self.hidden.as_ptr(), stride: mp };
            let d = Output { base: gradients.as_mut_ptr().add(self.places.out()), stride: np };
            outer::<V>(h, m, g, count, n, d);
            if self.sparse {
                self.scatter::<V>(first, count);
            } else {
                let dh = Matrix { base: self.d_hidden.as_ptr(), stride: mp };
                let d = Output { base: self.d_first.as_mut_ptr(), stride: np };
                outer::<V>(dh, m, inputs, count, n, d);
            }
        }
    }

    /// h of a chunk from lists of present features.
    #[inline(always)]
    unsafe fn gather<V: Simd>(&mut self, first: usize, count: usize) {
        let vectors = self.places.m.div_ceil(V::N);
        let mut v = 0;
        while v < vectors {
            let here = (vectors - v).min(4);
            unsafe {
                match here {
                    4 => self.gather_columns::<V, 4>(first, count, v * V::N),
                    3 => self.gather_columns::<V, 3>(first, count, v * V::N),
                    2 => self.gather_columns::<V, 2>(first, count, v * V::N),
                    _ => self.gather_columns::<V, 1>(first, count, v * V::N),
                }
            }
            v += here;
        }
    }

    #[inline(always)]
    unsafe fn gather_columns<V: Simd, const R: usize>(&mut self, first: usize, count: usize, column: usize) {
        unsafe {
            for r in 0..count {
                let mut sums = [V::splat(0.0); R];
                for at in *self.starts.get_unchecked(first + r)..*self.starts.get_unchecked(first + r + 1) {
                    let row = *self.index.get_unchecked(at) as usize * self.mp + column;
                    let x = V::splat(*self.value.as_ptr().add(at));
                    for c in 0..R {
                        sums[c] = V::fma(x, V::load(self.first.as_ptr().add(row + c * V::N)), sums[c]);
                    }
                }
                for c in 0..R {
                    V::store(self.hidden.as_mut_ptr().add(r * self.mp + column + c * V::N), sums[c]);
                }
            }
        }
    }

    /// The gradient of W through inputs from lists of present features.
    #[inline(always)]
    unsafe fn scatter<V: Simd>(&mut self, first: usize, count: usize) {
        let vectors = self.places.m.div_ceil(V::N);
        let mut v = 0;
        while v < vectors {
            let here = (vectors - v).min(4);
            unsafe {
                match here {
                    4 => self.scatter_columns::<V, 4>(first, count, v * V::N),
                    3 => self.scatter_columns::<V, 3>(first, count, v * V::N),
                    2 => self.scatter_columns::<V, 2>(first, count, v * V::N),
                    _ => self.scatter_columns::<V, 1>(first, count, v * V::N),
                }
            }
            v += here;
        }
    }

    #[inline(always)]
    unsafe fn scatter_columns<V: Simd, const R: usize>(&mut self, first: usize, count: usize, column: usize) {
        unsafe {
            for r in 0..count {
                let mut d = [V::splat(0.0); R];
                for c in 0..R {
                    d[c] = V::load(self.d_hidden.as_ptr().add(r * self.mp + column + c * V::N));
                }
                for at in *self.starts.get_unchecked(first + r)..*self.starts.get_unchecked(first + r + 1) {
                    let row = *self.index.get_unchecked(at) as usize * self.mp + column;
                    let x = V::splat(*self.value.as_ptr().add(at));
                    for c in 0..R {
                        let sum = self.d_turned.as_mut_ptr().add(row + c * V::N);
                        V::store(sum, V::fma(d[c], x, V::load(sum)));
                    }
                }
            }
        }
    }

    /// All-zero samples: y = max(b, 0), evaluated once.
    #[inline(always)]
    unsafe fn zero_samples<V: Simd>(&mut self, problem: &Problem, parameters: &[f32], gradients: &mut [f32]) {
        let bias = self.places.bias();
        unsafe {
            let count = V::splat((problem.samples - self.order.len()) as f32);
            for j in (0..self.places.n).step_by(V::N) {
                let y = V::max(V::load(parameters.as_ptr().add(bias + j)), V::splat(0.0));
                let loss = self.losses.as_mut_ptr().add(j);
                V::store(loss, V::fma(count, V::mul(y, y), V::load(loss)));
                let d = gradients.as_mut_ptr().add(bias + j);
                let g = V::mul(V::load(problem.slope.as_ptr().add(j)), y);
                V::store(d, V::fma(count, g, V::load(d)));
            }
        }
    }

    /// The batch's loss from L_j.
    #[inline(always)]
    unsafe fn total<V: Simd>(&self, problem: &Problem) -> f32 {
        unsafe {
            let mut lanes = [V::splat(0.0); 4];
            for (v, j) in (0..self.places.n).step_by(V::N).enumerate() {
                let lane = &mut lanes[v % vectors::<V>()];
                let importance = V::load(problem.importance.as_ptr().add(j));
                *lane = V::fma(importance, V::load(self.losses.as_ptr().add(j)), *lane);
            }
            tree::<V>(&lanes) * problem.scale
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
    unsafe fn run<V: Simd, const MAGNITUDE: bool>(&self, count: usize, features: usize) {
        let vectors = features.div_ceil(V::N);
        let widest = if V::N == 16 { 4 } else { 2 };
        let mut v = 0;
        while v < vectors {
            let here = (vectors - v).min(widest);
            unsafe {
                match here {
                    4 => self.columns::<V, MAGNITUDE, 4>(count, v * V::N),
                    3 => self.columns::<V, MAGNITUDE, 3>(count, v * V::N),
                    2 => self.columns::<V, MAGNITUDE, 2>(count, v * V::N),
                    _ => self.columns::<V, MAGNITUDE, 1>(count, v * V::N),
                }
            }
            v += here;
        }
    }

    #[inline(always)]
    unsafe fn columns<V: Simd, const MAGNITUDE: bool, const R: usize>(&self, count: usize, j: usize) {
        let mut s = 0;
        unsafe {
            while s + 4 <= count {
                self.rows::<V, MAGNITUDE, R, 4>(s, j);
                s += 4;
            }
            while s < count {
                self.rows::<V, MAGNITUDE, R, 1>(s, j);
                s += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<V: Simd, const MAGNITUDE: bool, const R: usize, const S: usize>(&self, s: usize, j: usize) {
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
                    let target = if MAGNITUDE { V::max(x, V::sub(zero, x)) } else { x };
                    let d = V::sub(V::max(z[i][r], zero), target);
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
