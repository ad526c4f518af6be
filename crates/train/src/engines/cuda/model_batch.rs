//! A batch of models in the layout that kernels use: arrays of all models, one after another.

use crate::engines::cpu::TrainingState;
use crate::settings::optimizer::{AdamWSettings, Schedule};

/// Entries of a model's history; `kernels/common.cuh` has the same number.
pub const HISTORY: usize = 104;

/// The settings of one model and its state without arrays. `kernels/common.cuh` has the same fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DeviceModel {
    probability: f64,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    drop_below: f64,
    factor: f64,
    stop_below: f64,
    powers: [f64; 2],
    drop: f64,
    seed: u64,
    samples: u32,
    steps: u32,
    schedule: u32,
    has_stop: u32,
    history_interval: u32,
    signed: u32,
    correlated: u32,
    anticorrelated: u32,
    scale: f32,
    balance: f32,
    step: u32,
    stopped: u32,
    entries: u32,
    loss: f32,
}

/// A batch of models that one launch trains.
#[derive(Clone, Debug, Default)]
pub struct ModelBatch {
    pub models: Vec<DeviceModel>,
    /// Parameters, first and second moments of each model.
    pub values: Vec<f32>,
    /// I and c of each model, padded.
    pub fixed: Vec<f32>,
    /// Steps and losses of each model.
    pub history: Vec<u32>,
}

impl ModelBatch {
    /// Gather the states of models; importances are padded to `stride`.
    pub fn from_states<'a>(states: impl Iterator<Item = &'a TrainingState>, stride: usize) -> ModelBatch {
        let mut batch = ModelBatch::default();
        for state in states {
            batch.models.push(device_model(state));
            for buffer in [&state.parameters, &state.moments[0], &state.moments[1]] {
                batch.values.extend_from_slice(buffer);
            }
            for fixed in [&state.constants.importance, &state.constants.slope] {
                let end = batch.fixed.len() + stride;
                batch.fixed.extend_from_slice(fixed);
                batch.fixed.resize(end, 0.0);
            }
            let end = batch.history.len() + 2 * HISTORY;
            batch.history.extend(state.history.iter().take(HISTORY).flat_map(|(step, loss)| [*step, loss.to_bits()]));
            batch.history.resize(end, 0);
        }
        batch
    }

    /// Copy the models back into the states that the batch was gathered from.
    pub fn scatter<'a>(&self, states: impl Iterator<Item = &'a mut TrainingState>) {
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

fn device_model(state: &TrainingState) -> DeviceModel {
    let recipe = &state.recipe;
    let AdamWSettings { lr, beta1, beta2, eps, weight_decay } = recipe.optimizer.hyperparameters();
    let distribution = recipe.distribution();
    let stop = recipe.stop.as_ref();
    DeviceModel {
        probability: distribution.probability,
        lr,
        beta1,
        beta2,
        eps,
        weight_decay,
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
        has_stop: u32::from(stop.is_some()),
        history_interval: state.history_interval(),
        signed: u32::from(distribution.signed),
        correlated: distribution.correlated as u32,
        anticorrelated: distribution.anticorrelated as u32,
        scale: state.constants.scale,
        balance: state.constants.balance,
        step: state.step,
        stopped: u32::from(state.stopped),
        entries: state.history.len() as u32,
        loss: state.loss,
    }
}
