//! The interface between kernels, which compute gradients, and training steps, which apply them.

use super::step_constants::StepConstants;
use crate::numerics::draws::BatchId;
use crate::numerics::simd::Simd;

/// Loss and gradients of one class of models, compiled once for each vector width.
pub trait GradientKernel {
    /// Compute the gradients of the batch `id` into `gradients`, and return its loss. Without `want_loss` the returned number may be another
    /// one, which is finite if the loss is.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the buffers have the layout of the model.
    unsafe fn gradients<V: Simd>(
        &mut self,
        constants: &StepConstants,
        id: BatchId,
        parameters: &[f32],
        gradients: &mut [f32],
        want_loss: bool,
    ) -> f32;
}
