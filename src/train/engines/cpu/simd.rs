//! Vectors of f32 at three widths with the same results: AVX-512, AVX2 with FMA, and portable Rust. Kernels are written once over
//! [`Simd`] and compiled three times; which one runs is decided at run time.
#![allow(clippy::missing_safety_doc)]

use std::sync::OnceLock;

use crate::train::rng::{MULTIPLIERS, ROUNDS, WEYL, philox};

/// Which instructions a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

impl Level {
    /// What this machine has, best last.
    pub fn available() -> Vec<Level> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Level::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                levels.push(Level::Avx512);
            }
        }
        levels
    }

    /// The widest this machine has, unless the environment variable `REPRO_CPU` asks for `portable`, `avx2` or `avx512`.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            let available = Level::available();
            let wanted = match std::env::var("REPRO_CPU").as_deref() {
                Ok("portable") => Some(Level::Portable),
                Ok("avx2") => Some(Level::Avx2),
                Ok("avx512") => Some(Level::Avx512),
                _ => None,
            };
            match wanted {
                Some(level) if available.contains(&level) => level,
                _ => available.last().copied().unwrap_or(Level::Portable),
            }
        })
    }
}

/// A computation written once over all widths.
pub trait Kernel {
    type Output;
    /// # Safety
    /// The machine must have the instructions of `V`.
    unsafe fn run<V: Simd>(self) -> Self::Output;
}

