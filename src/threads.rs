//! Threads for work on many things at once: one for each core, fewer where the system allows no more, and none at worst.

use std::sync::OnceLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Rayon's own pool cannot be made smaller where there are too few threads: it panics.
static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Apply a function to all items, many at once; the results have the order of the items.
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

/// Run something that shares its work by rayon, if there are threads for that; it is told whether there are.
pub fn with_pool<R: Send>(run: impl FnOnce(bool) -> R + Send) -> R {
    let default = || ThreadPoolBuilder::new().build();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fewer = |threads: usize| ThreadPoolBuilder::new().num_threads(threads).build();
    match POOL.get_or_init(|| default().ok().or_else(|| largest(cores / 2, fewer))) {
        Some(pool) => pool.install(|| run(true)),
        None => run(false),
    }
}

/// What can be made with so many threads, or with half as many, and so on; `None` if not even one is there.
fn largest<T, E>(mut threads: usize, make: impl Fn(usize) -> Result<T, E>) -> Option<T> {
    while threads > 0 {
        if let Ok(made) = make(threads) {
            return Some(made);
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
    fn fewer_threads_are_tried_until_there_are_enough() {
        let system = |most: usize| move |threads: usize| if threads <= most { Ok(threads) } else { Err(()) };
        assert_eq!(largest(16, system(5)), Some(4));
        assert_eq!(largest(16, system(1)), Some(1));
        assert_eq!(largest(16, system(0)), None);
    }
}
