//! Which vector instructions the machine has, and running a kernel with them.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::avx2::run_avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::run_avx512;
use super::portable::run_portable;
use super::vector::SimdKernel;

/// Which instructions a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

impl Level {
    /// What this machine has, best last.
    pub fn available() -> Vec<Level> {
        [Level::Portable, Level::Avx2, Level::Avx512].into_iter().filter(|level| level.is_available()).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        let avx2 =
            || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi2");
        match self {
            Level::Portable => true,
            Level::Avx2 => avx2(),
            Level::Avx512 => {
                avx2()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Level::Portable
    }

    /// The widest this machine has, unless the environment variable `REPRO_CPU` asks for `portable`, `avx2` or `avx512`.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            let available = Level::available();
            let wanted = match std::env::var("REPRO_CPU").as_deref() {
                Ok("portable") => Some(Level::Portable),
                Ok("avx2") => Some(Level::Avx2),
                Ok("avx512") => Some(Level::Avx512),
                _ => None,
            };
            match wanted {
                Some(level) if available.contains(&level) => level,
                _ => available.last().copied().unwrap_or(Level::Portable),
            }
        })
    }

    /// Numbers in a vector.
    pub fn width(self) -> usize {
        if self == Level::Avx512 { 16 } else { 8 }
    }
}

/// Run a kernel at a level, which must be one of [`Level::available`].
pub fn dispatch<K: SimdKernel>(level: Level, kernel: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        // Safety: levels come from `available`, which asked the processor.
        Level::Avx2 => unsafe { run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // Safety: the same.
        Level::Avx512 => unsafe { run_avx512(kernel) },
        // Safety: plain Rust.
        _ => unsafe { run_portable(kernel) },
    }
}
