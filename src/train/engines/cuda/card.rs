//! Graphics cards, through NVIDIA's driver. The driver is looked for when it is needed; a machine without one is no error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUfunction_attribute_enum as Setting, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DeviceRepr, DriverError, LaunchConfig, PushKernelArg, sys,
};
use cudarc::nvrtc::Ptx;

use super::device::{Device, Fault, Kernel, Run};
use super::host::Host;
use super::nvrtc;
use super::variant::{Source, Variant};
use super::wave::{Model, Wave};

/// The oldest cards that kernels are compiled for, as compute capability.
const OLDEST: (i32, i32) = (7, 5);

/// The oldest driver whose functions are called, as the CUDA version that it is for.
const OLDEST_DRIVER: i32 = 12_000;

/// Share of a card's free memory that is used if nothing else is asked for, in hundredths.
const SHARE: u64 = 80;

/// Why no card can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub why: String,
    pub hint: String,
    /// There seems to be one, so that somebody who did not ask for it will want to know.
    pub seems_there: bool,
}

/// The names by which CUDA_VISIBLE_DEVICES chooses each card of this machine: those that it chooses now, or 0, 1, ... The driver is not asked.
pub fn visible() -> Vec<String> {
    if let Ok(chosen) = std::env::var("CUDA_VISIBLE_DEVICES") {
        return chosen.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect();
    }
    let there = |number: &usize| Path::new(&format!("/dev/nvidia{number}")).exists();
    (0..64).filter(there).enumerate().map(|(number, _)| number.to_string()).collect()
}

/// All cards that can be used. `memory` is the most that may be taken of each, in bytes; `kernels` is where compiled kernels are kept. With
/// REPRO_CUDA=host the processor stands in for a card, with REPRO_CUDA=host:2 for two: slow, and a check of the kernels' bits.
pub fn cards(memory: Option<u64>, kernels: &Path) -> Result<Vec<Arc<dyn Device>>, Missing> {
    if let Some(host) = std::env::var("REPRO_CUDA").ok().and_then(|how| how.strip_prefix("host").map(str::to_string)) {
        let count = host.strip_prefix(':').and_then(|count| count.parse().ok()).unwrap_or(1);
        let host = |number| Host { number, memory: memory.unwrap_or(1 << 30), ..Host::new(kernels) };
        return Ok((0..count).map(|number| Arc::new(host(number)) as Arc<dyn Device>).collect());
    }
    let device_file = ["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"].iter().any(|file| Path::new(file).exists());
    let missing = |why: &str, hint: &str, seems_there| Missing { why: why.into(), hint: hint.into(), seems_there };
    let update = "update the NVIDIA driver";
    // Safety: loading the driver's library; asking for its version needs no more.
    let version = unsafe {
        if !sys::is_culib_present() {
            let hint = "install the NVIDIA driver, whose library is libcuda.so.1";
            return Err(missing("no NVIDIA driver was found", hint, device_file));
        }
        let mut version = 0;
        sys::cuDriverGetVersion(&mut version).result().map(|()| version).unwrap_or(0)
    };
    if version < OLDEST_DRIVER {
        return Err(missing("the NVIDIA driver is for a CUDA older than 12.0", update, true));
    }
    let count = match CudaContext::device_count() {
        Ok(count) if count > 0 => count,
        Ok(_) | Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => {
            let hint = "CUDA_VISIBLE_DEVICES may hide it";
            return Err(missing("the NVIDIA driver finds no graphics card", hint, device_file));
        }
        Err(error) => {
            let why = format!("the NVIDIA driver does not start: {}", told(error));
            return Err(missing(&why, "`nvidia-smi` says whether it is in order", true));
        }
    };
    if !nvrtc::present() && !kernels.is_dir() {
        return Err(missing("NVRTC, which compiles kernels, was not found", nvrtc::INSTALL, true));
    }
    let mut cards: Vec<Arc<dyn Device>> = Vec::new();
    let mut refused = None;
    for ordinal in 0..count as usize {
        match Card::new(ordinal, memory, kernels) {
            Ok(card) => cards.push(Arc::new(card)),
            Err(missing) => refused = refused.or(Some(missing)),
        }
    }
    match refused {
        Some(missing) if cards.is_empty() => Err(missing),
        _ => Ok(cards),
    }
}

/// An error of the driver in its own words.
fn told(error: DriverError) -> String {
    error.error_string().map(|text| text.to_string_lossy().into_owned()).unwrap_or_else(|_| format!("{error:?}"))
}

fn fault(error: DriverError) -> Fault {
    match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Fault::Memory,
        _ => Fault::Lost(told(error)),
    }
}

/// A graphics card.
struct Card {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    name: String,
    number: usize,
    architecture: String,
    /// Bytes that may be taken.
    memory: u64,
    /// Bytes of fast memory of a block, and multiprocessors.
    shared: usize,
    processors: usize,
    /// Cycles a second at most.
    clock: f64,
    kernels: PathBuf,
}

