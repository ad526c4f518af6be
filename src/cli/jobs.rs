//! How many units run in parallel.

/// The number of parallel jobs: as given with `-j`, or one for each core.
pub fn parallel_jobs(given: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    given.map_or_else(cores, usize::from)
}
