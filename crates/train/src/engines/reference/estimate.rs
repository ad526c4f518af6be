//! How long the reference engine takes, and how much memory.

use crate::recipe::Recipe;

/// The most [`memory`] that a recipe may need.
#[cfg(feature = "reference")]
pub const MAX_MEMORY: u64 = 8 << 30;

/// Memory of one step in bytes: about seven copies of what all experts give for the whole batch, and the parameters.
#[cfg(feature = "reference")]
pub fn memory(recipe: &Recipe) -> u64 {
    let shape = recipe.shape();
    let wide = shape.experts as u64 * (7 * shape.features as u64 + 4 * shape.hidden as u64 + 4);
    let parameters: usize = recipe.parameters().iter().map(|parameter| parameter.len()).sum();
    8 * (u64::from(recipe.batch) * wide + 5 * parameters as u64)
}

/// A rough estimate of a run's time in seconds on one core.
pub fn seconds(recipe: &Recipe) -> f64 {
    let shape = recipe.shape();
    let (n, m, experts) = (shape.features as f64, shape.hidden as f64, shape.experts as f64);
    // Every number is read and written about twenty times; six matrix products.
    f64::from(recipe.steps)
        * 1e-9
        * (60_000.0 + f64::from(recipe.batch) * experts * (60.0 * n + 10.0 * m + 1.5 * n * m))
}
