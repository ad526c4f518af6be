//! Best of several runs: keep the model with the smallest value of an array, and say how far the others were.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::spec::{Located, Problems, suggest};
use crate::value::{Array, Axis, Dataset};

crate::record! {
    /// Which of several runs is kept.
    pub struct Best {
        /// The array whose smallest value decides; a tie goes to the first.
        pub by: String = "loss".to_string(),
        /// The axis along which the runs lie.
        pub over: Located<String>,
    }
}

impl Best {
    /// Report an axis that the input does not have.
    pub fn check(&self, axes: &[Axis], problems: &mut Problems) {
        if !axes.iter().any(|axis| axis.name == *self.over) {
            let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
            let error = Error::user(format!("there is no axis `{}` to choose from", *self.over)).at(self.over.span);
            problems.push(error.hint(suggest(&self.over, &names)));
        }
    }

    /// The arrays that the choice adds to a result.
    pub fn outputs(&self) -> [String; 3] {
        ["best", "median", "worst"].map(|name| format!("{}-{name}", self.by))
    }

    /// The best candidate; adds the best, median and worst value to `result`. A NaN is never best.
    pub fn choose(&self, candidates: &[Arc<Dataset>], result: &mut Dataset) -> Result<Option<Arc<Dataset>>> {
        let mut values = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let value = candidate.get(&self.by).and_then(Array::single).ok_or_else(|| {
                let names: Vec<&str> = candidate.arrays.keys().map(String::as_str).collect();
                Error::user(format!("`{}` is not a single number of each run", self.by))
                    .at(self.over.span)
                    .hint(suggest(&self.by, &names))
            })?;
            values.push(if value.is_nan() { f64::INFINITY } else { value });
        }
        let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        if let (Some(first), Some(last)) = (sorted.first(), sorted.last()) {
            let n = sorted.len();
            let median = if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) };
            for (name, value) in self.outputs().iter().zip([*first, median, *last]) {
                result.insert(name, Array::scalar(value));
            }
        }
        Ok(best.map(|i| candidates[i].clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_loss_wins_and_a_tie_goes_to_the_first() {
        let run = |loss: f64, name: f64| {
            Arc::new(Dataset::default().with("loss", Array::scalar(loss)).with("id", Array::scalar(name)))
        };
        let over = Located { value: "run".to_string(), span: Default::default() };
        let best = Best { by: "loss".into(), over };
        let mut result = Dataset::default();
        let runs = [run(f64::NAN, 0.0), run(0.2, 1.0), run(0.1, 2.0), run(0.1, 3.0)];
        let chosen = best.choose(&runs, &mut result).unwrap().unwrap();
        assert_eq!(chosen.get("id").unwrap().single(), Some(2.0));
        assert_eq!(result.get("loss-best").unwrap().single(), Some(0.1));
        assert_eq!(result.get("loss-worst").unwrap().single(), Some(f64::INFINITY));
    }
}
