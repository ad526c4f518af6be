//! Sixteen lanes: AVX-512 F, BW, DQ and VL.

use std::arch::x86_64::*;

use super::vector::{Simd, SimdKernel};
use crate::numerics::aligned::align_stack_frame;
use crate::numerics::rng::{MULTIPLIERS, PRECOMPUTED_ROUNDS, ROUNDS, round_keys};

#[derive(Clone, Copy)]
pub struct Avx512;

/// Runs a kernel compiled for this width.
///
/// # Safety
/// The machine must have the instructions.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,popcnt")]
pub(super) unsafe fn run_avx512<K: SimdKernel>(kernel: K) -> K::Output {
    align_stack_frame();
    unsafe { kernel.run::<Avx512>() }
}

impl Simd for Avx512 {
    type F = __m512;
    type U = __m512i;
    type M = __mmask16;
    const N: usize = 16;
    #[inline(always)]
    unsafe fn call_kernel<K: SimdKernel>(kernel: K) -> K::Output {
        unsafe { run_avx512(kernel) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn neg_abs(a: __m512) -> __m512 {
        unsafe { _mm512_or_ps(a, _mm512_set1_ps(-0.0)) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn fms(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmsub_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn scale(value: __m512, q: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(value, q) }
    }
    #[inline(always)]
    unsafe fn greater(a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn equal(a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn and_greater(m: __mmask16, a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(m, a, b) }
    }
    #[inline(always)]
    unsafe fn and_not_greater(m: __mmask16, a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_mask_cmp_ps_mask::<_CMP_NGT_UQ>(m, a, b) }
    }
    #[inline(always)]
    unsafe fn first_lanes(n: usize) -> __mmask16 {
        if n >= 16 { u16::MAX } else { (1 << n) - 1 }
    }
    #[inline(always)]
    unsafe fn and(a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }
    #[inline(always)]
    unsafe fn or(a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }
    #[inline(always)]
    unsafe fn mask_bits(m: __mmask16) -> u32 {
        u32::from(m)
    }
    #[inline(always)]
    unsafe fn select_or_zero(m: __mmask16, a: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(m, a) }
    }
    #[inline(always)]
    unsafe fn select(m: __mmask16, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_mov_ps(b, m, a) }
    }
    #[inline(always)]
    unsafe fn index_from_masks(first: __mmask16, second: __mmask16) -> __m512i {
        // 17 names lane 1 as well, and a mask is not widened for it, as it would be for 1.
        unsafe { _mm512_mask_mov_epi32(_mm512_maskz_mov_epi32(first, splat(17)), second, splat(2)) }
    }
    #[inline(always)]
    unsafe fn permute(table: __m512, index: __m512i) -> __m512 {
        unsafe { _mm512_permutexvar_ps(index, table) }
    }
    #[inline(always)]
    unsafe fn add_where(m: __mmask16, sum: __m512, a: __m512) -> __m512 {
        unsafe { _mm512_mask_add_ps(sum, m, sum, a) }
    }
    const MASK: usize = 2;
    #[inline(always)]
    unsafe fn store_mask(p: *mut u8, m: __mmask16) {
        unsafe { p.cast::<u16>().write_unaligned(m) }
    }
    #[inline(always)]
    unsafe fn load_mask(p: *const u8) -> __mmask16 {
        unsafe { p.cast::<u16>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn compress(m: __mmask16, a: __m512, p: *mut f32) {
        unsafe { _mm512_storeu_ps(p, _mm512_maskz_compress_ps(m, a)) }
    }
    #[inline(always)]
    unsafe fn compress_words(m: __mmask16, a: __m512i, p: *mut u32) {
        unsafe { _mm512_storeu_si512(p.cast(), _mm512_maskz_compress_epi32(m, a)) }
    }
    #[inline(always)]
    unsafe fn horizontal_sums(v: &[__m512]) -> __m512 {
        unsafe {
            // Pairs of vectors become one, halves being added; the order of pairs puts the sum of v[l] into lane l.
            let mut level = [_mm512_setzero_ps(); 16];
            for (j, slot) in level.iter_mut().enumerate() {
                *slot = v[4 * (j % 4) + j / 4];
            }
            for j in 0..8 {
                let (a, b) = (_mm512_castps_pd(level[2 * j]), _mm512_castps_pd(level[2 * j + 1]));
                let (low, high) = (_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0xEE>(a, b));
                level[j] = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
            }
            for j in 0..4 {
                let (a, b) = (_mm512_castps_pd(level[2 * j]), _mm512_castps_pd(level[2 * j + 1]));
                let (low, high) = (_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0xDD>(a, b));
                level[j] = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
            }
            for j in 0..2 {
                let (a, b) = (_mm512_castps_pd(level[2 * j]), _mm512_castps_pd(level[2 * j + 1]));
                let (low, high) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
                level[j] = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
            }
            let (a, b) = (level[0], level[1]);
            _mm512_add_ps(_mm512_shuffle_ps::<0x88>(a, b), _mm512_shuffle_ps::<0xDD>(a, b))
        }
    }
    #[inline(always)]
    unsafe fn transpose(v: &mut [__m512]) {
        unsafe {
            let mut t = [_mm512_setzero_ps(); 16];
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]);
            }
            for i in 0..4 {
                for h in 0..2 {
                    let (a, b) = (_mm512_castps_pd(t[4 * i + h]), _mm512_castps_pd(t[4 * i + 2 + h]));
                    v[4 * i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                    v[4 * i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                }
            }
            // v[4 i + c] holds columns c, c + 4, c + 8, c + 12 of rows 4 i .. 4 i + 4.
            for c in 0..4 {
                let (a, b) = (v[c], v[4 + c]);
                let (d, e) = (v[8 + c], v[12 + c]);
                let (p, q) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xDD>(a, b));
                let (r, s) = (_mm512_shuffle_f32x4::<0x88>(d, e), _mm512_shuffle_f32x4::<0xDD>(d, e));
                t[c] = _mm512_shuffle_f32x4::<0x88>(p, r);
                t[8 + c] = _mm512_shuffle_f32x4::<0xDD>(p, r);
                t[4 + c] = _mm512_shuffle_f32x4::<0x88>(q, s);
                t[12 + c] = _mm512_shuffle_f32x4::<0xDD>(q, s);
            }
            v[..16].copy_from_slice(&t);
        }
    }
    #[inline(always)]
    unsafe fn broadcast_max(a: __m512) -> __m512 {
        unsafe {
            let a = _mm512_max_ps(a, _mm512_shuffle_f32x4::<0x4E>(a, a));
            let a = _mm512_max_ps(a, _mm512_shuffle_f32x4::<0xB1>(a, a));
            let a = _mm512_max_ps(a, _mm512_shuffle_ps::<0x4E>(a, a));
            _mm512_max_ps(a, _mm512_shuffle_ps::<0xB1>(a, a))
        }
    }
    #[inline(always)]
    unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [__m512i; 4] {
        unsafe {
            // Even and odd counters separately, each in the lower half of 64 bits, which is what multiplication reads; upper halves are ignored.
            let even = _mm512_add_epi32(_mm512_set1_epi32(t as i32), _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14));
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            let (step, stream, zero) = (splat(step), splat(stream), splat(0));
            rounds::<0>([even, step, stream, zero], [odd, step, stream, zero], seed)
        }
    }
    #[inline(always)]
    unsafe fn philox_precomputed(seed: u64, counters: *const u32, step: [u32; 2]) -> [__m512i; 4] {
        // One word further, odd counters are in the lower halves.
        unsafe {
            rounds::<PRECOMPUTED_ROUNDS>(
                after_precomputed(counters, step),
                after_precomputed(counters.add(1), step),
                seed,
            )
        }
    }
    #[inline(always)]
    unsafe fn load_words(p: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(p: *mut u32, v: __m512i) {
        unsafe { _mm512_storeu_si512(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn low_u16(v: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_and_si512(v, _mm512_set1_epi32(0xffff))) }
    }
    #[inline(always)]
    unsafe fn high_u16(v: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_srli_epi32::<16>(v)) }
    }
    #[inline(always)]
    unsafe fn high_24_bits(v: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_srli_epi32::<8>(v)) }
    }
    #[inline(always)]
    unsafe fn load_u16(p: *const u16) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))) }
    }
}

