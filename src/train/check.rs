//! What is wrong with a recipe beyond the types of its fields.

use super::{Data, Initialiser, Model, Optimizer, Recipe};

/// One thing that is wrong: the field as a path in the recipe, what, and maybe what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub field: String,
    pub message: String,
    pub hint: Option<String>,
}

fn fault(field: &str, message: impl Into<String>) -> Fault {
    Fault { field: field.to_string(), message: message.into(), hint: None }
}

impl Recipe {
    /// Everything that is wrong with the recipe; empty if it can be trained.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let Model::MoeAutoencoder(model) = &self.model;
        for (name, value) in [
            ("features", model.features),
            ("hidden", model.hidden),
            ("experts", model.experts),
            ("active", model.active),
        ] {
            if value == 0 {
                faults.push(fault(&format!("model.{name}"), format!("`{name}` must be at least 1")));
            } else if value > 4096 {
                faults
                    .push(fault(&format!("model.{name}"), format!("`{name}` is {value}; at most 4096 are supported")));
            }
        }
        if model.active > model.experts {
            let message =
                format!("{} active experts, but there {} only {}", model.active, are(model.experts), model.experts);
            faults.push(Fault { hint: Some("`active` is at most `experts`".into()), ..fault("model.active", message) });
        }
        if model.load_balancing < 0.0 {
            faults.push(fault("model.load-balancing", "the weight of the load-balancing loss must not be negative"));
        }
        let Data::SparseUniform(data) = &self.data;
        if !(data.probability > 0.0 && data.probability <= 1.0) {
            let field = "data.probability";
            faults.push(fault(
                field,
                format!("a feature's probability lies above 0 and up to 1, this is {}", data.probability),
            ));
        }
        let importance = &data.importance.0;
        if let Some(values) = &importance.values
            && values.len() != model.features as usize
        {
            let message = format!("{} importances for {} features", values.len(), model.features);
            faults.push(fault("data.importance", message));
        }
        let numbers = [importance.constant, importance.powers, importance.last].into_iter().flatten();
        if numbers.chain(importance.values.iter().flatten().copied()).any(|value| value < 0.0) {
            faults.push(fault("data.importance", "importance must not be negative"));
        }
        if importance.powers.is_none() && (importance.shuffle.is_some() || importance.first != 0.0) {
            faults.push(fault("data.importance", "`first` and `shuffle` belong to `powers`"));
        }
        if importance.first.fract() != 0.0 || importance.first.abs() >= 1e6 {
            faults.push(fault("data.importance.first", "`first`, the exponent of feature 0, is a whole number"));
        }
        for (name, initialiser) in
            [("weights", &self.init.weights), ("bias", &self.init.bias), ("gate", &self.init.gate)]
        {
            let hot = matches!(initialiser, Initialiser::OrderedKHot | Initialiser::RandomKHot);
            if hot && model.experts > 0 && model.features % model.experts != 0 {
                let message = format!("{} features cannot be cut into {} equal groups", model.features, model.experts);
                let hint =
                    "k-hot gives every expert equally many features; choose `features` as a multiple of `experts`";
                faults.push(Fault { hint: Some(hint.into()), ..fault(&format!("init.{name}"), message) });
            }
            if hot && name == "weights" {
                faults
                    .push(fault("init.weights", "k-hot is for parameters with one value for each expert and feature"));
            }
        }
        if self.batch == 0 || self.batch > 1 << 20 {
            faults.push(fault("batch", format!("a batch holds 1 to 1048576 samples, this is {}", self.batch)));
        }
        if self.steps == 0 {
            faults.push(fault("steps", "`steps` must be at least 1"));
        }
        let (lr, beta1, beta2, eps, decay) = match &self.optimizer {
            Optimizer::Adam(s) => (s.lr, s.beta1, s.beta2, s.eps, 0.0),
            Optimizer::AdamW(s) => (s.lr, s.beta1, s.beta2, s.eps, s.weight_decay),
        };
        for (name, value) in [("beta1", beta1), ("beta2", beta2)] {
            if !(0.0..1.0).contains(&value) {
                faults.push(fault(
                    &format!("optimizer.{name}"),
                    format!("`{name}` lies from 0 up to, not including, 1; this is {value}"),
                ));
            }
        }
        for (name, value) in [("lr", lr), ("eps", eps), ("weight-decay", decay)] {
            if value < 0.0 {
                faults.push(fault(&format!("optimizer.{name}"), format!("`{name}` must not be negative")));
            }
        }
        faults
    }
}

fn are(n: u32) -> &'static str {
    if n == 1 { "is" } else { "are" }
}
