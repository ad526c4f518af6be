//! A thread pool with one thread per core; fewer, or none, where the system allows no more threads.

use std::sync::OnceLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Rayon's global pool panics where the system allows too few threads, so we build our own.
static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Apply a function to all items in parallel; the results are in the order of the items.
pub fn map<I, T, R>(items: I, function: impl Fn(T) -> R + Send + Sync) -> Vec<R>
where
    I: IntoIterator<Item = T> + IntoParallelIterator<Item = T> + Send,
    T: Send,
    R: Send,
{
    with_pool(|parallel| match parallel {
        true => items.into_par_iter().map(&function).collect(),
        false => items.into_iter().map(&function).collect(),
    })
}

/// Run a function inside the pool; its argument is false if there is no pool.
pub fn with_pool<R: Send>(run: impl FnOnce(bool) -> R + Send) -> R {
    let default = || ThreadPoolBuilder::new().build();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fewer = |threads: usize| ThreadPoolBuilder::new().num_threads(threads).build();
    match POOL.get_or_init(|| default().ok().or_else(|| build_with_fewer(cores / 2, fewer))) {
        Some(pool) => pool.install(|| run(true)),
        None => run(false),
    }
}

/// Call `make` with half as many threads each time until it succeeds; `None` if it fails even with one.
fn build_with_fewer<T, E>(mut threads: usize, make: impl Fn(usize) -> Result<T, E>) -> Option<T> {
    while threads > 0 {
        if let Ok(pool) = make(threads) {
            return Some(pool);
        }
        threads /= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        assert_eq!(map(0..100usize, |i| i * i), (0..100).map(|i| i * i).collect::<Vec<usize>>());
        assert_eq!(map(vec!["a", "b"], str::to_uppercase), ["A", "B"]);
    }

    #[test]
    fn fewer_threads_are_tried_until_the_pool_can_be_built() {
        let system = |most: usize| move |threads: usize| if threads <= most { Ok(threads) } else { Err(()) };
        assert_eq!(build_with_fewer(16, system(5)), Some(4));
        assert_eq!(build_with_fewer(16, system(1)), Some(1));
        assert_eq!(build_with_fewer(16, system(0)), None);
    }
}
