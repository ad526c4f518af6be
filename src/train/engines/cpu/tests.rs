//! The engine against an independent derivation, against itself at other widths, and against the contract's promises.

use super::train;
use super::*;
use crate::train::*;

/// Straightforward binary64 loss of a batch for parameters W, b, G in one vector: arXiv 2510.23671 C1 as written, every expert
/// computed densely. Routing is frozen to `active` so that finite differences do not cross a boundary.
fn loss(recipe: &Recipe, theta: &[f64], inputs: &[Vec<f64>], active: &[Vec<usize>]) -> f64 {
    let Shape { experts, features: n, hidden: m, active: k } = recipe.shape();
    let (w, rest) = theta.split_at(experts * n * m);
    let (b, g) = rest.split_at(experts * n);
    let importance = recipe.importance();
    let mut total = 0.0;
    let (mut f, mut p) = (vec![0.0; experts], vec![0.0; experts]);
    for (x, active) in inputs.iter().zip(active) {
        let s: Vec<f64> = (0..experts).map(|e| (0..n).map(|i| g[e * n + i] * x[i]).sum()).collect();
        let exps: Vec<f64> = s.iter().map(|s: &f64| s.exp()).collect();
        let sum: f64 = exps.iter().sum();
        let chosen: f64 = active.iter().map(|&e| exps[e]).sum();
        for e in 0..experts {
            p[e] += exps[e] / sum / inputs.len() as f64;
        }
        let mut y = vec![0.0; n];
        for &e in active {
            f[e] += 1.0 / inputs.len() as f64;
            let a = if k == 1 { 1.0 } else { exps[e] / chosen };
            let h: Vec<f64> = (0..m).map(|c| (0..n).map(|i| x[i] * w[(e * n + i) * m + c]).sum()).collect();
            for j in 0..n {
                let z: f64 = b[e * n + j] + (0..m).map(|c| h[c] * w[(e * n + j) * m + c]).sum::<f64>();
                y[j] += a * z.max(0.0);
            }
        }
        total += (0..n).map(|j| f64::from(importance[j]) * (y[j] - x[j]).powi(2)).sum::<f64>();
    }
    let scale = match recipe.reduction {
        Reduction::Sum => 1.0,
        Reduction::Mean => 1.0 / n as f64,
    };
    let balance = recipe.load_balancing() * experts as f64 * f.iter().zip(&p).map(|(f, p)| f * p).sum::<f64>();
    total * scale / inputs.len() as f64 + balance
}

fn check_gradients(recipe: &Recipe) {
    let Shape { experts, features: n, hidden: m, active: k } = recipe.shape();
    let mut instance = Instance::new(recipe, Level::best());
    for _ in 0..3 {
        instance.step();
    }
    let fused = instance.gradients();
    let start = instance.outcome();
    let theta: Vec<f64> = start.weights.iter().chain(&start.bias).chain(&start.gate).map(|&v| f64::from(v)).collect();
    let mut batch = Batch::default();
    batch.fill(recipe.seed, Stream::Training, 3, recipe.batch as usize, n, recipe.probability());
    let mut router = Router::new(start.gate.clone(), experts, k);
    let (mut inputs, mut active) = (Vec::new(), Vec::new());
    for s in 0..batch.samples() {
        let (index, value) = batch.sample(s);
        let mut x = vec![0.0; n];
        index.iter().zip(value).for_each(|(&i, &v)| x[i as usize] = f64::from(v));
        inputs.push(x);
        active.push(router.route(index, value).0.to_vec());
    }
    let expected = loss(recipe, &theta, &inputs, &active);
    assert!((f64::from(fused) / expected - 1.0).abs() < 1e-5, "loss {fused} against {expected}");
    let s = &instance.state;
    let mut found = Vec::new();
    for e in 0..experts {
        for i in 0..n {
            for c in 0..m {
                found.push(s.d_columns[(e * m + c) * s.np + i] + s.d_rows[(e * n + i) * s.mp + c]);
            }
        }
    }
    found.extend((0..experts * n).map(|at| s.d_bias[at / n * s.np + at % n]));
    found.extend((0..experts * n).map(|at| s.d_gate[at % n * s.ep + at / n]));
    let largest = found.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    assert!(largest > 0.0);
    for (at, &gradient) in found.iter().enumerate() {
        let difference = |step: f64| {
            let shifted = |by: f64| {
                let mut theta = theta.clone();
                theta[at] += by;
                loss(recipe, &theta, &inputs, &active)
            };
            (shifted(step) - shifted(-step)) / (2.0 * step)
        };
        let numeric = difference(1e-6);
        let error = (f64::from(gradient) - numeric).abs();
        assert!(
            error < 2e-5 * f64::from(largest) + 2e-5 * numeric.abs(),
            "parameter {at}: {gradient} against {numeric}"
        );
    }
}

fn recipe(n: u32, m: u32, e: u32, k: u32, balance: f64) -> Recipe {
    let mut recipe = Recipe::example(n, m, e, k);
    let Model::MoeAutoencoder(model) = &mut recipe.model;
    model.load_balancing = balance;
    let Data::SparseUniform(data) = &mut recipe.data;
    data.probability = 0.4;
    data.importance.0 = ImportanceSettings { constant: None, powers: Some(0.9), ..data.importance.0.clone() };
    recipe
}

