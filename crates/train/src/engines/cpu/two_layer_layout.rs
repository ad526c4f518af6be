//! The layout of a model of two layers: the position of each parameter in the one buffer that holds all.

use crate::models::architecture::{ModelShape, TwoLayerFlags};

/// W \[m, np\], b \[np\] and, unless tied, V as \[m, np\], one after another, with np = n rounded up to 16.
#[derive(Clone, Copy, Debug)]
pub struct TwoLayerLayout {
    pub n: usize,
    pub m: usize,
    pub np: usize,
    pub tied: bool,
}

impl TwoLayerLayout {
    pub fn new(shape: ModelShape, flags: TwoLayerFlags) -> TwoLayerLayout {
        let ModelShape { features: n, hidden: m, .. } = shape;
        TwoLayerLayout { n, m, np: n.div_ceil(16) * 16, tied: flags.tied }
    }

    /// The position of b.
    pub fn bias(&self) -> usize {
        self.m * self.np
    }

    /// The position of V, which is W itself if tied.
    pub fn out(&self) -> usize {
        if self.tied { 0 } else { self.bias() + self.np }
    }

    /// Numbers in a buffer.
    pub fn len(&self) -> usize {
        self.out() + self.m * self.np + if self.tied { self.np } else { 0 }
    }

    /// The positions of all parameters in the order of checkpoints and results: W \[m, n\], V \[n, m\] unless tied, b \[n\].
    pub fn positions(&self) -> Vec<usize> {
        let TwoLayerLayout { n, m, np, tied } = *self;
        let weights = (0..m).flat_map(|k| (0..n).map(move |i| k * np + i));
        let out = (0..if tied { 0 } else { n }).flat_map(|i| (0..m).map(move |k| self.out() + k * np + i));
        weights.chain(out).chain((0..n).map(|i| self.bias() + i)).collect()
    }
}
