//! The layout of a mixture: the position of each parameter in the one buffer that holds all; gradients and moments have the same layout.

use crate::models::architecture::ModelShape;

/// Small models keep W \[E, n, m\], b \[E, n\], G \[E, n\] without gaps; others W \[E, m, np\], b \[E, np\], G \[E, np\] with np = n rounded
/// up to 16. The layout is the same at every vector width.
#[derive(Clone, Copy, Debug)]
pub struct MixtureLayout {
    pub shape: ModelShape,
    small: bool,
    /// np, or n for small models.
    pub stride: usize,
}

impl MixtureLayout {
    pub fn new(shape: ModelShape, small: bool) -> MixtureLayout {
        MixtureLayout { shape, small, stride: if small { shape.features } else { shape.features.div_ceil(16) * 16 } }
    }

    /// The position of W_ik of expert e.
    pub fn weight(&self, e: usize, i: usize, k: usize) -> usize {
        let ModelShape { hidden, .. } = self.shape;
        if self.small { (e * self.stride + i) * hidden + k } else { (e * hidden + k) * self.stride + i }
    }

    /// The position of b_i of expert e.
    pub fn bias(&self, e: usize, i: usize) -> usize {
        (self.shape.experts * self.shape.hidden + e) * self.stride + i
    }

    /// The position of G_i of expert e.
    pub fn gate(&self, e: usize, i: usize) -> usize {
        (self.shape.experts * (self.shape.hidden + 1) + e) * self.stride + i
    }

    /// Numbers in a buffer.
    pub fn len(&self) -> usize {
        self.shape.experts * (self.shape.hidden + 2) * self.stride
    }

    /// The positions of all parameters in the order of checkpoints and results: W \[E, n, m\], b \[E, n\], G \[E, n\].
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        let (layout, ModelShape { experts, features, hidden, .. }) = (*self, self.shape);
        let each = move || (0..experts).flat_map(move |e| (0..features).map(move |i| (e, i)));
        let weights = each().flat_map(move |(e, i)| (0..hidden).map(move |k| layout.weight(e, i, k)));
        let biases = each().map(move |(e, i)| layout.bias(e, i));
        let gates = each().map(move |(e, i)| layout.gate(e, i));
        weights.chain(biases).chain(gates)
    }
}
