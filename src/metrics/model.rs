//! A trained model's arrays, unpacked and checked once for all metrics.

use crate::error::{Error, Result};
use crate::train::{Batch, RandomStream, Router};
use crate::value::{Array, Axis, Dataset};

/// A trained model.
pub struct TrainedModel<'a> {
    dataset: &'a Dataset,
    /// Two layers and no experts: arrays have no axis `expert`.
    pub layered: bool,
    pub experts: usize,
    pub features: usize,
    pub hidden: usize,
    /// Experts used for each input, k.
    pub active: usize,
    /// Chance that a feature is present.
    pub probability: f64,
    /// W, row-major \[experts, features, hidden\].
    weights: Vec<f64>,
}

/// \[rows, columns\] as \[columns, rows\].
pub fn transpose(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
}

impl<'a> TrainedModel<'a> {
    pub fn from_dataset(dataset: &'a Dataset) -> Result<TrainedModel<'a>> {
        let weights = array(dataset, "weights")?;
        let (layered, experts, features, hidden) = match *weights.shape() {
            [experts, features, hidden] => (false, experts, features, hidden),
            [hidden, features] => (true, 1, features, hidden),
            _ => {
                return Err(Error::stage("`weights` needs the axes expert, feature and hidden, or hidden and feature"));
            }
        };
        let values = weights.values();
        Ok(TrainedModel {
            dataset,
            layered,
            experts,
            features,
            hidden,
            active: if layered { 1 } else { number(dataset, "active")? as usize },
            probability: number(dataset, "probability")?,
            // The same layout for all: a row for each feature.
            weights: if layered { transpose(&values, hidden, features) } else { values },
        })
    }

    /// An array of the model.
    pub fn array(&self, name: &str) -> Result<&'a Array> {
        array(self.dataset, name)
    }

    /// Whether the model holds such an array.
    pub fn has(&self, name: &str) -> bool {
        self.dataset.get(name).is_some()
    }

    /// W_i of one expert.
    pub fn row(&self, expert: usize, feature: usize) -> &[f64] {
        &self.weights[(expert * self.features + feature) * self.hidden..][..self.hidden]
    }

    pub fn norm(&self, expert: usize, feature: usize) -> f64 {
        let row = self.row(expert, feature);
        dot(row, row).sqrt()
    }

    /// One array value.
    pub fn number(&self, name: &str) -> Result<f64> {
        number(self.dataset, name)
    }

    /// The model's router with `active` experts.
    pub fn router(&self) -> Result<Router> {
        let gate: Vec<f32> = array(self.dataset, "gate")?.data.iter().map(|g| g as f32).collect();
        Ok(Router::new(gate, self.experts, self.active))
    }

    /// Inputs that no training run has seen.
    pub fn batch(&self, seed: u64, samples: usize, probability: f64) -> Batch {
        let mut batch = Batch::default();
        batch.fill(seed, RandomStream::Evaluation, 0, samples, self.features, probability);
        batch
    }

    /// The axis of experts, and none for a model that has no experts.
    pub fn expert_axis(&self) -> Vec<Axis> {
        if self.layered { Vec::new() } else { vec![Axis::index("expert", self.experts)] }
    }

    pub fn feature_axis(&self) -> Axis {
        Axis::index("feature", self.features)
    }

    pub fn neuron_axis(&self) -> Axis {
        Axis::index("neuron", self.hidden)
    }

    /// For each neuron the weights into it, by feature.
    pub fn neurons(&self) -> Result<Vec<Vec<f64>>> {
        if !self.layered {
            let error = Error::stage("this metric is of neurons, and a mixture of experts has none");
            return Err(error.hint("`neurons` and `absolute-value` have neurons"));
        }
        Ok((0..self.hidden).map(|k| (0..self.features).map(|i| self.row(0, i)[k]).collect()).collect())
    }