#[inline(always)]
unsafe fn splat(word: u32) -> __m512i {
    unsafe { _mm512_set1_epi32(word as i32) }
}

/// The rounds from number `FROM` on for sixteen counters, those with even and those with odd numbers in the lower halves of 64 bits each;
/// upper halves are waste.
#[inline(always)]
unsafe fn rounds<const FROM: usize>(mut even: [__m512i; 4], mut odd: [__m512i; 4], seed: u64) -> [__m512i; 4] {
    unsafe {
        for number in FROM..ROUNDS - 1 {
            let key = round_keys(seed, number as u32);
            for c in [&mut even, &mut odd] {
                let [a, b] = products(*c);
                // Shuffles, not shifts: multiplications keep the port of shifts busy.
                let (a_high, b_high) = (_mm512_shuffle_epi32::<0xF5>(a), _mm512_shuffle_epi32::<0xF5>(b));
                *c = [xor(b_high, c[1], key[0]), b, xor(a_high, c[3], key[1]), a];
            }
        }
        // In the last round each shuffle also combines the words of even and odd counters.
        let key = round_keys(seed, ROUNDS as u32 - 1);
        let ([even_a, even_b], [odd_a, odd_b]) = (products(even), products(odd));
        [
            xor(highs(even_b, odd_b), lows(even[1], odd[1]), key[0]),
            lows(even_b, odd_b),
            xor(highs(even_a, odd_a), lows(even[3], odd[3]), key[1]),
            lows(even_a, odd_a),
        ]
    }
}

