//! One model in training: parameters, moments, schedule.

use super::adam::{Rates, update};
use super::buffer::Floats;
use super::draws::Source;
use super::large::Large;
use super::layers::{Places, TwoLayers};
use super::layout::Layout;
use super::problem::Problem;
use super::simd::{Kernel, Level, Simd, dispatch};
use super::small::{Small, is_small};
use crate::train::init::parameters;
use crate::train::{Optimizer, Outcome, Recipe, Schedule, Stream};

/// A model in training.
pub struct Instance {
    level: Level,
    engine: Engine,
    pub(super) state: State,
}

/// What computes gradients.
enum Engine {
    Small(Box<Small>),
    Large(Box<Large>),
    Layers(Box<TwoLayers>),
}

/// What a kind of model computes, compiled once for each level.
pub trait Gradients {
    /// Gradients of the step's batch go to `gradients`. Returns its loss; if that is not `asked` for, maybe another number, which is finite
    /// if the loss is.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the buffers have the layout of the model.
    unsafe fn gradients<V: Simd>(
        &mut self,
        problem: &Problem,
        source: Source,
        parameters: &[f32],
        gradients: &mut [f32],
        asked: bool,
    ) -> f32;
}

/// Everything of a model that is not scratch space: what engines advance, step by step, and what checkpoints hold.
pub struct State {
    pub recipe: Recipe,
    pub problem: Problem,
    /// Where all parameters lie, in the order of checkpoints and results.
    pub order: Vec<usize>,
    pub parameters: Floats,
    pub gradients: Floats,
    /// First and second moments.
    pub moments: [Floats; 2],
    /// Steps taken.
    pub step: u32,
    /// beta1^t and beta2^t.
    pub powers: [f64; 2],
    /// What the drop rule has left of the learning rate.
    pub drop: f64,
    pub stopped: bool,
    /// Of the last step that was asked for it.
    pub loss: f32,
    pub history: Vec<(u32, f32)>,
}

impl Engine {
    fn new(recipe: &Recipe, problem: &Problem) -> Engine {
        if let Some(layers) = recipe.model.entry().layers() {
            return Engine::Layers(Box::new(TwoLayers::new(recipe, layers, problem)));
        }
        match Small::new(problem, recipe.seed) {
            Some(small) => Engine::Small(Box::new(small)),
            None => Engine::Large(Box::new(Large::new(problem, Layout::new(problem.shape, false), recipe.seed))),
        }
    }
}

/// Where all parameters of a recipe lie in buffers, and how long these are.
fn places(recipe: &Recipe) -> (Vec<usize>, usize) {
    let shape = recipe.shape();
    match recipe.model.entry().layers() {
        Some(layers) => {
            let places = Places::new(shape, layers);
            (places.all(), places.len())
        }
        None => {
            let layout = Layout::new(shape, is_small(shape));
            (layout.all().collect(), layout.len())
        }
    }
}

impl Instance {
    pub fn new(recipe: &Recipe, level: Level) -> Instance {
        let state = State::new(recipe);
        Instance { level, engine: Engine::new(recipe, &state.problem), state }
    }

    /// Steps taken so far.
    pub fn step_number(&self) -> u32 {
        self.state.step
    }

    pub fn finished(&self) -> bool {
        self.state.finished()
    }

    /// Up to `count` steps of training; fewer if training ends before.
    pub fn steps(&mut self, count: u32) {
        self.run(count);
    }

    /// Draw the batch of the current step and compute loss and gradients, without an update.
    pub fn gradients(&mut self) -> f32 {
        self.run(0)
    }

    fn run(&mut self, count: u32) -> f32 {
        let (state, level) = (&mut self.state, self.level);
        match &mut self.engine {
            Engine::Small(small) => small.run(level, state, count),
            Engine::Large(large) => dispatch(level, Training { engine: &mut **large, state, count }),
            Engine::Layers(layers) => dispatch(level, Training { engine: &mut **layers, state, count }),
        }
    }

    /// Make models of two layers use lists or rows, for the test that both give the same bytes.
    #[cfg(test)]
    pub(super) fn choose_lists(&mut self, lists: bool) {
        if let Engine::Layers(layers) = &mut self.engine {
            **layers = layers.as_ref().clone().with_lists(lists, self.state.problem.samples);
        }
    }

    /// The parameters and the losses so far.
    pub fn outcome(&self) -> Outcome {
        self.state.outcome()
    }

    /// The gradients last computed, in the order of the parameters.
    #[cfg(test)]
    pub fn parameter_gradients(&self) -> Vec<Vec<f32>> {
        self.state.tensors(&self.state.gradients)
    }
}

