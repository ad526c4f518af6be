//! The recipe of one training run: every setting that decides the trained bytes, as plain data.

mod manifest_text;

use serde_json::{Map, Value as Json, json};

use super::contract::REFERENCE_VERSION;
use super::models::architecture::{Architecture, ModelShape, Parameter};
use super::models::{Model, MoeAutoencoder};
use super::numerics::distribution::InputDistribution;
use super::settings::data::{Data, SparseUniform};
use super::settings::init::InitSettings;
use super::settings::optimizer::{DropAndStop, Optimizer, Schedule};
use repro_base::spec::Decode;

pub use manifest_text::RecipeManifestText;

repro_base::record! {
    /// The recipe of one training run.
    pub struct Recipe with canonical {
        /// What is trained.
        pub model: Model,
        /// What it is trained on; a fresh batch every step.
        pub data: Data,
        /// How parameters are initialised.
        pub init: InitSettings = InitSettings::default(),
        /// How gradients update parameters.
        pub optimizer: Optimizer = Optimizer::default(),
        /// How the learning rate changes over the steps.
        pub schedule: Schedule = Schedule::Constant,
        /// Sum or mean of the squared errors over the features; the batch is always averaged.
        pub reduction: Reduction = Reduction::Mean,
        /// Samples a step.
        pub batch: u32 = 1024,
        /// Optimizer steps.
        pub steps: u32 = 10_000,
        /// Cut the learning rate and stop early once the loss is small.
        pub stop: Option<DropAndStop> = None,
        /// Determines initial parameters and all batches.
        pub seed: u64 = 0,
        /// The engine that computes the training run.
        pub engine: Engine = Engine::Fused,
    }
}

repro_base::union! {
    /// The engine that computes a training run.
    pub enum Engine {
        /// Kernels with analytic gradients, fast and the same bits on every machine.
        "fused" => Fused,
        /// The models' definitions in binary64, differentiated automatically (dfdx): slow, and to the last bits the same only on one machine.
        "reference" => Reference,
    }
}

repro_base::union! {
    /// How the squared errors of the features are combined.
    pub enum Reduction {
        /// Their sum.
        "sum" => Sum,
        /// Their mean.
        "mean" => Mean,
    }
}

/// The part of the key that the fields do not determine one by one: initialisers as the model uses them, and the engine's version.
fn canonical(recipe: &Recipe, map: &mut Map<String, Json>) {
    map.insert("init".into(), recipe.init_manifest());
    match recipe.engine_manifest() {
        Some(engine) => map.insert("engine".into(), engine),
        None => map.remove("engine"),
    };
}

impl Recipe {
    pub fn architecture(&self) -> Architecture {
        self.model.entry().architecture()
    }

    pub fn shape(&self) -> ModelShape {
        self.architecture().shape()
    }

    /// Trained tensors with the initialisers that the recipe gives them, in the order of checkpoints and results.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.architecture().parameters(self.init.instances.unwrap_or(1) as usize);
        for parameter in &mut parameters {
            let given = self.init.by_parameter();
            if let Some(Some(given)) = given.iter().find(|(name, _)| *name == parameter.name).map(|given| given.1) {
                parameter.initialiser = given.clone();
            }
        }
        parameters
    }

    fn init_manifest(&self) -> Json {
        let parameters = self.parameters().into_iter();
        let mut map: Map<String, Json> = parameters.map(|p| (p.name.to_string(), p.initialiser.manifest())).collect();
        if self.architecture().counts_instances() {
            map.insert("instances".into(), self.init.instances.unwrap_or(1).manifest());
        }
        Json::Object(map)
    }

    /// The engine in the key; absent for the fused one, whose results are fixed by the contract.
    fn engine_manifest(&self) -> Option<Json> {
        match self.engine {
            Engine::Fused => None,
            Engine::Reference => Some(json!({"reference": REFERENCE_VERSION})),
        }
    }

    /// Weight of the load-balancing loss, 0 if off.
    pub fn load_balancing(&self) -> f64 {
        match self.architecture() {
            Architecture::Mixture(mixture) => mixture.load_balancing,
            Architecture::TwoLayer(_) => 0.0,
        }
    }

    /// The settings of sparse uniform inputs.
    pub fn sparse_uniform(&self) -> &SparseUniform {
        let Data::SparseUniform(data) = &self.data;
        data
    }

    /// How the inputs are distributed.
    pub fn distribution(&self) -> InputDistribution {
        self.sparse_uniform().distribution()
    }

    /// Chance that a feature is present.
    pub fn probability(&self) -> f64 {
        self.sparse_uniform().probability
    }

    /// Weight of each feature's error.
    pub fn importance(&self) -> Vec<f32> {
        self.sparse_uniform().importance.weights(self.shape().features)
    }

    /// A small recipe, for tests and benchmarks.
    pub fn example(features: u32, hidden: u32, experts: u32, active: u32) -> Recipe {
        Recipe {
            model: Model::MoeAutoencoder(MoeAutoencoder { features, hidden, experts, active, load_balancing: 0.0 }),
            data: Data::SparseUniform(SparseUniform { probability: 0.1, ..SparseUniform::default() }),
            init: InitSettings::default(),
            optimizer: Optimizer::default(),
            schedule: Schedule::Constant,
            reduction: Reduction::Mean,
            batch: 64,
            steps: 20,
            stop: None,
            seed: 1,
            engine: Engine::Fused,
        }
    }
}
