//! What models of two layers have in common: `h = f(W x)`, `y = ReLU(V h + b)`, with the loss between y and a target made of x.

use super::{Initialiser, Parameter};

/// A model of two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// f is ReLU; otherwise it is the identity.
    pub rectified: bool,
    /// V is the transpose of W and no parameter of its own.
    pub tied: bool,
    /// The target is |x|; otherwise it is x.
    pub magnitude: bool,
}

impl Layers {
    /// W \[m, n\], V \[n, m\] unless tied, b \[n\]. torch holds \[instances, m, n\], \[instances, n, m\] and \[instances, n\], of which it takes
    /// fan_in = size(1) and fan_out = size(0), both times the product of the sizes behind (nn.init._calculate_fan_in_and_fan_out).
    pub(super) fn parameters(self, n: usize, m: usize, instances: usize, weights: Initialiser) -> Vec<Parameter> {
        let (feature, hidden) = (("feature", n), ("hidden", m));
        let initialiser = weights;
        let mut parameters = vec![Parameter {
            name: "weights",
            axes: vec![hidden, feature],
            fans: [m * n, instances * n],
            initialiser: initialiser.clone(),
        }];
        if !self.tied {
            let fans = [n * m, instances * m];
            parameters.push(Parameter { name: "weights-out", axes: vec![feature, hidden], fans, initialiser });
        }
        let fans = [n, instances];
        parameters.push(Parameter { name: "bias", axes: vec![feature], fans, initialiser: Initialiser::Zero });
        parameters
    }
}
