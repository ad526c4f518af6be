//! Models of one kernel as the kernel takes them: arrays of all, one after another.

use crate::train::engines::cpu::State;
use crate::train::{Data, Optimizer, Schedule};

/// Entries of a model's history; `kernels/common.cuh` has the same number.
pub const HISTORY: usize = 104;

/// One model: its settings, and what of its state is not an array. `kernels/common.cuh` has the same fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Model {
    probability: f64,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    decay: f64,
    drop_below: f64,
    factor: f64,
    stop_below: f64,
    powers: [f64; 2],
    drop: f64,
    seed: u64,
    samples: u32,
    steps: u32,
    schedule: u32,
    stops: u32,
    every: u32,
    signed: u32,
    together: u32,
    apart: u32,
    scale: f32,
    balance: f32,
    step: u32,
    stopped: u32,
    entries: u32,
    loss: f32,
}

/// So many models.
#[derive(Clone, Debug, Default)]
pub struct Wave {
    pub models: Vec<Model>,
    /// Parameters, first and second moments of each model.
    pub values: Vec<f32>,
    /// I and c of each model, padded.
    pub fixed: Vec<f32>,
    /// Steps and losses of each model.
    pub history: Vec<u32>,
}

impl Wave {
    /// The states of models whose buffers hold `stride` importances.
    pub fn of<'a>(states: impl Iterator<Item = &'a State>, stride: usize) -> Wave {
        let mut wave = Wave::default();
        for state in states {
            wave.models.push(model(state));
            for buffer in [&state.parameters, &state.moments[0], &state.moments[1]] {
                wave.values.extend_from_slice(buffer);
            }
            for fixed in [&state.problem.importance, &state.problem.slope] {
                let end = wave.fixed.len() + stride;
                wave.fixed.extend_from_slice(fixed);
                wave.fixed.resize(end, 0.0);
            }
            let end = wave.history.len() + 2 * HISTORY;
            wave.history.extend(state.history.iter().take(HISTORY).flat_map(|(step, loss)| [*step, loss.to_bits()]));
            wave.history.resize(end, 0);
        }
        wave
    }

    /// Take what a kernel has done into the states that the wave was made of.
    pub fn write_to<'a>(&self, states: impl Iterator<Item = &'a mut State>) {
        let mut values = self.values.as_slice();
        for ((state, model), history) in states.zip(&self.models).zip(self.history.chunks_exact(2 * HISTORY)) {
            let [first, second] = &mut state.moments;
            for buffer in [&mut state.parameters, first, second] {
                let (own, rest) = values.split_at(buffer.len());
                buffer.copy_from_slice(own);
                values = rest;
            }
            (state.step, state.stopped, state.loss) = (model.step, model.stopped != 0, model.loss);
            (state.powers, state.drop) = (model.powers, model.drop);
            let entries = history.chunks_exact(2).take(model.entries as usize);
            state.history = entries.map(|entry| (entry[0], f32::from_bits(entry[1]))).collect();
        }
    }

    /// Whether a model has taken all its steps.
    pub fn finished(&self, model: usize) -> bool {
        self.models.get(model).is_none_or(|model| model.stopped != 0 || model.step >= model.steps)
    }
}

fn model(state: &State) -> Model {
    let recipe = &state.recipe;
    let (lr, beta1, beta2, eps, decay) = match &recipe.optimizer {
        Optimizer::Adam(s) => (s.lr, s.beta1, s.beta2, s.eps, 0.0),
        Optimizer::AdamW(s) => (s.lr, s.beta1, s.beta2, s.eps, s.weight_decay),
    };
    let Data::SparseUniform(data) = &recipe.data;
    let stop = recipe.stop.as_ref();
    Model {
        probability: data.probability,
        lr,
        beta1,
        beta2,
        eps,
        decay,
        drop_below: stop.map_or(0.0, |stop| stop.drop_below),
        factor: stop.map_or(1.0, |stop| stop.factor),
        stop_below: stop.map_or(0.0, |stop| stop.stop_below),
        powers: state.powers,
        drop: state.drop,
        seed: recipe.seed,
        samples: recipe.batch,
        steps: recipe.steps,
        schedule: match recipe.schedule {
            Schedule::Constant => 0,
            Schedule::Linear => 1,
            Schedule::Cosine => 2,
        },
        stops: u32::from(stop.is_some()),
        every: state.every(),
        signed: u32::from(data.signed),
        together: data.correlated_pairs,
        apart: data.anticorrelated_pairs,
        scale: state.problem.scale,
        balance: state.problem.balance,
        step: state.step,
        stopped: u32::from(state.stopped),
        entries: state.history.len() as u32,
        loss: state.loss,
    }
}
