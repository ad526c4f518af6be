//! Checkpoints of the reference engine: a run continued from one is the same as one that never stopped.

use super::trainer::ReferenceTrainer;
use crate::contract::REFERENCE_VERSION;
use crate::engines::checkpoint_bytes::{CheckpointWriter, checkpoint_numbers, read_history};

const FORMAT: &[u8; 8] = b"reproRE1";

impl ReferenceTrainer<'_> {
    /// Everything that the next step depends on.
    pub fn save(&self) -> Vec<u8> {
        let mut out = CheckpointWriter::new(FORMAT);
        out.u32(REFERENCE_VERSION);
        out.u32(self.step);
        out.u32(u32::from(self.stopped));
        out.f32(self.loss);
        out.u32(self.history.len() as u32);
        out.f64(self.drop);
        out.history(&self.history);
        let buffers = [&self.parameters, &self.moments[0], &self.moments[1]];
        buffers.into_iter().flatten().flatten().for_each(|value| out.f64(*value));
        out.finish()
    }

    /// Continue from a checkpoint. One of another shape or version changes nothing, and the answer is false.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        self.read(bytes).is_some()
    }

    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let mut from = checkpoint_numbers(bytes, FORMAT)?;
        let (version, step, stopped) = (from.u32()?, from.u32()?, from.u32()? != 0);
        let (loss, entries, drop) = (from.f32()?, from.u32()?, from.f64()?);
        let history = read_history(&mut from, entries)?;
        let values: usize = self.parameters.iter().map(Vec::len).sum();
        if version != REFERENCE_VERSION || step > self.recipe.steps || from.0.len() != 3 * 8 * values {
            return None;
        }
        let [first, second] = &mut self.moments;
        for value in [&mut self.parameters, first, second].into_iter().flatten().flatten() {
            *value = from.f64()?;
        }
        (self.step, self.stopped, self.loss) = (step, stopped, loss);
        (self.drop, self.history) = (drop, history);
        Some(())
    }
}
