//! Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019) as torch.optim has them, in binary64, and the learning rate of each step.
//!
//! dfdx' own Adam subtracts the decoupled decay without the factor lr, so it cannot stand in for torch's.

use crate::recipe::Recipe;
use crate::settings::optimizer::{AdamWSettings, Schedule};

/// Update parameters and both moments with the gradients of step `step`, counted from 0. `drop` is the factor of the learning rate by the
/// drop rule.
pub fn update(
    recipe: &Recipe,
    step: u32,
    drop: f64,
    gradients: &[Vec<f64>],
    parameters: &mut [Vec<f64>],
    moments: &mut [Vec<Vec<f64>>; 2],
) {
    let AdamWSettings { lr, beta1, beta2, eps, weight_decay } = recipe.optimizer.hyperparameters();
    let lr = lr * drop * schedule_factor(recipe, step);
    let t = f64::from(step) + 1.0;
    let (correction1, correction2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
    let [first, second] = moments;
    let tensors = parameters.iter_mut().zip(gradients).zip(first.iter_mut().zip(second));
    for ((parameters, gradients), (first, second)) in tensors {
        for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *p *= 1.0 - lr * weight_decay;
            *p -= lr * (*m / correction1) / ((*v / correction2).sqrt() + eps);
        }
    }
}

/// The factor of the learning rate at a step.
fn schedule_factor(recipe: &Recipe, step: u32) -> f64 {
    let (step, steps) = (f64::from(step), f64::from(recipe.steps));
    match recipe.schedule {
        Schedule::Constant => 1.0,
        Schedule::Linear => 1.0 - step / steps,
        Schedule::Cosine => (std::f64::consts::FRAC_PI_2 * step / (steps - 1.0).max(1.0)).cos(),
    }
}
