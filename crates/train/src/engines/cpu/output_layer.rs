//! The output layer `y = ReLU(V h + b)` of a chunk of samples, with its errors and their sums: items 3 to 6 and 10 to 11 of the contract.

use super::tiles::GatheredRows;
use crate::numerics::simd::Simd;

/// Arguments of the output layer: from the hidden values of a chunk to errors, their slopes g, and the sums over samples.
pub struct OutputLayer {
    /// x of the samples.
    pub inputs: GatheredRows,
    /// h, rows `mp` apart.
    pub hidden: *const f32,
    pub mp: usize,
    /// Hidden dimensions.
    pub terms: usize,
    /// V by hidden dimension, rows `np` apart.
    pub columns: *const f32,
    pub np: usize,
    pub bias: *const f32,
    pub d_bias: *mut f32,
    /// c_j.
    pub slope: *const f32,
    /// L_j.
    pub losses: *mut f32,
    /// g, rows `np` apart.
    pub g: *mut f32,
}

impl OutputLayer {
    /// Compute `count` samples. With MAGNITUDE the target is |x|, otherwise x.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the pointers lead to whole vectors of numbers.
    #[inline(always)]
    pub unsafe fn run<V: Simd, const MAGNITUDE: bool>(&self, count: usize, features: usize) {
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
                    let g = V::select_or_zero(V::greater(z[i][r], zero), V::mul(slope, d));
                    V::store(self.g.add((s + i) * self.np + at), g);
                    bias = V::add(bias, g);
                }
                V::store(self.losses.add(at), loss);
                V::store(self.d_bias.add(at), bias);
            }
        }
    }
}
