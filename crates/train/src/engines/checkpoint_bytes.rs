//! Checkpoints as bytes: numbers in little-endian order behind the name of their format.

/// Writes a checkpoint.
pub struct CheckpointWriter(Vec<u8>);

impl CheckpointWriter {
    pub fn new(format: &[u8; 8]) -> CheckpointWriter {
        CheckpointWriter(format.to_vec())
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub fn f32(&mut self, value: f32) {
        self.0.extend(value.to_le_bytes());
    }

    pub fn f64(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    /// (step, loss) pairs, without their number.
    pub fn history(&mut self, history: &[(u32, f32)]) {
        for &(step, loss) in history {
            self.u32(step);
            self.f32(loss);
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a checkpoint; `None` where it is too short.
pub struct CheckpointReader<'a>(&'a [u8]);

impl<'a> CheckpointReader<'a> {
    /// `None` for another format.
    pub fn new(bytes: &'a [u8], format: &[u8; 8]) -> Option<CheckpointReader<'a>> {
        bytes.strip_prefix(format).map(CheckpointReader)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub fn f32(&mut self) -> Option<f32> {
        self.bytes().map(f32::from_le_bytes)
    }

    pub fn f64(&mut self) -> Option<f64> {
        self.bytes().map(f64::from_le_bytes)
    }

    /// `count` (step, loss) pairs.
    pub fn history(&mut self, count: u32) -> Option<Vec<(u32, f32)>> {
        // A wrong count must not reserve memory.
        if self.remaining() < 8 * count as usize {
            return None;
        }
        (0..count).map(|_| Some((self.u32()?, self.f32()?))).collect()
    }

    pub fn remaining(&self) -> usize {
        self.0.len()
    }
}
