//! Mixture of experts autoencoder (arXiv 2510.23671 C1): tied weights, one bias an expert, top-k routing.

use super::architecture::{Architecture, Mixture, ModelShape};
use super::definition::{ModelDefinition, check_sizes};
use crate::settings::problem::RecipeProblem;

repro_base::record! {
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

impl ModelDefinition for MoeAutoencoder {
    fn architecture(&self) -> Architecture {
        let [experts, features, hidden, active] =
            [self.experts, self.features, self.hidden, self.active].map(|size| size as usize);
        let shape = ModelShape { experts, features, hidden, active };
        Architecture::Mixture(Mixture { shape, load_balancing: self.load_balancing })
    }

    fn check(&self) -> Vec<RecipeProblem> {
        let mut problems = check_sizes(self.architecture().shape());
        if self.active > self.experts {
            let are = if self.experts == 1 { "is" } else { "are" };
            let message = format!("{} active experts, but there {are} only {}", self.active, self.experts);
            problems.push(RecipeProblem::new("model.active", message).hint("`active` is at most `experts`"));
        }
        if self.load_balancing < 0.0 {
            let message = "the weight of the load-balancing loss must not be negative";
            problems.push(RecipeProblem::new("model.load-balancing", message));
        }
        problems
    }

    fn loss(&self, theta: &[f64], inputs: &[Vec<f64>], importance: &[f32]) -> f64 {
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
