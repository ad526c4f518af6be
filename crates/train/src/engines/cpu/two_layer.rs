//! Loss and gradients of models of two layers (items 9 to 11 of the contract): h = f(W x), y = ReLU(V h + b), with V = W^T if tied.
//!
//! Samples go through the layers in chunks that stay in the L1 cache. Where few features are present, the first layer and its gradient
//! use lists of them: the same chains without the terms that are zero.

use super::gradient_kernel::GradientKernel;
use super::output_layer::OutputLayer;
use super::step_constants::StepConstants;
use super::tiles::{GatheredRows, Matrix, MatrixMut, outer, product, transpose};
use super::two_layer_layout::TwoLayerLayout;
use crate::models::architecture::TwoLayerFlags;
use crate::numerics::aligned::AlignedF32;
use crate::numerics::distribution::InputDistribution;
use crate::numerics::draws::{BatchId, InputRows};
use crate::numerics::simd::{Simd, weighted_tree};

/// Samples that go through the layers at once.
const CHUNK: usize = 32;

/// Below this share of present features, lists of them are faster than whole rows.
const SPARSE: f64 = 0.3;

/// Buffers of one model.
#[derive(Clone, Debug)]
pub struct TwoLayerKernel {
    flags: TwoLayerFlags,
    distribution: InputDistribution,
    layout: TwoLayerLayout,
    /// m rounded up to 16.
    mp: usize,
    inputs: InputRows,
    words: Vec<u32>,
    /// Samples that are not all zero, ascending.
    order: Vec<u32>,
    /// For each of these its present features `starts[r]..starts[r + 1]`, ascending; only where few are present.
    sparse: bool,
    starts: Vec<usize>,
    index: Vec<u32>,
    value: AlignedF32,
    /// W^T and V, both \[np, mp\].
    first: AlignedF32,
    second: AlignedF32,
    /// Gradient of W through inputs, \[mp, np\], and the same as \[np, mp\].
    d_first: AlignedF32,
    d_transposed: AlignedF32,
    /// L_j.
    losses: AlignedF32,
    /// g \[CHUNK, np\]; h and dh \[CHUNK, mp\]; 0, 1, 2, ...
    slopes: AlignedF32,
    hidden: AlignedF32,
    d_hidden: AlignedF32,
    identity: Vec<u32>,
}

impl TwoLayerKernel {
    pub fn new(flags: TwoLayerFlags, distribution: InputDistribution, constants: &StepConstants) -> TwoLayerKernel {
        let layout = TwoLayerLayout::new(constants.shape, flags);
        let TwoLayerLayout { m, np, .. } = layout;
        let mp = m.div_ceil(16) * 16;
        let zeros = AlignedF32::zeros;
        let model = TwoLayerKernel {
            flags,
            distribution,
            layout,
            mp,
            inputs: InputRows::default(),
            words: Vec::new(),
            order: Vec::with_capacity(constants.samples),
            sparse: false,
            starts: Vec::new(),
            index: Vec::new(),
            value: zeros(0),
            first: zeros(np * mp),
            second: zeros(if flags.tied { 0 } else { np * mp }),
            d_first: zeros(mp * np),
            d_transposed: zeros(0),
            losses: zeros(np),
            slopes: zeros(CHUNK * np),
            hidden: zeros(CHUNK * mp),
            d_hidden: zeros(CHUNK * mp),
            identity: (0..CHUNK as u32).collect(),
        };
        model.with_feature_lists(distribution.probability < SPARSE, constants.samples)
    }

    /// Whether the first layer works on lists of present features, which changes no bit.
    pub fn with_feature_lists(mut self, sparse: bool, samples: usize) -> TwoLayerKernel {
        let TwoLayerLayout { n, np, .. } = self.layout;
        let (room, transposed) = if sparse { (samples * n + 16, np * self.mp) } else { (0, 0) };
        (self.sparse, self.index, self.value, self.d_transposed) =
            (sparse, vec![0; room], AlignedF32::zeros(room), AlignedF32::zeros(transposed));
        self
    }
}

impl GradientKernel for &mut TwoLayerKernel {
    #[inline(always)]
    unsafe fn gradients<V: Simd>(
        &mut self,
        constants: &StepConstants,
        id: BatchId,
        parameters: &[f32],
        gradients: &mut [f32],
        _want_loss: bool,
    ) -> f32 {
        let model = &mut **self;
        unsafe {
            model.distribution.fill::<V>(&mut model.inputs, &mut model.words, id, constants.samples, model.layout.n);
            match model.flags {
                TwoLayerFlags { rectified: false, magnitude: false, .. } => {
                    model.step::<V, false, false>(constants, parameters, gradients)
                }
                TwoLayerFlags { rectified: false, magnitude: true, .. } => {
                    model.step::<V, false, true>(constants, parameters, gradients)
                }
                TwoLayerFlags { rectified: true, magnitude: false, .. } => {
                    model.step::<V, true, false>(constants, parameters, gradients)
                }
                TwoLayerFlags { rectified: true, magnitude: true, .. } => {
                    model.step::<V, true, true>(constants, parameters, gradients)
                }
            }
        }
    }
}

