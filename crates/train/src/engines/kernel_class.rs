//! Which kernel trains a recipe, on the CPU as on a GPU.

use crate::models::architecture::{Architecture, ModelShape, TwoLayerFlags};
use crate::recipe::Recipe;

/// The classes of models that have a kernel each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelClass {
    /// A mixture that the contract calls small: one sample a lane, everything in registers.
    Small,
    /// Any other mixture with one active expert.
    Top1,
    /// A mixture with several active experts.
    TopK,
    /// Two layers.
    TwoLayer(TwoLayerFlags),
}

impl KernelClass {
    pub fn for_recipe(recipe: &Recipe) -> KernelClass {
        match recipe.architecture() {
            Architecture::Mixture(mixture) if is_small(mixture.shape) => KernelClass::Small,
            Architecture::Mixture(mixture) if mixture.shape.active == 1 => KernelClass::Top1,
            Architecture::Mixture(_) => KernelClass::TopK,
            Architecture::TwoLayer(layers) => KernelClass::TwoLayer(layers.flags),
        }
    }
}

/// The most features, hidden dimensions and experts of a small mixture.
pub const SMALL_FEATURES: usize = 3;
pub const SMALL_HIDDEN: usize = 2;
pub const SMALL_EXPERTS: usize = 3;

/// Whether the contract calls a mixture of this shape small.
fn is_small(shape: ModelShape) -> bool {
    let ModelShape { experts, features, hidden, active } = shape;
    active == 1
        && (1..=SMALL_FEATURES).contains(&features)
        && (1..=SMALL_HIDDEN).contains(&hidden)
        && (1..=SMALL_EXPERTS).contains(&experts)
}
