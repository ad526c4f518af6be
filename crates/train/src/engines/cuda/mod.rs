//! The GPU engine: the contract's bytes from kernels in CUDA C. Whole training runs stay on the GPU: random numbers, forward, backward and
//! optimizer, for hundreds of steps a launch.
//!
//! Kernels are compiled when they are needed, by NVRTC; nothing of CUDA is needed to build this crate or to run it without a GPU. `kernels/` is
//! also valid C++, which [`HostDevice`] compiles to check the bits on machines without a GPU.

mod device;
mod gpu;
mod host;
mod model_batch;
mod nvrtc;
mod train;
mod variant;

#[cfg(test)]
mod tests;

pub use device::{ComputeDevice, DeviceBatch, DeviceError, DeviceKernel};
pub use gpu::{GpuUnavailable, find_gpus, visible_gpus};
pub use host::HostDevice;
pub use model_batch::ModelBatch;
pub use nvrtc::compile;
pub use train::{DeviceFailure, FinishedTasks, TrainingTask, train};
pub use variant::{KernelSource, KernelVariant};
