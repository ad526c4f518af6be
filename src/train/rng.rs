//! Philox4x32 with 7 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): counter-based, so that any engine
//! can make any number on its own.

pub const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
pub const ROUNDS: usize = 7;

/// The four words of a counter.
pub fn philox(seed: u64, counter: [u32; 4]) -> [u32; 4] {
    let mut key = [seed as u32, (seed >> 32) as u32];
    let mut c = counter;
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(b >> 32) as u32 ^ c[1] ^ key[0], b as u32, (a >> 32) as u32 ^ c[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c
}

/// Words one after another, for initialisers and permutations.
pub struct Words {
    seed: u64,
    stream: u32,
    next: u32,
    ready: Vec<u32>,
}

impl Words {
    pub fn new(seed: u64, stream: u32) -> Self {
        Words { seed, stream, next: 0, ready: Vec::new() }
    }

    pub fn word(&mut self) -> u32 {
        if let Some(word) = self.ready.pop() {
            return word;
        }
        let [a, b, c, d] = philox(self.seed, [self.next, 0, self.stream, 1]);
        self.next = self.next.wrapping_add(1);
        self.ready = vec![d, c, b];
        a
    }

    /// Uniform on (0, 1), never 0.
    pub fn uniform(&mut self) -> f64 {
        (f64::from(self.word()) + 0.5) / 4_294_967_296.0
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * super::math::ln(u)).sqrt() * super::math::cos_turns(v)
    }

    /// A random permutation of `0..n` (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = ((u64::from(self.word()) * (i as u64 + 1)) >> 32) as usize;
            items.swap(i, j);
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut words = Words::new(1, 0);
        let values: Vec<f64> = (0..40_000).map(|_| words.normal()).collect();
        let mean = values.iter().sum::<f64>() / 4e4;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / 4e4;
        let fourth = values.iter().map(|v| v.powi(4)).sum::<f64>() / 4e4;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03 && (fourth - 3.0).abs() < 0.2,
            "{mean} {variance} {fourth}"
        );
    }

    #[test]
    fn a_permutation_holds_everything_once() {
        let mut items = Words::new(7, 3).permutation(50);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
