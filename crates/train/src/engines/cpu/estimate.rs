//! How long the CPU engine takes.

use crate::engines::kernel_class::KernelClass;
use crate::models::architecture::ModelShape;
use crate::recipe::Recipe;

/// A rough estimate of a run's time in seconds on one core with AVX-512.
pub fn seconds(recipe: &Recipe) -> f64 {
    let ModelShape { experts, features, hidden, active } = recipe.shape();
    let [n, m, e, k] = [features, hidden, experts, active].map(|size| size as f64);
    let vectors = |size: f64| (size / 16.0).ceil();
    let batch = f64::from(recipe.batch);
    // Nanoseconds a sample, then a step: drawing inputs, routing, and what grows with weights.
    let nanoseconds = match KernelClass::for_recipe(recipe) {
        KernelClass::Small => {
            let some = 1.0 - (1.0 - recipe.probability()).powi(features as i32);
            let own = n * (0.06 + 0.06 * m) + (e - 1.0) * (0.2 + n * (0.1 + 0.05 * m));
            80.0 + batch * (0.19 * n + some * own)
        }
        KernelClass::Top1 | KernelClass::TwoLayer(_) => {
            let routing = if experts > 1 { 5.0 + 0.22 * n * vectors(e) } else { 5.0 };
            let products = n * vectors(m) * 0.48 + vectors(n) * (1.2 + 0.64 * m);
            batch * (0.22 * n + routing + products) + 0.5 * e * m * n
        }
        KernelClass::TopK => {
            let products = 0.24 * n * vectors(e * (m + 1.0)) + 1.5 * k * e;
            batch * (0.22 * n + products + 3.6 * k * vectors(n) * (m + 2.0)) + 0.5 * e * m * n
        }
    };
    f64::from(recipe.steps) * nanoseconds * 1e-9
}
