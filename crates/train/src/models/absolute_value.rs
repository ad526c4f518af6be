//! Computation in superposition (Elhage et al. 2022): h = ReLU(W1 x), y = ReLU(W2 h + b), with the target |x|.
//!
//! With d = y - |x| and g_j = (2 I_j / B n) d_j where the output's input is above 0, else 0: db = g; dW2 = g h^T;
//! e_k = (W2^T g)_k where (W1 x)_k > 0, else 0; dW1 = e x^T.

use super::architecture::{Architecture, TwoLayer, TwoLayerFlags};
use super::definition::ModelDefinition;
use crate::settings::init::Initialiser;

repro_base::record! {
    /// Neurons that compute |x|: `h = ReLU(W1 x)`, `y = ReLU(W2 h + b)`; meant for data with `signed: true`.
    pub struct AbsoluteValue {
        /// Inputs and outputs, n.
        pub features: u32,
        /// Neurons, m.
        pub hidden: u32,
    }
}

impl ModelDefinition for AbsoluteValue {
    fn architecture(&self) -> Architecture {
        Architecture::TwoLayer(TwoLayer {
            features: self.features as usize,
            hidden: self.hidden as usize,
            flags: TwoLayerFlags { rectified: true, tied: false, magnitude: true },
            initialiser: Initialiser::KaimingUniform,
        })
    }

    fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64 {
        let (n, m) = (self.features as usize, self.hidden as usize);
        let (w1, rest) = theta.split_at(m * n);
        let (w2, b) = rest.split_at(n * m);
        let mut total = 0.0;
        for x in inputs {
            let neuron = |k: usize| (0..n).map(|i| w1[k * n + i] * x[i]).sum::<f64>().max(0.0);
            let h: Vec<f64> = (0..m).map(neuron).collect();
            for i in 0..n {
                let output = (b[i] + (0..m).map(|k| w2[i * m + k] * h[k]).sum::<f64>()).max(0.0);
                total += f64::from(importance[i]) * (output - x[i].abs()).powi(2);
            }
        }
        total
    }
}
