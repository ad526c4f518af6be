//! Eight lanes: AVX2 with FMA.

use std::arch::x86_64::*;

use super::vector::{Simd, SimdKernel};
use crate::numerics::aligned::align_stack_frame;
use crate::numerics::rng::{MULTIPLIERS, PRECOMPUTED_ROUNDS, ROUNDS, WEYL, round_keys};

#[derive(Clone, Copy)]
pub struct Avx2;

/// For each mask of eight lanes the positions of its set bits, in order.
static COMPRESS: [[u8; 8]; 256] = {
    let mut table = [[0u8; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut at) = (0, 0);
        while lane < 8 {
            if mask >> lane & 1 == 1 {
                table[mask][at] = lane as u8;
                at += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    table
};

/// Runs a kernel compiled for this width.
///
/// # Safety
/// The machine must have the instructions.
#[inline(never)]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,popcnt")]
pub(super) unsafe fn run_avx2<K: SimdKernel>(kernel: K) -> K::Output {
    align_stack_frame();
    unsafe { kernel.run::<Avx2>() }
}

impl Simd for Avx2 {
    type F = __m256;
    type U = __m256i;
    type M = __m256;
    const N: usize = 8;
    #[inline(always)]
    unsafe fn call_kernel<K: SimdKernel>(kernel: K) -> K::Output {
        unsafe { run_avx2(kernel) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m256) -> __m256 {
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    unsafe fn neg_abs(a: __m256) -> __m256 {
        unsafe { _mm256_or_ps(a, _mm256_set1_ps(-0.0)) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn fms(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmsub_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn scale(value: __m256, q: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(q), _mm256_set1_epi32(127));
            _mm256_mul_ps(value, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn greater(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn equal(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn and_not_greater(m: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_andnot_ps(Self::greater(a, b), m) }
    }
    #[inline(always)]
    unsafe fn first_lanes(n: usize) -> __m256 {
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n.min(8) as i32), lanes))
        }
    }
    #[inline(always)]
    unsafe fn and(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_and_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_or_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mask_bits(m: __m256) -> u32 {
        unsafe { _mm256_movemask_ps(m) as u32 }
    }
    #[inline(always)]
    unsafe fn select_or_zero(m: __m256, a: __m256) -> __m256 {
        unsafe { _mm256_and_ps(m, a) }
    }
    #[inline(always)]
    unsafe fn select(m: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(b, a, m) }
    }
    #[inline(always)]
    unsafe fn index_from_masks(first: __m256, second: __m256) -> __m256i {
        unsafe {
            let (first, second) = (_mm256_castps_si256(first), _mm256_castps_si256(second));
            _mm256_or_si256(_mm256_and_si256(first, splat(1)), _mm256_and_si256(second, splat(2)))
        }
    }
    #[inline(always)]
    unsafe fn permute(table: __m256, index: __m256i) -> __m256 {
        unsafe { _mm256_permutevar8x32_ps(table, index) }
    }
    #[inline(always)]
    unsafe fn add_where(m: __m256, sum: __m256, a: __m256) -> __m256 {
        unsafe { _mm256_add_ps(sum, _mm256_and_ps(m, a)) }
    }
    const MASK: usize = 32;
    #[inline(always)]
    unsafe fn store_mask(p: *mut u8, m: __m256) {
        unsafe { _mm256_storeu_ps(p.cast(), m) }
    }
    #[inline(always)]
    unsafe fn load_mask(p: *const u8) -> __m256 {
        unsafe { _mm256_loadu_ps(p.cast()) }
    }
    #[inline(always)]
    unsafe fn compress(m: __m256, a: __m256, p: *mut f32) {
        unsafe {
            // A mask of eight bits is an index below 256.
            let mask = _mm256_movemask_ps(m) as usize & 255;
            let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(COMPRESS.get_unchecked(mask).as_ptr().cast()));
            _mm256_storeu_ps(p, _mm256_permutevar8x32_ps(a, order));
        }
    }
    #[inline(always)]
    unsafe fn compress_words(m: __m256, a: __m256i, p: *mut u32) {
        unsafe { Self::compress(m, _mm256_castsi256_ps(a), p.cast()) }
    }
    #[inline(always)]
    unsafe fn horizontal_sums(v: &[__m256]) -> __m256 {
        unsafe {
            // Pairs of vectors become one, halves being added; the order of pairs puts the sum of v[l] into lane l.
            let mut level = [_mm256_setzero_ps(); 8];
            for (j, slot) in level.iter_mut().enumerate() {
                *slot = v[4 * (j % 2) + j / 2];
            }
            for j in 0..4 {
                let (a, b) = (level[2 * j], level[2 * j + 1]);
                level[j] = _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
            }
            for j in 0..2 {
                let (a, b) = (_mm256_castps_pd(level[2 * j]), _mm256_castps_pd(level[2 * j + 1]));
                let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                level[j] = _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
            }
            let (a, b) = (level[0], level[1]);
            _mm256_add_ps(_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xDD>(a, b))
        }
    }
    #[inline(always)]
    unsafe fn transpose(v: &mut [__m256]) {
        unsafe {
            let mut t = [_mm256_setzero_ps(); 8];
            for i in 0..4 {
                t[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
                t[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
            }
            for i in 0..2 {
                for h in 0..2 {
                    let (a, b) = (_mm256_castps_pd(t[4 * i + h]), _mm256_castps_pd(t[4 * i + 2 + h]));
                    v[4 * i + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
                    v[4 * i + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
                }
            }
            for c in 0..4 {
                let (a, b) = (v[c], v[4 + c]);
                v[c] = _mm256_permute2f128_ps::<0x20>(a, b);
                v[4 + c] = _mm256_permute2f128_ps::<0x31>(a, b);
            }
        }
    }
    #[inline(always)]
    unsafe fn broadcast_max(a: __m256) -> __m256 {
        unsafe {
            let a = _mm256_max_ps(a, _mm256_permute2f128_ps::<0x01>(a, a));
            let a = _mm256_max_ps(a, _mm256_shuffle_ps::<0x4E>(a, a));
            _mm256_max_ps(a, _mm256_shuffle_ps::<0xB1>(a, a))
        }
    }
    #[inline(always)]
    unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [__m256i; 4] {
        unsafe {
            // Even and odd counters separately, each in the lower half of 64 bits, which is what multiplication reads; upper halves are ignored.
            let even = _mm256_add_epi32(_mm256_set1_epi32(t as i32), _mm256_setr_epi64x(0, 2, 4, 6));
            let odd = _mm256_add_epi32(even, _mm256_set1_epi32(1));
            let (step, stream, zero) = (splat(step), splat(stream), splat(0));
            merge(rounds::<0>([even, step, stream, zero], seed), rounds::<0>([odd, step, stream, zero], seed))
        }
    }
    #[inline(always)]
    unsafe fn philox_precomputed(seed: u64, counters: *const u32, step: [u32; 2]) -> [__m256i; 4] {
        // One word further, odd counters are in the lower halves.
        unsafe { merge(rounds_from(seed, counters, step), rounds_from(seed, counters.add(1), step)) }
    }
    #[inline(always)]
    unsafe fn load_words(p: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(p: *mut u32, v: __m256i) {
        unsafe { _mm256_storeu_si256(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn low_u16(v: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_and_si256(v, _mm256_set1_epi32(0xffff))) }
    }
    #[inline(always)]
    unsafe fn high_u16(v: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_srli_epi32::<16>(v)) }
    }
    #[inline(always)]
    unsafe fn high_24_bits(v: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_srli_epi32::<8>(v)) }
    }
    #[inline(always)]
    unsafe fn load_u16(p: *const u16) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()))) }
    }
}

#[inline(always)]
unsafe fn splat(word: u32) -> __m256i {
    unsafe { _mm256_set1_epi32(word as i32) }
}

/// Words of even and of odd counters, each in the lower halves of 64 bits, combined.
#[inline(always)]
unsafe fn merge(even: [__m256i; 4], odd: [__m256i; 4]) -> [__m256i; 4] {
    unsafe {
        let mut words = [_mm256_setzero_si256(); 4];
        for (word, (even, odd)) in words.iter_mut().zip(even.into_iter().zip(odd)) {
            *word = _mm256_blend_epi32::<0xAA>(even, _mm256_slli_epi64::<32>(odd));
        }
        words
    }
}

/// The rounds from number `FROM` on for four counters in the lower halves of 64 bits; upper halves are waste.
#[inline(always)]
unsafe fn rounds<const FROM: usize>(c: [__m256i; 4], seed: u64) -> [__m256i; 4] {
    unsafe {
        let mut c = c;
        let mut key = round_keys(seed, FROM as u32);
        for _ in FROM..ROUNDS {
            let a = _mm256_mul_epu32(c[0], splat(MULTIPLIERS[0]));
            let b = _mm256_mul_epu32(c[2], splat(MULTIPLIERS[1]));
            // Shuffles, not shifts: multiplications keep the port of shifts busy.
            let (a_high, b_high) = (_mm256_shuffle_epi32::<0xF5>(a), _mm256_shuffle_epi32::<0xF5>(b));
            c = [
                _mm256_xor_si256(_mm256_xor_si256(b_high, c[1]), splat(key[0])),
                b,
                _mm256_xor_si256(_mm256_xor_si256(a_high, c[3]), splat(key[1])),
                a,
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        c
    }
}

/// The rounds after those that `rng::precompute_counter` and `rng::precompute_step` cover.
#[inline(always)]
unsafe fn rounds_from(seed: u64, counters: *const u32, step: [u32; 2]) -> [__m256i; 4] {
    unsafe {
        let mut c = [splat(0); 4];
        for (plane, word) in c.iter_mut().enumerate() {
            *word = _mm256_loadu_si256(counters.add(16 * plane).cast());
        }
        let product = _mm256_mul_epu32(_mm256_xor_si256(splat(step[0]), c[0]), splat(MULTIPLIERS[1]));
        let high = _mm256_shuffle_epi32::<0xF5>(product);
        rounds::<PRECOMPUTED_ROUNDS>(
            [_mm256_xor_si256(high, c[1]), product, _mm256_xor_si256(splat(step[1]), c[2]), c[3]],
            seed,
        )
    }
}
