//! The kernels, compiled as C++, against the engine for CPUs; and by NVRTC, where it is found.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::nvrtc::present;
use super::{Device, Fault, Host, Kernel, Run, Task, Variant, Wave, compile};
use crate::train::engines::cpu::tests::{digest, recipe, zoo};
use crate::train::engines::cpu::{Instance, is_small, simd::Level};
use crate::train::*;

/// Where compiled kernels are kept between runs of the tests.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kernels")
}

fn trained(device: &dyn Device, recipes: &[Recipe]) -> Vec<Outcome> {
    let tasks: Vec<Task> = recipes.iter().map(|recipe| Task { recipe: recipe.clone(), control: &Unattended }).collect();
    let mut outcomes = vec![None; recipes.len()];
    super::train(device, &tasks, &mut |ended| {
        ended.into_iter().for_each(|(number, outcome)| outcomes[number] = outcome);
    })
    .expect("the device goes on");
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

/// The zoo, and what it lacks.
fn recipes() -> Vec<(String, Recipe)> {
    zoo().into_iter().map(|(name, recipe)| (name.into(), recipe)).chain(more()).collect()
}

/// What differs on a device from the engine for CPUs.
fn differences(device: &Host) -> Vec<String> {
    let recipes = recipes();
    let differs = |(name, recipe): &(String, Recipe)| {
        let expected = crate::train::engines::cpu::train(recipe, &Unattended).unwrap().unwrap();
        let found = trained(device, std::slice::from_ref(recipe)).remove(0);
        (digest(&found) != digest(&expected)).then(|| format!("{name}: {} against {}", found.loss, expected.loss))
    };
    recipes.par_iter().filter_map(differs).collect()
}

#[test]
fn kernels_give_the_bytes_of_the_cpu_for_every_model_and_setting() {
    assert_eq!(differences(&Host::new(&folder())), [""; 0]);
}

#[test]
fn no_phase_of_a_kernel_depends_on_the_order_of_its_iterations() {
    assert_eq!(differences(&Host { backwards: true, ..Host::new(&folder()) }), [""; 0]);
}

#[test]
fn where_arrays_lie_makes_no_difference() {
    // Room for nothing, and for some: parameters and moments then stay in slow memory.
    for shared in [0, 20 << 10] {
        let device = Host { shared, ..Host::new(&folder()) };
        for (name, recipe) in zoo().into_iter().filter(|(_, recipe)| !is_small(recipe.shape())).step_by(3) {
            let expected = crate::train::engines::cpu::train(&recipe, &Unattended).unwrap().unwrap();
            let found = trained(&device, &[recipe]).remove(0);
            assert_eq!(digest(&found), digest(&expected), "{name} with {shared} bytes");
        }
    }
}

#[test]
fn models_trained_together_have_the_bytes_of_each_alone() {
    let mut recipes: Vec<Recipe> = Vec::new();
    for seed in 0..11 {
        for (_, recipe) in zoo().into_iter().take(3) {
            recipes.push(Recipe { seed, steps: 20 + 7 * seed as u32, ..recipe });
        }
    }
    let found = trained(&Host::new(&folder()), &recipes);
    for (found, recipe) in found.iter().zip(&recipes) {
        let expected = crate::train::engines::cpu::train(recipe, &Unattended).unwrap().unwrap();
        assert_eq!(digest(found), digest(&expected));
    }
}

/// The host, until something happens at a launch; `Fault::Memory` is also what too large a wave gets.
struct Frail {
    host: Host,
    launches: AtomicUsize,
    fault: Fault,
    largest_wave: usize,
}

struct FrailKernel<'a>(&'a Frail, Box<dyn Kernel + 'a>);
struct FrailRun<'a>(&'a Frail, Box<dyn Run + 'a>);

impl Device for Frail {
    fn name(&self) -> String {
        "a frail device".into()
    }
    fn number(&self) -> usize {
        0
    }
    fn memory(&self) -> u64 {
        self.host.memory
    }
    fn load(&self, variant: &Variant) -> Result<Box<dyn Kernel + '_>, Fault> {
        Ok(Box::new(FrailKernel(self, self.host.load(variant)?)))
    }
}

impl Kernel for FrailKernel<'_> {
    fn width(&self) -> usize {
        self.1.width()
    }
    fn bytes(&self) -> u64 {
        self.1.bytes()
    }
    fn stride(&self) -> usize {
        self.1.stride()
    }
    fn begin(&self, wave: &Wave) -> Result<Box<dyn Run + '_>, Fault> {
        if wave.models.len() > self.0.largest_wave {
            return Err(Fault::Memory);
        }
        Ok(Box::new(FrailRun(self.0, self.1.begin(wave)?)))
    }
}

impl Run for FrailRun<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), Fault> {
        match self.0.launches.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.1.advance(steps),
            Err(_) => Err(self.0.fault.clone()),
        }
    }
    fn read(&mut self, wave: &mut Wave) -> Result<(), Fault> {
        self.1.read(wave)
    }
}