    /// For each neuron the weights out of it, by feature; those into it if weights are tied.
    pub fn neurons_out(&self) -> Result<Vec<Vec<f64>>> {
        if !self.has("weights-out") {
            return self.neurons();
        }
        let out = self.array("weights-out")?.values();
        let weight = |k: usize, i: usize| out.get(i * self.hidden + k).copied().unwrap_or(f64::NAN);
        Ok((0..self.hidden).map(|k| (0..self.features).map(|i| weight(k, i)).collect()).collect())
    }

    /// An array \[expert, feature\], or \[feature\] without experts, of a value for each.
    pub fn map_features(&self, value: impl Fn(usize, usize) -> f64) -> Result<Array> {
        let pairs = (0..self.experts).flat_map(|e| (0..self.features).map(move |i| (e, i)));
        let axes = self.expert_axis().into_iter().chain([self.feature_axis()]).collect();
        Array::f64(axes, pairs.map(|(e, i)| value(e, i)).collect())
    }

    /// Polysemanticity: `sqrt(sum_{j != i} (Wn_i . W_j)^2)` with `Wn_i = W_i / (1e-5 + |W_i|)` (published code; C2).
    pub fn polysemanticity(&self, expert: usize, feature: usize) -> f64 {
        self.interference(expert, feature, 1e-5, |_| 1.0).sqrt()
    }

    /// `sum_{j != i} weight(j) (W_i/(eps + |W_i|) . W_j)^2`.
    pub fn interference(&self, expert: usize, feature: usize, eps: f64, weight: impl Fn(usize) -> f64) -> f64 {
        let row = self.row(expert, feature);
        let norm = eps + dot(row, row).sqrt();
        let others = (0..self.features).filter(|&j| j != feature);
        others.map(|j| weight(j) * (dot(row, self.row(expert, j)) / norm).powi(2)).sum()
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn array<'a>(dataset: &'a Dataset, name: &str) -> Result<&'a Array> {
    dataset.get(name).ok_or_else(|| {
        let names: Vec<&str> = dataset.arrays.keys().map(String::as_str).collect();
        Error::stage(format!(
            "this metric needs the array `{name}` of a trained model; there is {}",
            crate::spec::choices(&names)
        ))
        .hint("`of` must name a `train` or `sweep` stage")
    })
}

fn number(dataset: &Dataset, name: &str) -> Result<f64> {
    array(dataset, name)?.single().ok_or_else(|| Error::stage(format!("`{name}` should be a single number")))
}

/// A model with these rows of W, for tests of formulas.
#[cfg(test)]
pub fn sample(experts: &[&[&[f64]]]) -> Dataset {
    let (e, n, m) = (experts.len(), experts[0].len(), experts[0][0].len());
    let axes = vec![Axis::index("expert", e), Axis::index("feature", n), Axis::index("hidden", m)];
    let values = experts.iter().flat_map(|rows| rows.iter().flat_map(|row| row.iter().copied())).collect();
    let gate: Vec<f64> = (0..e * n).map(|at| if at % n % e == at / n { 1.0 } else { 0.0 }).collect();
    Dataset::default()
        .with("weights", Array::f64(axes, values).unwrap())
        .with("gate", Array::f64(vec![Axis::index("expert", e), Axis::index("feature", n)], gate).unwrap())
        .with("probability", Array::scalar(0.5))
        .with("active", Array::scalar(1.0))
        .with("loss", Array::scalar(0.25))
}

/// A model of two layers with these rows of W1 \[neuron, feature\] and W2 \[feature, neuron\], for tests of formulas.
#[cfg(test)]
pub fn layers(into: &[&[f64]], out: Option<&[&[f64]]>) -> Dataset {
    let (m, n) = (into.len(), into[0].len());
    let (hidden, feature) = (Axis::index("hidden", m), Axis::index("feature", n));
    let mut dataset = Dataset::default()
        .with("weights", Array::f64(vec![hidden.clone(), feature.clone()], into.concat()).unwrap())
        .with("probability", Array::scalar(0.5));
    if let Some(out) = out {
        dataset.insert("weights-out", Array::f64(vec![feature, hidden], out.concat()).unwrap());
    }
    dataset
}
