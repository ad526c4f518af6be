//! Which expert is used in which part of the input space of two features (Fig 5 of the notebook; C5).

use super::{Compute, TrainedModel};
use crate::error::{Error, Result};
use crate::value::{Array, Axis, Dataset};

crate::record! {
    /// The expert of highest score on a grid over \[0, 1\]^2.
    pub struct Partition {
        /// Grid points along each side.
        pub resolution: u32 = 100,
    }
}

impl Compute for Partition {
    fn outputs(&self) -> &'static [&'static str] {
        &["partition"]
    }

    /// `partition` \[x2, x1\]: the expert's number at (x1, x2), both from 0 to 1 in equal steps.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        if model.features != 2 {
            let message = format!("`partition` shows a model of 2 features, this one has {}", model.features);
            return Err(Error::stage(message));
        }
        let n = self.resolution.max(2) as usize;
        let steps: Vec<f64> = (0..n).map(|i| i as f64 / (n - 1) as f64).collect();
        let mut router = model.router()?;
        let mut experts = Vec::with_capacity(n * n);
        for x2 in &steps {
            for x1 in &steps {
                experts.push(router.top(&[0, 1], &[*x1 as f32, *x2 as f32]) as f64);
            }
        }
        let axes = vec![Axis::numbers("x2", steps.clone()), Axis::numbers("x1", steps)];
        Ok(Dataset::default().with("partition", Array::f64(axes, experts)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::sample;
    use super::*;

    #[test]
    fn a_diagonal_gate_cuts_the_square_along_its_diagonal() {
        let data = sample(&[&[&[1.0], &[0.0]], &[&[0.0], &[1.0]]]);
        let grid = Partition { resolution: 3 }.compute(&data).unwrap();
        // Rows are x2, columns x1; ties go to expert 0.
        assert_eq!(grid.get("partition").unwrap().values(), [0., 0., 0., 1., 0., 0., 1., 1., 0.]);
    }
}
