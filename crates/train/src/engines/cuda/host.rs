//! The kernels on the host CPU: compiled by a C++ compiler, to check their bits on machines without a GPU.

use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::Library;

use super::device::{ComputeDevice, DeviceBatch, DeviceError, DeviceKernel};
use super::model_batch::{DeviceModel, ModelBatch};
use super::variant::{KernelSource, KernelVariant};

/// Flags under which C++ rounds as the contract requires.
const FLAGS: [&str; 8] = ["-x", "c++", "-std=c++17", "-O1", "-ffp-contract=off", "-fno-fast-math", "-fPIC", "-shared"];

/// The host CPU as a device.
#[derive(Clone, Debug)]
pub struct HostDevice {
    /// Where compiled kernels are kept, named by their source.
    pub folder: PathBuf,
    /// Bytes of shared memory that kernels may use: decides which of their arrays are in it.
    pub shared: usize,
    pub memory: u64,
    pub number: usize,
    /// Run the iterations of each phase backwards, which reveals phases that depend on their order.
    pub backwards: bool,
}

type TrainFunction = unsafe extern "C" fn(*mut DeviceModel, *mut f32, *const f32, *mut u32, *mut f32, i32, i32);

struct HostKernel {
    library: Library,
    source: KernelSource,
}

struct HostBatch<'a> {
    kernel: &'a HostKernel,
    batch: ModelBatch,
    work: Vec<f32>,
}

impl HostDevice {
    /// With as much shared memory as an H200.
    pub fn new(folder: &Path) -> HostDevice {
        HostDevice { folder: folder.to_path_buf(), shared: 227 << 10, memory: 1 << 30, number: 0, backwards: false }
    }

    fn compile(&self, source: &KernelSource) -> Result<PathBuf, String> {
        let mut text = source.text.clone();
        if self.backwards {
            text.insert_str(0, "#define REPRO_BACKWARDS\n");
        }
        let name = blake3::hash(format!("{FLAGS:?}{text}").as_bytes()).to_hex()[..24].to_string();
        let library = self.folder.join(format!("{name}.so"));
        if library.exists() {
            return Ok(library);
        }
        let io = |error: std::io::Error| error.to_string();
        std::fs::create_dir_all(&self.folder).map_err(io)?;
        // Written to a temporary folder and renamed: other processes may compile the same kernel.
        let temporary = tempfile::tempdir_in(&self.folder).map_err(io)?;
        let (code, compiled) = (temporary.path().join("kernel.cpp"), temporary.path().join("kernel.so"));
        std::fs::write(&code, text).map_err(io)?;
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let mut command = Command::new(&compiler);
        command.args(FLAGS).args(if cfg!(target_arch = "x86_64") && has_fma() { ["-mfma"].as_slice() } else { &[] });
        let output = command.arg("-o").arg(&compiled).arg(&code).arg("-lm").output();
        let output = output.map_err(|error| format!("{}: {error}", Path::new(&compiler).display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        std::fs::rename(&compiled, &library).map_err(io)?;
        Ok(library)
    }
}

/// Whether this CPU has fused multiply-add; without it, the library function rounds the same.
fn has_fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

impl ComputeDevice for HostDevice {
    fn name(&self) -> String {
        "the host CPU".into()
    }

    fn number(&self) -> usize {
        self.number
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn load(&self, variant: &KernelVariant) -> Result<Box<dyn DeviceKernel + '_>, DeviceError> {
        let wrong = |why: String| DeviceError::Kernel {
            why,
            hint: "kernels are checked by the C++ compiler `c++`, or $CXX".into(),
        };
        let source = variant.source(self.shared);
        let path = self.compile(&source).map_err(wrong)?;
        // Safety: the library was made from the kernels above, and has no code that runs when it is loaded.
        let library = unsafe { Library::new(path) }.map_err(|error| wrong(error.to_string()))?;
        // Safety: the kernel has a function of this type.
        let bytes = unsafe { library.get::<extern "C" fn() -> usize>(b"model_bytes") }.map(|bytes| bytes());
        if bytes.ok() != Some(size_of::<DeviceModel>()) {
            return Err(wrong("the kernel and the program disagree on what a model is".into()));
        }
        Ok(Box::new(HostKernel { library, source }))
    }
}

impl DeviceKernel for HostKernel {
    fn concurrency(&self) -> usize {
        4
    }

    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn stride(&self) -> usize {
        self.source.stride
    }

    fn upload(&self, batch: &ModelBatch) -> Result<Box<dyn DeviceBatch + '_>, DeviceError> {
        let work = vec![f32::NAN; batch.models.len() * self.source.work];
        Ok(Box::new(HostBatch { kernel: self, batch: batch.clone(), work }))
    }
}

impl DeviceBatch for HostBatch<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), DeviceError> {
        let ModelBatch { models, values, fixed, history } = &mut self.batch;
        // Safety: the function has this type, and the arrays have the lengths that the source says.
        unsafe {
            let train = self
                .kernel
                .library
                .get::<TrainFunction>(b"train")
                .map_err(|error| DeviceError::Lost(error.to_string()))?;
            let (count, steps) = (models.len() as i32, i32::try_from(steps).unwrap_or(i32::MAX));
            train(
                models.as_mut_ptr(),
                values.as_mut_ptr(),
                fixed.as_ptr(),
                history.as_mut_ptr(),
                self.work.as_mut_ptr(),
                count,
                steps,
            );
        }
        Ok(())
    }

    fn download(&mut self, batch: &mut ModelBatch) -> Result<(), DeviceError> {
        batch.clone_from(&self.batch);
        Ok(())
    }
}
