//! A run half-way as bytes: continuing from them is the same as never having stopped.

use super::{Run, VERSION};

const MAGIC: &[u8; 8] = b"reproRE1";

impl Run<'_> {
    /// Everything that the next step depends on; numbers as their bits, little-endian.
    pub fn save(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let head = [VERSION, self.step, u32::from(self.stopped), self.loss.to_bits(), self.history.len() as u32];
        head.iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend(self.drop.to_le_bytes());
        for (step, loss) in &self.history {
            out.extend(step.to_le_bytes());
            out.extend(loss.to_le_bytes());
        }
        let buffers = [&self.parameters, &self.moments[0], &self.moments[1]];
        buffers.into_iter().flatten().flatten().for_each(|value| out.extend(value.to_le_bytes()));
        out
    }

    /// Continue from a checkpoint; one of another shape or version is left alone, and the answer is false.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        self.read(bytes).is_some()
    }

    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let mut from = bytes.strip_prefix(MAGIC)?;
        let [version, step, stopped, loss, count] = words::<5>(&mut from)?;
        let values: usize = self.parameters.iter().map(Vec::len).sum();
        if version != VERSION || step > self.recipe.steps || from.len() != 8 + 8 * count as usize + 24 * values {
            return None;
        }
        let mut long = || from.split_off(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        let drop = f64::from_bits(long()?);
        let pair = |both: u64| (both as u32, f32::from_bits((both >> 32) as u32));
        let history = (0..count).map(|_| long().map(pair)).collect::<Option<Vec<_>>>()?;
        let [first, second] = &mut self.moments;
        for value in [&mut self.parameters, first, second].into_iter().flatten().flatten() {
            *value = f64::from_bits(long()?);
        }
        (self.step, self.stopped, self.loss) = (step, stopped != 0, f32::from_bits(loss));
        (self.drop, self.history) = (drop, history);
        Some(())
    }
}

/// The next N words.
fn words<const N: usize>(from: &mut &[u8]) -> Option<[u32; N]> {
    let taken = from.split_off(..4 * N)?;
    let mut words = taken.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Some(std::array::from_fn(|_| words.next().unwrap_or_default()))
}
