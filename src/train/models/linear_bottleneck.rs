//! The toy model of superposition (Elhage et al. 2022): x' = ReLU(W^T W x + b).
//!
//! With z = W^T W x + b, d = x' - x and g_j = (2 I_j / B n) d_j where z_j > 0, else 0: db = g, dW = h g^T + (W g) x^T with h = W x.

use super::{Definition, Fault, Initialiser, Layers, Parameter, Shape, check_sizes};

crate::record! {
    /// Autoencoder through fewer linear dimensions than features: `x' = ReLU(W^T W x + b)`.
    pub struct LinearBottleneck {
        /// Inputs and outputs, n.
        pub features: u32,
        /// Hidden dimensions, m.
        pub hidden: u32,
    }
}

impl LinearBottleneck {
    /// Its two layers.
    pub const LAYERS: Layers = Layers { rectified: false, tied: true, magnitude: false };
}

impl Definition for LinearBottleneck {
    fn shape(&self) -> Shape {
        Shape { experts: 1, features: self.features as usize, hidden: self.hidden as usize, active: 1 }
    }

    fn parameters(&self, instances: usize) -> Vec<Parameter> {
        let Shape { features, hidden, .. } = self.shape();
        Self::LAYERS.parameters(features, hidden, instances, Initialiser::XavierNormal)
    }

    fn layers(&self) -> Option<Layers> {
        Some(Self::LAYERS)
    }

    fn check(&self) -> Vec<Fault> {
        check_sizes(&[("features", self.features), ("hidden", self.hidden)])
    }
}

#[cfg(test)]
impl LinearBottleneck {
    /// Sum over inputs \[sample\]\[feature\] and features of importance times squared error, as the source writes it; `theta` holds all
    /// parameters one after another.
    pub fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64 {
        let (n, m) = (self.features as usize, self.hidden as usize);
        let (w, b) = theta.split_at(m * n);
        let mut total = 0.0;
        for x in inputs {
            for i in 0..n {
                // (W^T W)_ij written out.
                let gram = |j: usize| (0..m).map(|k| w[k * n + i] * w[k * n + j]).sum::<f64>();
                let output = (b[i] + (0..n).map(|j| gram(j) * x[j]).sum::<f64>()).max(0.0);
                total += f64::from(importance[i]) * (output - x[i]).powi(2);
            }
        }
        total
    }
}
