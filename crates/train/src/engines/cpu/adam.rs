//! Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019) in the form of torch.optim, vectorised.
//!
//! With g the gradient, t the step from 1: m = fma(beta1, m, (1 - beta1) g), +0 unless |m| > 2^-100;
//! v = fma(beta2, v, (1 - beta2) (g g)), +0 unless > 2^-100;
//! p = fma(-lr/(1 - beta1^t), m / fma(sqrt v, 1/sqrt(1 - beta2^t), eps), p (1 - lr wd)).

use crate::numerics::simd::Simd;

/// 2^-100. Moments of a parameter without gradient shrink until they are denormal numbers, on which processors are slow. That a small
/// first moment becomes +0 also means that the sign of a zero gradient has no consequences.
const TINY: f32 = f32::from_bits((127 - 100) << 23);

/// The scalars of one step, rounded to binary32.
#[derive(Clone, Copy, Debug)]
pub struct AdamScalars {
    pub beta1: f32,
    pub one_minus_beta1: f32,
    pub beta2: f32,
    pub one_minus_beta2: f32,
    pub eps: f32,
    /// -lr / (1 - beta1^t).
    pub step: f32,
    /// 1 / sqrt(1 - beta2^t).
    pub correction: f32,
    /// 1 - lr wd.
    pub keep: f32,
}

/// Update one vector of parameters in place.
///
/// # Safety
/// The machine must have the instructions of `V`; all pointers lead to `V::N` numbers.
#[inline(always)]
pub unsafe fn update<V: Simd>(p: *mut f32, m: *mut f32, v: *mut f32, g: V::F, scalars: &AdamScalars) {
    unsafe {
        let first = V::fma(V::splat(scalars.beta1), V::load(m), V::mul(V::splat(scalars.one_minus_beta1), g));
        let first = V::select_or_zero(V::greater(V::abs(first), V::splat(TINY)), first);
        let second =
            V::fma(V::splat(scalars.beta2), V::load(v), V::mul(V::splat(scalars.one_minus_beta2), V::mul(g, g)));
        let second = V::select_or_zero(V::greater(second, V::splat(TINY)), second);
        V::store(m, first);
        V::store(v, second);
        let root = V::fma(V::sqrt(second), V::splat(scalars.correction), V::splat(scalars.eps));
        let kept = V::mul(V::load(p), V::splat(scalars.keep));
        V::store(p, V::fma(V::splat(scalars.step), V::div(first, root), kept));
    }
}
