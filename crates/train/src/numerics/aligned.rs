//! Numbers on cache-line boundaries, so that no vector straddles two lines.

use std::ops::{Deref, DerefMut};

/// A cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct CacheLine([f32; 16]);

/// A slice of f32 that begins on a cache line and has at least one spare line behind it, so that vectors may be read and written past its end.
#[derive(Clone, Debug, Default)]
pub struct AlignedF32 {
    lines: Vec<CacheLine>,
    len: usize,
}

impl AlignedF32 {
    pub fn zeros(len: usize) -> AlignedF32 {
        AlignedF32 { lines: vec![CacheLine([0.0; 16]); len.div_ceil(16) + 1], len }
    }

    /// At least this many numbers; what was in them is lost or kept.
    pub fn reserve(&mut self, len: usize) {
        if self.len < len {
            *self = AlignedF32::zeros(len);
        }
    }
}

impl Deref for AlignedF32 {
    type Target = [f32];
    #[inline(always)]
    fn deref(&self) -> &[f32] {
        // Safety: a line is sixteen f32 without padding, and `len` numbers lie within the lines; an empty vector has length 0.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedF32 {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        // Safety: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Makes the compiler begin the caller's stack frame on a cache line. Vectors that are spilled to the stack then do not straddle two lines;
/// without a value on the frame that asks for the alignment, they may be put anywhere.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn align_stack_frame() {
    let mut line = std::mem::MaybeUninit::<CacheLine>::uninit();
    std::hint::black_box(line.as_mut_ptr());
}
