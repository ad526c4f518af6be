//! One model in training: parameters, moments, and where the run is.

use super::mixture_layout::MixtureLayout;
use super::step_constants::StepConstants;
use super::two_layer_layout::TwoLayerLayout;
use crate::engines::initial_parameters::initial_parameters;
use crate::engines::kernel_class::KernelClass;
use crate::engines::result::TrainingResult;
use crate::numerics::aligned::AlignedF32;
use crate::recipe::Recipe;

/// A model in training without scratch space: what engines advance step by step, and what checkpoints hold.
pub struct TrainingState {
    pub recipe: Recipe,
    pub constants: StepConstants,
    /// The position in the buffers of every parameter, in the order of checkpoints and results.
    pub order: Vec<usize>,
    pub parameters: AlignedF32,
    pub gradients: AlignedF32,
    /// First and second moments.
    pub moments: [AlignedF32; 2],
    /// Steps taken.
    pub step: u32,
    /// beta1^t and beta2^t.
    pub powers: [f64; 2],
    /// The factor of the learning rate by the drop rule.
    pub drop: f64,
    pub stopped: bool,
    /// The last loss that was computed.
    pub loss: f32,
    pub history: Vec<(u32, f32)>,
}

impl TrainingState {
    /// A model before its first step.
    pub fn new(recipe: &Recipe) -> TrainingState {
        let (order, len) = parameter_positions(recipe);
        let mut values = AlignedF32::zeros(len);
        let initial = initial_parameters(recipe).into_iter().flatten();
        order.iter().zip(initial).for_each(|(&at, value)| values[at] = value);
        let zeros = AlignedF32::zeros(len);
        TrainingState {
            recipe: recipe.clone(),
            constants: StepConstants::new(recipe),
            order,
            parameters: values,
            gradients: zeros.clone(),
            moments: [zeros.clone(), zeros],
            step: 0,
            powers: [1.0, 1.0],
            drop: 1.0,
            stopped: false,
            loss: f32::NAN,
            history: Vec::new(),
        }
    }

    /// Numbers in the layout of the parameters as one row-major tensor each.
    pub fn tensors(&self, buffer: &AlignedF32) -> Vec<Vec<f32>> {
        let mut all = self.order.iter().map(|&at| buffer[at]);
        self.recipe.parameters().iter().map(|parameter| all.by_ref().take(parameter.len()).collect()).collect()
    }

    pub fn finished(&self) -> bool {
        self.stopped || self.step >= self.recipe.steps
    }

    /// Steps between two entries of the history.
    pub fn history_interval(&self) -> u32 {
        (self.recipe.steps / 50).max(1)
    }

    /// Whether the history keeps the loss of the current step.
    #[inline(always)]
    pub fn in_history(&self) -> bool {
        self.step.is_multiple_of(self.history_interval()) || self.step + 1 == self.recipe.steps
    }

    /// The parameters and the losses so far.
    pub fn result(&self) -> TrainingResult {
        let parameters = self.tensors(&self.parameters);
        TrainingResult { parameters, loss: self.loss, history: self.history.clone(), steps_run: self.step }
    }
}

/// The position of every parameter in the buffers, and the length of these.
fn parameter_positions(recipe: &Recipe) -> (Vec<usize>, usize) {
    let shape = recipe.shape();
    match KernelClass::for_recipe(recipe) {
        class @ (KernelClass::Small | KernelClass::Top1 | KernelClass::TopK) => {
            let layout = MixtureLayout::new(shape, class == KernelClass::Small);
            (layout.positions().collect(), layout.len())
        }
        KernelClass::TwoLayer(flags) => {
            let layout = TwoLayerLayout::new(shape, flags);
            (layout.positions(), layout.len())
        }
    }
}
