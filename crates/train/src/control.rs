//! How the caller of a training run watches and stops it.

/// The caller of a run: asked whether to stop, and given progress and checkpoints.
pub trait Control: Sync {
    /// Whether to stop now.
    fn stop(&self) -> bool;
    /// Steps done so far.
    fn progress(&self, _steps_done: u32) {}
    /// A checkpoint to continue from, if there is one.
    fn checkpoint(&self) -> Option<Vec<u8>> {
        None
    }
    /// An opportunity to keep a checkpoint, offered many times a second.
    fn save(&self, _bytes: &dyn Fn() -> Vec<u8>) {}
}

/// A caller that never stops a run and keeps no checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unattended;

impl Control for Unattended {
    fn stop(&self) -> bool {
        false
    }
}
