//! How parameters are initialised.

repro_base::record! {
    /// How parameters are initialised. The default depends on the model: all parameters of `moe-autoencoder` are xavier-normal; `weights` are
    /// xavier-normal in `linear-bottleneck` and `neurons` and, with `weights-out`, kaiming-uniform in `absolute-value`, biases zero.
    pub struct InitSettings {
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
impl Default for InitSettings {
    fn default() -> Self {
        InitSettings { weights: None, weights_out: None, bias: None, gate: None, instances: None }
    }
}

repro_base::union! {
    /// How a parameter is initialised.
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

impl InitSettings {
    /// The initialiser that the recipe gives each parameter, if any.
    pub fn by_parameter(&self) -> [(&'static str, &Option<Initialiser>); 4] {
        [("weights", &self.weights), ("weights-out", &self.weights_out), ("bias", &self.bias), ("gate", &self.gate)]
    }
}
