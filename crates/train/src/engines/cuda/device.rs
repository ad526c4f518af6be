//! The interface of a device that runs kernels: a GPU, or the host CPU in its place.

use super::model_batch::ModelBatch;
use super::variant::KernelVariant;

/// Why a device cannot continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// Some models do not fit this device: it has no memory for even one, or their arrays are too long. The others are trained.
    Unfit { why: String, hint: String },
    /// An allocation failed: other programs use the memory too.
    Memory,
    /// A kernel could not be compiled or loaded: why, and what to do.
    Kernel { why: String, hint: String },
    /// The device stopped working.
    Lost(String),
}

/// A device that trains models.
pub trait ComputeDevice: Send + Sync {
    /// Its name in messages.
    fn name(&self) -> String;
    /// Its ordinal in the driver's list.
    fn number(&self) -> usize;
    /// Bytes that batches of models may take.
    fn memory(&self) -> u64;
    /// Peak binary32 operations a second, a multiply-add being two; `None` if unknown.
    fn peak(&self) -> Option<f64> {
        None
    }
    /// Compile and load a kernel.
    fn load(&self, variant: &KernelVariant) -> Result<Box<dyn DeviceKernel + '_>, DeviceError>;
}

/// A loaded kernel.
pub trait DeviceKernel {
    /// Models that the device trains concurrently.
    fn concurrency(&self) -> usize;
    /// Bytes of memory that a model takes.
    fn bytes(&self) -> u64;
    /// Length of a model's importances with padding.
    fn stride(&self) -> usize;
    /// Copy a batch of models to the device.
    fn upload(&self, batch: &ModelBatch) -> Result<Box<dyn DeviceBatch + '_>, DeviceError>;
}

/// A batch of models on a device.
pub trait DeviceBatch {
    /// Train every model for up to `steps` steps; returns when they are done.
    fn advance(&mut self, steps: u32) -> Result<(), DeviceError>;
    /// Copy the batch back.
    fn download(&mut self, batch: &mut ModelBatch) -> Result<(), DeviceError>;
}
