//! What a program has used of the machine, as the kernel counts it.

/// What a program and the processes that it waited for have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramUsage {
    /// The most memory that one of them had at a time, in bytes.
    pub peak_memory: u64,
    /// The CPU time of all of them, in microseconds.
    pub cpu_micros: u64,
}
