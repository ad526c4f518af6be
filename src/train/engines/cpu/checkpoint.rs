//! A run half-way as bytes: continuing from them gives the same bytes as never having stopped.
//!
//! Parameters and moments are saved without the padding of vectors, so that a run may continue at another vector width.

use super::Instance;
use crate::train::{CONTRACT_VERSION, Shape};

const MAGIC: &[u8; 8] = b"reproCP1";

impl Instance {
    /// The numbers of W-, b- or G-shaped buffers without padding, in a fixed order.
    fn each(&self) -> Vec<(usize, usize)> {
        // (buffer, position): buffers 0-2 are the parameters W, b, G; 3.. their moments.
        let Shape { experts, features, hidden, .. } = self.state.shape;
        let (np, ep) = (self.state.np, self.state.ep);
        let mut places = Vec::new();
        for buffer in 0..9 {
            let kind = if buffer < 3 { buffer } else { (buffer - 3) / 2 };
            match kind {
                0 => {
                    places.extend((0..experts * hidden).flat_map(|r| (0..features).map(move |i| (buffer, r * np + i))))
                }
                1 => places.extend((0..experts).flat_map(|e| (0..features).map(move |i| (buffer, e * np + i)))),
                _ => places.extend((0..features).flat_map(|i| (0..experts).map(move |e| (buffer, i * ep + e)))),
            }
        }
        places
    }

    fn buffer(&mut self, buffer: usize) -> &mut Vec<f32> {
        match buffer {
            0 => &mut self.state.columns,
            1 => &mut self.state.bias,
            2 => &mut self.state.gate,
            other => &mut self.moments[other - 3],
        }
    }

    pub fn save(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let numbers =
            [CONTRACT_VERSION, self.step, u32::from(self.stopped), self.loss.to_bits(), self.history.len() as u32];
        numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        [self.powers[0], self.powers[1], self.drop].iter().for_each(|n| out.extend(n.to_le_bytes()));
        for (step, loss) in &self.history {
            out.extend(step.to_le_bytes());
            out.extend(loss.to_le_bytes());
        }
        let buffers = [&self.state.columns, &self.state.bias, &self.state.gate];
        for (buffer, at) in self.each() {
            let value = if buffer < 3 { buffers[buffer][at] } else { self.moments[buffer - 3][at] };
            out.extend(value.to_le_bytes());
        }
        out
    }

    /// Continue from a checkpoint; one of another recipe's shape or another contract is ignored.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let places = self.each();
        let word = |i: usize| -> Option<[u8; 4]> { bytes.get(i..i + 4)?.try_into().ok() };
        let long = |i: usize| -> Option<f64> { Some(f64::from_le_bytes(bytes.get(i..i + 8)?.try_into().ok()?)) };
        let number = |i: usize| word(8 + 4 * i).map(u32::from_le_bytes);
        let (Some(version), Some(step), Some(stopped), Some(loss), Some(count)) =
            (number(0), number(1), number(2), number(3), number(4))
        else {
            return false;
        };
        let (Some(beta1), Some(beta2), Some(drop)) = (long(28), long(36), long(44)) else { return false };
        let values = 52 + 8 * count as usize;
        let fits =
            bytes.get(..8) == Some(MAGIC) && version == CONTRACT_VERSION && bytes.len() == values + 4 * places.len();
        if !fits || step > self.recipe.steps {
            return false;
        }
        let mut history = Vec::new();
        for i in 0..count as usize {
            let (Some(step), Some(loss)) = (word(52 + 8 * i), word(56 + 8 * i)) else { return false };
            history.push((u32::from_le_bytes(step), f32::from_le_bytes(loss)));
        }
        for (i, (buffer, at)) in places.into_iter().enumerate() {
            let Some(value) = word(values + 4 * i) else { return false };
            self.buffer(buffer)[at] = f32::from_le_bytes(value);
        }
        let Shape { experts, features, hidden, .. } = self.state.shape;
        for e in 0..experts {
            for i in 0..features {
                for k in 0..hidden {
                    self.state.rows[(e * features + i) * self.state.mp + k] =
                        self.state.columns[(e * hidden + k) * self.state.np + i];
                }
            }
        }
        (self.step, self.stopped, self.loss) = (step, stopped != 0, f32::from_bits(loss));
        (self.powers, self.drop, self.history) = ([beta1, beta2], drop, history);
        true
    }
}
