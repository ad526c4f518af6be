//! The batches of the CPU engine as rows, for the reference engine.

use super::small_inputs::{DrawSmallInputs, SmallInputs};
use super::step_constants::StepConstants;
use crate::engines::kernel_class::KernelClass;
use crate::numerics::draws::{BatchId, PresenceThreshold, RandomStream};
use crate::numerics::simd::{Level, dispatch};
use crate::recipe::Recipe;

/// The batch of a training step, row-major \[B, n\]: the inputs that the kernels draw, in any order of samples.
pub fn draw_batch(recipe: &Recipe, step: u32) -> Vec<f32> {
    let (samples, n) = (recipe.batch as usize, recipe.shape().features);
    match KernelClass::for_recipe(recipe) {
        KernelClass::Small => draw_small_batch(recipe, step),
        KernelClass::Top1 | KernelClass::TopK | KernelClass::TwoLayer(_) => {
            let id = BatchId { seed: recipe.seed, stream: RandomStream::Training, step };
            let rows = recipe.distribution().draw_rows(Level::best(), id, samples, n);
            rows.x.chunks_exact(rows.stride.max(1)).take(samples).flat_map(|row| &row[..n]).copied().collect()
        }
    }
}

/// The batch of a step of a small model, row-major \[B, n\]; samples that are all zero come last.
fn draw_small_batch(recipe: &Recipe, step: u32) -> Vec<f32> {
    let constants = StepConstants::new(recipe);
    let inputs = &mut SmallInputs::new(&constants, recipe.seed);
    let threshold = PresenceThreshold::new(constants.probability, step);
    let (level, samples, n) = (Level::best(), constants.samples, constants.shape.features);
    let count = match n {
        1 => dispatch(level, DrawSmallInputs::<1> { inputs, step, threshold, samples }),
        2 => dispatch(level, DrawSmallInputs::<2> { inputs, step, threshold, samples }),
        _ => dispatch(level, DrawSmallInputs::<3> { inputs, step, threshold, samples }),
    };
    let mut rows = vec![0.0; samples * n];
    for (s, row) in rows.chunks_exact_mut(n).enumerate().take(count) {
        row.iter_mut().zip(&inputs.x).for_each(|(x, feature)| *x = feature[s]);
    }
    rows
}