impl TwoLayerKernel {
    #[inline(always)]
    unsafe fn step<V: Simd, const RECTIFIED: bool, const MAGNITUDE: bool>(
        &mut self,
        constants: &StepConstants,
        parameters: &[f32],
        gradients: &mut [f32],
    ) -> f32 {
        let TwoLayerLayout { n, m, np, tied } = self.layout;
        let mp = self.mp;
        unsafe {
            self.order.clear();
            self.order
                .extend((0..constants.samples as u32).filter(|&s| *self.inputs.any.get_unchecked(s as usize) > 0.0));
            if self.sparse {
                self.list_present_features::<V>();
                self.d_transposed.fill(0.0);
            }
            let transpose_weights = |base: *const f32, to: &mut AlignedF32| {
                transpose::<V>(Matrix { base, stride: np }, m, n, MatrixMut { base: to.as_mut_ptr(), stride: mp });
            };
            transpose_weights(parameters.as_ptr(), &mut self.first);
            if !tied {
                transpose_weights(parameters.as_ptr().add(self.layout.out()), &mut self.second);
            }
            gradients.fill(0.0);
            self.d_first.fill(0.0);
            self.losses.fill(0.0);
            for first in (0..self.order.len()).step_by(CHUNK) {
                let count = CHUNK.min(self.order.len() - first);
                self.compute_chunk::<V, RECTIFIED, MAGNITUDE>(constants, parameters, gradients, first, count);
            }
            self.add_zero_samples::<V>(constants, parameters, gradients);
            if self.sparse {
                let from = Matrix { base: self.d_transposed.as_ptr(), stride: mp };
                transpose::<V>(from, n, m, MatrixMut { base: self.d_first.as_mut_ptr(), stride: np });
            }
            for at in (0..m * np).step_by(V::N) {
                let (d, own) = (gradients.as_mut_ptr().add(at), V::load(self.d_first.as_ptr().add(at)));
                V::store(d, if tied { V::add(V::load(d), own) } else { own });
            }
            weighted_tree::<V>(&constants.importance, &self.losses, self.layout.n) * constants.scale
        }
    }

    /// Lists of present features of the samples in `order`.
    #[inline(always)]
    unsafe fn list_present_features<V: Simd>(&mut self) {
        let TwoLayerLayout { n, np, .. } = self.layout;
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
                    let mut bits = V::mask_bits(present);
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
    unsafe fn compute_chunk<V: Simd, const RECTIFIED: bool, const MAGNITUDE: bool>(
        &mut self,
        constants: &StepConstants,
        parameters: &[f32],
        gradients: &mut [f32],
        first: usize,
        count: usize,
    ) {
        let TwoLayerLayout { n, m, np, tied } = self.layout;
        let mp = self.mp;
        unsafe {
            let inputs =
                GatheredRows { base: self.inputs.x.as_ptr(), stride: np, index: self.order.as_ptr().add(first) };
            let h = MatrixMut { base: self.hidden.as_mut_ptr(), stride: mp };
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
            let outputs = OutputLayer {
                inputs,
                hidden: self.hidden.as_ptr(),
                mp,
                terms: m,
                columns: parameters.as_ptr().add(self.layout.out()),
                np,
                bias: parameters.as_ptr().add(self.layout.bias()),
                d_bias: gradients.as_mut_ptr().add(self.layout.bias()),
                slope: constants.slope.as_ptr(),
                losses: self.losses.as_mut_ptr(),
                g: self.slopes.as_mut_ptr(),
            };
            outputs.run::<V, MAGNITUDE>(count, n);
            let g = GatheredRows { base: self.slopes.as_ptr(), stride: np, index: self.identity.as_ptr() };
            let v = Matrix { base: if tied { self.first.as_ptr() } else { self.second.as_ptr() }, stride: mp };
            let dh = MatrixMut { base: self.d_hidden.as_mut_ptr(), stride: mp };
            product::<V>(g, count, v, n, m, std::ptr::null(), dh);
            if RECTIFIED {
                for at in (0..count * mp).step_by(V::N) {
                    let (h, d) = (V::load(self.hidden.as_ptr().add(at)), self.d_hidden.as_mut_ptr().add(at));
                    V::store(d, V::select_or_zero(V::greater(h, V::splat(0.0)), V::load(d)));
                }
            }
            let h = Matrix { base: self.hidden.as_ptr(), stride: mp };
            let d = MatrixMut { base: gradients.as_mut_ptr().add(self.layout.out()), stride: np };
            outer::<V>(h, m, g, count, n, d);
            if self.sparse {
                self.scatter::<V>(first, count);
            } else {
                let dh = Matrix { base: self.d_hidden.as_ptr(), stride: mp };
                let d = MatrixMut { base: self.d_first.as_mut_ptr(), stride: np };
                outer::<V>(dh, m, inputs, count, n, d);
            }
        }
    }

    /// h of a chunk from lists of present features.
    #[inline(always)]
    unsafe fn gather<V: Simd>(&mut self, first: usize, count: usize) {
        let vectors = self.layout.m.div_ceil(V::N);
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
        let vectors = self.layout.m.div_ceil(V::N);
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
                        let sum = self.d_transposed.as_mut_ptr().add(row + c * V::N);
                        V::store(sum, V::fma(d[c], x, V::load(sum)));
                    }
                }
            }
        }
    }

    /// All-zero samples: y = max(b, 0), evaluated once.
    #[inline(always)]
    unsafe fn add_zero_samples<V: Simd>(
        &mut self,
        constants: &StepConstants,
        parameters: &[f32],
        gradients: &mut [f32],
    ) {
        let bias = self.layout.bias();
        unsafe {
            let count = V::splat((constants.samples - self.order.len()) as f32);
            for j in (0..self.layout.n).step_by(V::N) {
                let y = V::max(V::load(parameters.as_ptr().add(bias + j)), V::splat(0.0));
                let loss = self.losses.as_mut_ptr().add(j);
                V::store(loss, V::fma(count, V::mul(y, y), V::load(loss)));
                let d = gradients.as_mut_ptr().add(bias + j);
                let g = V::mul(V::load(constants.slope.as_ptr().add(j)), y);
                V::store(d, V::fma(count, g, V::load(d)));
            }
        }
    }
}
