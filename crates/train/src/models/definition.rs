//! What every model defines.

use super::architecture::{Architecture, ModelShape};
use crate::settings::problem::RecipeProblem;

/// The largest size of anything.
const MAX_SIZE: usize = 4096;

/// What every model defines.
pub trait ModelDefinition {
    /// What engines train.
    fn architecture(&self) -> Architecture;

    /// Problems with its settings.
    fn check(&self) -> Vec<RecipeProblem> {
        check_sizes(self.architecture().shape())
    }

    /// Sum over inputs \[sample\]\[feature\] and features of importance times squared error, as the publication writes it, in binary64; `theta`
    /// holds all parameters one after another. Without load balancing. Engines are tested against it.
    fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64;
}

/// Sizes outside 1 to 4096.
pub fn check_sizes(shape: ModelShape) -> Vec<RecipeProblem> {
    let ModelShape { features, hidden, experts, active } = shape;
    let check = |(name, size): (&str, usize)| match size {
        0 => Some(RecipeProblem::new(&format!("model.{name}"), format!("`{name}` must be at least 1"))),
        1..=MAX_SIZE => None,
        _ => {
            let message = format!("`{name}` is {size}; at most {MAX_SIZE} are supported");
            Some(RecipeProblem::new(&format!("model.{name}"), message))
        }
    };
    [("features", features), ("hidden", hidden), ("experts", experts), ("active", active)]
        .into_iter()
        .filter_map(check)
        .collect()
}
