//! Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019) in the form of torch.optim, vectorised.
//!
//! With g the gradient, t the step from 1: m = fma(beta1, m, (1 - beta1) g); v = fma(beta2, v, (1 - beta2) (g g));
//! p = fma(-lr/(1 - beta1^t), m / fma(sqrt v, 1/sqrt(1 - beta2^t), eps), p (1 - lr wd)).

use super::simd::Simd;

/// The numbers of one step, rounded to binary32.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
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
pub unsafe fn update<V: Simd>(p: *mut f32, m: *mut f32, v: *mut f32, g: V::F, rates: &Rates) {
    unsafe {
        // A sum that is -0 becomes 0: which zero it is depends on how terms were skipped.
        let g = V::add(g, V::splat(0.0));
        let first = V::fma(V::splat(rates.beta1), V::load(m), V::mul(V::splat(rates.one_minus_beta1), g));
        let second = V::fma(V::splat(rates.beta2), V::load(v), V::mul(V::splat(rates.one_minus_beta2), V::mul(g, g)));
        V::store(m, first);
        V::store(v, second);
        let root = V::fma(V::sqrt(second), V::splat(rates.correction), V::splat(rates.eps));
        let kept = V::mul(V::load(p), V::splat(rates.keep));
        V::store(p, V::fma(V::splat(rates.step), V::div(first, root), kept));
    }
}
