//! The recipe of one training run: every setting that decides the trained bytes.

use serde_json::{Map, Value as Json, json};

use super::engines;
use super::models::{Model, MoeAutoencoder, Parameter};
use crate::error::Error;
use crate::spec::{Decode, Node, Problems, Schemas, Yaml};

crate::record! {
    /// The recipe of one training run.
    pub struct Recipe with canonical {
        /// What is trained.
        pub model: Model,
        /// What it is trained on; a fresh batch every step.
        pub data: Data,
        /// How parameters begin.
        pub init: Init = Init::default(),
        /// How gradients move parameters.
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
        /// Decides initial parameters and all batches.
        pub seed: u64 = 0,
        /// What computes the training run.
        pub engine: Engine = Engine::Fused,
    }
}

/// What the key says of a recipe: initialisers as the model takes them, and the engine where it matters.
fn canonical(recipe: &Recipe, map: &mut Map<String, Json>) {
    map.insert("init".into(), recipe.init_manifest());
    match recipe.engine_manifest() {
        Some(engine) => map.insert("engine".into(), engine),
        None => map.remove("engine"),
    };
}

crate::union! {
    /// What a model is trained on.
    pub enum Data {
        /// Features present with one probability, their values uniform on [0, 1).
        "sparse-uniform" => SparseUniform(SparseUniform),
    }
}

crate::record! {
    /// Sparse uniform features: either `probability` or `sparsity`.
    pub struct SparseUniformSettings {
        /// Chance that a feature is present, in (0, 1].
        pub probability: Option<f64> = None,
        /// Chance that a feature is absent: 1 - probability.
        pub sparsity: Option<f64> = None,
        /// Weight of each feature's error in the loss: a number for all, a list, or a mapping.
        pub importance: Importance = Importance::default(),
        /// Values uniform on [-1, 1) instead of [0, 1).
        pub signed: bool = false,
        /// So many pairs of features, the first ones, are present together or not at all; their values are independent.
        pub correlated_pairs: u32 = 0,
        /// So many pairs of features, the next ones, are never present together; needs a probability of at most 0.5.
        pub anticorrelated_pairs: u32 = 0,
    }
}

/// Features present with one probability, their values uniform.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseUniform {
    /// Chance that a feature is present, in (0, 1].
    pub probability: f64,
    /// Weight of each feature's error in the loss.
    pub importance: Importance,
    /// Values on [-1, 1) instead of [0, 1).
    pub signed: bool,
    /// Features 2i and 2i + 1 are present together, for i below this.
    pub correlated_pairs: u32,
    /// Of the pairs that follow, the two are never present together.
    pub anticorrelated_pairs: u32,
}

impl Decode for SparseUniform {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let settings = SparseUniformSettings::decode(node, problems)?;
        let probability = match (settings.probability, settings.sparsity) {
            (Some(probability), None) => probability,
            (None, Some(sparsity)) => complement(sparsity),
            (Some(_), Some(_)) => {
                let error = Error::user("`probability` and `sparsity` say the same thing (probability = 1 - sparsity)");
                problems.push(error.at(node.deepest(&["sparsity"]).span).hint("keep one of them"));
                return None;
            }
            (None, None) => {
                let error = Error::user("`probability` is missing here: the chance that a feature is present");
                problems.push(error.at(node.span).hint("or give `sparsity`, which is 1 - probability"));
                return None;
            }
        };
        let SparseUniformSettings { importance, signed, correlated_pairs, anticorrelated_pairs, .. } = settings;
        Some(SparseUniform { probability, importance, signed, correlated_pairs, anticorrelated_pairs })
    }

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        match path {
            [] => *self = Self::decode(node, problems)?,
            ["probability"] => self.probability = f64::decode(node, problems)?,
            ["sparsity"] => self.probability = complement(f64::decode(node, problems)?),
            ["importance", rest @ ..] => self.importance.assign(rest, node, problems)?,
            ["signed"] => self.signed.assign(&[], node, problems)?,
            ["correlated-pairs"] => self.correlated_pairs.assign(&[], node, problems)?,
            ["anticorrelated-pairs"] => self.anticorrelated_pairs.assign(&[], node, problems)?,
            [first, ..] => {
                let known =
                    ["probability", "sparsity", "importance", "signed", "correlated-pairs", "anticorrelated-pairs"];
                crate::spec::no_field(first, &known.map(str::to_string), node, problems);
                return None;
            }
        }
        Some(())
    }

    fn manifest(&self) -> Json {
        let mut json = json!({"probability": self.probability, "importance": self.importance.manifest()});
        // Only what is set.
        if self.signed {
            json["signed"] = json!(true);
        }
        for (name, pairs) in
            [("correlated-pairs", self.correlated_pairs), ("anticorrelated-pairs", self.anticorrelated_pairs)]
        {
            if pairs > 0 {
                json[name] = pairs.manifest();
            }
        }
        json
    }

    fn schema(schemas: &mut Schemas) -> Json {
        SparseUniformSettings::schema(schemas)
    }

    fn expected() -> String {
        SparseUniformSettings::expected()
    }
}

