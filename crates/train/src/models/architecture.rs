//! The architectures that engines can train. A model is one of these, so that an engine is written once for all models of an architecture,
//! and the compiler names every place that a new architecture needs.

use crate::settings::init::Initialiser;

/// What an engine needs to know of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    Mixture(Mixture),
    TwoLayer(TwoLayer),
}

/// A mixture of experts: `y = sum_e a_e ReLU((x W_e) W_e^T + b_e)` with the weights `a_e` of the top-k scores `G_e . x`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    pub shape: ModelShape,
    /// Weight of the load-balancing loss; 0 is off.
    pub load_balancing: f64,
}

/// Two layers: `h = f(W x)`, `y = ReLU(V h + b)`, with the loss between y and a target computed from x.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayer {
    pub features: usize,
    pub hidden: usize,
    pub flags: TwoLayerFlags,
    /// How W and V are initialised unless the recipe says otherwise.
    pub initialiser: Initialiser,
}

/// What distinguishes the models of two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TwoLayerFlags {
    /// f is ReLU; otherwise it is the identity.
    pub rectified: bool,
    /// V is the transpose of W and no parameter of its own.
    pub tied: bool,
    /// The target is |x|; otherwise it is x.
    pub magnitude: bool,
}

/// Sizes of a model. Models without experts have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelShape {
    pub experts: usize,
    pub features: usize,
    pub hidden: usize,
    /// Experts used for each input.
    pub active: usize,
}

/// A trained tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    /// Names and lengths of its axes, row-major.
    pub axes: Vec<(&'static str, usize)>,
    /// torch's fan_in and fan_out of the tensor that holds it.
    pub fans: [usize; 2],
    /// How it is initialised unless the recipe says otherwise.
    pub initialiser: Initialiser,
}

impl Architecture {
    pub fn shape(&self) -> ModelShape {
        match self {
            Architecture::Mixture(mixture) => mixture.shape,
            Architecture::TwoLayer(TwoLayer { features, hidden, .. }) => {
                ModelShape { experts: 1, features: *features, hidden: *hidden, active: 1 }
            }
        }
    }

    /// The trained tensors, in the order of checkpoints and results. `instances` is how many models torch would hold in one tensor.
    pub fn parameters(&self, instances: usize) -> Vec<Parameter> {
        match self {
            Architecture::Mixture(mixture) => mixture.parameters(),
            Architecture::TwoLayer(layers) => layers.parameters(instances),
        }
    }
}

impl Architecture {
    /// Whether inputs may be signed or come in pairs; otherwise features are independent, with values in [0, 1].
    pub fn accepts_signed_and_paired_inputs(&self) -> bool {
        match self {
            Architecture::Mixture(_) => false,
            Architecture::TwoLayer(_) => true,
        }
    }

    /// Whether torch holds several models in one tensor, so that their number decides the fans; the tensors of a mixture hold its experts.
    pub fn counts_instances(&self) -> bool {
        match self {
            Architecture::Mixture(_) => false,
            Architecture::TwoLayer(_) => true,
        }
    }
}

impl Mixture {
    /// W \[E, n, m\], b \[E, n\] and G \[E, n\]. torch's fans: of \[E, n, m\] fan_in = n m, fan_out = E m; of \[E, n\] fan_in = n, fan_out = E.
    fn parameters(&self) -> Vec<Parameter> {
        let ModelShape { experts, features, hidden, .. } = self.shape;
        let flat = vec![("expert", experts), ("feature", features)];
        let deep = [flat.clone(), vec![("hidden", hidden)]].concat();
        let make = |name, axes, fans| Parameter { name, axes, fans, initialiser: Initialiser::XavierNormal };
        vec![
            make("weights", deep, [features * hidden, experts * hidden]),
            make("bias", flat.clone(), [features, experts]),
            make("gate", flat, [features, experts]),
        ]
    }
}

impl TwoLayer {
    /// W \[m, n\], V \[n, m\] unless tied, b \[n\]. torch holds \[instances, m, n\], \[instances, n, m\] and \[instances, n\], of which it takes
    /// fan_in = size(1) and fan_out = size(0), both times the product of the sizes behind (nn.init._calculate_fan_in_and_fan_out).
    fn parameters(&self, instances: usize) -> Vec<Parameter> {
        let (n, m) = (self.features, self.hidden);
        let (feature, hidden) = (("feature", n), ("hidden", m));
        let initialiser = &self.initialiser;
        let mut parameters = vec![Parameter {
            name: "weights",
            axes: vec![hidden, feature],
            fans: [m * n, instances * n],
            initialiser: initialiser.clone(),
        }];
        if !self.flags.tied {
            let fans = [n * m, instances * m];
            let axes = vec![feature, hidden];
            parameters.push(Parameter { name: "weights-out", axes, fans, initialiser: initialiser.clone() });
        }
        let fans = [n, instances];
        parameters.push(Parameter { name: "bias", axes: vec![feature], fans, initialiser: Initialiser::Zero });
        parameters
    }
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
