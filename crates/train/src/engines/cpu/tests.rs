//! The engine against an independent derivation, against itself at other widths, and against the contract's promises.

mod two_layer;

use super::{Trainer, train, train_at};
use crate::contract::CONTRACT_VERSION;
use crate::engines::initial_parameters::initial_parameters;
use crate::engines::kernel_class::KernelClass;
use crate::numerics::rng::philox;
use crate::*;

/// Straightforward binary64 loss of a batch for parameters W, b, G in one vector: arXiv 2510.23671 C1 as written, every expert
/// computed densely. Routing is frozen to `active` so that finite differences do not cross a boundary.
fn loss(recipe: &Recipe, theta: &[f64], inputs: &[Vec<f64>], active: &[Vec<usize>]) -> f64 {
    let ModelShape { experts, features: n, hidden: m, active: k } = recipe.shape();
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

/// The batch of a step, number by number from items 1 and 9 of the contract.
pub fn inputs(recipe: &Recipe, step: u32) -> Vec<Vec<f64>> {
    let shape = recipe.shape();
    let Data::SparseUniform(data) = &recipe.data;
    let (n, p) = (shape.features, recipe.probability());
    let bits = if p < 1.0 / 64.0 { 24 } else { 16 };
    let levels = p * f64::from(1u32 << bits);
    let below = (levels * f64::from(step + 1)).floor() - (levels * f64::from(step)).floor();
    let draw = |s: usize, i: usize| {
        let small = KernelClass::for_recipe(recipe) == KernelClass::Small;
        let (place, high) = match (small, bits) {
            (true, 16) => ((s / 32 * n + i) * 16 + s % 16, s % 32 >= 16),
            (true, _) => ((s / 16 * n + i) * 16 + s % 16, false),
            (false, 16) => ((s * n + i) / 2, (s * n + i) % 2 == 1),
            (false, _) => (s * n + i, false),
        };
        let counter = [(place / 64 * 16 + place % 16) as u32, step, RandomStream::Training as u32, 0];
        let word = philox(recipe.seed, counter)[place % 64 / 16];
        match (bits, high) {
            (24, _) => word >> 8,
            (_, true) => word >> 16,
            _ => word & 0xffff,
        }
    };
    // (draw + 1/2) of a number of levels; both signs from twice that.
    let value = |draw: u32, levels: f64| {
        let x = (f64::from(draw) + 0.5) / levels;
        f64::from(if data.signed { 2.0 * x - 1.0 } else { x } as f32)
    };
    let present = |draw: u32| if f64::from(draw) < below { value(draw, below) } else { 0.0 };
    let value = |s, i| {
        let (pair, second) = (i / 2, i % 2 == 1);
        let first = draw(s, i - i % 2);
        let (correlated, anticorrelated) = (data.correlated_pairs as usize, data.anticorrelated_pairs as usize);
        if second && pair < correlated {
            if f64::from(first) < below { value(draw(s, i), f64::from(1u32 << bits)) } else { 0.0 }
        } else if second && pair < correlated + anticorrelated {
            present((1u32 << bits) - 1 - first)
        } else {
            present(draw(s, i))
        }
    };
    (0..recipe.batch as usize).map(|s| (0..n).map(|i| value(s, i)).collect()).collect()
}

fn check_gradients(recipe: &Recipe) {
    let ModelShape { experts, features: n, active: k, .. } = recipe.shape();
    let mut instance = Trainer::new(recipe, Level::best());
    instance.train_steps(3);
    let fused = instance.gradients();
    let start = instance.result();
    let theta: Vec<f64> = start.parameters.iter().flatten().map(|&v| f64::from(v)).collect();
    let inputs = inputs(recipe, 3);
    let mut router = Router::new(start.parameters[2].clone(), experts, k);
    let active: Vec<Vec<usize>> = inputs
        .iter()
        .map(|x| {
            let present: Vec<u32> = (0..n as u32).filter(|&i| x[i as usize] > 0.0).collect();
            let values: Vec<f32> = present.iter().map(|&i| x[i as usize] as f32).collect();
            router.route(&present, &values).0.to_vec()
        })
        .collect();
    let expected = loss(recipe, &theta, &inputs, &active);
    assert!((f64::from(fused) / expected - 1.0).abs() < 1e-5, "loss {fused} against {expected}");
    let found = instance.parameter_gradients().concat();
    compare(&theta, &found, &|theta| loss(recipe, theta, &inputs, &active));
}

/// Hold gradients to central differences of a loss.
fn compare(theta: &[f64], found: &[f32], loss: &dyn Fn(&[f64]) -> f64) {
    let largest = found.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    assert!(largest > 0.0);
    for (at, &gradient) in found.iter().enumerate() {
        let difference = |step: f64| {
            let shifted = |by: f64| {
                let mut theta = theta.to_vec();
                theta[at] += by;
                loss(&theta)
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

pub fn recipe(n: u32, m: u32, e: u32, k: u32, balance: f64) -> Recipe {
    let mut recipe = Recipe::example(n, m, e, k);
    let Model::MoeAutoencoder(model) = &mut recipe.model else { unreachable!() };
    model.load_balancing = balance;
    let Data::SparseUniform(data) = &mut recipe.data;
    data.probability = 0.4;
    data.importance.0 = ImportanceSettings { constant: None, powers: Some(0.9), ..data.importance.0.clone() };
    recipe
}

#[test]
fn gradients_agree_with_finite_differences() {
    check_gradients(&recipe(7, 3, 1, 1, 0.1));
    check_gradients(&recipe(11, 2, 3, 1, 0.0));
    check_gradients(&recipe(11, 2, 3, 1, 0.5));
    check_gradients(&recipe(9, 2, 4, 2, 0.0));
    check_gradients(&recipe(9, 1, 5, 3, 0.3));
    check_gradients(&recipe(41, 9, 2, 1, 0.1));
    // Small models, one to three experts, a batch that fills no vector, and one of several passes.
    // Biases are zero at first, or the only output may be dead.
    let mut one = recipe(1, 1, 1, 1, 0.0);
    one.init.bias = Some(Initialiser::Zero);
    check_gradients(&one);
    check_gradients(&recipe(3, 2, 1, 1, 0.1));
    check_gradients(&recipe(2, 1, 2, 1, 0.1));
    check_gradients(&recipe(3, 1, 3, 1, 0.1));
    check_gradients(&Recipe { batch: 77, ..recipe(3, 2, 2, 1, 0.3) });
    check_gradients(&Recipe { batch: 300, ..recipe(3, 2, 3, 1, 0.2) });
    check_gradients(&Recipe { batch: 77, ..recipe(33, 17, 2, 1, 0.0) });
    check_gradients(&recipe(70, 3, 5, 2, 0.0));
    check_gradients(&recipe(6, 2, 20, 2, 0.1));
    check_gradients(&recipe(6, 2, 20, 1, 0.1));
    check_gradients(&Recipe { reduction: Reduction::Sum, ..recipe(10, 4, 2, 2, 0.0) });
}

/// Recipes with every kind of setting once.
pub fn recipes_of_all_kinds() -> Vec<(&'static str, Recipe)> {
    let linear = Recipe { schedule: Schedule::Linear, ..recipe(20, 5, 4, 1, 0.0) };
    let adam = AdamSettings { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let cosine = Recipe { schedule: Schedule::Cosine, optimizer: Optimizer::Adam(adam), ..recipe(20, 6, 1, 1, 0.0) };
    let mut hot = Recipe { reduction: Reduction::Sum, ..recipe(20, 5, 4, 1, 0.0) };
    hot.init.gate = Some(Initialiser::RandomKHot);
    let stop = Some(DropAndStop { drop_below: 0.3, factor: 0.5, stop_below: 0.0 });
    let diverged = AdamWSettings { lr: 1e30, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    let diverged = Recipe { optimizer: Optimizer::AdamW(diverged), ..recipe(20, 5, 4, 1, 0.0) };
    let with = |p: f64, mut recipe: Recipe| {
        let Data::SparseUniform(data) = &mut recipe.data;
        data.probability = p;
        recipe
    };
    let batch = |batch, recipe| Recipe { batch, ..recipe };
    vec![
        ("small dense", recipe(2, 1, 1, 1, 0.0)),
        ("small dense balanced", recipe(3, 2, 1, 1, 0.01)),
        ("small, 2 experts, balanced", batch(512, recipe(2, 1, 2, 1, 0.01))),
        ("small, 3 experts, balanced", batch(333, recipe(3, 1, 3, 1, 0.01))),
        ("small, 3 experts, not balanced", recipe(3, 2, 3, 1, 0.0)),
        ("small, rare features", batch(512, with(0.01, recipe(2, 1, 2, 1, 0.01)))),
        ("small, all features", with(1.0, recipe(3, 1, 2, 1, 0.01))),
        ("dense", recipe(20, 6, 1, 1, 0.0)),
        ("dense, all features", with(1.0, recipe(100, 20, 1, 1, 0.0))),
        ("dense, rare features", with(0.01, recipe(21, 6, 1, 1, 0.0))),
        ("top-1", recipe(20, 5, 4, 1, 0.0)),
        ("top-1 of many", batch(200, with(0.1, recipe(100, 10, 10, 1, 0.0)))),
        ("top-1 of many, balanced", batch(77, recipe(37, 3, 20, 1, 0.05))),
        ("top-2", recipe(33, 2, 10, 2, 0.0)),
        ("top-3 balanced", recipe(12, 1, 6, 3, 0.02)),
        ("top-5 of many", batch(70, with(0.3, recipe(100, 1, 20, 5, 0.0)))),
        ("linear", linear),
        ("cosine adam", cosine),
        ("k-hot sum", hot),
        ("drop", Recipe { stop, ..recipe(2, 1, 3, 1, 0.0) }),
        ("one sample", batch(1, recipe(20, 5, 4, 1, 0.0))),
        ("diverged", diverged),
    ]
    .into_iter()
    .chain(two_layer::recipes())
    .collect()
}

pub fn digest(result: &TrainingResult) -> String {
    let values = result.parameters.iter().flatten().chain([&result.loss]);
    let losses = result.history.iter().flat_map(|(step, loss)| [*step, loss.to_bits()]);
    let words = values.map(|v| v.to_bits()).chain(losses).chain([result.steps_run]);
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    blake3::hash(&bytes).to_hex()[..16].to_string()
}

#[test]
fn every_vector_width_gives_the_same_bytes() {
    for (name, recipe) in recipes_of_all_kinds() {
        let results: Vec<TrainingResult> = Level::available()
            .into_iter()
            .map(|level| train_at(level, &recipe, &Unattended).unwrap().unwrap())
            .collect();
        assert!(results.iter().all(|result| digest(result) == digest(&results[0])), "{name}");
    }
}

/// Changing any of these means that caches hold other numbers than this program makes: raise `CONTRACT_VERSION`.
#[test]
fn trained_weights_have_their_golden_digests() {
    let found: Vec<String> = recipes_of_all_kinds()
        .into_iter()
        .map(|(name, recipe)| format!("{name}: {}", digest(&train(&recipe, &Unattended).unwrap().unwrap())))
        .collect();
    let golden: Vec<&str> = include_str!("golden.txt").lines().collect();
    assert_eq!(CONTRACT_VERSION, 3);
    assert_eq!(found, golden, "golden.txt should be:\n{}\n", found.join("\n"));
}

#[test]
fn a_run_continued_from_a_checkpoint_gives_the_same_bytes() {
    for (name, recipe) in recipes_of_all_kinds() {
        let whole = train(&recipe, &Unattended).unwrap().unwrap();
        for at in [1, 7, 19] {
            let mut first = Trainer::new(&recipe, Level::Portable);
            first.train_steps(at);
            let mut second = Trainer::new(&recipe, Level::best());
            assert!(second.restore(&first.save()));
            second.train_steps(u32::MAX);
            assert_eq!(digest(&second.result()), digest(&whole), "{name} at {at}");
        }
    }
    let mut other = Trainer::new(&recipe(3, 1, 1, 1, 0.0), Level::Portable);
    let checkpoint = Trainer::new(&recipe(4, 1, 1, 1, 0.0), Level::Portable).save();
    assert!(!other.restore(&checkpoint) && !other.restore(&checkpoint[..50]) && !other.restore(b""));
}

#[test]
fn training_lowers_the_loss_and_a_single_active_expert_leaves_the_gate_to_weight_decay() {
    let recipe = Recipe { steps: 300, ..recipe(20, 5, 4, 1, 0.0) };
    let start = initial_parameters(&recipe);
    let end = train(&recipe, &Unattended).unwrap().unwrap();
    assert!(end.loss < 0.8 * end.history[0].1);
    let keep = (1.0f32 - 1e-5).powi(300);
    assert!(end.parameters[2].iter().zip(&start[2]).all(|(a, b)| (a - b * keep).abs() < 1e-5));
}

#[test]
fn the_drop_and_stop_rule_ends_training_early() {
    let stop = Some(DropAndStop { drop_below: 10.0, factor: 0.1, stop_below: 9.0 });
    let end = train(&Recipe { stop, ..recipe(2, 1, 3, 1, 0.0) }, &Unattended).unwrap().unwrap();
    assert_eq!((end.steps_run, end.history.len()), (1, 1));
}
