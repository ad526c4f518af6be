//! Random inputs: item 1 of the contract, vectorised.
//!
//! Words are made in blocks of 64 (sixteen counters), stored plane after plane, and turned into numbers by whoever lays out the inputs.

use super::buffer::Floats;
use super::simd::Simd;
use crate::train::{Stream, rng};

/// Where a batch's words come from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub seed: u64,
    pub stream: Stream,
    pub step: u32,
}

/// When a draw makes a feature present, and its value: item 1 of the contract.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// 24 bits a draw instead of 16.
    pub wide: bool,
    /// Draws below are present.
    pub below: f32,
    pub scale: f32,
    pub half: f32,
}

impl Chance {
    pub fn new(probability: f64, step: u32) -> Chance {
        let wide = probability < 1.0 / 64.0;
        let levels = probability * if wide { 16_777_216.0 } else { 65_536.0 };
        let below = (levels * (f64::from(step) + 1.0)).floor() - (levels * f64::from(step)).floor();
        let scale = if below > 0.0 { (1.0 / below) as f32 } else { 0.0 };
        Chance { wide, below: below as f32, scale, half: 0.5 * scale }
    }
}

/// Words in a block.
pub const BLOCK: usize = 64;

/// The words of blocks `first..first + blocks`.
///
/// # Safety
/// The machine must have the instructions of `V`; `words` has room for them.
#[inline(always)]
pub unsafe fn fill_words<V: Simd>(source: Source, first: usize, blocks: usize, words: *mut u32) {
    for block in 0..blocks {
        for lane in (0..16).step_by(V::N) {
            let counter = ((first + block) as u32).wrapping_mul(16).wrapping_add(lane as u32);
            unsafe {
                let planes = V::philox(source.seed, counter, source.step, source.stream as u32);
                for (w, plane) in planes.into_iter().enumerate() {
                    V::store_words(words.add(block * BLOCK + 16 * w + lane), plane);
                }
            }
        }
    }
}

/// The words of a run that draws as many at every step: what does not depend on the step is made once.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    seed: u64,
    stream: u32,
    /// Words. For each block and its sixteen counters the four of [`rng::begin`], plane after plane; then, after at least one word more, the
    /// room.
    words: Floats,
    room: usize,
}

/// Words in a page. A processor takes a load for one of what was stored just before if both lie at the same place of their pages, and waits.
const PAGE: usize = 1024;

impl Begun {
    /// With room for the words of so many blocks of a step.
    pub fn new(seed: u64, stream: Stream, blocks: usize, room: usize) -> Begun {
        let stream = stream as u32;
        // Half a page off what is read to fill it.
        let at = (blocks * BLOCK + PAGE / 2).next_multiple_of(PAGE) + PAGE / 2;
        let mut words = Floats::zeros(at + room * BLOCK);
        for (block, planes) in words.chunks_exact_mut(BLOCK).enumerate().take(blocks) {
            for lane in 0..16 {
                let begun = rng::begin(seed, stream, (16 * block + lane) as u32);
                begun
                    .into_iter()
                    .enumerate()
                    .for_each(|(plane, word)| planes[16 * plane + lane] = f32::from_bits(word));
            }
        }
        Begun { seed, stream, words, room: at }
    }

    /// Where words of a step may be put.
    #[inline(always)]
    pub fn room(&mut self) -> *mut u32 {
        // Safety: the room begins within the words.
        unsafe { self.words.as_mut_ptr().add(self.room).cast() }
    }

    /// The words of blocks `first..first + blocks` of a step.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; `words` has room for the blocks, of which there are at least so many.
    #[inline(always)]
    pub unsafe fn fill<V: Simd>(&self, step: u32, first: usize, blocks: usize, words: *mut u32) {
        let step = rng::begin_step(self.seed, self.stream, step);
        for at in (0..blocks * BLOCK).step_by(BLOCK) {
            for lane in (0..16).step_by(V::N) {
                unsafe {
                    let planes =
                        V::philox_from(self.seed, self.words.as_ptr().add(first * BLOCK + at + lane).cast(), step);
                    for (w, plane) in planes.into_iter().enumerate() {
                        V::store_words(words.add(at + 16 * w + lane), plane);
                    }
                }
            }
        }
    }
}

