//! Deflate compression. [`Deflater`] takes bytes as they come, so that a page of 100 MB is not held before it is packed.

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};

const LEVEL: i32 = 9;
/// A zlib header, and the default strategy.
const ZLIB: i32 = 1;
const STRATEGY: i32 = 0;

/// Packs bytes into one zlib stream, which does not depend on the pieces they come in.
pub struct Deflater {
    compressor: Box<CompressorOxide>,
    packed: Vec<u8>,
}

impl Deflater {
    pub fn new() -> Deflater {
        let flags = create_comp_flags_from_zip_params(LEVEL, ZLIB, STRATEGY);
        Deflater { compressor: Box::new(CompressorOxide::new(flags)), packed: Vec::new() }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.pack(bytes, TDEFLFlush::None);
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.pack(&[], TDEFLFlush::Finish);
        self.packed
    }

    fn pack(&mut self, bytes: &[u8], flush: TDEFLFlush) {
        // It takes all bytes unless the callback returns false.
        compress_to_output(&mut self.compressor, bytes, flush, |piece| {
            self.packed.extend_from_slice(piece);
            true
        });
    }
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut deflater = Deflater::new();
    deflater.write(bytes);
    deflater.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_in_which_bytes_come_do_not_matter() {
        let mut state = 1u32;
        let mut digit = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"0123456789. \nlmc"[(state >> 28) as usize]
        };
        let bytes: Vec<u8> = (0..300_000).map(|_| digit()).collect();
        let whole = miniz_oxide::deflate::compress_to_vec_zlib(&bytes, LEVEL as u8);
        for size in [1, 255, 70_000, 1_000_000] {
            let mut deflater = Deflater::new();
            bytes.chunks(size).for_each(|piece| deflater.write(piece));
            assert!(deflater.finish() == whole, "in pieces of {size} bytes");
        }
        assert!(deflate(&[]) == miniz_oxide::deflate::compress_to_vec_zlib(&[], LEVEL as u8));
    }
}