/// Run a kernel at a level, which must be one of [`Level::available`].
pub fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        // Safety: levels come from `available`, which asked the processor.
        Level::Avx2 => unsafe { run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { run_avx512(kernel) },
        // Safety: plain Rust.
        _ => unsafe { kernel.run::<Portable>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    unsafe { kernel.run::<Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    unsafe { kernel.run::<Avx512>() }
}

/// A vector of `N` binary32 numbers; every operation rounds each lane once.
pub trait Simd: Copy {
    type F: Copy;
    type U: Copy;
    const N: usize;
    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(p: *const f32) -> Self::F;
    unsafe fn store(p: *mut f32, v: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sqrt(a: Self::F) -> Self::F;
    /// a b + c, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `b` where `a > 0`, else 0.
    unsafe fn where_positive(a: Self::F, b: Self::F) -> Self::F;
    /// Lanes of four vectors' worth of accumulators (32 lanes: lane l in vector l / N) summed by the contract's tree.
    unsafe fn tree(lanes: &[Self::F]) -> f32;
    /// Words of the counters (t + lane, step, stream, 0).
    unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [Self::U; 4];
    unsafe fn store_words(p: *mut u32, v: Self::U);
    /// Of `width <= N` words at `p`, those not above `last` in order: their features (`first` + lane) to `index` and their values
    /// ((word >> 8) * scale) to `value`; returns how many. Writes whole vectors: both need room for `N` more.
    unsafe fn present(
        p: *const u32,
        width: usize,
        last: u32,
        first: u32,
        scale: f32,
        index: *mut u32,
        value: *mut f32,
    ) -> usize;
}

/// How many virtual lanes a sum over features or samples has.
pub const LANES: usize = 32;

/// The contract's tree over 32 lanes.
pub fn tree(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Plain Rust, eight lanes. Correct everywhere; `mul_add` is a library call on x86-64 without FMA.
#[derive(Clone, Copy)]
pub struct Portable;

type P = [f32; 8];

fn each(a: P, b: P, f: impl Fn(f32, f32) -> f32) -> P {
    std::array::from_fn(|l| f(a[l], b[l]))
}

impl Simd for Portable {
    type F = P;
    type U = [u32; 8];
    const N: usize = 8;
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
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: P, b: P) -> P {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: P, b: P) -> P {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: P, b: P) -> P {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(a: P) -> P {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn fma(a: P, b: P, c: P) -> P {
        std::array::from_fn(|l| a[l].mul_add(b[l], c[l]))
    }
    #[inline(always)]
    unsafe fn where_positive(a: P, b: P) -> P {
        each(a, b, |a, b| if a > 0.0 { b } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn tree(lanes: &[P]) -> f32 {
        tree(std::array::from_fn(|l| lanes[l / 8][l % 8]))
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
    unsafe fn store_words(p: *mut u32, v: [u32; 8]) {
        unsafe { p.cast::<[u32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn present(
        p: *const u32,
        width: usize,
        last: u32,
        first: u32,
        scale: f32,
        index: *mut u32,
        value: *mut f32,
    ) -> usize {
        let mut count = 0;
        for lane in 0..width {
            unsafe {
                let word = *p.add(lane);
                *index.add(count) = first + lane as u32;
                *value.add(count) = (word >> 8) as f32 * scale;
                count += usize::from(word <= last);
            }
        }
        count
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{MULTIPLIERS, ROUNDS, Simd, WEYL};

    /// High and low words of x times a factor, lane by lane.
    #[inline(always)]
    unsafe fn split256(x: __m256i, factor: u32) -> (__m256i, __m256i) {
        unsafe {
            let factor = _mm256_set1_epi32(factor as i32);
            let even = _mm256_mul_epu32(x, factor);
            let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(x), factor);
            let low = _mm256_blend_epi32::<0xAA>(even, _mm256_slli_epi64::<32>(odd));
            let high = _mm256_blend_epi32::<0xAA>(_mm256_srli_epi64::<32>(even), odd);
            (high, low)
        }
    }

    /// High and low words of x times a factor, lane by lane.
    #[inline(always)]
    unsafe fn split512(x: __m512i, factor: u32) -> (__m512i, __m512i) {
        unsafe {
            let factor = _mm512_set1_epi32(factor as i32);
            let even = _mm512_mul_epu32(x, factor);
            let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(x), factor);
            let low = _mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64::<32>(odd));
            let high = _mm512_mask_mov_epi32(_mm512_srli_epi64::<32>(even), 0xAAAA, odd);
            (high, low)
        }
    }

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

    /// Eight lanes with FMA.
    #[derive(Clone, Copy)]
    pub struct Avx2;

    impl Simd for Avx2 {
        type F = __m256;
        type U = __m256i;
        const N: usize = 8;
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
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn where_positive(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, _mm256_setzero_ps()), b) }
        }
        #[inline(always)]
        unsafe fn tree(lanes: &[__m256]) -> f32 {
            unsafe {
                let v = _mm256_add_ps(_mm256_add_ps(lanes[0], lanes[2]), _mm256_add_ps(lanes[1], lanes[3]));
                let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
                let v = _mm_add_ss(v, _mm_shuffle_ps::<1>(v, v));
                _mm_cvtss_f32(v)
            }
        }
        #[inline(always)]
        unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [__m256i; 4] {
            unsafe {
                let ramp = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                let mut c = [
                    _mm256_add_epi32(_mm256_set1_epi32(t as i32), ramp),
                    _mm256_set1_epi32(step as i32),
                    _mm256_set1_epi32(stream as i32),
                    _mm256_setzero_si256(),
                ];
                let mut key = [seed as u32, (seed >> 32) as u32];
                for _ in 0..ROUNDS {
                    let (a_high, a_low) = split256(c[0], MULTIPLIERS[0]);
                    let (b_high, b_low) = split256(c[2], MULTIPLIERS[1]);
                    c = [
                        _mm256_xor_si256(_mm256_xor_si256(b_high, c[1]), _mm256_set1_epi32(key[0] as i32)),
                        b_low,
                        _mm256_xor_si256(_mm256_xor_si256(a_high, c[3]), _mm256_set1_epi32(key[1] as i32)),
                        a_low,
                    ];
                    key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
                }
                c
            }
        }
        #[inline(always)]
        unsafe fn store_words(p: *mut u32, v: __m256i) {
            unsafe { _mm256_storeu_si256(p.cast(), v) }
        }
        #[inline(always)]
        unsafe fn present(
            p: *const u32,
            width: usize,
            last: u32,
            first: u32,
            scale: f32,
            index: *mut u32,
            value: *mut f32,
        ) -> usize {
            unsafe {
                let words = _mm256_loadu_si256(p.cast());
                let fine = _mm256_cmpeq_epi32(_mm256_min_epu32(words, _mm256_set1_epi32(last as i32)), words);
                let mask = _mm256_movemask_ps(_mm256_castsi256_ps(fine)) as usize & ((1 << width) - 1);
                let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(COMPRESS.get_unchecked(mask).as_ptr().cast()));
                let values = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32::<8>(words)), _mm256_set1_ps(scale));
                _mm256_storeu_si256(index.cast(), _mm256_add_epi32(order, _mm256_set1_epi32(first as i32)));
                _mm256_storeu_ps(value, _mm256_permutevar8x32_ps(values, order));
                mask.count_ones() as usize
            }
        }
    }

    /// Sixteen lanes.
    #[derive(Clone, Copy)]
    pub struct Avx512;

    impl Simd for Avx512 {
        type F = __m512;
        type U = __m512i;
        const N: usize = 16;
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
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn where_positive(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, _mm512_setzero_ps()), b) }
        }
        #[inline(always)]
        unsafe fn tree(lanes: &[__m512]) -> f32 {
            unsafe {
                let v = _mm512_add_ps(lanes[0], lanes[1]);
                let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v)));
                let v = _mm256_add_ps(_mm512_castps512_ps256(v), high);
                let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
                let v = _mm_add_ss(v, _mm_shuffle_ps::<1>(v, v));
                _mm_cvtss_f32(v)
            }
        }
        #[inline(always)]
        unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [__m512i; 4] {
            unsafe {
                let ramp = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let mut c = [
                    _mm512_add_epi32(_mm512_set1_epi32(t as i32), ramp),
                    _mm512_set1_epi32(step as i32),
                    _mm512_set1_epi32(stream as i32),
                    _mm512_setzero_si512(),
                ];
                let mut key = [seed as u32, (seed >> 32) as u32];
                for _ in 0..ROUNDS {
                    let (a_high, a_low) = split512(c[0], MULTIPLIERS[0]);
                    let (b_high, b_low) = split512(c[2], MULTIPLIERS[1]);
                    c = [
                        _mm512_xor_si512(_mm512_xor_si512(b_high, c[1]), _mm512_set1_epi32(key[0] as i32)),
                        b_low,
                        _mm512_xor_si512(_mm512_xor_si512(a_high, c[3]), _mm512_set1_epi32(key[1] as i32)),
                        a_low,
                    ];
                    key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
                }
                c
            }
        }
        #[inline(always)]
        unsafe fn store_words(p: *mut u32, v: __m512i) {
            unsafe { _mm512_storeu_si512(p.cast(), v) }
        }
        #[inline(always)]
        unsafe fn present(
            p: *const u32,
            width: usize,
            last: u32,
            first: u32,
            scale: f32,
            index: *mut u32,
            value: *mut f32,
        ) -> usize {
            unsafe {
                let words = _mm512_loadu_si512(p.cast());
                let within = ((1u32 << width) - 1) as u16;
                let mask = _mm512_cmple_epu32_mask(words, _mm512_set1_epi32(last as i32)) & within;
                let ramp = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let features = _mm512_add_epi32(ramp, _mm512_set1_epi32(first as i32));
                let values = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32::<8>(words)), _mm512_set1_ps(scale));
                _mm512_storeu_si512(index.cast(), _mm512_maskz_compress_epi32(mask, features));
                _mm512_storeu_ps(value, _mm512_maskz_compress_ps(mask, values));
                mask.count_ones() as usize
            }
        }
    }
}
