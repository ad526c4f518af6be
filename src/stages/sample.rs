//! `sample`: random or quasi-random points instead of a grid. Point `i` depends on the seed and on `i` alone, so that a larger `count` keeps
//! the points that there are.

use crate::spec::Located;

crate::record! {
    /// Points drawn from the ranges of some axes. The axis `sample` counts them.
    pub struct SampleSettings {
        /// How many points.
        pub count: Located<u32>,
        /// The seed of the random numbers.
        pub seed: u64 = 0,
        /// How points are drawn.
        pub method: SampleMethod = SampleMethod::Random,
        /// The axes that are drawn; by default those with `from` and `to` only. From a list or cases, one is drawn for each point.
        pub axes: Option<Vec<Located<String>>> = None,
    }
}

crate::union! {
    /// How the points of a sample are drawn.
    pub enum SampleMethod {
        /// Independently and uniformly.
        "random" => Random,
        /// From a Sobol sequence with Owen scrambling: more even than random points.
        "sobol" => Sobol,
    }
}

impl SampleSettings {
    /// One number in 0 to 1 (without 1) for each point, for the axis of this name, which is number `dim` among those drawn.
    pub fn draws(&self, name: &str, dim: u32) -> Vec<f64> {
        (0..self.count.value).map(|i| self.draw(name, dim, i)).collect()
    }

    fn draw(&self, name: &str, dim: u32, i: u32) -> f64 {
        match self.method {
            SampleMethod::Random => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(b"repro sample 1\n");
                hasher.update(&self.seed.to_le_bytes());
                hasher.update(&i.to_le_bytes());
                hasher.update(name.as_bytes());
                let bits = hasher.finalize().as_bytes()[..8].iter().fold(0u64, |bits, &b| bits << 8 | u64::from(b));
                (bits >> 11) as f64 / (1u64 << 53) as f64
            }
            SampleMethod::Sobol => {
                let seed = (self.seed ^ self.seed >> 32) as u32;
                f64::from(sobol_burley::sample(i, dim, seed))
            }
        }
    }
}

/// The most axes and points of a Sobol sequence.
pub const SOBOL_AXES: u32 = sobol_burley::NUM_DIMENSIONS;
pub const SOBOL_POINTS: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(method: SampleMethod, count: u32, seed: u64) -> SampleSettings {
        let count = Located { value: count, span: Default::default() };
        SampleSettings { count, seed, method, axes: None }
    }

    #[test]
    fn a_larger_sample_begins_with_the_smaller_one_and_another_seed_gives_another() {
        for method in [SampleMethod::Random, SampleMethod::Sobol] {
            let many = sample(method.clone(), 100, 1).draws("lr", 0);
            assert_eq!(many[..10], sample(method.clone(), 10, 1).draws("lr", 0));
            assert_ne!(many, sample(method.clone(), 100, 2).draws("lr", 0));
            assert_ne!(many, sample(method, 100, 1).draws("width", 1));
        }
    }

    /// Golden values: they are part of the keys of sampled points.
    #[test]
    fn draws_never_change() {
        let random = sample(SampleMethod::Random, 2, 1).draws("lr", 0);
        let sobol = sample(SampleMethod::Sobol, 2, 1).draws("lr", 0);
        assert_eq!(random, [0.7556391064503407, 0.9121136542547191]);
        assert_eq!(sobol, [0.4298055171966553, 0.9787707328796387]);
    }

    #[test]
    fn sobol_points_are_even_in_every_half_and_quarter() {
        let draws = sample(SampleMethod::Sobol, 64, 3).draws("lr", 0);
        for part in 0..4 {
            let inside = draws.iter().filter(|draw| (**draw * 4.0) as u32 == part).count();
            assert_eq!(inside, 16);
        }
        let random = sample(SampleMethod::Random, 4000, 3).draws("lr", 0);
        let mean = random.iter().sum::<f64>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
