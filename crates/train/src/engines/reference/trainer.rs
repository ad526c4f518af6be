//! One model in training by automatic differentiation in binary64.

use dfdx::prelude::*;

use super::graph::{self, DfdxError, ModelInputs, ModelOutputs};
use super::{adam, mixture, two_layer};
use crate::engines::cpu::batch_rows::draw_batch;
use crate::engines::initial_parameters::initial_parameters;
use crate::engines::result::TrainingResult;
use crate::models::architecture::Architecture;
use crate::recipe::{Recipe, Reduction};
use repro_base::error::{Error, Result};

/// One model in training.
pub struct ReferenceTrainer<'a> {
    pub recipe: &'a Recipe,
    pub device: Cpu,
    pub parameters: Vec<Vec<f64>>,
    /// First and second moments of each parameter.
    pub moments: [Vec<Vec<f64>>; 2],
    pub step: u32,
    /// The factor of the learning rate by the drop rule.
    pub drop: f64,
    pub stopped: bool,
    pub loss: f32,
    pub history: Vec<(u32, f32)>,
}

impl ReferenceTrainer<'_> {
    pub fn new(recipe: &Recipe) -> ReferenceTrainer<'_> {
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
        let parameters: Vec<Vec<f64>> = initial_parameters(recipe).into_iter().map(wide).collect();
        let zeros: Vec<Vec<f64>> = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
        ReferenceTrainer {
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

    pub fn finished(&self) -> bool {
        self.stopped || self.step >= self.recipe.steps
    }

    /// Loss and gradients of the current step's batch.
    pub fn gradients(&self) -> Result<(f64, Vec<Vec<f64>>)> {
        self.differentiate().map_err(|error| {
            Error::stage(format!("the reference engine failed: {error:?}")).hint(
                "it holds all experts' outputs for the whole batch in memory; lower `batch`, or use `engine: fused`",
            )
        })
    }

    fn differentiate(&self) -> Result<(f64, Vec<Vec<f64>>), DfdxError> {
        let ReferenceTrainer { recipe, device, .. } = self;
        let samples = recipe.batch as usize;
        let features = recipe.shape().features;
        let inputs = draw_batch(recipe, self.step).into_iter().map(f64::from).collect();
        let inputs = device.try_tensor_from_vec(inputs, (samples, features))?;
        let tensor = |values: &Vec<f64>| device.try_tensor_from_vec(values.clone(), (values.len(),));
        let parameters = self.parameters.iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
        let given = ModelInputs { device, parameters: &parameters, inputs: &inputs };
        let importance: Vec<f64> = recipe.importance().into_iter().map(f64::from).collect();
        let mean = match recipe.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / features as f64,
        };
        let loss = graph::loss(&given, forward(recipe, &given)?, &importance, mean / samples as f64)?;
        let value = loss.array();
        let gradients = loss.try_backward()?;
        Ok((value, parameters.iter().map(|parameter| gradients.get(parameter).as_vec()).collect()))
    }

    /// One step: gradients, update, and everything that follows from the loss. Independent of the fused engine, which is tested against it.
    pub fn train_step(&mut self) -> Result<()> {
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

    pub fn result(self) -> TrainingResult {
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        TrainingResult {
            parameters: self.parameters.into_iter().map(narrow).collect(),
            loss: self.loss,
            history: self.history,
            steps_run: self.step,
        }
    }
}

/// The forward pass of a recipe's model.
fn forward(recipe: &Recipe, given: &ModelInputs) -> Result<ModelOutputs, DfdxError> {
    match recipe.architecture() {
        Architecture::Mixture(model) => mixture::forward(&model, given),
        Architecture::TwoLayer(model) => two_layer::forward(&model, given),
    }
}
