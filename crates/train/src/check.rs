//! Problems with a recipe beyond the types of its fields.

use super::engines::reference;
use super::recipe::{Engine, Recipe};
use super::settings::data::SparseUniform;
use super::settings::init::Initialiser;
use super::settings::optimizer::AdamWSettings;
use super::settings::problem::RecipeProblem;
use repro_base::spec::choices;

impl Recipe {
    /// All problems with the recipe; none if it can be trained.
    pub fn check(&self) -> Vec<RecipeProblem> {
        let mut problems = self.model.entry().check();
        let features = self.shape().features;
        let data = self.sparse_uniform();
        if !(data.probability > 0.0 && data.probability <= 1.0) {
            let field = "data.probability";
            problems.push(RecipeProblem::new(
                field,
                format!("a feature's probability must be greater than 0 and at most 1, this is {}", data.probability),
            ));
        }
        let importance = &data.importance.0;
        if let Some(values) = &importance.values
            && values.len() != features
        {
            let message = format!("{} importances for {features} features", values.len());
            problems.push(RecipeProblem::new("data.importance", message));
        }
        let numbers = [importance.constant, importance.powers, importance.last].into_iter().flatten();
        if numbers.chain(importance.values.iter().flatten().copied()).any(|value| value < 0.0) {
            problems.push(RecipeProblem::new("data.importance", "importance must not be negative"));
        }
        if importance.powers.is_none() && (importance.shuffle.is_some() || importance.first != 0.0) {
            problems.push(RecipeProblem::new("data.importance", "`first` and `shuffle` belong to `powers`"));
        }
        if importance.first.fract() != 0.0 || importance.first.abs() >= 1e6 {
            problems.push(RecipeProblem::new(
                "data.importance.first",
                "`first`, the exponent of feature 0, is a whole number",
            ));
        }
        problems.extend(self.check_pairs(data));
        problems.extend(self.check_init());
        if self.batch == 0 || self.batch > 1 << 20 {
            problems.push(RecipeProblem::new(
                "batch",
                format!("a batch holds 1 to 1048576 samples, this is {}", self.batch),
            ));
        }
        if self.steps == 0 {
            problems.push(RecipeProblem::new("steps", "`steps` must be at least 1"));
        }
        let AdamWSettings { lr, beta1, beta2, eps, weight_decay } = self.optimizer.hyperparameters();
        for (name, value) in [("beta1", beta1), ("beta2", beta2)] {
            if !(0.0..1.0).contains(&value) {
                problems.push(RecipeProblem::new(
                    &format!("optimizer.{name}"),
                    format!("`{name}` lies from 0 up to, not including, 1; this is {value}"),
                ));
            }
        }
        for (name, value) in [("lr", lr), ("eps", eps), ("weight-decay", weight_decay)] {
            if value < 0.0 {
                problems
                    .push(RecipeProblem::new(&format!("optimizer.{name}"), format!("`{name}` must not be negative")));
            }
        }
        // The memory of wrong sizes means nothing.
        if self.engine == Engine::Reference && problems.is_empty() {
            problems.extend(reference::check(self));
        }
        problems
    }

    /// Signed values and pairs of features.
    fn check_pairs(&self, data: &SparseUniform) -> Vec<RecipeProblem> {
        let mut problems = Vec::new();
        let (correlated, anticorrelated) = (u64::from(data.correlated_pairs), u64::from(data.anticorrelated_pairs));
        let features = self.shape().features as u64;
        let paired = 2 * (correlated + anticorrelated);
        if paired > features {
            let field = if correlated > 0 { "data.correlated-pairs" } else { "data.anticorrelated-pairs" };
            problems.push(RecipeProblem::new(
                field,
                format!("pairs of {paired} features, but the model has only {features}"),
            ));
        }
        if anticorrelated > 0 && data.probability > 0.5 {
            let message = format!(
                "two features that are never present together have a probability of at most 0.5 each, this is {}",
                data.probability
            );
            problems.push(RecipeProblem::new("data.probability", message));
        }
        if !self.architecture().accepts_signed_and_paired_inputs() {
            let name = self.model.name();
            let hint = "its inputs are independent features in [0, 1]; `linear-bottleneck`, `neurons` and `absolute-value` take others";
            for (field, given) in [
                ("signed", data.signed),
                ("correlated-pairs", correlated > 0),
                ("anticorrelated-pairs", anticorrelated > 0),
            ] {
                if given {
                    let message = format!("`{name}` is not trained on data with `{field}`");
                    problems.push(RecipeProblem::new(&format!("data.{field}"), message).hint(hint));
                }
            }
        }
        problems
    }

    /// Initialisers that do not suit their parameter, and initialisers of parameters that the model does not have.
    fn check_init(&self) -> Vec<RecipeProblem> {
        let mut problems = Vec::new();
        let parameters = self.parameters();
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
        let name = self.model.name();
        for (given, _) in self.init.by_parameter().iter().filter(|(given, how)| how.is_some() && !names.contains(given))
        {
            let hint = format!("its parameters are {}", choices(&names).replace(" or ", " and "));
            let message = format!("`{name}` has no parameter `{given}`");
            problems.push(RecipeProblem::new(&format!("init.{given}"), message).hint(hint));
        }
        for parameter in &parameters {
            let field = format!("init.{}", parameter.name);
            let hot = matches!(parameter.initialiser, Initialiser::OrderedKHot | Initialiser::RandomKHot);
            match parameter.axes.as_slice() {
                &[("expert", experts), ("feature", features)] if hot && experts > 0 && features % experts != 0 => {
                    let message = format!("{features} features cannot be cut into {experts} equal groups");
                    let hint =
                        "k-hot gives every expert equally many features; choose `features` as a multiple of `experts`";
                    problems.push(RecipeProblem::new(&field, message).hint(hint));
                }
                [("expert", _), ("feature", _)] => {}
                _ if hot => problems.push(RecipeProblem::new(
                    &field,
                    "k-hot is for parameters with one value for each expert and feature",
                )),
                [_] if parameter.initialiser == Initialiser::Diagonal => {
                    problems
                        .push(RecipeProblem::new(&field, "a diagonal needs a parameter of two or three dimensions"));
                }
                _ => {}
            }
        }
        match self.init.instances {
            Some(0) => problems.push(RecipeProblem::new("init.instances", "`instances` must be at least 1")),
            Some(_) if !self.architecture().counts_instances() => {
                let message = format!("`{name}` takes no `instances`: its fans count its experts");
                problems.push(RecipeProblem::new("init.instances", message));
            }
            _ => {}
        }
        problems
    }
}
