//! The GPU engine on a GPU: `cargo bench --bench gpu -- COMMAND`; `scripts/gpu.sh` runs all commands.
//!
//! - `digests`: train every model on the GPU and on the CPU, and print both digests; exit code 1 if any differ.
//! - `steps [PART OF A NAME] [--json]`: the time of a training step of one of very many models, and its share of the GPU's peak.
//! - `kernels FOLDER ARCHITECTURE KILOBYTES [PAPER]`: compile the kernels of all rows and of a paper's training runs for a GPU of another machine
//!   with this much shared memory a block (sm_90: 227), into a folder to copy there as `kernels` in the cache.
//!
//! REPRO_CUDA=host puts the host CPU in the place of a GPU, REPRO_KERNELS names the folder of compiled kernels.

mod rows;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use repro::graph::Graph;
use repro::spec::{Paper, Problems, read};
use repro::train::cuda::{ComputeDevice, KernelVariant, TrainingTask, compile, find_gpus, train};
use repro::train::{
    AbsoluteValue, Data, Initialiser, LinearBottleneck, Model, Neurons, Recipe, Reduction, Schedule, TrainingResult,
    Unattended,
};
use rows::{ROWS, Row, name, recipe};

/// Models trained concurrently, small and other: enough for every multiprocessor, with a warp or a block for each.
const CONCURRENT: [usize; 2] = [16_384, 1_056];

fn kernel_folder() -> PathBuf {
    std::env::var_os("REPRO_KERNELS").map_or_else(|| "target/gpu-kernels".into(), PathBuf::from)
}

fn first_gpu() -> Result<Arc<dyn ComputeDevice>, String> {
    let found = find_gpus(None, &kernel_folder()).map_err(|error| format!("{}: {}", error.why, error.hint))?;
    found.into_iter().next().ok_or_else(|| "no GPU".into())
}

fn train_on(device: &dyn ComputeDevice, recipes: &[Recipe]) -> Result<Vec<TrainingResult>, String> {
    let tasks: Vec<TrainingTask> =
        recipes.iter().map(|r| TrainingTask { recipe: r.clone(), control: &Unattended }).collect();
    let mut results = vec![None; recipes.len()];
    train(device, &tasks, &mut |finished| {
        finished.into_iter().for_each(|(number, result)| results[number] = result);
    })
    .map_err(|failure| format!("{failure:?}"))?;
    results.into_iter().map(|result| result.ok_or_else(|| "a model did not finish".into())).collect()
}

fn digest(result: &TrainingResult) -> String {
    let history = result.history.iter().flat_map(|(step, loss)| [*step, loss.to_bits()]);
    let words = result.parameters.iter().flatten().chain([&result.loss]).map(|v| v.to_bits()).chain(history);
    let bytes: Vec<u8> = words.chain([result.steps_run]).flat_map(u32::to_le_bytes).collect();
    blake3::hash(&bytes).to_hex()[..16].to_string()
}

/// Every kind of model and setting, several steps each.
fn all_recipes() -> Vec<(String, Recipe)> {
    let mut all: Vec<(String, Recipe)> = ROWS.iter().map(|row| (name(row), recipe(row, 300))).collect();
    for (n, m, e) in (1..=3).flat_map(|n| (1..=2).flat_map(move |m| (1..=3).map(move |e| (n, m, e)))) {
        let row: Row = ([n, m, e, 1], 700, 0.01, 0.01);
        all.push((name(&row), recipe(&row, 300)));
    }
    let mixture = recipe(&([20, 5, 4, 1], 333, 0.2, 0.02), 200);
    let mut hot = mixture.clone();
    hot.init.gate = Some(Initialiser::RandomKHot);
    all.extend([
        ("20/5/4, linear schedule".to_string(), Recipe { schedule: Schedule::Linear, ..mixture.clone() }),
        ("20/5/4, cosine schedule".to_string(), Recipe { schedule: Schedule::Cosine, ..mixture.clone() }),
        ("20/5/4, sum, k-hot gate".to_string(), Recipe { reduction: Reduction::Sum, ..hot }),
        ("37/3/20, balanced".to_string(), recipe(&([37, 3, 20, 1], 77, 0.3, 0.05), 200)),
        ("12/1/6, k=3, balanced".to_string(), recipe(&([12, 1, 6, 3], 200, 0.3, 0.02), 200)),
    ]);
    let models = [
        ("linear bottleneck", Model::LinearBottleneck(LinearBottleneck { features: 100, hidden: 20 })),
        ("neurons", Model::Neurons(Neurons { features: 10, hidden: 5 })),
        ("absolute value", Model::AbsoluteValue(AbsoluteValue { features: 100, hidden: 40 })),
    ];
    for (name, model) in models {
        for (signed, pairs) in [(false, 0), (true, 0), (true, 2)] {
            let mut recipe = Recipe { model: model.clone(), batch: 300, steps: 100, ..Recipe::example(1, 1, 1, 1) };
            let Data::SparseUniform(data) = &mut recipe.data;
            (data.signed, data.correlated_pairs, data.anticorrelated_pairs) = (signed, pairs, pairs / 2);
            all.push((format!("{name}, signed: {signed}, pairs: {}", pairs + pairs / 2), recipe));
        }
    }
    all
}

