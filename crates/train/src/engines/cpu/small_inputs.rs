//! Inputs of small models: a vector for each feature, without the samples that are all zero (item 1 of the contract).

use super::step_constants::StepConstants;
use crate::engines::kernel_class::SMALL_FEATURES;
use crate::numerics::aligned::AlignedF32;
use crate::numerics::draws::{PrecomputedWords, PresenceThreshold, RandomStream};
use crate::numerics::simd::{Simd, SimdKernel};

/// The inputs of one model.
#[derive(Clone, Debug)]
pub struct SmallInputs {
    precomputed: PrecomputedWords,
    /// Values of each feature in the samples that are not all zero.
    pub x: [AlignedF32; SMALL_FEATURES],
}

impl SmallInputs {
    pub fn new(constants: &StepConstants, seed: u64) -> SmallInputs {
        let groups = constants.samples.div_ceil(16);
        let blocks = (groups * constants.shape.features).div_ceil(4);
        SmallInputs {
            precomputed: PrecomputedWords::new(seed, RandomStream::Training, blocks, blocks),
            // Compressed vectors are written whole.
            x: std::array::from_fn(|_| AlignedF32::zeros(groups * 16 + 16)),
        }
    }
}

/// Draws a batch, as a function that is compiled once for all models with N features. Returns the number of samples that are not all zero.
pub struct DrawSmallInputs<'a, const N: usize> {
    pub inputs: &'a mut SmallInputs,
    pub step: u32,
    pub threshold: PresenceThreshold,
    pub samples: usize,
}

impl<const N: usize> SimdKernel for DrawSmallInputs<'_, N> {
    type Output = usize;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> usize {
        let DrawSmallInputs { inputs, step, threshold, samples } = self;
        match threshold.wide {
            true => unsafe { draw::<V, N, true>(inputs, step, threshold, samples) },
            false => unsafe { draw::<V, N, false>(inputs, step, threshold, samples) },
        }
    }
}

/// Draw a batch and keep the samples that are not all zero, in order; returns their number.
#[inline(always)]
unsafe fn draw<V: Simd, const N: usize, const WIDE: bool>(
    inputs: &mut SmallInputs,
    step: u32,
    threshold: PresenceThreshold,
    samples: usize,
) -> usize {
    unsafe {
        let per = if WIDE { 16 } else { 32 };
        let groups = samples.div_ceil(per);
        let words = inputs.precomputed.space();
        inputs.precomputed.fill::<V>(step, 0, (groups * N).div_ceil(4), words);
        let mut kept = KeptSamples::<N> { x: std::array::from_fn(|i| inputs.x[i].as_mut_ptr()), count: 0 };
        for group in 0..groups {
            let left = samples - group * per;
            for part in 0..per / 16 {
                for lane in (0..16).step_by(V::N) {
                    let words = words.add(group * N * 16 + lane);
                    let before = part * 16 + lane;
                    if before + V::N <= left {
                        kept.push::<V, WIDE, false>(words, threshold, part, V::N);
                    } else if before < left {
                        kept.push::<V, WIDE, true>(words, threshold, part, left - before);
                    }
                }
            }
        }
        kept.count
    }
}

/// Where the next sample that is not all zero goes.
struct KeptSamples<const N: usize> {
    x: [*mut f32; N],
    count: usize,
}

impl<const N: usize> KeptSamples<N> {
    /// Keep what is not zero of one vector of samples; if TAIL, only the first `left` are samples.
    #[inline(always)]
    unsafe fn push<V: Simd, const WIDE: bool, const TAIL: bool>(
        &mut self,
        words: *const u32,
        threshold: PresenceThreshold,
        part: usize,
        left: usize,
    ) {
        unsafe {
            let (below, scale, offset) =
                (V::splat(threshold.below), V::splat(threshold.scale), V::splat(threshold.offset));
            let mut x = [V::splat(0.0); N];
            let mut any = V::first_lanes(0);
            for i in 0..N {
                let word = V::load_words(words.add(16 * i));
                let draw = match (WIDE, part) {
                    (true, _) => V::high_24_bits(word),
                    (false, 0) => V::low_u16(word),
                    _ => V::high_u16(word),
                };
                let present = V::greater(below, draw);
                any = V::or(any, present);
                x[i] = V::select_or_zero(present, V::fma(draw, scale, offset));
            }
            if TAIL {
                any = V::and(any, V::first_lanes(left));
            }
            for i in 0..N {
                V::compress(any, x[i], self.x[i].add(self.count));
            }
            self.count += V::mask_bits(any).count_ones() as usize;
        }
    }
}