/// The products of a round, 64 bits each.
#[inline(always)]
unsafe fn products(c: [__m512i; 4]) -> [__m512i; 2] {
    unsafe { [_mm512_mul_epu32(c[0], splat(MULTIPLIERS[0])), _mm512_mul_epu32(c[2], splat(MULTIPLIERS[1]))] }
}

#[inline(always)]
unsafe fn xor(a: __m512i, b: __m512i, key: u32) -> __m512i {
    unsafe { _mm512_xor_si512(_mm512_xor_si512(a, b), splat(key)) }
}

/// The lower halves of 64 bits of the first and the second, in turns.
#[inline(always)]
unsafe fn lows(even: __m512i, odd: __m512i) -> __m512i {
    unsafe { _mm512_mask_shuffle_epi32::<0xA0>(even, 0xAAAA, odd) }
}

/// The upper halves.
#[inline(always)]
unsafe fn highs(even: __m512i, odd: __m512i) -> __m512i {
    unsafe { _mm512_mask_shuffle_epi32::<0xF5>(odd, 0x5555, even) }
}

/// Eight counters after the rounds that `rng::precompute_counter` and `rng::precompute_step` cover.
#[inline(always)]
unsafe fn after_precomputed(counters: *const u32, step: [u32; 2]) -> [__m512i; 4] {
    unsafe {
        let mut c = [splat(0); 4];
        for (plane, word) in c.iter_mut().enumerate() {
            *word = _mm512_loadu_si512(counters.add(16 * plane).cast());
        }
        let product = _mm512_mul_epu32(_mm512_xor_si512(splat(step[0]), c[0]), splat(MULTIPLIERS[1]));
        let high = _mm512_shuffle_epi32::<0xF5>(product);
        [_mm512_xor_si512(high, c[1]), product, _mm512_xor_si512(splat(step[1]), c[2]), c[3]]
    }
}
