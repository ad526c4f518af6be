//! The kernels, compiled as C++, against the CPU engine; and compiled by NVRTC, where it is installed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::nvrtc::is_available;
use super::{
    ComputeDevice, DeviceBatch, DeviceError, DeviceKernel, HostDevice, KernelVariant, ModelBatch, TrainingTask, compile,
};
use crate::engines::cpu::Trainer;
use crate::engines::cpu::tests::{digest, recipe, recipes_of_all_kinds};
use crate::engines::kernel_class::KernelClass;
use crate::*;

/// The folder of compiled kernels, kept between runs of the tests.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kernels")
}

fn trained(device: &dyn ComputeDevice, recipes: &[Recipe]) -> Vec<TrainingResult> {
    let tasks: Vec<TrainingTask> =
        recipes.iter().map(|recipe| TrainingTask { recipe: recipe.clone(), control: &Unattended }).collect();
    let mut outcomes = vec![None; recipes.len()];
    super::train(device, &tasks, &mut |ended| {
        ended.into_iter().for_each(|(number, outcome)| outcomes[number] = outcome);
    })
    .expect("the device works");
    outcomes.into_iter().map(|outcome| outcome.expect("every model finishes")).collect()
}

/// Every shape of a small model.
fn small_recipes() -> Vec<(String, Recipe)> {
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

/// All recipes that are compared.
fn recipes() -> Vec<(String, Recipe)> {
    recipes_of_all_kinds().into_iter().map(|(name, recipe)| (name.into(), recipe)).chain(small_recipes()).collect()
}

/// The recipes whose results on a device differ from those of the CPU engine.
fn find_differences(device: &HostDevice) -> Vec<String> {
    let recipes = recipes();
    let differs = |(name, recipe): &(String, Recipe)| {
        let expected = crate::engines::cpu::train(recipe, &Unattended).unwrap().unwrap();
        let found = trained(device, std::slice::from_ref(recipe)).remove(0);
        (digest(&found) != digest(&expected)).then(|| format!("{name}: {} against {}", found.loss, expected.loss))
    };
    recipes.par_iter().filter_map(differs).collect()
}

#[test]
fn kernels_give_the_bytes_of_the_cpu_engine_for_every_model_and_setting() {
    assert_eq!(find_differences(&HostDevice::new(&folder())), [""; 0]);
}

#[test]
fn no_phase_of_a_kernel_depends_on_the_order_of_its_iterations() {
    assert_eq!(find_differences(&HostDevice { backwards: true, ..HostDevice::new(&folder()) }), [""; 0]);
}

#[test]
fn the_memory_of_arrays_changes_no_bit() {
    // Shared memory for nothing, and for some arrays: parameters and moments then stay in global memory.
    for shared in [0, 20 << 10] {
        let device = HostDevice { shared, ..HostDevice::new(&folder()) };
        for (name, recipe) in recipes_of_all_kinds()
            .into_iter()
            .filter(|(_, recipe)| KernelClass::for_recipe(recipe) != KernelClass::Small)
            .step_by(3)
        {
            let expected = crate::engines::cpu::train(&recipe, &Unattended).unwrap().unwrap();
            let found = trained(&device, &[recipe]).remove(0);
            assert_eq!(digest(&found), digest(&expected), "{name} with {shared} bytes");
        }
    }
}

#[test]
fn models_trained_together_have_the_bytes_of_each_alone() {
    let mut recipes: Vec<Recipe> = Vec::new();
    for seed in 0..11 {
        for (_, recipe) in recipes_of_all_kinds().into_iter().take(3) {
            recipes.push(Recipe { seed, steps: 20 + 7 * seed as u32, ..recipe });
        }
    }
    let found = trained(&HostDevice::new(&folder()), &recipes);
    for (found, recipe) in found.iter().zip(&recipes) {
        let expected = crate::engines::cpu::train(recipe, &Unattended).unwrap().unwrap();
        assert_eq!(digest(found), digest(&expected));
    }
}

/// The host device, which fails with `error` after some launches, and has no memory for batches larger than `largest_batch`.
struct FailingDevice {
    host: HostDevice,
    launches: AtomicUsize,
    error: DeviceError,
    largest_batch: usize,
}

struct FailingKernel<'a>(&'a FailingDevice, Box<dyn DeviceKernel + 'a>);
struct FailingBatch<'a>(&'a FailingDevice, Box<dyn DeviceBatch + 'a>);

impl ComputeDevice for FailingDevice {
    fn name(&self) -> String {
        "a failing device".into()
    }
    fn number(&self) -> usize {
        0
    }
    fn memory(&self) -> u64 {
        self.host.memory
    }
    fn load(&self, variant: &KernelVariant) -> Result<Box<dyn DeviceKernel + '_>, DeviceError> {
        Ok(Box::new(FailingKernel(self, self.host.load(variant)?)))
    }
}

impl DeviceKernel for FailingKernel<'_> {
    fn concurrency(&self) -> usize {
        self.1.concurrency()
    }
    fn bytes(&self) -> u64 {
        self.1.bytes()
    }
    fn stride(&self) -> usize {
        self.1.stride()
    }
    fn upload(&self, batch: &ModelBatch) -> Result<Box<dyn DeviceBatch + '_>, DeviceError> {
        if batch.models.len() > self.0.largest_batch {
            return Err(DeviceError::Memory);
        }
        Ok(Box::new(FailingBatch(self.0, self.1.upload(batch)?)))
    }
}

