//! The seam to whoever waits for a training run.

/// What a running unit may ask and tell.
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

/// Nobody waits: never stops, keeps no checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unattended;

impl Control for Unattended {
    fn stop(&self) -> bool {
        false
    }
}
