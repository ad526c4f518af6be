//! The models that can be trained, one file each: settings, architecture, problems with the settings, and in tests their loss as the
//! publication writes it. A model knows no engine.

mod absolute_value;
pub mod architecture;
mod definition;
mod linear_bottleneck;
mod moe_autoencoder;
mod neurons;

pub use absolute_value::AbsoluteValue;
pub use definition::ModelDefinition;
pub use linear_bottleneck::LinearBottleneck;
pub use moe_autoencoder::MoeAutoencoder;
pub use neurons::Neurons;

repro_base::union! {
    /// What is trained.
    pub enum Model as dyn ModelDefinition {
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