/// Steps of training, or with `count` 0 only the gradients of the current step; returns the last loss.
pub struct Training<'a, G> {
    pub engine: G,
    pub state: &'a mut State,
    pub count: u32,
}

impl<G: Gradients> Kernel for Training<'_, G> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<V: Simd>(self) -> f32 {
        let Training { mut engine, state, count } = self;
        let mut loss = f32::NAN;
        for _ in 0..count.max(1) {
            if count > 0 && state.finished() {
                break;
            }
            let source = Source { seed: state.recipe.seed, stream: Stream::Training, step: state.step };
            let asked = count == 0 || state.recipe.stop.is_some() || state.in_history();
            let State { problem, parameters, gradients, .. } = &mut *state;
            // Safety: `dispatch` runs this at a level of the machine; the engine was made for the state's layout.
            loss = unsafe { engine.gradients::<V>(problem, source, parameters, gradients, asked) };
            if count > 0 {
                // Safety: the same.
                unsafe { V::enter(Advance { state: &mut *state, loss, asked }) };
            }
        }
        loss
    }
}

/// The end of a step, as a function for all models.
struct Advance<'a> {
    state: &'a mut State,
    loss: f32,
    asked: bool,
}

impl Kernel for Advance<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        unsafe { self.state.advance::<V>(self.loss, self.asked) };
    }
}

impl State {
    /// A model before its first step.
    pub fn new(recipe: &Recipe) -> State {
        let (order, len) = places(recipe);
        let mut values = Floats::zeros(len);
        let initial = parameters(recipe).into_iter().flatten();
        order.iter().zip(initial).for_each(|(&at, value)| values[at] = value);
        let zeros = Floats::zeros(len);
        State {
            recipe: recipe.clone(),
            problem: Problem::new(recipe),
            order,
            parameters: values,
            gradients: zeros.clone(),
            moments: [zeros.clone(), zeros],
            step: 0,
            powers: [1.0, 1.0],
            drop: 1.0,
            stopped: false,
            loss: f32::NAN,
            history: Vec::new(),
        }
    }

    /// Numbers in the layout of the parameters as one row-major tensor each.
    fn tensors(&self, buffer: &Floats) -> Vec<Vec<f32>> {
        let mut all = self.order.iter().map(|&at| buffer[at]);
        self.recipe.parameters().iter().map(|parameter| all.by_ref().take(parameter.len()).collect()).collect()
    }

    pub fn finished(&self) -> bool {
        self.stopped || self.step >= self.recipe.steps
    }

    /// Steps between two entries of the history.
    pub fn every(&self) -> u32 {
        (self.recipe.steps / 50).max(1)
    }

    /// Whether the history keeps the loss of the current step.
    #[inline(always)]
    fn in_history(&self) -> bool {
        self.step.is_multiple_of(self.every()) || self.step + 1 == self.recipe.steps
    }

    /// The parameters and the losses so far.
    pub fn outcome(&self) -> Outcome {
        let parameters = self.tensors(&self.parameters);
        Outcome { parameters, loss: self.loss, history: self.history.clone(), steps_run: self.step }
    }

    /// The optimizer's step and everything that follows from the loss.
    #[inline(always)]
    unsafe fn advance<V: Simd>(&mut self, loss: f32, asked: bool) {
        if asked {
            self.loss = loss;
        }
        if !loss.is_finite() {
            // Diverged: nothing that follows would mean anything, nor be the same everywhere.
            self.loss = f32::NAN;
            self.history.push((self.step, self.loss));
            self.stopped = true;
            return;
        }
        let rates = self.rates();
        // Safety: all buffers have one length and a spare line behind them.
        unsafe { self.update::<V>(&rates) };
        if self.in_history() {
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

    #[inline(always)]
    unsafe fn update<V: Simd>(&mut self, rates: &Rates) {
        let [first, second] = &mut self.moments;
        let (p, m) = (self.parameters.as_mut_ptr(), first.as_mut_ptr());
        let (v, d) = (second.as_mut_ptr(), self.gradients.as_ptr());
        for i in (0..self.parameters.len()).step_by(V::N) {
            unsafe { update::<V>(p.add(i), m.add(i), v.add(i), V::load(d.add(i)), rates) };
        }
    }

    /// The optimizer's numbers of this step.
    #[inline(always)]
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
        // Denormal powers are slow, and as good as 0 in 1 - beta^t.
        let power = |power: f64, beta: f64| if power < 1e-300 { 0.0 } else { power * beta };
        self.powers = [power(self.powers[0], beta1), power(self.powers[1], beta2)];
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
}
