//! The losses of training.

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// Loss of the last batch.
    pub struct Loss {}
}

impl Compute for Loss {
    fn outputs(&self) -> &'static [&'static str] {
        &["loss", "log-loss"]
    }

    /// `loss` of the last batch before the last update; `log-loss` its natural logarithm.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let loss = TrainedModel::from_dataset(model)?.number("loss")?;
        let log = if loss >= f64::MIN_POSITIVE && loss.is_finite() { crate::train::ln(loss) } else { f64::NAN };
        Ok(Dataset::default().with("loss", Array::scalar(loss)).with("log-loss", Array::scalar(log)))
    }
}