/// 1 - x to 15 decimals, so that a sparsity of 0.9 is a probability of 0.1 and not of 0.09999999999999998.
fn complement(x: f64) -> f64 {
    ((1.0 - x) * 1e15).round() / 1e15
}

crate::record! {
    /// Weight of each feature's error: one of `constant`, `powers` and `values`, and maybe another weight for the last feature.
    pub struct ImportanceSettings {
        /// The same weight for every feature.
        pub constant: Option<f64> = None,
        /// Powers of this base: `base^(first + i)` for feature i = 0, 1, ...
        pub powers: Option<f64> = None,
        /// With `powers`: the exponent of feature 0.
        pub first: f64 = 0.0,
        /// With `powers`: deal the powers to the features in a random order decided by this seed.
        pub shuffle: Option<u64> = None,
        /// The weights one by one.
        pub values: Option<Vec<f64>> = None,
        /// Another weight for the last feature.
        pub last: Option<f64> = None,
    }
}

/// Weight of each feature's error in the loss. A number or a list in the paper file is short for `constant` or `values`.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance(pub ImportanceSettings);

impl Default for Importance {
    fn default() -> Self {
        Importance(ImportanceSettings {
            constant: Some(1.0),
            powers: None,
            first: 0.0,
            shuffle: None,
            values: None,
            last: None,
        })
    }
}

