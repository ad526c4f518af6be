//! The fused kernels against this engine, on every recipe of the kernels' own tests; and the promises of this engine itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::trainer::ReferenceTrainer;
use crate::engines::cpu::{self, tests::recipes_of_all_kinds};
use crate::{Control, DropAndStop, Engine, InitSettings, Initialiser, Level, Recipe, TrainingResult, Unattended};

/// Steps that the fused engine takes before gradients are compared, so that no moment and no bias has a special value.
const BEFORE: u32 = 3;

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// The largest difference of two rows of numbers.
fn largest_difference(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    largest(a.iter().zip(b).map(|(a, &b)| a - f64::from(b)))
}

fn train_with_reference(recipe: &Recipe) -> TrainingResult {
    let recipe = Recipe { engine: Engine::Reference, ..recipe.clone() };
    crate::train(&recipe, &Unattended).unwrap().unwrap()
}

fn train_with_kernels(recipe: &Recipe) -> TrainingResult {
    crate::train(recipe, &Unattended).unwrap().unwrap()
}

/// The recipes of the kernels' tests, and initialisers that are not among them.
fn recipes() -> Vec<(&'static str, Recipe)> {
    let mut ordered = Recipe::example(12, 2, 4, 1);
    ordered.init = InitSettings {
        weights: Some(Initialiser::Diagonal),
        gate: Some(Initialiser::OrderedKHot),
        ..InitSettings::default()
    };
    let mut uniform = Recipe::example(3, 1, 2, 2);
    uniform.init = InitSettings {
        weights: Some(Initialiser::KaimingUniform),
        bias: Some(Initialiser::Zero),
        ..InitSettings::default()
    };
    let more = [("ordered k-hot, diagonal", ordered), ("two of two small experts", uniform)];
    recipes_of_all_kinds().into_iter().chain(more).collect()
}

#[test]
fn fused_gradients_agree_with_automatic_differentiation() {
    let mut compared = 0;
    for (name, recipe) in recipes() {
        let mut fused = cpu::Trainer::new(&recipe, Level::best());
        fused.train_steps(BEFORE);
        if fused.finished() {
            continue;
        }
        let loss = f64::from(fused.gradients());
        let mut run = ReferenceTrainer::new(&recipe);
        run.step = BEFORE;
        for (to, from) in run.parameters.iter_mut().zip(fused.result().parameters) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = f64::from(from));
        }
        let (expected, gradients) = run.gradients().unwrap();
        assert!((loss / expected - 1.0).abs() < 1e-6, "{name}: loss {loss} and {expected}");
        let found = fused.parameter_gradients();
        for ((parameter, found), expected) in recipe.parameters().iter().zip(&found).zip(&gradients) {
            let scale = largest(expected.iter().copied());
            let error = largest_difference(expected, found);
            // With one active expert and no load balancing nothing depends on the gate.
            let free = parameter.name == "gate" && recipe.shape().active == 1;
            assert!(scale > 0.0 || free, "{name}: {} has no gradient", parameter.name);
            assert!(error <= 1e-6 * scale, "{name}: {} differ by {error} of {scale}", parameter.name);
            compared += found.len();
        }
    }
    assert!(compared > 10_000);
}

#[test]
fn short_runs_have_the_same_losses_and_final_parameters() {
    for (name, recipe) in recipes() {
        let (fused, reference) = (train_with_kernels(&recipe), train_with_reference(&recipe));
        assert_eq!(fused.steps_run, reference.steps_run, "{name}");
        assert_eq!(fused.history.len(), reference.history.len(), "{name}");
        for ((step, fused), (same, reference)) in fused.history.iter().zip(&reference.history) {
            assert_eq!(step, same, "{name}");
            let close = (fused / reference - 1.0).abs() < 1e-5 || fused.is_nan() && reference.is_nan();
            assert!(close, "{name} at step {step}: {fused} and {reference}");
        }
        for (fused, reference) in fused.parameters.iter().zip(&reference.parameters) {
            let error = largest(fused.iter().zip(reference).map(|(a, b)| f64::from(a - b)));
            // After a step of length 1e30 the bits of a diverged run mean nothing.
            assert!(error < 1e-5 || fused.iter().any(|w| w.abs() > 1e20), "{name}: parameters differ by {error}");
        }
    }
}

