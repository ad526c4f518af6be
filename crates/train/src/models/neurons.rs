//! The toy model with a privileged basis (Elhage et al. 2022): h = ReLU(W x), x' = ReLU(W^T h + b).
//!
//! With d = x' - x and g_j = (2 I_j / B n) d_j where the output's input is above 0, else 0: db = g; e_k = (W g)_k where (W x)_k > 0, else 0;
//! dW = h g^T + e x^T.

use super::architecture::{Architecture, TwoLayer, TwoLayerFlags};
use super::definition::ModelDefinition;
use crate::settings::init::Initialiser;

repro_base::record! {
    /// Autoencoder with ReLU neurons: `h = ReLU(W x)`, `x' = ReLU(W^T h + b)`.
    pub struct Neurons {
        /// Inputs and outputs, n.
        pub features: u32,
        /// Neurons, m.
        pub hidden: u32,
    }
}

impl ModelDefinition for Neurons {
    fn architecture(&self) -> Architecture {
        Architecture::TwoLayer(TwoLayer {
            features: self.features as usize,
            hidden: self.hidden as usize,
            flags: TwoLayerFlags { rectified: true, tied: true, magnitude: false },
            initialiser: Initialiser::XavierNormal,
        })
    }

    fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64 {
        let (n, m) = (self.features as usize, self.hidden as usize);
        let (w, b) = theta.split_at(m * n);
        let mut total = 0.0;
        for x in inputs {
            let neuron = |k: usize| (0..n).map(|i| w[k * n + i] * x[i]).sum::<f64>().max(0.0);
            let h: Vec<f64> = (0..m).map(neuron).collect();
            for i in 0..n {
                let output = (b[i] + (0..m).map(|k| w[k * n + i] * h[k]).sum::<f64>()).max(0.0);
                total += f64::from(importance[i]) * (output - x[i]).powi(2);
            }
        }
        total
    }
}