impl Decode for Importance {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let empty = ImportanceSettings { constant: None, ..Importance::default().0 };
        let settings = match &node.value {
            Yaml::List(_) => ImportanceSettings { values: Some(Vec::decode(node, problems)?), ..empty },
            Yaml::Map(_) => ImportanceSettings::decode(node, problems)?,
            _ => ImportanceSettings { constant: Some(f64::decode(node, problems)?), ..empty },
        };
        let given = [settings.constant.is_some(), settings.powers.is_some(), settings.values.is_some()];
        match given.iter().filter(|&&is| is).count() {
            1 => Some(Importance(settings)),
            0 => Some(Importance(ImportanceSettings { constant: Some(1.0), ..settings })),
            _ => {
                let error = Error::user("`constant`, `powers` and `values` exclude each other").at(node.span);
                problems.push(error.hint("keep one of them; `last` may be added to any"));
                None
            }
        }
    }

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        if path.is_empty() {
            *self = Self::decode(node, problems)?;
            return Some(());
        }
        self.0.assign(path, node, problems)
    }

    fn manifest(&self) -> Json {
        // Only what is set: the forms exclude each other.
        let mut json = self.0.manifest();
        if let Some(map) = json.as_object_mut() {
            map.retain(|key, value| !(value.is_null() || key == "first" && self.0.powers.is_none()));
        }
        json
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let mapping = ImportanceSettings::schema(schemas);
        json!({"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}, mapping]})
    }

    fn expected() -> String {
        "a number for all features, a list of numbers, or a mapping such as `{powers: 0.7}`".into()
    }
}

crate::record! {
    /// How parameters begin. What is not given follows the model: all parameters of `moe-autoencoder` are xavier-normal; `weights` are
    /// xavier-normal in `linear-bottleneck` and `neurons` and, with `weights-out`, kaiming-uniform in `absolute-value`, biases zero.
    pub struct Init {
        /// W, of every expert if there are experts.
        pub weights: Option<Initialiser> = None,
        /// W2 of `absolute-value`.
        pub weights_out: Option<Initialiser> = None,
        /// b.
        pub bias: Option<Initialiser> = None,
        /// The gate G of `moe-autoencoder`.
        pub gate: Option<Initialiser> = None,
        /// How many models torch holds in one tensor, on which its fans and so the size of the first weights depend; 1 if not given. Not
        /// for `moe-autoencoder`, whose tensors hold its experts.
        pub instances: Option<u32> = None,
    }
}

// `record!` derives no default: most records have fields that must be given.
#[allow(clippy::derivable_impls)]
impl Default for Init {
    fn default() -> Self {
        Init { weights: None, weights_out: None, bias: None, gate: None, instances: None }
    }
}

crate::union! {
    /// How a parameter begins.
    pub enum Initialiser {
        /// Normal with variance 2 / (fan_in + fan_out), fans by torch's rule for the tensor of all experts.
        "xavier-normal" => XavierNormal,
        /// Uniform with variance 2 / fan_in (gain sqrt 2), fan by the same rule.
        "kaiming-uniform" => KaimingUniform,
        /// All zero.
        "zero" => Zero,
        /// One where all indices are equal, zero elsewhere.
        "diagonal" => Diagonal,
        /// Features cut into as many equal groups as experts, in order; one where the feature is of the expert's group.
        "ordered-k-hot" => OrderedKHot,
        /// The same with a random permutation of the features.
        "random-k-hot" => RandomKHot,
    }
}

crate::union! {
    /// How gradients move parameters.
    pub enum Optimizer {
        /// Adam; weight decay, if any, is added to the gradient (L2).
        "adam" => Adam(AdamSettings),
        /// Adam with decoupled weight decay on all parameters.
        "adamw" => AdamW(AdamWSettings),
    }
}

crate::record! {
    /// Adam with torch's defaults.
    pub struct AdamSettings {
        /// Learning rate.
        pub lr: f64 = 1e-3,
        /// Decay of the first moment.
        pub beta1: f64 = 0.9,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999,
        /// Added to the denominator.
        pub eps: f64 = 1e-8,
    }
}

crate::record! {
    /// AdamW with torch's defaults.
    pub struct AdamWSettings {
        /// Learning rate.
        pub lr: f64 = 1e-3,
        /// Decay of the first moment.
        pub beta1: f64 = 0.9,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999,
        /// Added to the denominator.
        pub eps: f64 = 1e-8,
        /// Decoupled weight decay.
        pub weight_decay: f64 = 0.01,
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer::AdamW(AdamWSettings { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 })
    }
}

crate::union! {
    /// How the learning rate changes over the steps.
    pub enum Schedule {
        /// It does not.
        "constant" => Constant,
        /// lr (1 - step/steps).
        "linear" => Linear,
        /// lr cos(pi/2 step/(steps - 1)).
        "cosine" => Cosine,
    }
}

crate::union! {
    /// What computes a training run.
    pub enum Engine {
        /// Kernels with analytic gradients, fast and the same bits on every machine.
        "fused" => Fused,
        /// The models' definitions in binary64, differentiated automatically (dfdx): slow, and to the last bits the same only on one machine.
        "reference" => Reference,
    }
}

crate::union! {
    /// How squared errors of the features are put together.
    pub enum Reduction {
        /// Their sum.
        "sum" => Sum,
        /// Their mean.
        "mean" => Mean,
    }
}

crate::record! {
    /// After a step whose loss is below `drop-below` the learning rate is multiplied by `factor` (every such step); below
    /// `stop-below` training ends.
    pub struct DropAndStop {
        pub drop_below: f64 = 0.015,
        pub factor: f64 = 0.1,
        pub stop_below: f64 = 0.01,
    }
}

impl Init {
    /// What the recipe says of each parameter.
    pub fn given(&self) -> [(&'static str, &Option<Initialiser>); 4] {
        [("weights", &self.weights), ("weights-out", &self.weights_out), ("bias", &self.bias), ("gate", &self.gate)]
    }
}

/// Sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub experts: usize,
    pub features: usize,
    pub hidden: usize,
    /// Experts used for each input.
    pub active: usize,
}

impl Recipe {
    /// Models without experts have one.
    pub fn shape(&self) -> Shape {
        self.model.entry().shape()
    }

    /// Trained tensors with the initialisers that the recipe gives them, in the order of checkpoints and results.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.model.entry().parameters(self.init.instances.unwrap_or(1) as usize);
        for parameter in &mut parameters {
            if let Some(Some(given)) = self.init.given().iter().find(|(name, _)| *name == parameter.name).map(|g| g.1) {
                parameter.initialiser = given.clone();
            }
        }
        parameters
    }

    pub(super) fn init_manifest(&self) -> Json {
        let parameters = self.parameters().into_iter();
        let mut map: Map<String, Json> = parameters.map(|p| (p.name.to_string(), p.initialiser.manifest())).collect();
        if self.model.entry().layers().is_some() {
            map.insert("instances".into(), self.init.instances.unwrap_or(1).manifest());
        }
        Json::Object(map)
    }

    /// What the key says of the engine; nothing of the fused one, whose results the contract binds.
    pub(super) fn engine_manifest(&self) -> Option<Json> {
        match self.engine {
            Engine::Fused => None,
            Engine::Reference => Some(json!({"reference": engines::reference::VERSION})),
        }
    }

    /// Weight of the load-balancing loss, 0 if off.
    pub fn load_balancing(&self) -> f64 {
        match &self.model {
            Model::MoeAutoencoder(model) => model.load_balancing,
            _ => 0.0,
        }
    }

    /// Chance that a feature is present.
    pub fn probability(&self) -> f64 {
        let Data::SparseUniform(data) = &self.data;
        data.probability
    }

    /// Weight of each feature's error.
    pub fn importance(&self) -> Vec<f32> {
        let Data::SparseUniform(data) = &self.data;
        let settings = &data.importance.0;
        let n = self.shape().features;
        let mut values = match (&settings.values, settings.powers) {
            (Some(values), _) => values.iter().map(|&value| value as f32).collect(),
            (None, Some(base)) => powers(base, settings.first, settings.shuffle, n),
            (None, None) => vec![settings.constant.unwrap_or(1.0) as f32; n],
        };
        if let (Some(last), Some(slot)) = (settings.last, values.last_mut()) {
            *slot = last as f32;
        }
        values
    }

    /// A rough estimate of the run's time in seconds on one core with AVX-512, for schedules and time left; measured rates refine it.
    pub fn seconds(&self) -> f64 {
        let Shape { experts, features, hidden, active } = self.shape();
        let [n, m, e, k] = [features, hidden, experts, active].map(|size| size as f64);
        let vectors = |size: f64| (size / 16.0).ceil();
        let batch = f64::from(self.batch);
        if self.engine == Engine::Reference {
            return f64::from(self.steps) * engines::reference::seconds(self);
        }
        // Nanoseconds a sample, then a step: drawing inputs, routing, and what grows with weights.
        let nanoseconds = if engines::cpu::is_small(self.shape()) {
            let some = 1.0 - (1.0 - self.probability()).powi(features as i32);
            let own = n * (0.06 + 0.06 * m) + (e - 1.0) * (0.2 + n * (0.1 + 0.05 * m));
            80.0 + batch * (0.19 * n + some * own)
        } else if active == 1 {
            let routing = if experts > 1 { 5.0 + 0.22 * n * vectors(e) } else { 5.0 };
            let products = n * vectors(m) * 0.48 + vectors(n) * (1.2 + 0.64 * m);
            batch * (0.22 * n + routing + products) + 0.5 * e * m * n
        } else {
            let products = 0.24 * n * vectors(e * (m + 1.0)) + 1.5 * k * e;
            batch * (0.22 * n + products + 3.6 * k * vectors(n) * (m + 2.0)) + 0.5 * e * m * n
        };
        f64::from(self.steps) * nanoseconds * 1e-9
    }

    /// A small recipe, for tests and benchmarks.
    pub fn example(features: u32, hidden: u32, experts: u32, active: u32) -> Recipe {
        Recipe {
            model: Model::MoeAutoencoder(MoeAutoencoder { features, hidden, experts, active, load_balancing: 0.0 }),
            data: Data::SparseUniform(SparseUniform { probability: 0.1, ..SparseUniform::default() }),
            init: Init::default(),
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

/// `base^(first + i)` by repeated multiplication where the exponent is whole, so that it is the same everywhere.
fn powers(base: f64, first: f64, shuffle: Option<u64>, n: usize) -> Vec<f32> {
    let start = if first.fract() == 0.0 && first.abs() < 1e6 { whole_power(base, first as i64) } else { f64::NAN };
    let mut value = start;
    let mut values = Vec::with_capacity(n);
    for _ in 0..n {
        values.push(value as f32);
        value *= base;
    }
    match shuffle {
        Some(seed) => super::rng::Words::new(seed, 9).permutation(n).into_iter().map(|i| values[i]).collect(),
        None => values,
    }
}

fn whole_power(base: f64, exponent: i64) -> f64 {
    let power = (0..exponent.unsigned_abs()).fold(1.0, |product, _| product * base);
    if exponent < 0 { 1.0 / power } else { power }
}
