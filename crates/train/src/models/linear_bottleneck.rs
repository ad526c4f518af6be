//! The toy model of superposition (Elhage et al. 2022): x' = ReLU(W^T W x + b).
//!
//! With z = W^T W x + b, d = x' - x and g_j = (2 I_j / B n) d_j where z_j > 0, else 0: db = g, dW = h g^T + (W g) x^T with h = W x.

use super::architecture::{Architecture, TwoLayer, TwoLayerFlags};
use super::definition::ModelDefinition;
use crate::settings::init::Initialiser;

repro_base::record! {
    /// Autoencoder through fewer linear dimensions than features: `x' = ReLU(W^T W x + b)`.
    pub struct LinearBottleneck {
        /// Inputs and outputs, n.
        pub features: u32,
        /// Hidden dimensions, m.
        pub hidden: u32,
    }
}

impl ModelDefinition for LinearBottleneck {
    fn architecture(&self) -> Architecture {
        Architecture::TwoLayer(TwoLayer {
            features: self.features as usize,
            hidden: self.hidden as usize,
            flags: TwoLayerFlags { rectified: false, tied: true, magnitude: false },
            initialiser: Initialiser::XavierNormal,
        })
    }

    fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64 {
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
