//! The constants of a training step.

use crate::models::architecture::ModelShape;
use crate::numerics::aligned::AlignedF32;
use crate::recipe::{Recipe, Reduction};

/// What a step computes with besides parameters and inputs.
#[derive(Clone, Debug)]
pub struct StepConstants {
    pub shape: ModelShape,
    pub samples: usize,
    pub probability: f64,
    /// I_j, padded with zeros.
    pub importance: AlignedF32,
    /// c_j = 2 I_j / B or 2 I_j / (B n), padded with zeros.
    pub slope: AlignedF32,
    /// 1/B or 1/(B n).
    pub scale: f32,
    /// Weight of the load-balancing loss, 0 if off.
    pub balance: f32,
}

impl StepConstants {
    pub fn new(recipe: &Recipe) -> StepConstants {
        let shape = recipe.shape();
        let per = match recipe.reduction {
            Reduction::Sum => f64::from(recipe.batch),
            Reduction::Mean => f64::from(recipe.batch) * shape.features as f64,
        };
        let (mut importance, mut slope) = (AlignedF32::zeros(shape.features), AlignedF32::zeros(shape.features));
        for (i, value) in recipe.importance().into_iter().enumerate().take(shape.features) {
            importance[i] = value;
            slope[i] = (2.0 * f64::from(value) / per) as f32;
        }
        StepConstants {
            shape,
            samples: recipe.batch as usize,
            probability: recipe.probability(),
            importance,
            slope,
            scale: (1.0 / per) as f32,
            balance: recipe.load_balancing() as f32,
        }
    }
}
