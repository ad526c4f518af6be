//! NVIDIA GPUs, through the CUDA driver. The driver is loaded when it is needed; a machine without one is no error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUfunction_attribute_enum as Setting, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DeviceRepr, DriverError, LaunchConfig, PushKernelArg, sys,
};
use cudarc::nvrtc::Ptx;

use super::device::{ComputeDevice, DeviceBatch, DeviceError, DeviceKernel};
use super::host::HostDevice;
use super::model_batch::{DeviceModel, ModelBatch};
use super::nvrtc;
use super::variant::{KernelSource, KernelVariant};

/// The oldest compute capability that kernels are compiled for.
const MIN_CAPABILITY: (i32, i32) = (7, 5);

/// The oldest driver that works, as its CUDA version.
const MIN_DRIVER: i32 = 12_000;

/// Percentage of a GPU's free memory that is used by default.
const MEMORY_PERCENT: u64 = 80;

/// Why no GPU can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuUnavailable {
    pub why: String,
    pub hint: String,
    /// A GPU seems to be present, so that its failure is worth a warning even if none was requested.
    pub seems_present: bool,
}

/// The names by which CUDA_VISIBLE_DEVICES selects each GPU of this machine: those that it selects now, or 0, 1, ... Does not call the driver.
pub fn visible_gpus() -> Vec<String> {
    if let Ok(chosen) = std::env::var("CUDA_VISIBLE_DEVICES") {
        return chosen.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect();
    }
    let exists = |number: &usize| Path::new(&format!("/dev/nvidia{number}")).exists();
    (0..64).filter(exists).enumerate().map(|(number, _)| number.to_string()).collect()
}

/// All GPUs that can be used. `memory` is the most that may be used of each, in bytes; `kernels` is the folder of compiled kernels. With
/// REPRO_CUDA=host the host CPU stands in for a GPU, with REPRO_CUDA=host:2 for two: slow, and a check of the kernels' bits.
pub fn find_gpus(memory: Option<u64>, kernels: &Path) -> Result<Vec<Arc<dyn ComputeDevice>>, GpuUnavailable> {
    if let Some(host) = std::env::var("REPRO_CUDA").ok().and_then(|how| how.strip_prefix("host").map(str::to_string)) {
        let count = host.strip_prefix(':').and_then(|count| count.parse().ok()).unwrap_or(1);
        let host = |number| HostDevice { number, memory: memory.unwrap_or(1 << 30), ..HostDevice::new(kernels) };
        return Ok((0..count).map(|number| Arc::new(host(number)) as Arc<dyn ComputeDevice>).collect());
    }
    let device_file = ["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"].iter().any(|file| Path::new(file).exists());
    let missing =
        |why: &str, hint: &str, seems_present| GpuUnavailable { why: why.into(), hint: hint.into(), seems_present };
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
    if version < MIN_DRIVER {
        return Err(missing("the NVIDIA driver is for a CUDA older than 12.0", update, true));
    }
    let count = match CudaContext::device_count() {
        Ok(count) if count > 0 => count,
        Ok(_) | Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => {
            let hint = "CUDA_VISIBLE_DEVICES may hide it";
            return Err(missing("the NVIDIA driver finds no GPU", hint, device_file));
        }
        Err(error) => {
            let why = format!("the NVIDIA driver does not start: {}", driver_message(error));
            return Err(missing(&why, "check it with `nvidia-smi`", true));
        }
    };
    if !nvrtc::is_available() && !kernels.is_dir() {
        return Err(missing("NVRTC, which compiles kernels, was not found", nvrtc::INSTALL, true));
    }
    let mut gpus: Vec<Arc<dyn ComputeDevice>> = Vec::new();
    let mut refused = None;
    for ordinal in 0..count as usize {
        match CudaGpu::new(ordinal, memory, kernels) {
            Ok(gpu) => gpus.push(Arc::new(gpu)),
            Err(missing) => refused = refused.or(Some(missing)),
        }
    }
    match refused {
        Some(missing) if gpus.is_empty() => Err(missing),
        _ => Ok(gpus),
    }
}

/// The message of a driver error.
fn driver_message(error: DriverError) -> String {
    error.error_string().map(|text| text.to_string_lossy().into_owned()).unwrap_or_else(|_| format!("{error:?}"))
}

fn device_error(error: DriverError) -> DeviceError {
    match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::Memory,
        _ => DeviceError::Lost(driver_message(error)),
    }
}

/// A GPU.
struct CudaGpu {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    name: String,
    number: usize,
    architecture: String,
    /// Bytes that may be used.
    memory: u64,
    /// Bytes of shared memory of a block, and number of multiprocessors.
    shared: usize,
    multiprocessors: usize,
    /// Peak clock rate in Hz.
    clock: f64,
    kernels: PathBuf,
}

