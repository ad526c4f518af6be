//! The promise of the numerics contract, through the public interface: the bytes of a trained model depend on its recipe alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;
use repro::train::engines::cpu::train_at;
use repro::train::{
    AbsoluteValue, Control, Data, Level, LinearBottleneck, Model, Neurons, Recipe, TrainingResult, Unattended, train,
};

/// Models of every class, several points of each.
fn sweep() -> Vec<Recipe> {
    let shapes =
        [[2, 1, 1, 1], [2, 1, 2, 1], [3, 2, 3, 1], [20, 6, 1, 1], [20, 5, 4, 1], [40, 3, 18, 1], [33, 2, 10, 2]];
    let mut points = Vec::new();
    for ([n, m, e, k], balance) in shapes.into_iter().zip([0.01, 0.01, 0.01, 0.0, 0.0, 0.02, 0.02]) {
        for (point, probability) in [0.05, 0.3, 1.0].into_iter().enumerate() {
            let mut recipe = Recipe { batch: 200, steps: 30, seed: 7 + point as u64, ..Recipe::example(n, m, e, k) };
            if let Model::MoeAutoencoder(model) = &mut recipe.model {
                model.load_balancing = balance;
            }
            let Data::SparseUniform(data) = &mut recipe.data;
            data.probability = probability;
            points.push(recipe);
        }
    }
    let layers = [
        Model::LinearBottleneck(LinearBottleneck { features: 5, hidden: 2 }),
        Model::Neurons(Neurons { features: 30, hidden: 10 }),
        Model::AbsoluteValue(AbsoluteValue { features: 20, hidden: 40 }),
    ];
    points.extend(layers.map(|model| Recipe { model, batch: 100, steps: 30, ..Recipe::example(1, 1, 1, 1) }));
    points
}

fn bytes(result: &TrainingResult) -> Vec<u8> {
    let numbers = result.parameters.iter().flatten().chain([&result.loss]);
    numbers.flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

fn train_alone(recipe: &Recipe) -> Vec<u8> {
    bytes(&train(recipe, &Unattended).unwrap().unwrap())
}

#[test]
fn any_number_of_threads_gives_the_bytes_of_each_point_alone() {
    let points = sweep();
    let expected: Vec<Vec<u8>> = points.iter().map(train_alone).collect();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found: Vec<Vec<u8>> = pool.install(|| points.par_iter().map(train_alone).collect());
        assert_eq!(found, expected, "{threads} threads");
    }
}

#[test]
fn every_vector_width_gives_the_same_bytes() {
    for recipe in sweep() {
        let expected = train_alone(&recipe);
        for level in Level::available() {
            let found = bytes(&train_at(level, &recipe, &Unattended).unwrap().unwrap());
            assert_eq!(found, expected, "{level:?}: {:?}", recipe.model);
        }
    }
}

/// Stops the run at every third call and keeps its checkpoints; the next run starts from the last.
struct KillingControl {
    calls: AtomicU32,
    kept: Mutex<Option<Vec<u8>>>,
}

impl Control for KillingControl {
    fn stop(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) % 3 == 2
    }
    fn checkpoint(&self) -> Option<Vec<u8>> {
        self.kept.lock().unwrap().clone()
    }
    fn save(&self, bytes: &dyn Fn() -> Vec<u8>) {
        *self.kept.lock().unwrap() = Some(bytes());
    }
}

#[test]
fn a_run_that_is_killed_repeatedly_ends_with_the_same_bytes_at_any_vector_width() {
    // Long enough for several calls of the control, which come about every millisecond.
    let [small, large] = [Recipe::example(3, 1, 3, 1), Recipe::example(20, 5, 4, 1)];
    for recipe in [Recipe { batch: 512, steps: 20_000, ..small }, Recipe { batch: 256, steps: 1000, ..large }] {
        let control = KillingControl { calls: AtomicU32::new(0), kept: Mutex::new(None) };
        let levels: Vec<Level> = Level::available().into_iter().filter(|level| *level != Level::Portable).collect();
        let levels = if levels.is_empty() { vec![Level::Portable] } else { levels };
        let mut runs = 0;
        let result = loop {
            runs += 1;
            if let Some(result) = train_at(levels[runs % levels.len()], &recipe, &control).unwrap() {
                break result;
            }
        };
        assert!(runs > 3, "{runs} runs");
        assert_eq!(bytes(&result), train_alone(&recipe));
    }
}
