//! What the kernels of mixtures that are not small share: their inputs, the gradient of W in two parts, and the load-balancing loss.

use super::mixture_layout::MixtureLayout;
use super::step_constants::StepConstants;
use super::tiles::{GatheredRows, Matrix, MatrixMut, outer};
use crate::models::architecture::ModelShape;
use crate::numerics::aligned::AlignedF32;
use crate::numerics::draws::{BatchId, InputRows, PresenceThreshold};
use crate::numerics::simd::{Simd, exp, weighted_tree};

/// Buffers of one model.
#[derive(Clone, Debug)]
pub struct MixtureBuffers {
    pub layout: MixtureLayout,
    pub inputs: InputRows,
    /// np and E rounded up to 16.
    pub np: usize,
    pub ep: usize,
    /// Gradient of W through inputs, in the layout of W; the one through outputs is in the gradients.
    pub d_inputs: AlignedF32,
    /// Scores \[B, ep\]; softmax probabilities \[B, ep\].
    pub scores: AlignedF32,
    q: AlignedF32,
    /// L_j.
    pub losses: AlignedF32,
    /// 0, 1, 2, ...
    pub identity: Vec<u32>,
}

impl MixtureBuffers {
    pub fn new(constants: &StepConstants, seed: u64) -> MixtureBuffers {
        let ModelShape { experts, features, hidden, .. } = constants.shape;
        let (np, ep) = (features.next_multiple_of(16), experts.next_multiple_of(16));
        let samples = constants.samples.next_multiple_of(16);
        let zeros = AlignedF32::zeros;
        MixtureBuffers {
            layout: MixtureLayout::new(constants.shape, false),
            inputs: InputRows::for_training(seed, constants.probability, constants.samples, features),
            np,
            ep,
            d_inputs: zeros(experts * hidden * np),
            scores: zeros(samples * ep),
            q: zeros(if constants.balance > 0.0 { samples * ep } else { 0 }),
            losses: zeros(np),
            identity: (0..samples as u32).collect(),
        }
    }

    /// Draw the batch, and clear the gradients.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub unsafe fn begin_step<V: Simd>(&mut self, constants: &StepConstants, id: BatchId, gradients: &mut [f32]) {
        let threshold = PresenceThreshold::new(constants.probability, id.step);
        unsafe { self.inputs.fill::<V>(id, threshold, constants.samples, constants.shape.features) };
        self.d_inputs.fill(0.0);
        gradients.fill(0.0);
    }

    /// Add the gradient of W through inputs to the one through outputs.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; `gradients` has the layout of the model.
    #[inline(always)]
    pub unsafe fn add_input_gradients<V: Simd>(&self, gradients: &mut [f32]) {
        unsafe {
            for i in (0..self.d_inputs.len()).step_by(V::N) {
                let d = gradients.as_mut_ptr().add(i);
                V::store(d, V::add(V::load(d), V::load(self.d_inputs.as_ptr().add(i))));
            }
        }
    }

    /// All inputs in order.
    pub fn all_inputs(&self) -> GatheredRows {
        GatheredRows { base: self.inputs.x.as_ptr(), stride: self.np, index: self.identity.as_ptr() }
    }

    /// The batch's loss from L_j.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub unsafe fn total_loss<V: Simd>(&self, constants: &StepConstants) -> f32 {
        unsafe { weighted_tree::<V>(&constants.importance, &self.losses, constants.shape.features) * constants.scale }
    }

    /// Add the load-balancing loss to `loss` and its gradient to the gate's. `used` is the number of samples of each expert.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; `gradients` has the layout of the model.
    #[inline(always)]
    pub unsafe fn add_load_balancing<V: Simd>(
        &mut self,
        constants: &StepConstants,
        used: &[f32],
        gradients: &mut [f32],
        loss: f32,
    ) -> f32 {
        let ModelShape { experts, features, .. } = constants.shape;
        let samples = constants.samples as f32;
        let share: Vec<f32> = used.iter().map(|count| count / samples).collect();
        let strength = constants.balance * experts as f32;
        let factor = strength / samples;
        let mut mean = vec![0.0f32; experts];
        for s in 0..constants.samples {
            let padded = experts.div_ceil(V::N) * V::N;
            let scores = &self.scores[s * self.ep..][..padded];
            let q = &mut self.q[s * self.ep..][..padded];
            unsafe { softmax::<V>(scores, q, experts) };
            let mut inner = 0.0f32;
            for e in 0..experts {
                mean[e] += q[e];
                inner = q[e].mul_add(share[e], inner);
            }
            for e in 0..experts {
                q[e] = factor * q[e] * (share[e] - inner);
            }
        }
        let mut even = 0.0f32;
        for e in 0..experts {
            even = share[e].mul_add(mean[e] / samples, even);
        }
        unsafe {
            let d = MatrixMut { base: gradients.as_mut_ptr().add(self.layout.gate(0, 0)), stride: self.np };
            let left = Matrix { base: self.q.as_ptr(), stride: self.ep };
            outer::<V>(left, experts, self.all_inputs(), constants.samples, features, d);
        }
        strength.mul_add(even, loss)
    }
}

/// Softmax of scores padded with -inf: exp(s - max) over their sum, ascending.
#[inline(always)]
unsafe fn softmax<V: Simd>(scores: &[f32], q: &mut [f32], experts: usize) {
    unsafe {
        let mut high = V::splat(f32::NEG_INFINITY);
        for v in (0..scores.len()).step_by(V::N) {
            high = V::max(high, V::load(scores.as_ptr().add(v)));
        }
        let high = V::broadcast_max(high);
        for v in (0..scores.len()).step_by(V::N) {
            V::store(q.as_mut_ptr().add(v), exp::<V>(V::sub(V::load(scores.as_ptr().add(v)), high)));
        }
        let sum = q[..experts].iter().fold(0.0f32, |sum, e| sum + e);
        for v in (0..scores.len()).step_by(V::N) {
            let at = q.as_mut_ptr().add(v);
            V::store(at, V::div(V::load(at), V::splat(sum)));
        }
    }
}