impl CudaGpu {
    fn new(ordinal: usize, memory: Option<u64>, kernels: &Path) -> Result<CudaGpu, GpuUnavailable> {
        let start = || -> Result<_, DriverError> {
            let context = CudaContext::new(ordinal)?;
            let name = context.name()?;
            let capability = context.compute_capability()?;
            let (free, _) = context.mem_get_info()?;
            let number = |attribute| context.attribute(attribute).map(|value| usize::try_from(value).unwrap_or(0));
            let shared = number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
            let multiprocessors = number(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let clock = 1e3 * number(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)? as f64;
            let stream = context.new_stream()?;
            Ok((context, stream, name, capability, free as u64, (shared, multiprocessors, clock)))
        };
        let missing = |why: String, hint: &str| GpuUnavailable { why, hint: hint.into(), seems_present: true };
        let (context, stream, name, (major, minor), free, (shared, multiprocessors, clock)) =
            start().map_err(|error| {
                missing(
                    format!("GPU {ordinal} does not start: {}", driver_message(error)),
                    "`nvidia-smi` shows its state and the programs that use it",
                )
            })?;
        if (major, minor) < MIN_CAPABILITY {
            let why = format!("{name} is too old: it has compute capability {major}.{minor}");
            return Err(missing(why, "kernels need 7.5 or newer (Turing, 2018)"));
        }
        let allowed = memory.unwrap_or(free / 100 * MEMORY_PERCENT);
        if allowed > free {
            let why =
                format!("{name} has {} MB of free memory, less than the {} MB asked for", free >> 20, allowed >> 20);
            return Err(missing(why, "lower --gpu-memory, or see the programs that use it with `nvidia-smi`"));
        }
        let architecture = format!("sm_{major}{minor}");
        Ok(CudaGpu {
            context,
            stream,
            name,
            number: ordinal,
            architecture,
            memory: allowed,
            shared,
            multiprocessors,
            clock,
            kernels: kernels.into(),
        })
    }
}

impl ComputeDevice for CudaGpu {
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
        Some(2.0 * units * self.multiprocessors as f64 * self.clock)
    }

    fn load(&self, variant: &KernelVariant) -> Result<Box<dyn DeviceKernel + '_>, DeviceError> {
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
        let (function, blocks) = load().map_err(|error| DeviceError::Kernel {
            why: format!("{} refuses the kernel for {}: {}", self.name, variant.name(), driver_message(error)),
            hint: "an NVRTC that is newer than the driver may be the reason".into(),
        })?;
        let concurrency = (blocks * self.multiprocessors).max(1) * source.models;
        Ok(Box::new(CudaKernel { gpu: self, function, source, concurrency }))
    }
}

struct CudaKernel<'a> {
    gpu: &'a CudaGpu,
    function: CudaFunction,
    source: KernelSource,
    concurrency: usize,
}

// Safety: plain numbers, laid out as in C.
unsafe impl DeviceRepr for DeviceModel {}

struct CudaBatch<'a> {
    kernel: &'a CudaKernel<'a>,
    models: CudaSlice<DeviceModel>,
    values: CudaSlice<f32>,
    fixed: CudaSlice<f32>,
    history: CudaSlice<u32>,
    work: CudaSlice<f32>,
}

impl DeviceKernel for CudaKernel<'_> {
    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn stride(&self) -> usize {
        self.source.stride
    }

    fn upload(&self, batch: &ModelBatch) -> Result<Box<dyn DeviceBatch + '_>, DeviceError> {
        let stream = &self.gpu.stream;
        let start = || -> Result<CudaBatch<'_>, DriverError> {
            Ok(CudaBatch {
                kernel: self,
                models: stream.clone_htod(&batch.models)?,
                values: stream.clone_htod(&batch.values)?,
                fixed: stream.clone_htod(&batch.fixed)?,
                history: stream.clone_htod(&batch.history)?,
                // Safety: kernels write it before they read it. Allocations of length 0 are not allowed.
                work: unsafe { stream.alloc::<f32>((batch.models.len() * self.source.work).max(1)) }?,
            })
        };
        Ok(Box::new(start().map_err(device_error)?))
    }
}

impl DeviceBatch for CudaBatch<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), DeviceError> {
        let CudaKernel { gpu, function, source, .. } = self.kernel;
        let (count, steps) = (self.models.len() as i32, i32::try_from(steps).unwrap_or(i32::MAX));
        let config = LaunchConfig {
            grid_dim: (self.models.len().div_ceil(source.models) as u32, 1, 1),
            block_dim: (source.block as u32, 1, 1),
            shared_mem_bytes: source.shared as u32,
        };
        let mut launch = gpu.stream.launch_builder(function);
        launch.arg(&mut self.models).arg(&mut self.values).arg(&self.fixed).arg(&mut self.history);
        launch.arg(&mut self.work).arg(&count).arg(&steps);
        // Safety: the kernel takes these arguments, and the arrays have the lengths that its source says.
        unsafe { launch.launch(config) }.map_err(device_error)?;
        gpu.stream.synchronize().map_err(device_error)
    }

    fn download(&mut self, batch: &mut ModelBatch) -> Result<(), DeviceError> {
        let stream = &self.kernel.gpu.stream;
        let mut read = || -> Result<(), DriverError> {
            stream.memcpy_dtoh(&self.models, &mut batch.models)?;
            stream.memcpy_dtoh(&self.values, &mut batch.values)?;
            stream.memcpy_dtoh(&self.history, &mut batch.history)?;
            stream.synchronize()
        };
        read().map_err(device_error)
    }
}