#[test]
fn a_lost_device_leaves_checkpoints_from_which_the_cpu_goes_on_to_the_same_bytes() {
    let recipe = Recipe { steps: 3000, ..recipe(20, 5, 4, 1, 0.0) };
    let recipes: Vec<Recipe> = (0..3).map(|seed| Recipe { seed, ..recipe.clone() }).collect();
    let recipes: Vec<Recipe> = recipes.into_iter().chain([Recipe { steps: 5, ..recipe }]).collect();
    let fault = Fault::Lost("it fell off the bus".into());
    let device = Frail { host: Host::new(&folder()), launches: 1.into(), fault: fault.clone(), largest_wave: 9 };
    let tasks: Vec<Task> = recipes.iter().map(|recipe| Task { recipe: recipe.clone(), control: &Unattended }).collect();
    let mut told = Vec::new();
    let broken = super::train(&device, &tasks, &mut |ended| told.extend(ended)).unwrap_err();
    assert_eq!(broken.fault, fault);
    // The short one had ended.
    assert_eq!(told.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3]);
    assert_eq!(broken.kept.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
    for (number, checkpoint) in broken.kept {
        let expected = crate::train::engines::cpu::train(&recipes[number], &Unattended).unwrap().unwrap();
        let mut rest = Instance::new(&recipes[number], Level::best());
        assert!(rest.restore(&checkpoint) && (1..3000).contains(&rest.step_number()));
        rest.steps(u32::MAX);
        assert_eq!(digest(&rest.outcome()), digest(&expected));
    }
}

#[test]
fn a_wave_for_which_there_is_no_memory_is_cut() {
    let recipes: Vec<Recipe> = (0..16).map(|seed| Recipe { seed, ..recipe(2, 1, 2, 1, 0.01) }).collect();
    let device = Frail { host: Host::new(&folder()), launches: 1000.into(), fault: Fault::Memory, largest_wave: 3 };
    let expected = trained(&device.host, &recipes);
    assert_eq!(trained(&device, &recipes), expected);
}

#[test]
fn memory_for_less_than_one_model_is_told() {
    let device = Host { memory: 5_000, ..Host::new(&folder()) };
    let task = Task { recipe: recipe(20, 5, 4, 1, 0.0), control: &Unattended };
    let other = Task { recipe: recipe(1, 1, 1, 1, 0.0), control: &Unattended };
    let mut told = Vec::new();
    let broken =
        super::train(&device, &[task, other], &mut |ended| told.extend(ended.into_iter().map(|(number, _)| number)))
            .unwrap_err();
    let Fault::Unfit { why, .. } = &broken.fault else { panic!("{broken:?}") };
    assert_eq!(*why, "a model of 20/5/4, k = 1 needs 12.0 kB of this machine's processor and may have 5.0 kB");
    // What fits is trained.
    assert!(told == [1] && broken.kept.is_empty());
}

#[test]
fn what_is_stopped_is_told_and_trained_no_further() {
    struct Stopped;
    impl Control for Stopped {
        fn stop(&self) -> bool {
            true
        }
    }
    let task = Task { recipe: recipe(2, 1, 1, 1, 0.0), control: &Stopped };
    let mut told = Vec::new();
    super::train(&Host::new(&folder()), &[task], &mut |ended| {
        told.extend(ended.into_iter().map(|(number, outcome)| (number, outcome.is_none())));
    })
    .unwrap();
    assert_eq!(told, [(0, true)]);
}

/// Where NVRTC is not found, this test has nothing to do: `scripts/nvrtc.sh` installs it and runs it.
#[test]
fn nvrtc_compiles_every_kernel_for_cards_of_several_generations() {
    if !present() {
        assert!(std::env::var_os("REPRO_NVRTC").is_none(), "REPRO_NVRTC names no NVRTC");
        return;
    }
    let mut variants: Vec<Variant> = recipes().iter().filter_map(|(_, recipe)| Variant::of(recipe)).collect();
    let mut seen = std::collections::HashSet::new();
    variants.retain(|variant| seen.insert(variant.clone()));
    // H100 and H200 with 227 KB of fast memory; for some kernels, newer cards with as much and the oldest with 64 KB.
    variants.par_iter().enumerate().for_each(|(i, variant)| {
        let cards = [("sm_90", 227), ("sm_100", 227), ("sm_75", 64)].into_iter().take(if i % 8 == 0 { 3 } else { 1 });
        for (architecture, kilobytes) in cards {
            let text = variant.source(kilobytes << 10).text;
            let code = compile(&text, architecture, Some(&folder()))
                .unwrap_or_else(|fault| panic!("{}: {fault:?}", variant.name()));
            assert!(code.starts_with(b"\x7fELF"), "{} for {architecture}", variant.name());
        }
    });
}
