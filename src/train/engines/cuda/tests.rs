//! The kernels, compiled as C++, against the engine for CPUs; and by NVRTC, where it is found.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Host, Task};
use crate::train::engines::cpu::tests::{digest, recipe, zoo};
use crate::train::*;

/// Where compiled kernels are kept between runs of the tests.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kernels")
}

fn trained(device: &Host, recipes: &[Recipe]) -> Vec<Outcome> {
    let tasks: Vec<Task> = recipes.iter().map(|recipe| Task { recipe: recipe.clone(), control: &Unattended }).collect();
    let mut outcomes = vec![None; recipes.len()];
    super::train(device, &tasks, &mut |number, outcome| outcomes[number] = outcome).expect("the device goes on");
    outcomes.into_iter().map(|outcome| outcome.expect("every model ends")).collect()
}

/// Recipes that the zoo lacks: every shape of a small model, and what decides where arrays lie.
fn more() -> Vec<(String, Recipe)> {
    let mut all = Vec::new();
    for (n, m, e) in (1..=3).flat_map(|n| (1..=2).flat_map(move |m| (1..=3).map(move |e| (n, m, e)))) {
        for p in [0.3, 0.01] {
            let mut recipe = Recipe { batch: 333, ..recipe(n, m, e, 1, 0.01) };
            let Data::SparseUniform(data) = &mut recipe.data;
            data.probability = p;
            all.push((format!("small {n}/{m}/{e} at {p}"), recipe));
        }
    }
    all
}

#[test]
fn kernels_give_the_bytes_of_the_cpu_for_every_model_and_setting() {
    let recipes: Vec<(String, Recipe)> = zoo().into_iter().map(|(name, recipe)| (name.into(), recipe)).chain(more()).collect();
    let device = Host::new(&folder());
    let wrong: Vec<String> = recipes
        .par_iter()
        .filter_map(|(name, recipe)| {
            let expected = crate::train::engines::cpu::train(recipe, &Unattended).unwrap().unwrap();
            let found = trained(&device, std::slice::from_ref(recipe)).remove(0);
            (digest(&found) != digest(&expected)).then(|| format!("{name}: {} against {}", found.loss, expected.loss))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recipes.len(), wrong.join("\n"));
}