/// Inputs as rows: sample s, feature i at `s * stride + i`, 0 where absent; rows are padded with zeros to whole vectors of any level.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub x: Floats,
    pub stride: usize,
    /// 1 for a sample of which any feature is present, else 0.
    pub any: Floats,
    words: Vec<u32>,
    begun: Option<Begun>,
}

/// The most words that are begun once for all steps: they have to be read at every step.
const MOST_BEGUN: usize = 1 << 17;

/// How rows are made of words.
struct Groups {
    /// The fewest that are made of whole blocks.
    rows: usize,
    blocks: usize,
    /// Draws in a block.
    draws: usize,
}

impl Groups {
    fn new(wide: bool, features: usize) -> Groups {
        let draws = if wide { BLOCK } else { 2 * BLOCK };
        let rows = draws >> features.trailing_zeros().min(draws.trailing_zeros());
        Groups { rows, blocks: (rows * features).div_ceil(draws), draws }
    }
}

impl Rows {
    /// Rows of a model in training, whose batches differ in the step only.
    pub fn of_run(seed: u64, probability: f64, samples: usize, features: usize) -> Rows {
        let chance = Chance::new(probability, 0);
        let Groups { rows, blocks, .. } = Groups::new(chance.wide, features);
        let blocks = samples.div_ceil(rows) * blocks;
        let begun = (blocks * BLOCK <= MOST_BEGUN).then(|| Begun::new(seed, Stream::Training, blocks, 0));
        Rows { begun, ..Rows::default() }
    }

    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub unsafe fn fill<V: Simd>(&mut self, source: Source, chance: Chance, samples: usize, features: usize) {
        self.stride = features.div_ceil(16) * 16;
        self.x.reserve(samples * self.stride);
        self.any.reserve(samples);
        let Groups { rows, blocks, draws } = Groups::new(chance.wide, features);
        self.words.resize(blocks * BLOCK + BLOCK, 0);
        for (group, top) in (0..samples).step_by(rows).enumerate() {
            let here = rows.min(samples - top);
            unsafe {
                let needed = (here * features).div_ceil(draws);
                match &self.begun {
                    Some(begun) => begun.fill::<V>(source.step, group * blocks, needed, self.words.as_mut_ptr()),
                    None => fill_words::<V>(source, group * blocks, needed, self.words.as_mut_ptr()),
                }
                let x = self.x.as_mut_ptr().add(top * self.stride);
                let words = self.words.as_ptr();
                for row in 0..here {
                    let (from, x) = (row * features, x.add(row * self.stride));
                    let any = match chance.wide {
                        true => fill_row::<V, true>(chance, words, from, features, x),
                        false => fill_row::<V, false>(chance, words, from, features, x),
                    };
                    *self.any.get_unchecked_mut(top + row) = f32::from(any);
                }
            }
        }
    }
}

/// One row from the draws that begin at `from`; returns whether any feature is present. Reads up to a vector past the row's draws.
#[inline(always)]
unsafe fn fill_row<V: Simd, const WIDE: bool>(
    chance: Chance,
    words: *const u32,
    from: usize,
    features: usize,
    x: *mut f32,
) -> bool {
    unsafe {
        let (below, scale, half) = (V::splat(chance.below), V::splat(chance.scale), V::splat(chance.half));
        let mut any = 0;
        let mut c = 0;
        while c < features {
            let draw = if WIDE {
                V::upper(V::load_words(words.add(from + c)))
            } else {
                V::load_halves(words.cast::<u16>().add(from + c))
            };
            let mut present = V::greater(below, draw);
            if features - c < V::N {
                present = V::and(present, V::first(features - c));
            }
            V::store(x.add(c), V::keep(present, V::fma(draw, scale, half)));
            any |= V::bits(present);
            c += V::N;
        }
        // Rows are padded to sixteen numbers.
        if V::N == 8 && c % 16 != 0 {
            V::store(x.add(c), V::splat(0.0));
        }
        any != 0
    }
}
