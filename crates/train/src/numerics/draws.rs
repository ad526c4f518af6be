//! Random inputs: item 1 of the contract, vectorised.
//!
//! Words are drawn in blocks of 64 (sixteen counters), stored plane after plane, and converted to numbers by the code that lays out the inputs.

use super::aligned::AlignedF32;
use super::rng;
use super::simd::Simd;

/// Which random numbers a batch consists of: training and evaluation never share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomStream {
    Training = 0,
    Evaluation = 1,
    /// One common value a sample, for inputs in which all present features are equal.
    Common = 2,
}

/// What identifies the random words of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchId {
    pub seed: u64,
    pub stream: RandomStream,
    pub step: u32,
}

/// Which draws make a feature present, and the value of such a draw: `draw * scale + offset` (item 1 of the contract).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PresenceThreshold {
    /// 24 bits a draw instead of 16.
    pub wide: bool,
    /// Draws below this are present.
    pub below: f32,
    pub scale: f32,
    pub offset: f32,
}

impl PresenceThreshold {
    pub fn new(probability: f64, step: u32) -> PresenceThreshold {
        let wide = probability < 1.0 / 64.0;
        let levels = probability * if wide { 16_777_216.0 } else { 65_536.0 };
        let below = (levels * (f64::from(step) + 1.0)).floor() - (levels * f64::from(step)).floor();
        let scale = if below > 0.0 { (1.0 / below) as f32 } else { 0.0 };
        PresenceThreshold { wide, below: below as f32, scale, offset: 0.5 * scale }
    }
}

/// Words in a block.
pub const BLOCK: usize = 64;

/// Draw the words of blocks `first..first + blocks`.
///
/// # Safety
/// The machine must have the instructions of `V`; `words` has room for them.
#[inline(always)]
pub unsafe fn draw_words<V: Simd>(id: BatchId, first: usize, blocks: usize, words: *mut u32) {
    for block in 0..blocks {
        for lane in (0..16).step_by(V::N) {
            let counter = ((first + block) as u32).wrapping_mul(16).wrapping_add(lane as u32);
            unsafe {
                let planes = V::philox(id.seed, counter, id.step, id.stream as u32);
                for (w, plane) in planes.into_iter().enumerate() {
                    V::store_words(words.add(block * BLOCK + 16 * w + lane), plane);
                }
            }
        }
    }
}

/// The random words of a run that draws equally many at every step: the part that does not depend on the step is computed once.
#[derive(Clone, Debug, Default)]
pub struct PrecomputedWords {
    seed: u64,
    stream: u32,
    /// For each block and its sixteen counters the four words of [`rng::precompute_counter`], plane after plane; then, after at least one
    /// word more, space for the words of a step.
    words: AlignedF32,
    /// Where that space begins.
    space: usize,
}

/// Words in a page. A load that has the same page offset as a recent store is taken for a load of what was stored, and waits (4K aliasing).
const PAGE: usize = 1024;

impl PrecomputedWords {
    /// For `blocks` blocks a step, with space for the words of `space` blocks.
    pub fn new(seed: u64, stream: RandomStream, blocks: usize, space: usize) -> PrecomputedWords {
        let stream = stream as u32;
        // Half a page off the words that are read to fill it.
        let at = (blocks * BLOCK + PAGE / 2).next_multiple_of(PAGE) + PAGE / 2;
        let mut words = AlignedF32::zeros(at + space * BLOCK);
        for (block, planes) in words.chunks_exact_mut(BLOCK).enumerate().take(blocks) {
            for lane in 0..16 {
                let counter = rng::precompute_counter(seed, stream, (16 * block + lane) as u32);
                counter
                    .into_iter()
                    .enumerate()
                    .for_each(|(plane, word)| planes[16 * plane + lane] = f32::from_bits(word));
            }
        }
        PrecomputedWords { seed, stream, words, space: at }
    }

    /// Space for the words of a step.
    #[inline(always)]
    pub fn space(&mut self) -> *mut u32 {
        // Safety: the space begins within the words.
        unsafe { self.words.as_mut_ptr().add(self.space).cast() }
    }

