//! Metrics: arrays of a trained model to arrays, one file each.
//!
//! A metric sees one model: `weights` \[expert, feature, hidden\], `bias` and `gate` \[expert, feature\], `importance` \[feature\], and the
//! numbers `probability`, `active` and `loss`; or, of two layers, `weights` \[hidden, feature\], maybe `weights-out` \[feature, hidden\], and
//! `bias` \[feature\]. It knows no recipe, no sweep and no cache. Definitions follow "Sparsity and Superposition
//! in Mixture of Experts" (arXiv 2510.23671) and its published code; sums run in the order of the arrays, so that results are the same
//! everywhere.

mod dimensionality;
mod evaluation_loss;
mod expert_usage;
mod feature_geometry;
mod features_per_dimension;
mod global_dimensionality;
mod loss;
mod model;
mod monosemantic_features;
mod neuron_layers;
mod neurons;
mod partition;
mod represented_features;
mod signed_pairs;
mod specialization;
mod superposition_score;

use crate::error::Result;
use crate::value::Dataset;

pub use evaluation_loss::EvaluationLoss;
pub use model::TrainedModel;

/// Names that the axes of models and of metrics' arrays can have; a selection by any other name is an error.
pub const AXES: [&str; 9] = ["expert", "feature", "feature2", "hidden", "neuron", "rank", "step", "x1", "x2"];

/// What every metric defines.
pub trait Compute {
    /// Raised when results change; part of the key.
    fn version(&self) -> u32 {
        1
    }
    /// Names of the arrays that it computes.
    fn outputs(&self) -> &'static [&'static str];
    fn compute(&self, model: &Dataset) -> Result<Dataset>;
}

crate::union! {
    /// What is computed of a model.
    pub enum Metric as dyn Compute {
        /// Norms of features, their interference, and the Gram matrix.
        "feature-geometry" => FeatureGeometry(feature_geometry::FeatureGeometry),
        /// Dimensionality of each feature in each expert.
        "dimensionality" => Dimensionality(dimensionality::Dimensionality),
        /// Each expert's share of a feature.
        "specialization" => Specialization(specialization::Specialization),
        /// Dimensionality of each feature over all experts.
        "global-dimensionality" => GlobalDimensionality(global_dimensionality::GlobalDimensionality),
        /// Features per hidden dimension, by expert and over all.
        "features-per-dimension" => FeaturesPerDimension(features_per_dimension::FeaturesPerDimension),
        /// Superposition score of each feature, as in phase diagrams.
        "superposition-score" => SuperpositionScore(superposition_score::SuperpositionScore),
        /// Which features are represented, and how many.
        "represented-features" => RepresentedFeatures(represented_features::RepresentedFeatures),
        /// Features that share their direction with no other.
        "monosemantic-features" => MonosemanticFeatures(monosemantic_features::MonosemanticFeatures),
        /// How often each expert is used, ordinarily and when its monosemantic features are present.
        "expert-usage" => ExpertUsage(expert_usage::ExpertUsage),
        /// Which expert is used in which part of the space of two features.
        "partition" => Partition(partition::Partition),
        /// Weights of neurons, the most monosemantic first, and how many are monosemantic.
        "neurons" => Neurons(neurons::NeuronWeights),
        /// Weights into and out of every neuron, in the order of the model.
        "neuron-layers" => NeuronLayers(neuron_layers::NeuronLayers),
        /// Features whose absolute value is computed by two neurons of their own, one for each sign.
        "signed-pairs" => SignedPairs(signed_pairs::SignedPairs),
        /// Loss on fresh inputs, the same for every model.
        "evaluation-loss" => EvaluationLoss(EvaluationLoss),
        /// The losses of training.
        "loss" => Loss(loss::Loss),
    }
}
