//! How parameters are updated: optimizer, learning rate schedule, early stopping.

repro_base::union! {
    /// How gradients update parameters.
    pub enum Optimizer {
        /// Adam; weight decay, if any, is added to the gradient (L2).
        "adam" => Adam(AdamSettings),
        /// Adam with decoupled weight decay on all parameters.
        "adamw" => AdamW(AdamWSettings),
    }
}

repro_base::record! {
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

repro_base::record! {
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

impl Optimizer {
    /// The hyperparameters of either; Adam has no weight decay.
    #[inline(always)]
    pub fn hyperparameters(&self) -> AdamWSettings {
        match self {
            Optimizer::Adam(AdamSettings { lr, beta1, beta2, eps }) => {
                AdamWSettings { lr: *lr, beta1: *beta1, beta2: *beta2, eps: *eps, weight_decay: 0.0 }
            }
            Optimizer::AdamW(settings) => settings.clone(),
        }
    }
}

repro_base::union! {
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

repro_base::record! {
    /// After a step whose loss is below `drop-below` the learning rate is multiplied by `factor` (every such step); below
    /// `stop-below` training ends.
    pub struct DropAndStop {
        pub drop_below: f64 = 0.015,
        pub factor: f64 = 0.1,
        pub stop_below: f64 = 0.01,
    }
}