fn compare_digests() -> Result<bool, String> {
    let gpu = first_gpu()?;
    println!("| model | CPU | {} | |\n|---|---|---|---|", gpu.name());
    let mut same = 0;
    let recipes = all_recipes();
    for (name, recipe) in &recipes {
        let expected = repro::train::train(recipe, &Unattended).map_err(|error| error.message)?;
        let expected = digest(&expected.ok_or("the CPU was stopped")?);
        let found = digest(&train_on(&*gpu, std::slice::from_ref(recipe))?[0]);
        same += usize::from(found == expected);
        println!("| {name} | {expected} | {found} | {} |", if found == expected { "same" } else { "DIFFERS" });
    }
    println!("\n{same} of {} are equal", recipes.len());
    Ok(same == recipes.len())
}

/// Multiply-adds of a step as the kernels compute them: all features of a sample, active experts only.
fn multiply_adds(&([n, m, e, k], batch, ..): &Row) -> f64 {
    let [n, m, e, k] = [n, m, e, k].map(f64::from);
    let own = 5.0 * n * m + if k > 1.0 { 2.0 * n } else { 0.0 };
    f64::from(batch) * (if e > 1.0 { n * e } else { 0.0 } + k * own)
}

fn time_steps(arguments: &[String]) -> Result<bool, String> {
    let gpu = first_gpu()?;
    let json = arguments.iter().any(|argument| argument == "--json");
    let part = arguments.iter().find(|argument| !argument.starts_with("--"));
    let host = gpu.peak().is_none();
    if !json {
        println!("| model | us a step and model | share of {}'s f32 peak |\n|---|---|---|", gpu.name());
    }
    for row in ROWS.iter().filter(|row| part.is_none_or(|part| name(row).contains(part.as_str()))) {
        let small = row.0[0] <= 3;
        let (count, steps) =
            if host { (4, 20) } else { (CONCURRENT[usize::from(!small)], if small { 2000 } else { 400 }) };
        let recipes = |steps| -> Vec<Recipe> {
            (0..count).map(|seed| Recipe { seed: seed as u64, ..recipe(row, steps) }).collect()
        };
        // Compile the kernel and wake the GPU up.
        train_on(&*gpu, &recipes(20)[..1])?;
        let started = Instant::now();
        train_on(&*gpu, &recipes(steps))?;
        let seconds = started.elapsed().as_secs_f64() / f64::from(steps) / count as f64;
        let share = gpu.peak().map(|peak| 2.0 * multiply_adds(row) / seconds / peak);
        if json {
            println!(
                "{}",
                serde_json::json!({"name": name(row), "shape": row.0, "batch": row.1, "probability": row.2,
                "balance": row.3, "microseconds": seconds * 1e6, "share": share})
            );
        } else {
            let share = share.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
            println!("| {} | {:.4} | {share} |", name(row), seconds * 1e6);
        }
    }
    Ok(true)
}

/// The kernel variants of all training runs of a paper.
fn paper_variants(path: &Path) -> Result<HashSet<KernelVariant>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut problems = Problems::default();
    let graph = read(&text, &mut problems)
        .and_then(|root| Graph::from_paper(&Paper::from_node(&root, &mut problems), &mut problems));
    let graph = graph.ok_or("the paper file has problems: `repro status` lists them")?;
    let stages = graph.stages.iter().zip(&graph.layouts);
    let recipes = stages
        .flat_map(|(stage, layout)| (0..layout.units).map_while(move |unit| stage.stage.training(unit, layout)?.ok()));
    Ok(recipes.filter_map(|recipe| KernelVariant::for_recipe(&recipe)).collect())
}

fn compile_kernels(arguments: &[String]) -> Result<bool, String> {
    let [folder, architecture, kilobytes, rest @ ..] = arguments else {
        return Err("kernels FOLDER ARCHITECTURE KILOBYTES [PAPER]".into());
    };
    let kilobytes: usize = kilobytes.parse().map_err(|_| "KILOBYTES of shared memory must be a number")?;
    let mut variants: HashSet<KernelVariant> =
        all_recipes().iter().filter_map(|(_, recipe)| KernelVariant::for_recipe(recipe)).collect();
    for path in rest {
        variants.extend(paper_variants(Path::new(path))?);
    }
    for variant in &variants {
        let text = variant.source(kilobytes << 10).text;
        compile(&text, architecture, Some(Path::new(folder)))
            .map_err(|error| format!("{}: {error:?}", variant.name()))?;
    }
    println!("{} kernels for {architecture} in {folder}", variants.len());
    Ok(true)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let done = match arguments.split_first() {
        Some((command, _)) if command == "digests" => compare_digests(),
        Some((command, rest)) if command == "steps" => time_steps(rest),
        Some((command, rest)) if command == "kernels" => compile_kernels(rest),
        // Plain `cargo bench` has nothing to measure without a GPU.
        _ => {
            println!("digests, steps or kernels? See benches/gpu.rs");
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
