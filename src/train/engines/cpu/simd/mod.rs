//! Vectors of f32 at three widths with the same results: AVX-512, AVX2 with FMA, and portable Rust. Kernels are written once over
//! [`Simd`] and compiled three times; which one runs is decided at run time.
//!
//! Soundness: the functions of [`Simd`] are unsafe because they need the instructions of their type, and pointers to as many numbers
//! as their comment says. Kernels get the instructions from [`dispatch`], the only caller, which takes levels the machine has.
#![allow(clippy::missing_safety_doc)]

mod portable;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use std::sync::OnceLock;

use super::buffer::Line;
use crate::train::math::EXP2;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

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
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi2") {
                levels.push(Level::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    levels.push(Level::Avx512);
                }
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

    /// Numbers in a vector.
    pub fn width(self) -> usize {
        if self == Level::Avx512 { 16 } else { 8 }
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
        // Safety: the same.
        Level::Avx512 => unsafe { run_avx512(kernel) },
        // Safety: plain Rust.
        _ => unsafe { run_portable(kernel) },
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,popcnt")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    align_stack();
    unsafe { kernel.run::<Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,popcnt")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    align_stack();
    unsafe { kernel.run::<Avx512>() }
}

/// Makes the compiler begin the caller's stack frame on a cache line, so that vectors which find no register do not straddle two lines:
/// without anything on the frame that asks for it, they are put anywhere.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn align_stack() {
    let mut line = std::mem::MaybeUninit::<Line>::uninit();
    std::hint::black_box(line.as_mut_ptr());
}

#[inline(never)]
unsafe fn run_portable<K: Kernel>(kernel: K) -> K::Output {
    unsafe { kernel.run::<Portable>() }
}

