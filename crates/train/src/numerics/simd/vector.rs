//! The operations that kernels are written with: a vector of f32 at some width, its masks, and the sums that the contract fixes.
//!
//! Soundness: the functions of [`Simd`] are unsafe because they need the instructions of their type, and pointers to as many numbers
//! as their comment says. Kernels get the instructions from `dispatch`, which takes levels that the machine has.
#![allow(clippy::missing_safety_doc)]

use crate::numerics::math::EXP2;

/// A computation written once over all vector widths.
pub trait SimdKernel {
    type Output;
    /// # Safety
    /// The machine must have the instructions of `V`.
    unsafe fn run<V: Simd>(self) -> Self::Output;
}

/// A vector of `N` binary32 numbers; every operation rounds each lane once.
pub trait Simd: Copy {
    type F: Copy;
    /// `N` 32-bit words.
    type U: Copy;
    /// A mask: a truth value for each lane.
    type M: Copy;
    /// 8 or 16.
    const N: usize;
    /// Call a kernel as a function instead of inlining it, so that its code exists once.
    unsafe fn call_kernel<K: SimdKernel>(kernel: K) -> K::Output;
    unsafe fn splat(x: f32) -> Self::F;
    /// `N` numbers at any address.
    unsafe fn load(p: *const f32) -> Self::F;
    unsafe fn store(p: *mut f32, v: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sqrt(a: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;
    /// -|a|.
    unsafe fn neg_abs(a: Self::F) -> Self::F;
    /// a b + c, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// a b - c, rounded once.
    unsafe fn fms(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a` where a > b, else `b`.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// value 2^q for whole q in -126..=126 and normal results.
    unsafe fn scale(value: Self::F, q: Self::F) -> Self::F;

    unsafe fn greater(a: Self::F, b: Self::F) -> Self::M;
    unsafe fn equal(a: Self::F, b: Self::F) -> Self::M;
    /// `m` and a > b.
    #[inline(always)]
    unsafe fn and_greater(m: Self::M, a: Self::F, b: Self::F) -> Self::M {
        unsafe { Self::and(m, Self::greater(a, b)) }
    }
    /// `m` and not a > b.
    unsafe fn and_not_greater(m: Self::M, a: Self::F, b: Self::F) -> Self::M;
    /// The first `n` lanes; all if there are not more.
    unsafe fn first_lanes(n: usize) -> Self::M;
    unsafe fn and(a: Self::M, b: Self::M) -> Self::M;
    unsafe fn or(a: Self::M, b: Self::M) -> Self::M;
    /// Lane l as bit l.
    unsafe fn mask_bits(m: Self::M) -> u32;
    /// `a` where the mask is set, else 0.
    unsafe fn select_or_zero(m: Self::M, a: Self::F) -> Self::F;
    /// `a` where the mask is set, else `b`.
    unsafe fn select(m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// 1 where `first` is set, 2 where `second` is, else 0.
    unsafe fn index_from_masks(first: Self::M, second: Self::M) -> Self::U;
    /// Lane l is the lane of `table` that lane l of `index` names, which is below 8.
    unsafe fn permute(table: Self::F, index: Self::U) -> Self::F;
    /// sum + a where the mask is set; elsewhere sum, or sum + 0.
    unsafe fn add_where(m: Self::M, sum: Self::F, a: Self::F) -> Self::F;
    /// Bytes of a mask in memory.
    const MASK: usize;
    unsafe fn store_mask(p: *mut u8, m: Self::M);
    unsafe fn load_mask(p: *const u8) -> Self::M;
    /// Store the selected lanes one after another; writes `N` numbers, of which those behind the selected ones are arbitrary.
    unsafe fn compress(m: Self::M, a: Self::F, p: *mut f32);
    /// The same for words.
    unsafe fn compress_words(m: Self::M, a: Self::U, p: *mut u32);

    /// Sum of all lanes of each of `N` vectors, by the contract's tree below 16 lanes: lane l of the result is the sum of `v(l)`.
    unsafe fn horizontal_sums(v: &[Self::F]) -> Self::F;
    /// Rows to columns of `N` vectors.
    unsafe fn transpose(v: &mut [Self::F]);
    /// The largest lane in all lanes.
    unsafe fn broadcast_max(a: Self::F) -> Self::F;

    /// The four words of the `N` counters (t + lane, step, stream, 0).
    unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [Self::U; 4];
    /// The same from the parts that `rng::precompute_counter` and `rng::precompute_step` computed; the four words of a counter are sixteen
    /// apart. May read one word further.
    unsafe fn philox_precomputed(seed: u64, counters: *const u32, step: [u32; 2]) -> [Self::U; 4];
    unsafe fn load_words(p: *const u32) -> Self::U;
    unsafe fn store_words(p: *mut u32, v: Self::U);
    /// Low and high 16 bits of each word as numbers.
    unsafe fn low_u16(v: Self::U) -> Self::F;
    unsafe fn high_u16(v: Self::U) -> Self::F;
    /// The upper 24 bits of each word as a number.
    unsafe fn high_24_bits(v: Self::U) -> Self::F;
    /// `N` 16-bit words at any address, as numbers.
    unsafe fn load_u16(p: *const u16) -> Self::F;
}

/// How many virtual lanes a sum over features or samples has.
const LANES: usize = 32;

/// Vectors that hold the virtual lanes.
pub const fn lane_vectors<V: Simd>() -> usize {
    LANES / V::N
}

/// The contract's tree over 32 lanes; lane l is in vector l / N.
#[inline(always)]
unsafe fn tree<V: Simd>(lanes: &[V::F]) -> f32 {
    unsafe {
        let mut all = [V::splat(0.0); 16];
        all[0] = fold_lanes::<V>(lanes);
        let mut out = [0.0f32; 16];
        V::store(out.as_mut_ptr(), V::horizontal_sums(&all[..V::N]));
        out[0]
    }
}

/// The tree over 32 lanes of the products `a[j] b[j]`, j < `len`; lane l is a chain over j = l, l + 32, ... Reads whole vectors.
#[inline(always)]
pub unsafe fn weighted_tree<V: Simd>(a: &[f32], b: &[f32], len: usize) -> f32 {
    unsafe {
        let mut lanes = [V::splat(0.0); 4];
        for (v, j) in (0..len).step_by(V::N).enumerate() {
            let lane = &mut lanes[v % lane_vectors::<V>()];
            *lane = V::fma(V::load(a.as_ptr().add(j)), V::load(b.as_ptr().add(j)), *lane);
        }
        tree::<V>(&lanes)
    }
}

/// The first levels of the tree, until one vector is left.
#[inline(always)]
pub unsafe fn fold_lanes<V: Simd>(lanes: &[V::F]) -> V::F {
    unsafe {
        if V::N == 16 {
            V::add(lanes[0], lanes[1])
        } else {
            V::add(V::add(lanes[0], lanes[2]), V::add(lanes[1], lanes[3]))
        }
    }
}

/// e^x for x <= 0, the operations of `math::exp` in every lane.
#[inline(always)]
pub unsafe fn exp<V: Simd>(x: V::F) -> V::F {
    unsafe {
        let (magic, log2e) = (V::splat(12_582_912.0), V::splat(std::f32::consts::LOG2_E));
        let x = V::max(x, V::splat(-64.0));
        let q = V::sub(V::fma(x, log2e, magic), magic);
        let f = V::fms(x, log2e, q);
        let mut p = V::splat(EXP2[0]);
        for c in &EXP2[1..] {
            p = V::fma(p, f, V::splat(*c));
        }
        V::scale(p, q)
    }
}
