//! Time of one training step on one thread: `cargo bench`.
//!
//! `cargo bench -- [PART OF A NAME] [--json] [--rounds N] [--list]`: rows whose name has the part, as a table or as one JSON object a line. The
//! vector widths of the machine alternate for a number of rounds; the median round counts. `--list` names the rows as JSON. `docs/benchmarks.md` has what a step needs at least.

mod rows;

use std::hint::black_box;
use std::time::{Duration, Instant};

use repro::train::Level;
use repro::train::engines::cpu::{Trainer, peak};
use rows::{ROWS, Row, name, recipe};

/// Short enough that other processes interrupt few rounds.
const ROUND: Duration = Duration::from_micros(500);

fn trained_a_little(row: &Row, level: Level) -> Trainer {
    let recipe = recipe(row, u32::MAX);
    let mut trainer = Trainer::new(&recipe, level);
    // Dead outputs and the popularity of experts affect the time.
    trainer.train_steps(1000);
    trainer
}

/// Microseconds of one call, over one round.
fn time(mut call: impl FnMut(u32)) -> f64 {
    let (start, mut calls, mut batch) = (Instant::now(), 0u32, 1);
    loop {
        call(batch);
        calls += batch;
        let elapsed = start.elapsed();
        if elapsed >= ROUND {
            return elapsed.as_secs_f64() * 1e6 / f64::from(calls);
        }
        // Read the clock about twenty times a round.
        batch = (f64::from(calls) * (0.05 * ROUND.as_secs_f64() / elapsed.as_secs_f64())).clamp(1.0, 1e6) as u32;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let json = arguments.iter().any(|a| a == "--json");
    let rounds = arguments.iter().position(|a| a == "--rounds").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let rounds: usize = rounds.unwrap_or(301);
    let part = arguments.iter().find(|a| !a.starts_with("--") && a.parse::<usize>().is_err());
    let levels: Vec<Level> = match std::env::var("REPRO_CPU") {
        Ok(_) => vec![Level::best()],
        Err(_) => Level::available().into_iter().filter(|&level| level != Level::Portable).collect(),
    };
    if arguments.iter().any(|a| a == "--list") {
        for row @ (shape, batch, probability, balance) in &ROWS {
            let name = name(row);
            println!(
                "{}",
                serde_json::json!({
                    "name": name, "shape": shape, "batch": batch, "probability": probability, "balance": balance,
                })
            );
        }
        return;
    }
    let show = |name: &str, unit: &str, values: &[Vec<f64>]| {
        let numbers = levels.iter().zip(values).map(|(level, values)| (level, median(values.clone())));
        if json {
            for (level, value) in numbers {
                println!(
                    "{}",
                    serde_json::json!({"name": name, "level": format!("{level:?}"), "unit": unit, "median": value})
                );
            }
        } else {
            let numbers: Vec<String> = numbers.map(|(level, value)| format!("{level:?} {value:>8.2} {unit}")).collect();
            println!("{name:<44}  {}", numbers.join("   "));
        }
    };
    if part.is_none_or(|part| "peak".contains(part.as_str())) {
        let mut values = vec![Vec::new(); levels.len()];
        for _ in 0..rounds {
            for (level, values) in levels.iter().zip(&mut values) {
                let fmas = peak(*level, 1);
                values.push(
                    fmas as f64
                        / time(|calls| {
                            black_box(peak(*level, calls as usize));
                        })
                        / 1e3,
                );
            }
        }
        show("peak", "G fma/s", &values);
    }
    for row in ROWS.iter().filter(|row| part.is_none_or(|part| name(row).contains(part.as_str()))) {
        let mut trainers: Vec<Trainer> = levels.iter().map(|&level| trained_a_little(row, level)).collect();
        let mut values = vec![Vec::new(); levels.len()];
        for _ in 0..rounds {
            for (trainer, values) in trainers.iter_mut().zip(&mut values) {
                values.push(time(|calls| trainer.train_steps(calls)));
            }
        }
        show(&name(row), "us", &values);
    }
}
