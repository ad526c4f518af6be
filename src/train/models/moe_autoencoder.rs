//! Mixture of experts autoencoder (arXiv 2510.23671 C1): tied weights, one bias an expert, top-k routing.

use super::{Definition, Fault, Initialiser, Layers, Parameter, Shape, check_sizes, fault};

crate::record! {
    /// Mixture of experts autoencoder: `y = sum_e a_e ReLU((x W_e) W_e^T + b_e)`, with the weights `a_e` of the `active` experts of
    /// highest score `G_e . x` renormalised to sum to 1.
    pub struct MoeAutoencoder {
        /// Inputs and outputs, n.
        pub features: u32,
        /// Hidden dimensions of each expert, m.
        pub hidden: u32,
        /// Number of experts, E; 1 is the dense model.
        pub experts: u32 = 1,
        /// Experts used for each input, k.
        pub active: u32 = 1,
        /// Weight of the load-balancing loss `E sum_e f_e P_e`; 0 is off.
        pub load_balancing: f64 = 0.0,
    }
}

impl Definition for MoeAutoencoder {
    fn shape(&self) -> Shape {
        Shape {
            experts: self.experts as usize,
            features: self.features as usize,
            hidden: self.hidden as usize,
            active: self.active as usize,
        }
    }

    /// W \[E, n, m\], b \[E, n\] and G \[E, n\]. torch's fans: of \[E, n, m\] fan_in = n m, fan_out = E m; of \[E, n\] fan_in = n, fan_out = E.
    fn parameters(&self, _instances: usize) -> Vec<Parameter> {
        let Shape { experts, features, hidden, .. } = self.shape();
        let flat = vec![("expert", experts), ("feature", features)];
        let deep = [flat.clone(), vec![("hidden", hidden)]].concat();
        let make = |name, axes, fans| Parameter { name, axes, fans, initialiser: Initialiser::XavierNormal };
        vec![
            make("weights", deep, [features * hidden, experts * hidden]),
            make("bias", flat.clone(), [features, experts]),
            make("gate", flat, [features, experts]),
        ]
    }

    fn layers(&self) -> Option<Layers> {
        None
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = check_sizes(&[
            ("features", self.features),
            ("hidden", self.hidden),
            ("experts", self.experts),
            ("active", self.active),
        ]);
        if self.active > self.experts {
            let are = if self.experts == 1 { "is" } else { "are" };
            let message = format!("{} active experts, but there {are} only {}", self.active, self.experts);
            faults.push(Fault { hint: Some("`active` is at most `experts`".into()), ..fault("model.active", message) });
        }
        if self.load_balancing < 0.0 {
            faults.push(fault("model.load-balancing", "the weight of the load-balancing loss must not be negative"));
        }
        faults
    }
}

#[cfg(test)]
impl MoeAutoencoder {
    /// Sum over inputs \[sample\]\[feature\] and features of importance times squared error, without load balancing, as the source writes
    /// it; `theta` holds W, b and G one after another.
    pub fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64 {
        let [n, m, experts, k] = [self.features, self.hidden, self.experts, self.active].map(|size| size as usize);
        let (w, rest) = theta.split_at(experts * n * m);
        let (b, gate) = rest.split_at(experts * n);
        let mut total = 0.0;
        for x in inputs {
            let score = |e: usize| (0..n).map(|i| gate[e * n + i] * x[i]).sum::<f64>();
            let mut order: Vec<usize> = (0..experts).collect();
            // A stable sort leaves ties to the lowest index.
            order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
            let sum: f64 = order[..k].iter().map(|&e| score(e).exp()).sum();
            let mut output = vec![0.0; n];
            for &e in &order[..k] {
                let w = |i: usize, l: usize| w[(e * n + i) * m + l];
                let h: Vec<f64> = (0..m).map(|l| (0..n).map(|i| w(i, l) * x[i]).sum()).collect();
                for i in 0..n {
                    let z = b[e * n + i] + (0..m).map(|l| w(i, l) * h[l]).sum::<f64>();
                    output[i] += score(e).exp() / sum * z.max(0.0);
                }
            }
            total += (0..n).map(|i| f64::from(importance[i]) * (output[i] - x[i]).powi(2)).sum::<f64>();
        }
        total
    }
}
