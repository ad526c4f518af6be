//! What is wrong with a recipe beyond the types of its fields.

use super::engines::reference;
use super::{Data, Engine, Initialiser, Optimizer, Recipe, SparseUniform};
use crate::spec::choices;

/// One thing that is wrong: the field as a path in the recipe, what, and maybe what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub field: String,
    pub message: String,
    pub hint: Option<String>,
}

pub(super) fn fault(field: &str, message: impl Into<String>) -> Fault {
    Fault { field: field.to_string(), message: message.into(), hint: None }
}

impl Recipe {
    /// Everything that is wrong with the recipe; empty if it can be trained.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = self.model.entry().check();
        let features = self.shape().features;
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
            && values.len() != features
        {
            let message = format!("{} importances for {features} features", values.len());
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
        faults.extend(self.check_pairs(data));
        faults.extend(self.check_init());
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
        // Sizes that are wrong are told above.
        if self.engine == Engine::Reference && faults.is_empty() {
            faults.extend(self.check_reference());
        }
        faults
    }

    /// More memory than the reference engine may take.
    fn check_reference(&self) -> Option<Fault> {
        let needed = reference::memory(self);
        if needed <= reference::MOST_MEMORY {
            return None;
        }
        let gib = |bytes: u64| bytes.div_ceil(1 << 30);
        let message = format!(
            "the reference engine computes all experts for the whole batch, which takes about {} GiB here; its limit is {} GiB",
            gib(needed),
            gib(reference::MOST_MEMORY)
        );
        Some(Fault { hint: Some("lower `batch`, or leave `engine` out".into()), ..fault("engine", message) })
    }

    /// Signed values and pairs of features.
    fn check_pairs(&self, data: &SparseUniform) -> Vec<Fault> {
        let mut faults = Vec::new();
        let (together, apart) = (u64::from(data.correlated_pairs), u64::from(data.anticorrelated_pairs));
        let features = self.shape().features as u64;
        let paired = 2 * (together + apart);
        if paired > features {
            let field = if together > 0 { "data.correlated-pairs" } else { "data.anticorrelated-pairs" };
            faults.push(fault(field, format!("pairs of {paired} features, but the model has only {features}")));
        }
        if apart > 0 && data.probability > 0.5 {
            let message = format!(
                "two features that are never present together have a probability of at most 0.5 each, this is {}",
                data.probability
            );
            faults.push(fault("data.probability", message));
        }
        if self.model.entry().layers().is_none() {
            let name = self.model.name();
            let hint = "its inputs are independent features in [0, 1]; `linear-bottleneck`, `neurons` and `absolute-value` take others";
            for (field, given) in
                [("signed", data.signed), ("correlated-pairs", together > 0), ("anticorrelated-pairs", apart > 0)]
            {
                if given {
                    let message = format!("`{name}` is not trained on data with `{field}`");
                    faults.push(Fault { hint: Some(hint.into()), ..fault(&format!("data.{field}"), message) });
                }
            }
        }
        faults
    }

    /// Initialisers that do not fit their parameter, or that no parameter has.
    fn check_init(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let parameters = self.parameters();
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
        let name = self.model.name();
        for (given, _) in self.init.given().iter().filter(|(given, how)| how.is_some() && !names.contains(given)) {
            let hint = format!("its parameters are {}", choices(&names).replace(" or ", " and "));
            let message = format!("`{name}` has no parameter `{given}`");
            faults.push(Fault { hint: Some(hint), ..fault(&format!("init.{given}"), message) });
        }
        for parameter in &parameters {
            let field = format!("init.{}", parameter.name);
            let hot = matches!(parameter.initialiser, Initialiser::OrderedKHot | Initialiser::RandomKHot);
            match parameter.axes.as_slice() {
                &[("expert", experts), ("feature", features)] if hot && experts > 0 && features % experts != 0 => {
                    let message = format!("{features} features cannot be cut into {experts} equal groups");
                    let hint =
                        "k-hot gives every expert equally many features; choose `features` as a multiple of `experts`";
                    faults.push(Fault { hint: Some(hint.into()), ..fault(&field, message) });
                }
                [("expert", _), ("feature", _)] => {}
                _ if hot => {
                    faults.push(fault(&field, "k-hot is for parameters with one value for each expert and feature"))
                }
                [_] if parameter.initialiser == Initialiser::Diagonal => {
                    faults.push(fault(&field, "a diagonal needs a parameter of two or three dimensions"));
                }
                _ => {}
            }
        }
        match self.init.instances {
            Some(0) => faults.push(fault("init.instances", "`instances` must be at least 1")),
            Some(_) if self.model.entry().layers().is_none() => {
                let message = format!("`{name}` takes no `instances`: its fans count its experts");
                faults.push(fault("init.instances", message));
            }
            _ => {}
        }
        faults
    }
}
