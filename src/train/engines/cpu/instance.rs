//! One model in training: parameters, moments, schedule.

use super::adam::{Rates, update};
use super::kernel::State;
use super::simd::{Kernel, Level, Simd, dispatch};
use crate::train::init::parameters;
use crate::train::{Batch, Optimizer, Outcome, Recipe, Reduction, Schedule, Shape, Stream};

/// A model in training.
pub struct Instance {
    pub(super) recipe: Recipe,
    level: Level,
    pub(super) state: State,
    batch: Batch,
    /// Moments of W \[E, m, np\], b \[E, np\], G \[n, ep\]: first and second.
    pub(super) moments: [Vec<f32>; 6],
    pub(super) step: u32,
    /// beta1^t and beta2^t.
    pub(super) powers: [f64; 2],
    /// What the drop rule has left of the learning rate.
    pub(super) drop: f64,
    pub(super) stopped: bool,
    pub(super) loss: f32,
    pub(super) history: Vec<(u32, f32)>,
}

impl Instance {
    pub fn new(recipe: &Recipe, level: Level) -> Instance {
        let shape = recipe.shape();
        let per = match recipe.reduction {
            Reduction::Sum => f64::from(recipe.batch),
            Reduction::Mean => f64::from(recipe.batch) * shape.features as f64,
        };
        let mut state = State::new(shape, &recipe.importance(), 1.0 / per, recipe.load_balancing(), level);
        let initial = parameters(recipe);
        let Shape { experts, features, hidden, .. } = shape;
        for e in 0..experts {
            for i in 0..features {
                state.bias[e * state.np + i] = initial.bias[e * features + i];
                state.gate[i * state.ep + e] = initial.gate[e * features + i];
                for k in 0..hidden {
                    let w = initial.weights[(e * features + i) * hidden + k];
                    state.rows[(e * features + i) * state.mp + k] = w;
                    state.columns[(e * hidden + k) * state.np + i] = w;
                }
            }
        }
        let zeros = |like: &Vec<f32>| vec![0.0; like.len()];
        let (w, b, g) = (&state.columns, &state.bias, &state.gate);
        let moments = [zeros(w), zeros(w), zeros(b), zeros(b), zeros(g), zeros(g)];
        Instance {
            recipe: recipe.clone(),
            level,
            state,
            batch: Batch::default(),
            moments,
            step: 0,
            powers: [1.0, 1.0],
            drop: 1.0,
            stopped: false,
            loss: f32::NAN,
            history: Vec::new(),
        }
    }

    /// Steps taken so far.
    pub fn step_number(&self) -> u32 {
        self.step
    }

    pub fn finished(&self) -> bool {
        self.stopped || self.step >= self.recipe.steps
    }

    /// Draw the batch of the current step and compute loss and gradients, without an update.
    pub fn gradients(&mut self) -> f32 {
        let shape = self.state.shape;
        let (recipe, batch) = (&self.recipe, &mut self.batch);
        let samples = recipe.batch as usize;
        batch.fill_with(
            self.level,
            recipe.seed,
            Stream::Training,
            self.step,
            samples,
            shape.features,
            recipe.probability(),
        );
        dispatch(self.level, Gradients { state: &mut self.state, batch: &self.batch })
    }

    /// One step of training.
    pub fn step(&mut self) {
        self.loss = self.gradients();
        let rates = self.rates();
        dispatch(self.level, Update { state: &mut self.state, moments: &mut self.moments, rates });
        let every = (self.recipe.steps / 50).max(1);
        if self.step % every == 0 || self.step + 1 == self.recipe.steps {
            self.history.push((self.step, self.loss));
        }
        self.step += 1;
        if let Some(stop) = &self.recipe.stop {
            let loss = f64::from(self.loss);
            if loss < stop.drop_below {
                self.drop *= stop.factor;
            }
            if loss < stop.stop_below {
                self.stopped = true;
                if self.history.last().is_none_or(|&(step, _)| step + 1 != self.step) {
                    self.history.push((self.step - 1, self.loss));
                }
            }
        }
    }

