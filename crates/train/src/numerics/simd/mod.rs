//! Vectors of f32 at three widths with the same results: AVX-512, AVX2 with FMA, and portable Rust. Kernels are written once over
//! [`Simd`] and compiled three times; which one runs is decided at run time.
// Operations index several small arrays with one counter.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod portable;
mod vector;

pub use level::{Level, dispatch};
pub use vector::{Simd, SimdKernel, exp, fold_lanes, lane_vectors, weighted_tree};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::rng::philox;

    struct Check;

    impl SimdKernel for Check {
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
            let sums = read(unsafe { V::horizontal_sums(&vectors) });
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
                assert!(
                    read(unsafe { exp::<V>(V::splat(x)) }).iter().all(|&y| y == crate::numerics::math::exp(x)),
                    "{x}"
                );
            }
            let words = unsafe { V::philox(99 << 40 | 7, 1000, 3, 1) };
            for (w, v) in words.into_iter().enumerate() {
                let mut out = vec![0u32; V::N];
                unsafe { V::store_words(out.as_mut_ptr(), v) };
                let expected: Vec<u32> =
                    (0..V::N as u32).map(|l| philox(99 << 40 | 7, [1000 + l, 3, 1, 0])[w]).collect();
                assert_eq!(out, expected);
                let numbers = |f: fn(u32) -> u32| expected.iter().map(|&w| f(w) as f32).collect::<Vec<f32>>();
                assert_eq!(read(unsafe { V::low_u16(v) }), numbers(|w| w & 0xffff));
                assert_eq!(read(unsafe { V::high_u16(v) }), numbers(|w| w >> 16));
                assert_eq!(read(unsafe { V::high_24_bits(v) }), numbers(|w| w >> 8));
                let halves = read(unsafe { V::load_u16(out.as_ptr().cast()) });
                assert_eq!(halves[..2], [numbers(|w| w & 0xffff)[0], numbers(|w| w >> 16)[0]]);
            }
            for mask in [0u32, 1, 0b1010_0110, 0xff, 0b0100_0000] {
                let lanes: Vec<f32> = (0..V::N).map(|l| (mask >> l & 1) as f32).collect();
                let m = unsafe { V::greater(V::load(lanes.as_ptr()), V::splat(0.5)) };
                assert_eq!(unsafe { V::mask_bits(m) }, mask);
                let mut out = vec![0.0; V::N];
                unsafe { V::compress(m, at(0), out.as_mut_ptr()) };
                let kept: Vec<f32> = (0..V::N).filter(|l| mask >> l & 1 == 1).map(|l| numbers[l]).collect();
                assert_eq!(out[..kept.len()], kept);
                let (words, mut out) = ((0..V::N as u32).collect::<Vec<u32>>(), vec![0; V::N]);
                unsafe { V::compress_words(m, V::load_words(words.as_ptr()), out.as_mut_ptr()) };
                let kept: Vec<u32> = words.into_iter().filter(|l| mask >> l & 1 == 1).collect();
                assert_eq!(out[..kept.len()], kept);
                assert_eq!(
                    unsafe { V::mask_bits(V::first_lanes(mask.count_ones() as usize)) },
                    (1 << mask.count_ones()) - 1
                );
            }
            let masks = |bit: u32| {
                let lanes: Vec<f32> = (0..V::N).map(|l| ((l as u32 * 5 % 3) >> bit & 1) as f32).collect();
                unsafe { V::greater(V::load(lanes.as_ptr()), V::splat(0.5)) }
            };
            for (mask, x) in [(0, 1.0), (1, 1.0), (1, 0.0)] {
                let (mask, one, x) = unsafe { (masks(mask), V::splat(0.5), V::splat(x)) };
                let (above, below) = unsafe { (V::and_greater(mask, x, one), V::and_not_greater(mask, x, one)) };
                assert_eq!(unsafe { V::mask_bits(above) } & unsafe { V::mask_bits(below) }, 0);
                assert_eq!(unsafe { V::mask_bits(V::or(above, below)) }, unsafe { V::mask_bits(mask) });
                assert_eq!(unsafe { V::mask_bits(above) }, unsafe { V::mask_bits(V::and(mask, V::greater(x, one))) });
            }
            let found = read(unsafe { V::permute(at(0), V::index_from_masks(masks(0), masks(1))) });
            let expected: Vec<f32> = (0..V::N).map(|l| numbers[l * 5 % 3]).collect();
            assert_eq!(found, expected);
            assert!(read(unsafe { V::neg_abs(at(0)) }).iter().zip(&numbers).all(|(found, x)| *found == -x.abs()));
            assert!(read(unsafe { V::broadcast_max(at(1)) }).iter().all(|&h| read(at(1)).iter().all(|&v| v <= h)));
        }
    }

    #[test]
    fn every_width_computes_what_its_functions_say() {
        for level in Level::available() {
            dispatch(level, Check);
        }
    }
}
