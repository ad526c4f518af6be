//! Steps of training: gradients of a batch, update, learning rate, history and early stopping.

use super::adam::{self, AdamScalars};
use super::gradient_kernel::GradientKernel;
use super::training_state::TrainingState;
use crate::numerics::draws::{BatchId, RandomStream};
use crate::numerics::math::cos_turns;
use crate::numerics::simd::{Simd, SimdKernel};
use crate::settings::optimizer::{AdamWSettings, Schedule};

/// Steps of training, or with a count of 0 only the gradients of the current step; returns the last loss.
pub struct TrainingSteps<'a, G> {
    pub kernel: G,
    pub state: &'a mut TrainingState,
    pub count: u32,
}

impl<G: GradientKernel> SimdKernel for TrainingSteps<'_, G> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> f32 {
        let TrainingSteps { mut kernel, state, count } = self;
        let mut loss = f32::NAN;
        for _ in 0..count.max(1) {
            if count > 0 && state.finished() {
                break;
            }
            let id = BatchId { seed: state.recipe.seed, stream: RandomStream::Training, step: state.step };
            let want_loss = count == 0 || state.recipe.stop.is_some() || state.in_history();
            let TrainingState { constants, parameters, gradients, .. } = &mut *state;
            // Safety: `dispatch` runs this at a level of the machine; the kernel was made for the state's layout.
            loss = unsafe { kernel.gradients::<V>(constants, id, parameters, gradients, want_loss) };
            if count > 0 {
                // Safety: the same.
                unsafe { V::call_kernel(FinishStep { state: &mut *state, loss, want_loss }) };
            }
        }
        loss
    }
}

/// The end of a step, as a function that is compiled once for all models.
struct FinishStep<'a> {
    state: &'a mut TrainingState,
    loss: f32,
    want_loss: bool,
}

impl SimdKernel for FinishStep<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        unsafe { finish_step::<V>(self.state, self.loss, self.want_loss) };
    }
}

/// The optimizer's update, and everything that follows from the loss.
#[inline(always)]
unsafe fn finish_step<V: Simd>(state: &mut TrainingState, loss: f32, want_loss: bool) {
    if want_loss {
        state.loss = loss;
    }
    if !loss.is_finite() {
        // Diverged: further steps would be meaningless, and not the same on every machine.
        state.loss = f32::NAN;
        state.history.push((state.step, state.loss));
        state.stopped = true;
        return;
    }
    let scalars = next_scalars(state);
    // Safety: all buffers have one length and a spare line behind them.
    unsafe { update_parameters::<V>(state, &scalars) };
    if state.in_history() {
        state.history.push((state.step, state.loss));
    }
    state.step += 1;
    if let Some(stop) = &state.recipe.stop {
        let loss = f64::from(state.loss);
        if loss < stop.drop_below {
            state.drop *= stop.factor;
        }
        if loss < stop.stop_below {
            state.stopped = true;
            if state.history.last().is_none_or(|&(step, _)| step + 1 != state.step) {
                state.history.push((state.step - 1, state.loss));
            }
        }
    }
}

#[inline(always)]
unsafe fn update_parameters<V: Simd>(state: &mut TrainingState, scalars: &AdamScalars) {
    let [first, second] = &mut state.moments;
    let (p, m) = (state.parameters.as_mut_ptr(), first.as_mut_ptr());
    let (v, d) = (second.as_mut_ptr(), state.gradients.as_ptr());
    for i in (0..state.parameters.len()).step_by(V::N) {
        unsafe { adam::update::<V>(p.add(i), m.add(i), v.add(i), V::load(d.add(i)), scalars) };
    }
}

/// The optimizer's scalars of this step.
#[inline(always)]
fn next_scalars(state: &mut TrainingState) -> AdamScalars {
    let AdamWSettings { lr, beta1, beta2, eps, weight_decay } = state.recipe.optimizer.hyperparameters();
    let (step, steps) = (f64::from(state.step), f64::from(state.recipe.steps));
    let schedule = match state.recipe.schedule {
        Schedule::Constant => 1.0,
        Schedule::Linear => 1.0 - step / steps,
        Schedule::Cosine => cos_turns(0.25 * step / (steps - 1.0).max(1.0)),
    };
    let lr = lr * schedule * state.drop;
    // Denormal powers are slow, and as good as 0 in 1 - beta^t.
    let power = |power: f64, beta: f64| if power < 1e-300 { 0.0 } else { power * beta };
    state.powers = [power(state.powers[0], beta1), power(state.powers[1], beta2)];
    AdamScalars {
        beta1: beta1 as f32,
        one_minus_beta1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        one_minus_beta2: (1.0 - beta2) as f32,
        eps: eps as f32,
        step: (-lr / (1.0 - state.powers[0])) as f32,
        correction: (1.0 / (1.0 - state.powers[1]).sqrt()) as f32,
        keep: (1.0 - lr * weight_decay) as f32,
    }
}
