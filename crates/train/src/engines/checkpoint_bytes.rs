//! Checkpoints as bytes: numbers in little-endian order behind the name of their format.

use repro_base::value::ByteReader;

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

/// The numbers of a checkpoint behind its format; `None` for another format.
pub fn checkpoint_numbers<'a>(bytes: &'a [u8], format: &[u8; 8]) -> Option<ByteReader<'a>> {
    bytes.strip_prefix(format).map(ByteReader)
}

/// Reads `count` (step, loss) pairs.
pub fn read_history(from: &mut ByteReader, count: u32) -> Option<Vec<(u32, f32)>> {
    // A wrong count must not reserve memory.
    if from.0.len() < 8 * count as usize {
        return None;
    }
    (0..count).map(|_| Some((from.u32()?, from.f32()?))).collect()
}
