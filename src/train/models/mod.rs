//! The models that can be trained, one file each: settings, parameters, what is wrong with the settings, and in tests their loss as written
//! in the source, in binary64, for the engines to be held to. A model knows no engine.

mod absolute_value;
mod layers;
mod linear_bottleneck;
mod moe_autoencoder;
mod neurons;

pub use absolute_value::AbsoluteValue;
pub use layers::Layers;
pub use linear_bottleneck::LinearBottleneck;
pub use moe_autoencoder::MoeAutoencoder;
pub use neurons::Neurons;

use super::check::{Fault, fault};
use super::{Initialiser, Shape};

/// The largest size of anything.
const MOST: u32 = 4096;

crate::union! {
    /// What is trained.
    pub enum Model as dyn Definition {
        /// Mixture-of-experts autoencoder with tied weights and one bias an expert (arXiv 2510.23671); one expert is the dense model.
        "moe-autoencoder" => MoeAutoencoder(MoeAutoencoder),
        /// Autoencoder through fewer linear dimensions than features (Elhage et al. 2022).
        "linear-bottleneck" => LinearBottleneck(LinearBottleneck),
        /// The same with a ReLU on the hidden dimensions, which makes neurons of them.
        "neurons" => Neurons(Neurons),
        /// Neurons that compute the absolute value of every feature.
        "absolute-value" => AbsoluteValue(AbsoluteValue),
    }
}

/// What every model says of itself.
pub trait Definition {
    fn shape(&self) -> Shape;

    /// Its trained tensors, in the order of checkpoints and results. `instances` is how many models torch would hold in one tensor.
    fn parameters(&self, instances: usize) -> Vec<Parameter>;

    /// Its two layers, if it is made of two; a mixture of experts is not.
    fn layers(&self) -> Option<Layers>;

    /// What is wrong with its settings.
    fn check(&self) -> Vec<Fault>;
}

/// A trained tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    /// Names and lengths of its axes, row-major.
    pub axes: Vec<(&'static str, usize)>,
    /// torch's fan_in and fan_out of the tensor that holds it.
    pub fans: [usize; 2],
    /// How it begins unless the recipe says otherwise.
    pub initialiser: Initialiser,
}

impl Parameter {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|(_, length)| length).product()
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Sizes outside 1 to 4096.
fn check_sizes(sizes: &[(&str, u32)]) -> Vec<Fault> {
    let wrong = |&(name, value): &(&str, u32)| match value {
        0 => Some(fault(&format!("model.{name}"), format!("`{name}` must be at least 1"))),
        1..=MOST => None,
        _ => Some(fault(&format!("model.{name}"), format!("`{name}` is {value}; at most {MOST} are supported"))),
    };
    sizes.iter().filter_map(wrong).collect()
}
