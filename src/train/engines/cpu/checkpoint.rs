//! A run half-way as bytes: continuing from them gives the same bytes as never having stopped.

use super::instance::{Instance, State};
use crate::train::CONTRACT_VERSION;

const MAGIC: &[u8; 8] = b"reproCP2";

impl Instance {
    pub fn save(&self) -> Vec<u8> {
        self.state.save()
    }

    /// See [`State::restore`].
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        self.state.restore(bytes)
    }
}

impl State {
    pub fn save(&self) -> Vec<u8> {
        let this = self;
        let mut out = MAGIC.to_vec();
        let numbers =
            [CONTRACT_VERSION, this.step, u32::from(this.stopped), this.loss.to_bits(), this.history.len() as u32];
        numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        [this.powers[0], this.powers[1], this.drop].iter().for_each(|n| out.extend(n.to_le_bytes()));
        for (step, loss) in &this.history {
            out.extend(step.to_le_bytes());
            out.extend(loss.to_le_bytes());
        }
        for buffer in [&this.parameters, &this.moments[0], &this.moments[1]] {
            this.order.iter().for_each(|&at| out.extend(buffer[at].to_le_bytes()));
        }
        out
    }

    /// Continue from a checkpoint; one of another recipe's shape or another contract is ignored.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let mut from = Reader(bytes);
        let Some(state) = self.read(&mut from) else { return false };
        if !from.0.is_empty() {
            return false;
        }
        let Saved { step, stopped, loss, powers, drop, history, buffers } = state;
        let to = self;
        let [first, second] = &mut to.moments;
        for (buffer, from) in [&mut to.parameters, first, second].into_iter().zip(buffers) {
            to.order.iter().zip(from).for_each(|(&at, value)| buffer[at] = value);
        }
        (to.step, to.stopped, to.loss) = (step, stopped, loss);
        (to.powers, to.drop, to.history) = (powers, drop, history);
        true
    }

    fn read(&self, from: &mut Reader) -> Option<Saved> {
        if from.bytes::<8>()? != *MAGIC || from.word()? != CONTRACT_VERSION {
            return None;
        }
        let (step, stopped, loss, count) = (from.word()?, from.word()?, from.number()?, from.word()?);
        let (powers, drop) = ([from.long()?, from.long()?], from.long()?);
        if step > self.recipe.steps || from.0.len() < 8 * count as usize {
            return None;
        }
        let history = (0..count).map(|_| Some((from.word()?, from.number()?))).collect::<Option<Vec<_>>>()?;
        let values = self.order.len();
        let mut buffer = || (0..values).map(|_| from.number()).collect::<Option<Vec<f32>>>();
        let buffers = [buffer()?, buffer()?, buffer()?];
        Some(Saved { step, stopped: stopped != 0, loss, powers, drop, history, buffers })
    }
}

struct Saved {
    step: u32,
    stopped: bool,
    loss: f32,
    powers: [f64; 2],
    drop: f64,
    history: Vec<(u32, f32)>,
    /// Parameters and both moments.
    buffers: [Vec<f32>; 3],
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn word(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn number(&mut self) -> Option<f32> {
        self.bytes().map(f32::from_le_bytes)
    }

    fn long(&mut self) -> Option<f64> {
        self.bytes().map(f64::from_le_bytes)
    }
}
