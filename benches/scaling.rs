//! The throughput of several threads against one: `cargo bench --bench scaling [-- THREADS]`, by default as many as there are cores.
//!
//! Rounds of one thread and of all alternate, each thread with its own model, as in a sweep. The ratio is the steps a second of all over
//! those of one times the number of threads; 1 is perfect. The best tenth of many short rounds counts, which other work on the machine disturbs least.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use repro::train::engines::cpu::Trainer;
use repro::train::{Level, Recipe};

/// Features, hidden dimensions, experts; batch.
const ROWS: [([u32; 3], u32); 4] = [([2, 1, 2], 512), ([3, 2, 3], 512), ([20, 5, 4], 1024), ([100, 10, 10], 1024)];

const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 500;

/// Steps a second over one round.
fn rate(trainer: &mut Trainer, batch: u32) -> f64 {
    let (start, mut steps) = (Instant::now(), 0u32);
    while start.elapsed() < ROUND {
        trainer.train_steps(batch);
        steps += batch;
    }
    f64::from(steps) / start.elapsed().as_secs_f64()
}

/// The best tenth's lower end.
fn best(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * 9 / 10]
}

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads: usize = asked.unwrap_or(cores).max(1);
    for ([n, m, e], samples) in ROWS {
        let recipe = Recipe { batch: samples, steps: u32::MAX, ..Recipe::example(n, m, e, 1) };
        let mut trainers: Vec<Trainer> = (0..threads).map(|_| Trainer::new(&recipe, Level::best())).collect();
        let batch = (rate(&mut trainers[0], 1) * 1e-4).clamp(1.0, 1e4) as u32;
        let (mut single, mut parallel) = (Vec::new(), vec![0.0; ROUNDS]);
        let barrier = Barrier::new(threads);
        let each: Vec<(Vec<f64>, Vec<f64>)> = std::thread::scope(|scope| {
            let workers = trainers.iter_mut().enumerate().map(|(worker, trainer)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let (mut single, mut parallel) = (Vec::new(), Vec::new());
                    for _ in 0..ROUNDS {
                        barrier.wait();
                        parallel.push(rate(trainer, batch));
                        barrier.wait();
                        if worker == 0 {
                            single.push(rate(trainer, batch));
                        }
                    }
                    (single, parallel)
                })
            });
            let workers: Vec<_> = workers.collect();
            workers.into_iter().map(|worker| worker.join().expect("a thread that trains")).collect()
        });
        for (mine, ours) in each {
            single.extend(mine);
            parallel.iter_mut().zip(ours).for_each(|(sum, rate)| *sum += rate);
        }
        let (single, parallel) = (best(single), best(parallel));
        println!(
            "{:<24} one thread {:>8.1} steps/ms   {threads} threads {:>8.1} steps/ms   ratio {:.3}",
            format!("{n}/{m}/{e}, batch {samples}"),
            single / 1e3,
            parallel / 1e3,
            parallel / single / threads as f64
        );
    }
}
