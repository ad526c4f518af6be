//! Philox4x32 with 7 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): counter-based, so that any engine
//! can compute any number independently.

pub const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
pub const ROUNDS: usize = 7;

/// The two words of the key in a round.
pub fn round_keys(seed: u64, round: u32) -> [u32; 2] {
    let first = [seed as u32, (seed >> 32) as u32];
    std::array::from_fn(|i| first[i].wrapping_add(WEYL[i].wrapping_mul(round)))
}

/// High and low word of the product of a word and a multiplier.
fn product(multiplier: usize, word: u32) -> [u32; 2] {
    let product = u64::from(MULTIPLIERS[multiplier]) * u64::from(word);
    [(product >> 32) as u32, product as u32]
}

/// One round.
fn round([c0, c1, c2, c3]: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([a_high, a], [b_high, b]) = (product(0, c0), product(1, c2));
    [b_high ^ c1 ^ key[0], b, a_high ^ c3 ^ key[1], a]
}

/// The four words of a counter.
pub fn philox(seed: u64, counter: [u32; 4]) -> [u32; 4] {
    (0..ROUNDS as u32).fold(counter, |c, r| round(c, round_keys(seed, r)))
}

// Counters (t, step, stream, 0) of one seed and stream: in the first three rounds the parts that depend on t and on the step meet in one
// product only. Whoever draws the same t at many steps computes the rest once.

/// Rounds that [`precompute_counter`] and [`precompute_step`] cover together.
pub const PRECOMPUTED_ROUNDS: usize = 3;

/// The part of the first rounds that depends on t alone.
pub fn precompute_counter(seed: u64, stream: u32, t: u32) -> [u32; 4] {
    let key = |r| round_keys(seed, r);
    let ([t_high, t_low], [_, stream_low]) = (product(0, t), product(1, stream));
    let [high, low] = product(1, t_high ^ key(0)[1]);
    let [next_high, next_low] = product(0, high ^ stream_low ^ key(1)[0]);
    [t_low ^ key(1)[1], low ^ key(2)[0], next_high ^ key(2)[1], next_low]
}

/// The part that depends on the step alone.
pub fn precompute_step(seed: u64, stream: u32, step: u32) -> [u32; 2] {
    product(0, product(1, stream)[0] ^ step ^ round_keys(seed, 0)[0])
}

/// The four words of a counter from these two parts.
pub fn philox_precomputed(seed: u64, counter: [u32; 4], step: [u32; 2]) -> [u32; 4] {
    let [high, low] = product(1, step[0] ^ counter[0]);
    let c = [high ^ counter[1], low, counter[2] ^ step[1], counter[3]];
    (PRECOMPUTED_ROUNDS as u32..ROUNDS as u32).fold(c, |c, r| round(c, round_keys(seed, r)))
}

/// A sequence of random words, for initialisers and permutations.
pub struct RandomWords {
    seed: u64,
    stream: u32,
    next: u32,
    ready: Vec<u32>,
}

impl RandomWords {
    pub fn new(seed: u64, stream: u32) -> Self {
        RandomWords { seed, stream, next: 0, ready: Vec::new() }
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
    fn precomputed_rounds_give_the_same_words() {
        for (seed, stream) in [(0, 0), (99 << 40 | 7, 0), (u64::MAX, 1)] {
            for (t, step) in [(0, 0), (5, 1000), (u32::MAX, 3), (12_345, u32::MAX)] {
                let found =
                    philox_precomputed(seed, precompute_counter(seed, stream, t), precompute_step(seed, stream, step));
                assert_eq!(found, philox(seed, [t, step, stream, 0]));
            }
        }
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut words = RandomWords::new(1, 0);
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
    fn a_permutation_has_every_item_once() {
        let mut items = RandomWords::new(7, 3).permutation(50);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
