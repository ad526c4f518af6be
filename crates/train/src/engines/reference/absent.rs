//! The reference engine in a build without it.

use crate::control::Control;
use crate::engines::result::TrainingResult;
use crate::recipe::Recipe;
use crate::settings::problem::RecipeProblem;
use repro_base::error::{Error, Result};

const MESSAGE: &str = "this build of repro has no reference engine";
const HINT: &str = "build it with `cargo build --release --features reference`, or leave `engine` out";

/// A recipe that asks for this engine cannot be trained.
pub fn check(_recipe: &Recipe) -> Option<RecipeProblem> {
    Some(RecipeProblem::new("engine", MESSAGE).hint(HINT))
}

/// Always an error.
pub fn train(_recipe: &Recipe, _control: &dyn Control) -> Result<Option<TrainingResult>> {
    Err(Error::stage(MESSAGE).hint(HINT))
}
