//! What can run kernels: a graphics card, or this machine's processor in its place.

use super::variant::Variant;
use super::wave::Wave;

/// Why a device cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Some models are not for this device: it has no memory for even one, or none of them fits its arithmetic. The others are trained.
    Unfit { why: String, hint: String },
    /// An allocation failed: others use the memory too.
    Memory,
    /// A kernel could not be made: why, and what to do.
    Kernel { why: String, hint: String },
    /// The device does not answer as it should.
    Lost(String),
}

/// A device.
pub trait Device: Send + Sync {
    /// What messages call it.
    fn name(&self) -> String;
    /// Its place in the driver's list.
    fn number(&self) -> usize;
    /// Bytes that waves may take.
    fn memory(&self) -> u64;
    /// Operations in binary32 that it does in a second at most, a multiply-add being two; `None` where that is not known.
    fn peak(&self) -> Option<f64> {
        None
    }
    /// Make a kernel ready.
    fn load(&self, variant: &Variant) -> Result<Box<dyn Kernel + '_>, Fault>;
}

/// A kernel, ready to run.
pub trait Kernel {
    /// Models that the device trains at once.
    fn width(&self) -> usize;
    /// Bytes of memory that a model takes.
    fn bytes(&self) -> u64;
    /// Importances that a model has, with padding.
    fn stride(&self) -> usize;
    /// Copy a wave to the device.
    fn begin(&self, wave: &Wave) -> Result<Box<dyn Run + '_>, Fault>;
}

/// A wave on a device.
pub trait Run {
    /// Up to so many steps of every model; returns when they are done.
    fn advance(&mut self, steps: u32) -> Result<(), Fault>;
    /// Copy the wave back.
    fn read(&mut self, wave: &mut Wave) -> Result<(), Fault>;
}
