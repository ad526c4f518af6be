//! Plain Rust, eight lanes: correct everywhere. `mul_add` is a library call on x86-64 without FMA.

use super::vector::{Simd, SimdKernel};
use crate::numerics::rng::{philox, philox_precomputed};

#[derive(Clone, Copy)]
pub struct Portable;

type P = [f32; 8];

#[inline(always)]
fn zip_lanes<A: Copy, B: Copy, C>(a: [A; 8], b: [B; 8], f: impl Fn(A, B) -> C) -> [C; 8] {
    std::array::from_fn(|l| f(a[l], b[l]))
}

/// Runs a kernel compiled for this width.
///
/// # Safety
/// Plain Rust: always sound.
#[inline(never)]
pub(super) unsafe fn run_portable<K: SimdKernel>(kernel: K) -> K::Output {
    unsafe { kernel.run::<Portable>() }
}

impl Simd for Portable {
    type F = P;
    type U = [u32; 8];
    type M = [bool; 8];
    const N: usize = 8;
    #[inline(always)]
    unsafe fn call_kernel<K: SimdKernel>(kernel: K) -> K::Output {
        unsafe { run_portable(kernel) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> P {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> P {
        unsafe { p.cast::<P>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: P) {
        unsafe { p.cast::<P>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: P, b: P) -> P {
        zip_lanes(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: P, b: P) -> P {
        zip_lanes(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: P, b: P) -> P {
        zip_lanes(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: P, b: P) -> P {
        zip_lanes(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(a: P) -> P {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn abs(a: P) -> P {
        a.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn neg_abs(a: P) -> P {
        a.map(|a| -a.abs())
    }
    #[inline(always)]
    unsafe fn fma(a: P, b: P, c: P) -> P {
        std::array::from_fn(|l| a[l].mul_add(b[l], c[l]))
    }
    #[inline(always)]
    unsafe fn fms(a: P, b: P, c: P) -> P {
        std::array::from_fn(|l| a[l].mul_add(b[l], -c[l]))
    }
    #[inline(always)]
    unsafe fn max(a: P, b: P) -> P {
        zip_lanes(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn scale(value: P, q: P) -> P {
        zip_lanes(value, q, |value, q| value * f32::from_bits(((q as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn greater(a: P, b: P) -> [bool; 8] {
        zip_lanes(a, b, |a, b| a > b)
    }
    #[inline(always)]
    unsafe fn equal(a: P, b: P) -> [bool; 8] {
        zip_lanes(a, b, |a, b| a == b)
    }
    #[inline(always)]
    unsafe fn and_not_greater(m: [bool; 8], a: P, b: P) -> [bool; 8] {
        let greater = unsafe { Self::greater(a, b) };
        zip_lanes(m, greater, |m, greater| m & !greater)
    }
    #[inline(always)]
    unsafe fn first_lanes(n: usize) -> [bool; 8] {
        std::array::from_fn(|l| l < n)
    }
    #[inline(always)]
    unsafe fn and(a: [bool; 8], b: [bool; 8]) -> [bool; 8] {
        zip_lanes(a, b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn or(a: [bool; 8], b: [bool; 8]) -> [bool; 8] {
        zip_lanes(a, b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn mask_bits(m: [bool; 8]) -> u32 {
        m.iter().enumerate().fold(0, |bits, (l, &m)| bits | u32::from(m) << l)
    }
    #[inline(always)]
    unsafe fn select_or_zero(m: [bool; 8], a: P) -> P {
        zip_lanes(m, a, |m, a| if m { a } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn select(m: [bool; 8], a: P, b: P) -> P {
        std::array::from_fn(|l| if m[l] { a[l] } else { b[l] })
    }
    #[inline(always)]
    unsafe fn index_from_masks(first: [bool; 8], second: [bool; 8]) -> [u32; 8] {
        zip_lanes(first, second, |first, second| if second { 2 } else { u32::from(first) })
    }
    #[inline(always)]
    unsafe fn permute(table: P, index: [u32; 8]) -> P {
        index.map(|at| table[at as usize % 8])
    }
    #[inline(always)]
    unsafe fn add_where(m: [bool; 8], sum: P, a: P) -> P {
        std::array::from_fn(|l| if m[l] { sum[l] + a[l] } else { sum[l] })
    }
    const MASK: usize = 8;
    #[inline(always)]
    unsafe fn store_mask(p: *mut u8, m: [bool; 8]) {
        unsafe { p.cast::<[u8; 8]>().write(m.map(u8::from)) }
    }
    #[inline(always)]
    unsafe fn load_mask(p: *const u8) -> [bool; 8] {
        unsafe { p.cast::<[u8; 8]>().read() }.map(|byte| byte != 0)
    }
    #[inline(always)]
    unsafe fn compress(m: [bool; 8], a: P, p: *mut f32) {
        unsafe { p.cast::<P>().write_unaligned(kept(m, a)) }
    }
    #[inline(always)]
    unsafe fn compress_words(m: [bool; 8], a: [u32; 8], p: *mut u32) {
        unsafe { p.cast::<[u32; 8]>().write_unaligned(kept(m, a)) }
    }
    #[inline(always)]
    unsafe fn horizontal_sums(v: &[P]) -> P {
        std::array::from_fn(|i| {
            let l = v[i];
            ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
        })
    }
    #[inline(always)]
    unsafe fn transpose(v: &mut [P]) {
        for i in 0..8 {
            for l in 0..i {
                (v[i][l], v[l][i]) = (v[l][i], v[i][l]);
            }
        }
    }
    #[inline(always)]
    unsafe fn broadcast_max(a: P) -> P {
        [a.iter().fold(f32::NEG_INFINITY, |h, &v| if v > h { v } else { h }); 8]
    }
    #[inline(always)]
    unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [[u32; 8]; 4] {
        let mut words = [[0; 8]; 4];
        for lane in 0..8 {
            let block = philox(seed, [t.wrapping_add(lane as u32), step, stream, 0]);
            for (plane, word) in words.iter_mut().zip(block) {
                plane[lane] = word;
            }
        }
        words
    }
    #[inline(always)]
    unsafe fn philox_precomputed(seed: u64, counters: *const u32, step: [u32; 2]) -> [[u32; 8]; 4] {
        let mut words = [[0; 8]; 4];
        for lane in 0..8 {
            let counters = std::array::from_fn(|plane| unsafe { *counters.add(16 * plane + lane) });
            for (plane, word) in words.iter_mut().zip(philox_precomputed(seed, counters, step)) {
                plane[lane] = word;
            }
        }
        words
    }
    #[inline(always)]
    unsafe fn load_words(p: *const u32) -> [u32; 8] {
        unsafe { p.cast::<[u32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_words(p: *mut u32, v: [u32; 8]) {
        unsafe { p.cast::<[u32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn low_u16(v: [u32; 8]) -> P {
        v.map(|word| (word & 0xffff) as f32)
    }
    #[inline(always)]
    unsafe fn high_u16(v: [u32; 8]) -> P {
        v.map(|word| (word >> 16) as f32)
    }
    #[inline(always)]
    unsafe fn high_24_bits(v: [u32; 8]) -> P {
        v.map(|word| (word >> 8) as f32)
    }
    #[inline(always)]
    unsafe fn load_u16(p: *const u16) -> P {
        unsafe { p.cast::<[u16; 8]>().read_unaligned() }.map(f32::from)
    }
}

/// The kept lanes moved to the front.
#[inline(always)]
fn kept<T: Copy + Default>(m: [bool; 8], a: [T; 8]) -> [T; 8] {
    // One place more than lanes, so that the lane after the last kept one has somewhere to go.
    let mut out = [T::default(); 9];
    let mut count = 0;
    for l in 0..8 {
        out[count] = a[l];
        count += usize::from(m[l]);
    }
    std::array::from_fn(|l| out[l])
}
