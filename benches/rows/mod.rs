//! The models that benchmarks train.

use repro::train::{Data, Model, Recipe};

/// Features, hidden dimensions, experts, active; batch, probability, weight of the load-balancing loss.
pub type Row = ([u32; 4], u32, f64, f64);

pub const ROWS: [Row; 17] = [
    ([2, 1, 1, 1], 512, 0.5, 0.01),
    ([2, 1, 2, 1], 512, 0.5, 0.01),
    ([2, 1, 2, 1], 512, 0.1, 0.01),
    ([3, 1, 1, 1], 512, 0.5, 0.01),
    ([3, 1, 2, 1], 512, 0.5, 0.01),
    ([3, 1, 3, 1], 512, 0.5, 0.01),
    ([3, 2, 1, 1], 512, 0.5, 0.01),
    ([3, 2, 2, 1], 512, 0.5, 0.01),
    ([3, 2, 3, 1], 512, 0.5, 0.01),
    ([20, 6, 1, 1], 1024, 0.1, 0.0),
    ([20, 5, 4, 1], 1024, 0.1, 0.0),
    ([100, 10, 10, 1], 1024, 0.1, 0.0),
    ([100, 20, 1, 1], 1024, 0.1, 0.0),
    ([100, 20, 1, 1], 1024, 1.0, 0.0),
    ([100, 5, 4, 1], 1024, 0.3, 0.0),
    ([100, 2, 10, 2], 1024, 0.3, 0.0),
    ([100, 1, 20, 5], 1024, 0.3, 0.0),
];

pub fn name(&([n, m, e, k], batch, p, balance): &Row) -> String {
    let balance = if balance > 0.0 { ", load balancing" } else { "" };
    format!("{n}/{m}/{e}, k={k}, batch {batch}, p={p}{balance}")
}

/// The recipe of a row.
pub fn recipe(&([n, m, e, k], batch, probability, balance): &Row, steps: u32) -> Recipe {
    let mut recipe = Recipe { batch, steps, ..Recipe::example(n, m, e, k) };
    if let Model::MoeAutoencoder(model) = &mut recipe.model {
        model.load_balancing = balance;
    }
    let Data::SparseUniform(data) = &mut recipe.data;
    data.probability = probability;
    recipe
}