#[test]
fn inputs_and_initial_parameters_are_those_of_the_kernels() {
    for (name, recipe) in recipes() {
        let start = cpu::Trainer::new(&recipe, Level::best()).result().parameters;
        assert!(
            ReferenceTrainer::new(&recipe).parameters.iter().zip(&start).all(|(a, b)| largest_difference(a, b) == 0.0),
            "{name}"
        );
    }
    // Small models draw in a different order, and put all-zero samples last.
    for (n, batch, probability) in [(1, 40, 0.5), (2, 512, 0.1), (3, 333, 0.01), (3, 77, 1.0), (20, 64, 0.1)] {
        let mut recipe = Recipe { batch, ..Recipe::example(n, 1, 2, 1) };
        let crate::Data::SparseUniform(data) = &mut recipe.data;
        data.probability = probability;
        let mut expected = cpu::tests::inputs(&recipe, 5);
        if n <= 3 {
            expected.sort_by_key(|x| x.iter().all(|&x| x == 0.0));
        }
        // The contract's value, rounded at another place.
        assert!(
            largest_difference(&expected.concat(), &cpu::batch_rows::draw_batch(&recipe, 5)) < 1e-6,
            "{batch} samples of {n} features"
        );
    }
}

/// Stops at every third call, and keeps the checkpoints that it is offered.
#[derive(Default)]
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
fn a_killed_run_continues_to_the_same_result() {
    let stop = Some(DropAndStop { drop_below: 0.3, factor: 0.5, stop_below: 0.0 });
    for recipe in [Recipe { stop, ..Recipe::example(2, 1, 3, 1) }, Recipe::example(9, 2, 4, 2)] {
        let recipe = Recipe { engine: Engine::Reference, ..recipe };
        let (control, mut lives) = (KillingControl::default(), 0);
        let outcome = loop {
            lives += 1;
            if let Some(outcome) = crate::train(&recipe, &control).unwrap() {
                break outcome;
            }
        };
        assert!(lives > 5, "{lives}");
        assert_eq!(outcome, train_with_reference(&recipe));
    }
}

#[test]
fn a_checkpoint_of_another_recipe_or_engine_is_ignored() {
    let (recipe, other) = (Recipe::example(4, 1, 1, 1), Recipe::example(3, 1, 1, 1));
    let mut run = ReferenceTrainer::new(&recipe);
    run.train_step().unwrap();
    let good = run.save();
    let mut fresh = ReferenceTrainer::new(&recipe);
    assert!(
        !fresh.restore(b"")
            && !fresh.restore(&good[..good.len() - 1])
            && !fresh.restore(&ReferenceTrainer::new(&other).save())
    );
    let kernels = cpu::Trainer::new(&recipe, Level::best()).save();
    assert!(
        !fresh.restore(&kernels) && fresh.step == 0 && fresh.parameters == ReferenceTrainer::new(&recipe).parameters
    );
    assert!(fresh.restore(&good) && fresh.step == 1);
}

#[test]
fn the_drop_and_stop_rule_ends_training_at_the_same_step_as_the_kernels() {
    let stop = Some(DropAndStop { drop_below: 10.0, factor: 0.1, stop_below: 9.0 });
    let recipe = Recipe { stop, ..Recipe::example(2, 1, 3, 1) };
    let (fused, reference) = (train_with_kernels(&recipe), train_with_reference(&recipe));
    assert_eq!((fused.steps_run, fused.history.len()), (1, 1));
    assert_eq!((reference.steps_run, reference.history.len()), (1, 1));
}