impl DeviceBatch for FailingBatch<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), DeviceError> {
        match self.0.launches.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.1.advance(steps),
            Err(_) => Err(self.0.error.clone()),
        }
    }
    fn download(&mut self, batch: &mut ModelBatch) -> Result<(), DeviceError> {
        self.1.download(batch)
    }
}

#[test]
fn the_cpu_continues_from_the_checkpoints_of_a_lost_device_to_the_same_bytes() {
    let recipe = Recipe { steps: 3000, ..recipe(20, 5, 4, 1, 0.0) };
    let recipes: Vec<Recipe> = (0..3).map(|seed| Recipe { seed, ..recipe.clone() }).collect();
    let recipes: Vec<Recipe> = recipes.into_iter().chain([Recipe { steps: 5, ..recipe }]).collect();
    let error = DeviceError::Lost("it fell off the bus".into());
    let device =
        FailingDevice { host: HostDevice::new(&folder()), launches: 1.into(), error: error.clone(), largest_batch: 9 };
    let tasks: Vec<TrainingTask> =
        recipes.iter().map(|recipe| TrainingTask { recipe: recipe.clone(), control: &Unattended }).collect();
    let mut reported = Vec::new();
    let failure = super::train(&device, &tasks, &mut |ended| reported.extend(ended)).unwrap_err();
    assert_eq!(failure.error, error);
    // The short one had finished.
    assert_eq!(reported.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3]);
    assert_eq!(failure.checkpoints.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
    for (number, checkpoint) in failure.checkpoints {
        let expected = crate::engines::cpu::train(&recipes[number], &Unattended).unwrap().unwrap();
        let mut rest = Trainer::new(&recipes[number], Level::best());
        assert!(rest.restore(&checkpoint) && (1..3000).contains(&rest.steps_taken()));
        rest.train_steps(u32::MAX);
        assert_eq!(digest(&rest.result()), digest(&expected));
    }
}

#[test]
fn a_batch_is_split_if_its_allocation_fails() {
    let recipes: Vec<Recipe> = (0..16).map(|seed| Recipe { seed, ..recipe(2, 1, 2, 1, 0.01) }).collect();
    let device = FailingDevice {
        host: HostDevice::new(&folder()),
        launches: 1000.into(),
        error: DeviceError::Memory,
        largest_batch: 3,
    };
    let expected = trained(&device.host, &recipes);
    assert_eq!(trained(&device, &recipes), expected);
}

#[test]
fn memory_for_less_than_one_model_is_an_error() {
    let device = HostDevice { memory: 5_000, ..HostDevice::new(&folder()) };
    let task = TrainingTask { recipe: recipe(20, 5, 4, 1, 0.0), control: &Unattended };
    let other = TrainingTask { recipe: recipe(1, 1, 1, 1, 0.0), control: &Unattended };
    let mut reported = Vec::new();
    let failure = super::train(&device, &[task, other], &mut |ended| {
        reported.extend(ended.into_iter().map(|(number, _)| number))
    })
    .unwrap_err();
    let DeviceError::Unfit { why, .. } = &failure.error else { panic!("{failure:?}") };
    assert_eq!(*why, "a model of 20/5/4, k = 1 needs 12.0 kB of memory on the host CPU, but may use only 5.0 kB");
    // The model that fits is trained.
    assert!(reported == [1] && failure.checkpoints.is_empty());
}

#[test]
fn a_stopped_task_is_reported_and_trained_no_further() {
    struct Stopped;
    impl Control for Stopped {
        fn stop(&self) -> bool {
            true
        }
    }
    let task = TrainingTask { recipe: recipe(2, 1, 1, 1, 0.0), control: &Stopped };
    let mut reported = Vec::new();
    super::train(&HostDevice::new(&folder()), &[task], &mut |ended| {
        reported.extend(ended.into_iter().map(|(number, outcome)| (number, outcome.is_none())));
    })
    .unwrap();
    assert_eq!(reported, [(0, true)]);
}

/// Does nothing where NVRTC is not installed: `scripts/nvrtc.sh` installs it and runs it.
#[test]
fn nvrtc_compiles_every_kernel_for_several_gpu_generations() {
    if !is_available() {
        assert!(std::env::var_os("REPRO_NVRTC").is_none(), "REPRO_NVRTC names no NVRTC");
        return;
    }
    let mut variants: Vec<KernelVariant> =
        recipes().iter().filter_map(|(_, recipe)| KernelVariant::for_recipe(recipe)).collect();
    let mut seen = std::collections::HashSet::new();
    variants.retain(|variant| seen.insert(variant.clone()));
    // H100 and H200 with 227 KB of shared memory; for some kernels, newer GPUs with as much and the oldest with 64 KB.
    variants.par_iter().enumerate().for_each(|(i, variant)| {
        let targets = [("sm_90", 227), ("sm_100", 227), ("sm_75", 64)].into_iter().take(if i % 8 == 0 { 3 } else { 1 });
        for (architecture, kilobytes) in targets {
            let text = variant.source(kilobytes << 10).text;
            let code = compile(&text, architecture, Some(&folder()))
                .unwrap_or_else(|error| panic!("{}: {error:?}", variant.name()));
            assert!(code.starts_with(b"\x7fELF"), "{} for {architecture}", variant.name());
        }
    });
}
