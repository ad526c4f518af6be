//! Time of one training step on one thread, in microseconds: `cargo bench`.
//!
//! Each row trains for about half a second a round and shows the median of seven rounds.

use std::time::Instant;

use repro::train::engines::cpu::{Instance, simd::Level};
use repro::train::{Data, Model, Recipe};

fn row(name: &str, shape: [u32; 4], batch: u32, probability: f64, balance: f64) {
    let mut recipe = Recipe { batch, steps: u32::MAX, ..Recipe::example(shape[0], shape[1], shape[2], shape[3]) };
    let Model::MoeAutoencoder(model) = &mut recipe.model else { return };
    model.load_balancing = balance;
    let Data::SparseUniform(data) = &mut recipe.data;
    data.probability = probability;
    print!("{name:<44}");
    for level in Level::available().into_iter().filter(|&level| level != Level::Portable) {
        let mut instance = Instance::new(&recipe, level);
        // Trained a little first: the share of dead outputs matters.
        (0..200).for_each(|_| instance.step());
        let mut rounds: Vec<f64> = (0..7)
            .map(|_| {
                let (start, mut steps) = (Instant::now(), 0);
                while start.elapsed().as_secs_f64() < 0.4 {
                    (0..8).for_each(|_| instance.step());
                    steps += 8;
                }
                start.elapsed().as_secs_f64() * 1e6 / f64::from(steps)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        print!("  {level:?} {:>8.1} us", rounds[3]);
    }
    println!();
}

fn main() {
    println!("{:<44}  one step, one thread, median of 7", "features/hidden/experts, active, batch, p");
    row("2/1/2, k=1, 512, p=0.5, load balancing", [2, 1, 2, 1], 512, 0.5, 0.01);
    row("20/6/1, k=1, 1024, p=0.1", [20, 6, 1, 1], 1024, 0.1, 0.0);
    row("20/5/4, k=1, 1024, p=0.1", [20, 5, 4, 1], 1024, 0.1, 0.0);
    row("100/10/10, k=1, 1024, p=0.1", [100, 10, 10, 1], 1024, 0.1, 0.0);
    row("100/20/1, k=1, 1024, p=0.1", [100, 20, 1, 1], 1024, 0.1, 0.0);
    row("100/20/1, k=1, 1024, p=1", [100, 20, 1, 1], 1024, 1.0, 0.0);
    row("100/5/4, k=1, 1024, p=0.3", [100, 5, 4, 1], 1024, 0.3, 0.0);
    row("100/2/10, k=2, 1024, p=0.3", [100, 2, 10, 2], 1024, 0.3, 0.0);
    row("100/1/20, k=5, 1024, p=0.3", [100, 1, 20, 5], 1024, 0.3, 0.0);
}
