//! Checkpoints of the CPU engine: a run continued from one gives the same bytes as one that never stopped.

use super::training_state::TrainingState;
use crate::contract::CONTRACT_VERSION;
use crate::engines::checkpoint_bytes::{CheckpointWriter, checkpoint_numbers, read_history};

const FORMAT: &[u8; 8] = b"reproCP2";

impl TrainingState {
    pub fn save(&self) -> Vec<u8> {
        let mut out = CheckpointWriter::new(FORMAT);
        out.u32(CONTRACT_VERSION);
        out.u32(self.step);
        out.u32(u32::from(self.stopped));
        out.f32(self.loss);
        out.u32(self.history.len() as u32);
        [self.powers[0], self.powers[1], self.drop].into_iter().for_each(|value| out.f64(value));
        out.history(&self.history);
        for buffer in [&self.parameters, &self.moments[0], &self.moments[1]] {
            self.order.iter().for_each(|&at| out.f32(buffer[at]));
        }
        out.finish()
    }

    /// Continue from a checkpoint. One of another shape or contract version changes nothing, and the answer is false.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let Some(saved) = self.read(bytes) else { return false };
        let SavedState { step, stopped, loss, powers, drop, history, buffers } = saved;
        let [first, second] = &mut self.moments;
        for (buffer, values) in [&mut self.parameters, first, second].into_iter().zip(buffers) {
            self.order.iter().zip(values).for_each(|(&at, value)| buffer[at] = value);
        }
        (self.step, self.stopped, self.loss) = (step, stopped, loss);
        (self.powers, self.drop, self.history) = (powers, drop, history);
        true
    }

    fn read(&self, bytes: &[u8]) -> Option<SavedState> {
        let mut from = checkpoint_numbers(bytes, FORMAT)?;
        if from.u32()? != CONTRACT_VERSION {
            return None;
        }
        let (step, stopped, loss, entries) = (from.u32()?, from.u32()? != 0, from.f32()?, from.u32()?);
        let (powers, drop) = ([from.f64()?, from.f64()?], from.f64()?);
        let history = read_history(&mut from, entries)?;
        if step > self.recipe.steps || from.0.len() != 3 * 4 * self.order.len() {
            return None;
        }
        let mut buffer = || self.order.iter().map(|_| from.f32()).collect::<Option<Vec<f32>>>();
        let buffers = [buffer()?, buffer()?, buffer()?];
        Some(SavedState { step, stopped, loss, powers, drop, history, buffers })
    }
}

struct SavedState {
    step: u32,
    stopped: bool,
    loss: f32,
    powers: [f64; 2],
    drop: f64,
    history: Vec<(u32, f32)>,
    /// Parameters and both moments.
    buffers: [Vec<f32>; 3],
}