impl Card {
    fn new(ordinal: usize, memory: Option<u64>, kernels: &Path) -> Result<Card, Missing> {
        let start = || -> Result<_, DriverError> {
            let context = CudaContext::new(ordinal)?;
            let name = context.name()?;
            let capability = context.compute_capability()?;
            let (free, _) = context.mem_get_info()?;
            let number = |attribute| context.attribute(attribute).map(|value| usize::try_from(value).unwrap_or(0));
            let shared = number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
            let processors = number(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let clock = 1e3 * number(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)? as f64;
            let stream = context.new_stream()?;
            Ok((context, stream, name, capability, free as u64, (shared, processors, clock)))
        };
        let missing = |why: String, hint: &str| Missing { why, hint: hint.into(), seems_there: true };
        let (context, stream, name, (major, minor), free, (shared, processors, clock)) = start().map_err(|error| {
            missing(
                format!("graphics card {ordinal} does not start: {}", told(error)),
                "`nvidia-smi` says whether it is in order, and who uses it",
            )
        })?;
        if (major, minor) < OLDEST {
            let why = format!("{name} is too old: it has compute capability {major}.{minor}");
            return Err(missing(why, "kernels need 7.5 or newer (Turing, 2018)"));
        }
        let allowed = memory.unwrap_or(free / 100 * SHARE);
        if allowed > free {
            let why =
                format!("{name} has {} MB of free memory, less than the {} MB asked for", free >> 20, allowed >> 20);
            return Err(missing(why, "ask for less with --gpu-memory, or see with `nvidia-smi` who uses it"));
        }
        let architecture = format!("sm_{major}{minor}");
        Ok(Card {
            context,
            stream,
            name,
            number: ordinal,
            architecture,
            memory: allowed,
            shared,
            processors,
            clock,
            kernels: kernels.into(),
        })
    }
}

impl Device for Card {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn number(&self) -> usize {
        self.number
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    /// A multiprocessor has 128 units, or 64 in the generations 7.5 and 8.0.
    fn peak(&self) -> Option<f64> {
        let units = if ["sm_75", "sm_80"].contains(&self.architecture.as_str()) { 64.0 } else { 128.0 };
        Some(2.0 * units * self.processors as f64 * self.clock)
    }

    fn load(&self, variant: &Variant) -> Result<Box<dyn Kernel + '_>, Fault> {
        let source = variant.source(self.shared);
        let code = nvrtc::compile(&source.text, &self.architecture, Some(&self.kernels))?;
        let load = || -> Result<_, DriverError> {
            let module = self.context.load_module(Ptx::from_binary(code))?;
            let function = module.load_function("train")?;
            // More than 48 KB must be asked for.
            function.set_attribute(Setting::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, source.shared as i32)?;
            let blocks =
                function.occupancy_max_active_blocks_per_multiprocessor(source.block as u32, source.shared, None)?;
            Ok((function, blocks as usize))
        };
        let (function, blocks) = load().map_err(|error| Fault::Kernel {
            why: format!("{} refuses the kernel for {}: {}", self.name, variant.name(), told(error)),
            hint: "an NVRTC that is newer than the driver may be the reason".into(),
        })?;
        let width = (blocks * self.processors).max(1) * source.models;
        Ok(Box::new(CardKernel { card: self, function, source, width }))
    }
}

struct CardKernel<'a> {
    card: &'a Card,
    function: CudaFunction,
    source: Source,
    width: usize,
}

// Safety: plain numbers, laid out as in C.
unsafe impl DeviceRepr for Model {}

struct CardRun<'a> {
    kernel: &'a CardKernel<'a>,
    models: CudaSlice<Model>,
    values: CudaSlice<f32>,
    fixed: CudaSlice<f32>,
    history: CudaSlice<u32>,
    work: CudaSlice<f32>,
}

impl Kernel for CardKernel<'_> {
    fn width(&self) -> usize {
        self.width
    }

    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn stride(&self) -> usize {
        self.source.stride
    }

    fn begin(&self, wave: &Wave) -> Result<Box<dyn Run + '_>, Fault> {
        let stream = &self.card.stream;
        let start = || -> Result<CardRun<'_>, DriverError> {
            Ok(CardRun {
                kernel: self,
                models: stream.clone_htod(&wave.models)?,
                values: stream.clone_htod(&wave.values)?,
                fixed: stream.clone_htod(&wave.fixed)?,
                history: stream.clone_htod(&wave.history)?,
                // Safety: kernels write what they read of it. Nothing has length 0 on a card.
                work: unsafe { stream.alloc::<f32>((wave.models.len() * self.source.work).max(1)) }?,
            })
        };
        Ok(Box::new(start().map_err(fault)?))
    }
}

impl Run for CardRun<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), Fault> {
        let CardKernel { card, function, source, .. } = self.kernel;
        let (count, steps) = (self.models.len() as i32, i32::try_from(steps).unwrap_or(i32::MAX));
        let config = LaunchConfig {
            grid_dim: (self.models.len().div_ceil(source.models) as u32, 1, 1),
            block_dim: (source.block as u32, 1, 1),
            shared_mem_bytes: source.shared as u32,
        };
        let mut launch = card.stream.launch_builder(function);
        launch.arg(&mut self.models).arg(&mut self.values).arg(&self.fixed).arg(&mut self.history);
        launch.arg(&mut self.work).arg(&count).arg(&steps);
        // Safety: the kernel takes these arguments, and the arrays have the lengths that its source says.
        unsafe { launch.launch(config) }.map_err(fault)?;
        card.stream.synchronize().map_err(fault)
    }

    fn read(&mut self, wave: &mut Wave) -> Result<(), Fault> {
        let stream = &self.kernel.card.stream;
        let mut read = || -> Result<(), DriverError> {
            stream.memcpy_dtoh(&self.models, &mut wave.models)?;
            stream.memcpy_dtoh(&self.values, &mut wave.values)?;
            stream.memcpy_dtoh(&self.history, &mut wave.history)?;
            stream.synchronize()
        };
        read().map_err(fault)
    }
}