    /// The optimizer's numbers of this step.
    fn rates(&mut self) -> Rates {
        let (lr, beta1, beta2, eps, decay) = match &self.recipe.optimizer {
            Optimizer::Adam(s) => (s.lr, s.beta1, s.beta2, s.eps, 0.0),
            Optimizer::AdamW(s) => (s.lr, s.beta1, s.beta2, s.eps, s.weight_decay),
        };
        let (step, steps) = (f64::from(self.step), f64::from(self.recipe.steps));
        let schedule = match self.recipe.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - step / steps,
            Schedule::Cosine => crate::train::math::cos_turns(0.25 * step / (steps - 1.0).max(1.0)),
        };
        let lr = lr * schedule * self.drop;
        self.powers = [self.powers[0] * beta1, self.powers[1] * beta2];
        Rates {
            beta1: beta1 as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            eps: eps as f32,
            step: (-lr / (1.0 - self.powers[0])) as f32,
            correction: (1.0 / (1.0 - self.powers[1]).sqrt()) as f32,
            keep: (1.0 - lr * decay) as f32,
        }
    }

    /// W \[E, n, m\], b \[E, n\], G \[E, n\] and the losses so far.
    pub fn outcome(&self) -> Outcome {
        let Shape { experts, features, hidden, .. } = self.state.shape;
        let s = &self.state;
        let each = || (0..experts).flat_map(move |e| (0..features).map(move |i| (e, i)));
        Outcome {
            weights: each().flat_map(|(e, i)| s.rows[(e * features + i) * s.mp..][..hidden].iter().copied()).collect(),
            bias: each().map(|(e, i)| s.bias[e * s.np + i]).collect(),
            gate: each().map(|(e, i)| s.gate[i * s.ep + e]).collect(),
            loss: self.loss,
            history: self.history.clone(),
            steps_run: self.step,
        }
    }
}

struct Gradients<'a> {
    state: &'a mut State,
    batch: &'a Batch,
}

impl Kernel for Gradients<'_> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> f32 {
        unsafe { self.state.step::<V>(self.batch) }
    }
}

/// One optimizer step for a whole buffer. Not a closure: those do not inherit the instructions of the function around them.
///
/// # Safety
/// The machine must have the instructions of `V`; all buffers are as long as `p`, whole vectors.
#[inline(always)]
unsafe fn update_all<V: Simd>(p: &mut [f32], m: &mut [f32], v: &mut [f32], d: &[f32], rates: &Rates) {
    for i in (0..p.len()).step_by(V::N) {
        unsafe {
            let g = V::load(d.as_ptr().add(i));
            update::<V>(p.as_mut_ptr().add(i), m.as_mut_ptr().add(i), v.as_mut_ptr().add(i), g, rates);
        }
    }
}

struct Update<'a> {
    state: &'a mut State,
    moments: &'a mut [Vec<f32>; 6],
    rates: Rates,
}

impl Kernel for Update<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let Update { state, moments, rates } = self;
        let Shape { experts, features, hidden, .. } = state.shape;
        let (mp, np) = (state.mp, state.np);
        let [w1, w2, b1, b2, g1, g2] = moments;
        // The two parts of W's gradient meet in the layout of the columns.
        for e in 0..experts {
            let d_rows = &state.d_rows[e * features * mp..(e + 1) * features * mp];
            let d_columns = &mut state.d_columns[e * hidden * np..(e + 1) * hidden * np];
            for (i, row) in d_rows.chunks_exact(mp).enumerate() {
                for (k, d) in row[..hidden].iter().enumerate() {
                    d_columns[k * np + i] += d;
                }
            }
        }
        unsafe {
            update_all::<V>(&mut state.columns, w1, w2, &state.d_columns, &rates);
            update_all::<V>(&mut state.bias, b1, b2, &state.d_bias, &rates);
            update_all::<V>(&mut state.gate, g1, g2, &state.d_gate, &rates);
        }
        for e in 0..experts {
            let columns = &state.columns[e * hidden * np..(e + 1) * hidden * np];
            let rows = &mut state.rows[e * features * mp..(e + 1) * features * mp];
            for (i, row) in rows.chunks_exact_mut(mp).enumerate() {
                for (k, w) in row[..hidden].iter_mut().enumerate() {
                    *w = columns[k * np + i];
                }
            }
        }
    }
}