#[test]
fn gradients_agree_with_finite_differences() {
    check_gradients(&recipe(7, 3, 1, 1, 0.0));
    check_gradients(&recipe(11, 2, 3, 1, 0.0));
    check_gradients(&recipe(11, 2, 3, 1, 0.5));
    check_gradients(&recipe(9, 2, 4, 2, 0.0));
    check_gradients(&recipe(9, 1, 5, 3, 0.3));
    check_gradients(&recipe(41, 9, 2, 1, 0.1));
    check_gradients(&Recipe { reduction: Reduction::Sum, ..recipe(10, 4, 2, 2, 0.0) });
}

/// Every kind of setting once.
fn zoo() -> Vec<(&'static str, Recipe)> {
    let linear = Recipe { schedule: Schedule::Linear, ..recipe(20, 5, 4, 1, 0.0) };
    let adam = AdamSettings { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let cosine = Recipe { schedule: Schedule::Cosine, optimizer: Optimizer::Adam(adam), ..recipe(20, 6, 1, 1, 0.0) };
    let mut hot = Recipe { reduction: Reduction::Sum, ..recipe(20, 5, 4, 1, 0.0) };
    hot.init.gate = Initialiser::RandomKHot;
    let stop = Some(DropAndStop { drop_below: 0.3, factor: 0.5, stop_below: 0.0 });
    vec![
        ("dense", recipe(20, 6, 1, 1, 0.0)),
        ("top-1", recipe(20, 5, 4, 1, 0.0)),
        ("balanced", recipe(2, 1, 2, 1, 0.01)),
        ("top-2", recipe(33, 2, 10, 2, 0.0)),
        ("top-3 balanced", recipe(12, 1, 6, 3, 0.02)),
        ("linear", linear),
        ("cosine adam", cosine),
        ("k-hot sum", hot),
        ("drop", Recipe { stop, ..recipe(2, 1, 3, 1, 0.0) }),
    ]
}

fn digest(outcome: &Outcome) -> String {
    let values = outcome.weights.iter().chain(&outcome.bias).chain(&outcome.gate).chain([&outcome.loss]);
    let bytes: Vec<u8> = values.flat_map(|v| v.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex()[..16].to_string()
}

#[test]
fn every_vector_width_gives_the_same_bytes() {
    for (name, recipe) in zoo() {
        let outcomes: Vec<Outcome> = Level::available()
            .into_iter()
            .map(|level| train_at(level, &recipe, &Unattended).unwrap().unwrap())
            .collect();
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{name}");
    }
}

/// Changing any of these means that caches hold other numbers than this program makes: raise `CONTRACT_VERSION`.
#[test]
fn trained_weights_have_their_golden_digests() {
    let found: Vec<String> = zoo()
        .into_iter()
        .map(|(name, recipe)| format!("{name}: {}", digest(&train(&recipe, &Unattended).unwrap().unwrap())))
        .collect();
    let golden: Vec<&str> = include_str!("golden.txt").lines().collect();
    assert_eq!(CONTRACT_VERSION, 1);
    assert_eq!(found, golden);
}

#[test]
fn a_run_continued_from_a_checkpoint_gives_the_same_bytes() {
    for (name, recipe) in zoo() {
        let whole = train(&recipe, &Unattended).unwrap().unwrap();
        for at in [1, 7, 19] {
            let mut first = Instance::new(&recipe, Level::Portable);
            (0..at).for_each(|_| first.step());
            let mut second = Instance::new(&recipe, Level::best());
            assert!(second.restore(&first.save()));
            while !second.finished() {
                second.step();
            }
            assert_eq!(second.outcome(), whole, "{name} at {at}");
        }
    }
    let mut other = Instance::new(&recipe(3, 1, 1, 1, 0.0), Level::Portable);
    let checkpoint = Instance::new(&recipe(4, 1, 1, 1, 0.0), Level::Portable).save();
    assert!(!other.restore(&checkpoint) && !other.restore(&checkpoint[..50]) && !other.restore(b""));
}

#[test]
fn training_lowers_the_loss_and_a_single_active_expert_leaves_the_gate_to_weight_decay() {
    let recipe = Recipe { steps: 300, ..recipe(20, 5, 4, 1, 0.0) };
    let start = crate::train::init::parameters(&recipe);
    let end = train(&recipe, &Unattended).unwrap().unwrap();
    assert!(end.loss < 0.8 * end.history[0].1);
    let keep = (1.0f32 - 1e-5).powi(300);
    assert!(end.gate.iter().zip(&start.gate).all(|(a, b)| (a - b * keep).abs() < 1e-5));
}

#[test]
fn the_drop_and_stop_rule_ends_training_early() {
    let stop = Some(DropAndStop { drop_below: 10.0, factor: 0.1, stop_below: 9.0 });
    let end = train(&Recipe { stop, ..recipe(2, 1, 3, 1, 0.0) }, &Unattended).unwrap().unwrap();
    assert_eq!((end.steps_run, end.history.len()), (1, 1));
}
