//! The peak rate of fused multiply-adds of a core, for the benchmarks' roofline.

use crate::numerics::simd::{Level, Simd, SimdKernel, dispatch};

/// Does about a million fused multiply-adds `times` times, from registers alone, and returns their exact number.
pub fn peak(level: Level, times: usize) -> u64 {
    dispatch(level, FmaChains(times))
}

struct FmaChains(usize);

impl SimdKernel for FmaChains {
    type Output = u64;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> u64 {
        // Twelve chains hide the latency of two units.
        let rounds = 1_000_000 / (12 * V::N) * self.0;
        unsafe {
            let (factor, term) = (V::splat(std::hint::black_box(0.5)), V::splat(std::hint::black_box(1.0)));
            let mut chains = [V::splat(0.0); 12];
            for _ in 0..rounds {
                for chain in &mut chains {
                    *chain = V::fma(*chain, factor, term);
                }
            }
            let mut out = [0.0f32; 16];
            for chain in chains {
                V::store(out.as_mut_ptr(), chain);
                std::hint::black_box(&out);
            }
        }
        (rounds * 12 * V::N) as u64
    }
}
