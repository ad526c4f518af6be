//! Which arrays the units of a stage hold, as far as that is known before anything runs.

use super::{Kind, point};

/// Names of the arrays; `None` where only running it can tell.
pub fn arrays(kind: &Kind) -> Option<Vec<String>> {
    match kind {
        Kind::Train(train) => Some(point::arrays(&train.0)),
        Kind::Sweep(sweep) => Some(sweep.arrays()),
        Kind::Metric(metric) => {
            let computed =
                metric.compute.iter().flat_map(|metric| metric.entry().outputs()).map(|name| name.to_string());
            let chosen = metric.best.iter().flat_map(|best| best.outputs());
            Some(computed.chain(chosen).collect())
        }
        Kind::Data(_) | Kind::Exec(_) | Kind::Figure(_) | Kind::Table(_) => None,
    }
}
