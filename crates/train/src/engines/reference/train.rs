//! Training with the reference engine.

use super::estimate::{MAX_MEMORY, memory};
use super::trainer::ReferenceTrainer;
use crate::control::Control;
use crate::engines::result::TrainingResult;
use crate::recipe::Recipe;
use crate::settings::problem::RecipeProblem;
use repro_base::error::{Error, Result};

/// A recipe that needs too much memory.
pub fn check(recipe: &Recipe) -> Option<RecipeProblem> {
    let needed = memory(recipe);
    if needed <= MAX_MEMORY {
        return None;
    }
    let gib = |bytes: u64| bytes.div_ceil(1 << 30);
    let message = format!(
        "the reference engine computes all experts for the whole batch, which takes about {} GiB here; its limit is {} GiB",
        gib(needed),
        gib(MAX_MEMORY)
    );
    Some(RecipeProblem::new("engine", message).hint("lower `batch`, or leave `engine` out"))
}

/// Train one model on this thread; `None` when `control` stopped it.
pub fn train(recipe: &Recipe, control: &dyn Control) -> Result<Option<TrainingResult>> {
    // dfdx runs matrix products on the threads of the current pool; callers rely on one thread a model.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool =
        pool.map_err(|error| Error::stage(format!("cannot start a thread for the reference engine: {error}")))?;
    pool.install(|| {
        let mut trainer = ReferenceTrainer::new(recipe);
        if let Some(bytes) = control.checkpoint() {
            // A checkpoint of another recipe or version is ignored.
            trainer.restore(&bytes);
        }
        while !trainer.finished() {
            control.save(&|| trainer.save());
            if control.stop() {
                return Ok(None);
            }
            control.progress(trainer.step);
            trainer.train_step()?;
        }
        Ok(Some(trainer.result()))
    })
}