    /// Draw the words of blocks `first..first + blocks` of a step.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the blocks must be precomputed, and `words` must hold as many.
    #[inline(always)]
    pub unsafe fn fill<V: Simd>(&self, step: u32, first: usize, blocks: usize, words: *mut u32) {
        let step = rng::precompute_step(self.seed, self.stream, step);
        for at in (0..blocks * BLOCK).step_by(BLOCK) {
            for lane in (0..16).step_by(V::N) {
                unsafe {
                    let planes = V::philox_precomputed(
                        self.seed,
                        self.words.as_ptr().add(first * BLOCK + at + lane).cast(),
                        step,
                    );
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
pub struct InputRows {
    pub x: AlignedF32,
    pub stride: usize,
    /// 1 for a sample of which any feature is present, else 0.
    pub any: AlignedF32,
    words: Vec<u32>,
    precomputed: Option<PrecomputedWords>,
}

/// The most words that are precomputed: they have to be read at every step.
const MAX_PRECOMPUTED: usize = 1 << 17;

/// How rows are drawn: the smallest groups of rows that take whole blocks of words.
struct RowGroups {
    /// Rows in a group.
    rows: usize,
    /// Blocks in a group.
    blocks: usize,
    /// Draws in a block.
    draws: usize,
}

impl RowGroups {
    fn new(wide: bool, features: usize) -> RowGroups {
        let draws = if wide { BLOCK } else { 2 * BLOCK };
        let rows = draws >> features.trailing_zeros().min(draws.trailing_zeros());
        RowGroups { rows, blocks: (rows * features).div_ceil(draws), draws }
    }
}

impl InputRows {
    /// Rows of a training run, whose batches differ in the step only.
    pub fn for_training(seed: u64, probability: f64, samples: usize, features: usize) -> InputRows {
        let threshold = PresenceThreshold::new(probability, 0);
        let RowGroups { rows, blocks, .. } = RowGroups::new(threshold.wide, features);
        let blocks = samples.div_ceil(rows) * blocks;
        let precompute = blocks * BLOCK <= MAX_PRECOMPUTED;
        let precomputed = precompute.then(|| PrecomputedWords::new(seed, RandomStream::Training, blocks, 0));
        InputRows { precomputed, ..InputRows::default() }
    }

    /// Draw a batch.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub unsafe fn fill<V: Simd>(&mut self, id: BatchId, threshold: PresenceThreshold, samples: usize, features: usize) {
        self.stride = features.div_ceil(16) * 16;
        self.x.reserve(samples * self.stride);
        self.any.reserve(samples);
        let RowGroups { rows, blocks, draws } = RowGroups::new(threshold.wide, features);
        self.words.resize(blocks * BLOCK + BLOCK, 0);
        for (group, top) in (0..samples).step_by(rows).enumerate() {
            let here = rows.min(samples - top);
            unsafe {
                let needed = (here * features).div_ceil(draws);
                match &self.precomputed {
                    Some(precomputed) => {
                        precomputed.fill::<V>(id.step, group * blocks, needed, self.words.as_mut_ptr())
                    }
                    None => draw_words::<V>(id, group * blocks, needed, self.words.as_mut_ptr()),
                }
                let x = self.x.as_mut_ptr().add(top * self.stride);
                let words = self.words.as_ptr();
                for row in 0..here {
                    let (from, x) = (row * features, x.add(row * self.stride));
                    let any = match threshold.wide {
                        true => fill_row::<V, true>(threshold, words, from, features, x),
                        false => fill_row::<V, false>(threshold, words, from, features, x),
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
    threshold: PresenceThreshold,
    words: *const u32,
    from: usize,
    features: usize,
    x: *mut f32,
) -> bool {
    unsafe {
        let (below, scale, offset) = (V::splat(threshold.below), V::splat(threshold.scale), V::splat(threshold.offset));
        let mut any = 0;
        let mut c = 0;
        while c < features {
            let draw = if WIDE {
                V::high_24_bits(V::load_words(words.add(from + c)))
            } else {
                V::load_u16(words.cast::<u16>().add(from + c))
            };
            let mut present = V::greater(below, draw);
            if features - c < V::N {
                present = V::and(present, V::first_lanes(features - c));
            }
            V::store(x.add(c), V::select_or_zero(present, V::fma(draw, scale, offset)));
            any |= V::mask_bits(present);
            c += V::N;
        }
        // InputRows are padded to sixteen numbers.
        if V::N == 8 && c % 16 != 0 {
            V::store(x.add(c), V::splat(0.0));
        }
        any != 0
    }
}
