//! One model in training with the kernel of its class.

use super::small::SmallKernel;
use super::top_1::Top1Kernel;
use super::top_k::TopKKernel;
use super::training_state::TrainingState;
use super::training_steps::TrainingSteps;
use super::two_layer::TwoLayerKernel;
use crate::engines::kernel_class::KernelClass;
use crate::engines::result::TrainingResult;
use crate::numerics::simd::{Level, dispatch};
use crate::recipe::Recipe;

/// A model in training.
pub struct Trainer {
    level: Level,
    kernel: AnyKernel,
    state: TrainingState,
}

enum AnyKernel {
    Small(Box<SmallKernel>),
    Top1(Box<Top1Kernel>),
    TopK(Box<TopKKernel>),
    TwoLayer(Box<TwoLayerKernel>),
}

impl AnyKernel {
    fn new(recipe: &Recipe, state: &TrainingState) -> AnyKernel {
        let constants = &state.constants;
        match KernelClass::for_recipe(recipe) {
            KernelClass::Small => AnyKernel::Small(Box::new(SmallKernel::new(constants, recipe.seed))),
            KernelClass::Top1 => AnyKernel::Top1(Box::new(Top1Kernel::new(constants, recipe.seed))),
            KernelClass::TopK => AnyKernel::TopK(Box::new(TopKKernel::new(constants, recipe.seed))),
            KernelClass::TwoLayer(flags) => {
                AnyKernel::TwoLayer(Box::new(TwoLayerKernel::new(flags, recipe.distribution(), constants)))
            }
        }
    }
}

impl Trainer {
    pub fn new(recipe: &Recipe, level: Level) -> Trainer {
        let state = TrainingState::new(recipe);
        Trainer { level, kernel: AnyKernel::new(recipe, &state), state }
    }

    /// Steps taken so far.
    pub fn steps_taken(&self) -> u32 {
        self.state.step
    }

    pub fn finished(&self) -> bool {
        self.state.finished()
    }

    /// Train up to `count` steps; fewer if training ends before.
    pub fn train_steps(&mut self, count: u32) {
        self.run(count);
    }

    /// Draw the batch of the current step and compute loss and gradients, without an update.
    pub fn gradients(&mut self) -> f32 {
        self.run(0)
    }

    fn run(&mut self, count: u32) -> f32 {
        let (state, level) = (&mut self.state, self.level);
        match &mut self.kernel {
            AnyKernel::Small(kernel) => kernel.run(level, state, count),
            AnyKernel::Top1(kernel) => dispatch(level, TrainingSteps { kernel: &mut **kernel, state, count }),
            AnyKernel::TopK(kernel) => dispatch(level, TrainingSteps { kernel: &mut **kernel, state, count }),
            AnyKernel::TwoLayer(kernel) => dispatch(level, TrainingSteps { kernel: &mut **kernel, state, count }),
        }
    }

    /// A checkpoint.
    pub fn save(&self) -> Vec<u8> {
        self.state.save()
    }

    /// See [`TrainingState::restore`].
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        self.state.restore(bytes)
    }

    /// The parameters and the losses so far.
    pub fn result(&self) -> TrainingResult {
        self.state.result()
    }

    /// The gradients last computed, in the order of the parameters.
    #[cfg(test)]
    pub fn parameter_gradients(&self) -> Vec<Vec<f32>> {
        self.state.tensors(&self.state.gradients)
    }

    /// Make models of two layers use lists of present features or whole rows, for the test that both give the same bytes.
    #[cfg(test)]
    pub fn use_feature_lists(&mut self, lists: bool) {
        if let AnyKernel::TwoLayer(kernel) = &mut self.kernel {
            **kernel = kernel.as_ref().clone().with_feature_lists(lists, self.state.constants.samples);
        }
    }
}
