//! The result of a training run.

/// The result of a training run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingResult {
    /// The values of each of the recipe's parameters, row-major.
    pub parameters: Vec<Vec<f32>>,
    /// Loss of the last batch before the last update, load-balancing term included.
    pub loss: f32,
    /// (step, loss) at about fifty steps of the run and at the last one.
    pub history: Vec<(u32, f32)>,
    /// Steps taken; fewer than asked for if the run stopped early.
    pub steps_run: u32,
}