/// A vector of `N` binary32 numbers; every operation rounds each lane once.
pub trait Simd: Copy {
    type F: Copy;
    /// `N` 32-bit words.
    type U: Copy;
    /// A yes or no for each lane.
    type M: Copy;
    /// 8 or 16.
    const N: usize;
    /// Run a kernel as a function of its own, so that its code exists once however many kernels use it.
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output;
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
    /// Where `m` says so and a > b.
    #[inline(always)]
    unsafe fn and_greater(m: Self::M, a: Self::F, b: Self::F) -> Self::M {
        unsafe { Self::and(m, Self::greater(a, b)) }
    }
    /// Where `m` says so and not a > b.
    unsafe fn and_not_greater(m: Self::M, a: Self::F, b: Self::F) -> Self::M;
    /// The first `n` lanes; all if there are not more.
    unsafe fn first(n: usize) -> Self::M;
    unsafe fn and(a: Self::M, b: Self::M) -> Self::M;
    unsafe fn or(a: Self::M, b: Self::M) -> Self::M;
    /// Lane l as bit l.
    unsafe fn bits(m: Self::M) -> u32;
    /// `a` where the mask says so, else 0.
    unsafe fn keep(m: Self::M, a: Self::F) -> Self::F;
    /// `a` where the mask says so, else `b`.
    unsafe fn select(m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// 1 where `first` says so, 2 where `second` does, else 0.
    unsafe fn numbered(first: Self::M, second: Self::M) -> Self::U;
    /// Lane l is the lane of `table` that lane l of `index` names, which is below 8.
    unsafe fn lookup(table: Self::F, index: Self::U) -> Self::F;
    /// sum + a where the mask says so; elsewhere sum, or sum + 0.
    unsafe fn add_where(m: Self::M, sum: Self::F, a: Self::F) -> Self::F;
    /// Bytes that a mask takes in memory.
    const MASK: usize;
    unsafe fn store_mask(p: *mut u8, m: Self::M);
    unsafe fn load_mask(p: *const u8) -> Self::M;
    /// The kept lanes moved to the front; writes `N` numbers, those behind the kept ones being anything.
    unsafe fn compress(m: Self::M, a: Self::F, p: *mut f32);
    /// The same of words.
    unsafe fn compress_words(m: Self::M, a: Self::U, p: *mut u32);

    /// Sum of all lanes of each of `N` vectors, by the contract's tree below 16 lanes: lane l of the result is the sum of `v(l)`.
    unsafe fn fold(v: &[Self::F]) -> Self::F;
    /// Rows to columns of `N` vectors.
    unsafe fn transpose(v: &mut [Self::F]);
    /// The largest lane in all lanes.
    unsafe fn highest(a: Self::F) -> Self::F;

    /// The four words of the `N` counters (t + lane, step, stream, 0).
    unsafe fn philox(seed: u64, t: u32, step: u32, stream: u32) -> [Self::U; 4];
    /// The same of `N` counters that `rng::begin` and `rng::begin_step` have begun; the four words of the counters are sixteen apart. May
    /// read one word further.
    unsafe fn philox_from(seed: u64, begun: *const u32, step: [u32; 2]) -> [Self::U; 4];
    unsafe fn load_words(p: *const u32) -> Self::U;
    unsafe fn store_words(p: *mut u32, v: Self::U);
    /// Low and high 16 bits of each word as numbers.
    unsafe fn low_half(v: Self::U) -> Self::F;
    unsafe fn high_half(v: Self::U) -> Self::F;
    /// The upper 24 bits of each word as a number.
    unsafe fn upper(v: Self::U) -> Self::F;
    /// `N` 16-bit words at any address, as numbers.
    unsafe fn load_halves(p: *const u16) -> Self::F;
}

/// How many virtual lanes a sum over features or samples has.
pub const LANES: usize = 32;

/// Vectors that hold the virtual lanes.
pub const fn vectors<V: Simd>() -> usize {
    LANES / V::N
}

/// The contract's tree over 32 lanes; lane l is in vector l / N.
#[inline(always)]
pub unsafe fn tree<V: Simd>(lanes: &[V::F]) -> f32 {
    unsafe {
        let mut all = [V::splat(0.0); 16];
        all[0] = halves::<V>(lanes);
        let mut out = [0.0f32; 16];
        V::store(out.as_mut_ptr(), V::fold(&all[..V::N]));
        out[0]
    }
}

/// The first levels of the tree, until one vector is left.
#[inline(always)]
pub unsafe fn halves<V: Simd>(lanes: &[V::F]) -> V::F {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rng::philox;

    struct Check;

    impl Kernel for Check {
        type Output = ();
        #[inline(always)]
        unsafe fn run<V: Simd>(self) {
            let numbers: Vec<f32> = (0..16 * 16).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.37).collect();
            let at = |i: usize| unsafe { V::load(numbers.as_ptr().add(i * V::N)) };
            let read = |v: V::F| {
                let mut out = vec![0.0f32; V::N];
                unsafe { V::store(out.as_mut_ptr(), v) };
                out
            };
            // Folding is the tree, for each vector.
            let vectors: Vec<V::F> = (0..V::N).map(at).collect();
            let sums = read(unsafe { V::fold(&vectors) });
            for (l, sum) in sums.iter().enumerate() {
                let mut lanes = read(at(l));
                let mut width = V::N / 2;
                while width > 0 {
                    (0..width).for_each(|l| lanes[l] += lanes[l + width]);
                    width /= 2;
                }
                assert_eq!(*sum, lanes[0]);
            }
            let mut turned = vectors.clone();
            unsafe { V::transpose(&mut turned) };
            for (row, v) in turned.iter().enumerate() {
                let expected: Vec<f32> = (0..V::N).map(|l| numbers[l * V::N + row]).collect();
                assert_eq!(read(*v), expected);
            }
            for x in [-0.0f32, -0.3, -5.25, -86.9, -87.5, -1e9, f32::NEG_INFINITY] {
                assert!(read(unsafe { exp::<V>(V::splat(x)) }).iter().all(|&y| y == crate::train::math::exp(x)), "{x}");
            }
            let words = unsafe { V::philox(99 << 40 | 7, 1000, 3, 1) };
            for (w, v) in words.into_iter().enumerate() {
                let mut out = vec![0u32; V::N];
                unsafe { V::store_words(out.as_mut_ptr(), v) };
                let expected: Vec<u32> =
                    (0..V::N as u32).map(|l| philox(99 << 40 | 7, [1000 + l, 3, 1, 0])[w]).collect();
                assert_eq!(out, expected);
                let numbers = |f: fn(u32) -> u32| expected.iter().map(|&w| f(w) as f32).collect::<Vec<f32>>();
                assert_eq!(read(unsafe { V::low_half(v) }), numbers(|w| w & 0xffff));
                assert_eq!(read(unsafe { V::high_half(v) }), numbers(|w| w >> 16));
                assert_eq!(read(unsafe { V::upper(v) }), numbers(|w| w >> 8));
                let halves = read(unsafe { V::load_halves(out.as_ptr().cast()) });
                assert_eq!(halves[..2], [numbers(|w| w & 0xffff)[0], numbers(|w| w >> 16)[0]]);
            }
            for mask in [0u32, 1, 0b1010_0110, 0xff, 0b0100_0000] {
                let lanes: Vec<f32> = (0..V::N).map(|l| (mask >> l & 1) as f32).collect();
                let m = unsafe { V::greater(V::load(lanes.as_ptr()), V::splat(0.5)) };
                assert_eq!(unsafe { V::bits(m) }, mask);
                let mut out = vec![0.0; V::N];
                unsafe { V::compress(m, at(0), out.as_mut_ptr()) };
                let kept: Vec<f32> = (0..V::N).filter(|l| mask >> l & 1 == 1).map(|l| numbers[l]).collect();
                assert_eq!(out[..kept.len()], kept);
                let (words, mut out) = ((0..V::N as u32).collect::<Vec<u32>>(), vec![0; V::N]);
                unsafe { V::compress_words(m, V::load_words(words.as_ptr()), out.as_mut_ptr()) };
                let kept: Vec<u32> = words.into_iter().filter(|l| mask >> l & 1 == 1).collect();
                assert_eq!(out[..kept.len()], kept);
                assert_eq!(unsafe { V::bits(V::first(mask.count_ones() as usize)) }, (1 << mask.count_ones()) - 1);
            }
            let masks = |bit: u32| {
                let lanes: Vec<f32> = (0..V::N).map(|l| ((l as u32 * 5 % 3) >> bit & 1) as f32).collect();
                unsafe { V::greater(V::load(lanes.as_ptr()), V::splat(0.5)) }
            };
            for (mask, x) in [(0, 1.0), (1, 1.0), (1, 0.0)] {
                let (mask, one, x) = unsafe { (masks(mask), V::splat(0.5), V::splat(x)) };
                let (above, below) = unsafe { (V::and_greater(mask, x, one), V::and_not_greater(mask, x, one)) };
                assert_eq!(unsafe { V::bits(above) } & unsafe { V::bits(below) }, 0);
                assert_eq!(unsafe { V::bits(V::or(above, below)) }, unsafe { V::bits(mask) });
                assert_eq!(unsafe { V::bits(above) }, unsafe { V::bits(V::and(mask, V::greater(x, one))) });
            }
            let found = read(unsafe { V::lookup(at(0), V::numbered(masks(0), masks(1))) });
            let expected: Vec<f32> = (0..V::N).map(|l| numbers[l * 5 % 3]).collect();
            assert_eq!(found, expected);
            assert!(read(unsafe { V::neg_abs(at(0)) }).iter().zip(&numbers).all(|(found, x)| *found == -x.abs()));
            assert!(read(unsafe { V::highest(at(1)) }).iter().all(|&h| read(at(1)).iter().all(|&v| v <= h)));
        }
    }

    #[test]
    fn every_width_computes_what_its_functions_say() {
        for level in Level::available() {
            dispatch(level, Check);
        }
    }
}
