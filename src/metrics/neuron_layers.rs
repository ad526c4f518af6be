//! Weights into and out of every neuron, by feature.

use super::{Compute, TrainedModel};
use crate::error::Result;
use crate::value::{Array, Dataset};

crate::record! {
    /// The weights into and out of every neuron, in the order of the model.
    pub struct NeuronLayers {}
}

impl Compute for NeuronLayers {
    fn outputs(&self) -> &'static [&'static str] {
        &["weights-in", "weights-out"]
    }

    /// `weights-in` W1 and `weights-out` the transpose of W2, both \[neuron, feature\]; equal if the weights are tied.
    fn compute(&self, model: &Dataset) -> Result<Dataset> {
        let model = TrainedModel::from_dataset(model)?;
        let axes = || vec![model.neuron_axis(), model.feature_axis()];
        Ok(Dataset::default()
            .with("weights-in", Array::f64(axes(), model.neurons()?.concat())?)
            .with("weights-out", Array::f64(axes(), model.neurons_out()?.concat())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::layers;
    use super::*;

    #[test]
    fn both_layers_are_listed_by_neuron() {
        let of = |out| NeuronLayers {}.compute(&layers(&[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]], out)).unwrap();
        // W2 is [feature, neuron].
        let untied = of(Some(&[&[10.0, 20.0, 30.0], &[40.0, 50.0, 60.0]]));
        assert_eq!(untied.get("weights-in").unwrap().values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(untied.get("weights-out").unwrap().values(), [10.0, 40.0, 20.0, 50.0, 30.0, 60.0]);
        let tied = of(None);
        assert_eq!(tied.get("weights-in"), tied.get("weights-out"));
        let names: Vec<&str> = tied.get("weights-in").unwrap().axes.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, ["neuron", "feature"]);
    }
}
