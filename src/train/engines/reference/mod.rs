//! The reference engine: every model written down a second time, as a tensor program in binary64 that dfdx differentiates.
//!
//! It is what the fused kernels are held to, and it trains models that have none yet. A model is one function from parameters and inputs to
//! [`Outputs`]; everything else (gradients, optimizer, schedule, stopping early, checkpoints) is shared. Inputs and initial parameters are
//! those of the fused engine. It is slow, computes all experts, and is not bound by the numerics contract: results may differ in the last
//! bits from machine to machine, so its name is part of the key.

mod adam;
mod checkpoint;
mod graph;
mod layers;
mod mixture;

#[cfg(test)]
mod tests;

use dfdx::prelude::*;

use self::graph::{Given, Known, Traced};
use super::super::{Control, Model, Outcome, Recipe, Reduction, init};
use super::cpu;
use crate::error::{Error, Result};
use crate::train::models::{AbsoluteValue, LinearBottleneck, Neurons};

/// Part of the key of every run of this engine. A change of its arithmetic raises it.
pub const VERSION: u32 = 1;

/// What dfdx says when it fails: memory ran out.
type Failed = <Cpu as HasErr>::Err;

/// What a model makes of a batch.
struct Outputs {
    /// y \[B, n\].
    outputs: Traced<(usize, usize)>,
    /// What y should have been.
    targets: Known<(usize, usize)>,
    /// Added to the loss.
    penalty: Option<Traced<()>>,
}

/// The one place that knows the models. The match has no default, so that a model without a definition does not compile.
fn outputs(recipe: &Recipe, given: &Given) -> Result<Outputs, Failed> {
    let shape = recipe.shape();
    match &recipe.model {
        Model::MoeAutoencoder(model) => mixture::outputs(model, shape, given),
        Model::LinearBottleneck(_) => layers::outputs(LinearBottleneck::LAYERS, shape, given),
        Model::Neurons(_) => layers::outputs(Neurons::LAYERS, shape, given),
        Model::AbsoluteValue(_) => layers::outputs(AbsoluteValue::LAYERS, shape, given),
    }
}

/// Memory of one step in bytes: about seven copies of what all experts give for the whole batch, and the parameters.
pub fn memory(recipe: &Recipe) -> u64 {
    let shape = recipe.shape();
    let wide = shape.experts as u64 * (7 * shape.features as u64 + 4 * shape.hidden as u64 + 4);
    let parameters: usize = recipe.parameters().iter().map(|parameter| parameter.len()).sum();
    8 * (u64::from(recipe.batch) * wide + 5 * parameters as u64)
}

/// The most [`memory`] that a recipe may ask for.
pub const MOST_MEMORY: u64 = 8 << 30;

/// A rough estimate of the time of a step in seconds on one core.
pub fn seconds(recipe: &Recipe) -> f64 {
    let shape = recipe.shape();
    let (n, m, experts) = (shape.features as f64, shape.hidden as f64, shape.experts as f64);
    // Every number is read and written about twenty times; six matrix products.
    1e-9 * (60_000.0 + f64::from(recipe.batch) * experts * (60.0 * n + 10.0 * m + 1.5 * n * m))
}

/// Train one model on this thread; `None` when `control` stopped it.
pub fn train(recipe: &Recipe, control: &dyn Control) -> Result<Option<Outcome>> {
    // dfdx spreads matrix products over the pool it runs in; callers count on one thread a model.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| Error::stage(format!("no thread for the reference engine: {error}")))?;
    pool.install(|| {
        let mut run = Run::new(recipe);
        if let Some(bytes) = control.checkpoint() {
            // A checkpoint that does not fit is not used.
            run.restore(&bytes);
        }
        while !run.finished() {
            control.save(&|| run.save());
            if control.stop() {
                return Ok(None);
            }
            control.progress(run.step);
            run.advance()?;
        }
        Ok(Some(run.outcome()))
    })
}

/// One model in training.
struct Run<'a> {
    recipe: &'a Recipe,
    device: Cpu,
    parameters: Vec<Vec<f64>>,
    /// First and second moments of each parameter.
    moments: [Vec<Vec<f64>>; 2],
    step: u32,
    /// What the drop rule has left of the learning rate.
    drop: f64,
    stopped: bool,
    loss: f32,
    history: Vec<(u32, f32)>,
}

impl Run<'_> {
    fn new(recipe: &Recipe) -> Run<'_> {
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
        let parameters: Vec<Vec<f64>> = init::parameters(recipe).into_iter().map(wide).collect();
        let zeros: Vec<Vec<f64>> = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
        Run {
            recipe,
            device: Cpu::default(),
            parameters,
            moments: [zeros.clone(), zeros],
            step: 0,
            drop: 1.0,
            stopped: false,
            loss: f32::NAN,
            history: Vec::new(),
        }
    }

    fn finished(&self) -> bool {
        self.stopped || self.step >= self.recipe.steps
    }

    /// Loss and gradients of the current step's batch.
    fn gradients(&self) -> Result<(f64, Vec<Vec<f64>>)> {
        self.differentiate().map_err(|error| {
            Error::stage(format!("the reference engine failed: {error:?}")).hint(
                "it holds all experts' outputs for the whole batch in memory; lower `batch`, or use `engine: fused`",
            )
        })
    }

    fn differentiate(&self) -> Result<(f64, Vec<Vec<f64>>), Failed> {
        let Run { recipe, device, .. } = self;
        let samples = recipe.batch as usize;
        let features = recipe.shape().features;
        let inputs = cpu::rows(recipe, self.step).into_iter().map(f64::from).collect();
        let inputs = device.try_tensor_from_vec(inputs, (samples, features))?;
        let tensor = |values: &Vec<f64>| device.try_tensor_from_vec(values.clone(), (values.len(),));
        let parameters = self.parameters.iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
        let given = Given { device, parameters: &parameters, inputs: &inputs };
        let importance: Vec<f64> = recipe.importance().into_iter().map(f64::from).collect();
        let mean = match recipe.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / features as f64,
        };
        let loss = graph::loss(&given, outputs(recipe, &given)?, &importance, mean / samples as f64)?;
        let value = loss.array();
        let gradients = loss.try_backward()?;
        Ok((value, parameters.iter().map(|parameter| gradients.get(parameter).as_vec()).collect()))
    }

    /// One step: gradients, update, and what follows from the loss. Written apart from the fused engine, which is held to it.
    fn advance(&mut self) -> Result<()> {
        let (loss, gradients) = self.gradients()?;
        self.loss = loss as f32;
        if !self.loss.is_finite() {
            self.loss = f32::NAN;
            self.history.push((self.step, self.loss));
            self.stopped = true;
            return Ok(());
        }
        adam::update(self.recipe, self.step, self.drop, &gradients, &mut self.parameters, &mut self.moments);
        let mut low = false;
        if let Some(stop) = &self.recipe.stop {
            if f64::from(self.loss) < stop.drop_below {
                self.drop *= stop.factor;
            }
            low = f64::from(self.loss) < stop.stop_below;
        }
        self.stopped = low;
        let every = (self.recipe.steps / 50).max(1);
        if low || self.step.is_multiple_of(every) || self.step + 1 == self.recipe.steps {
            self.history.push((self.step, self.loss));
        }
        self.step += 1;
        Ok(())
    }

    fn outcome(self) -> Outcome {
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Outcome {
            parameters: self.parameters.into_iter().map(narrow).collect(),
            loss: self.loss,
            history: self.history,
            steps_run: self.step,
        }
    }
}
