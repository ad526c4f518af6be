//! Settings whose spelling in the paper file differs from their fields: `sparsity` for 1 - `probability`, a number or a list for an
//! importance. The only file of the trainer that reads YAML by hand; all other settings are declared with `record!` and `union!`.

use serde_json::{Value as Json, json};

use super::data::{Importance, ImportanceSettings, SparseUniform, SparseUniformSettings};
use repro_base::error::Error;
use repro_base::spec::{Decode, Node, Problems, Schemas, Yaml};

impl Decode for SparseUniform {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let settings = SparseUniformSettings::decode(node, problems)?;
        let probability = match (settings.probability, settings.sparsity) {
            (Some(probability), None) => probability,
            (None, Some(sparsity)) => complement(sparsity),
            (Some(_), Some(_)) => {
                let error = Error::user("`probability` and `sparsity` say the same thing (probability = 1 - sparsity)");
                problems.push(error.at(node.deepest(&["sparsity"]).span).hint("keep one of them"));
                return None;
            }
            (None, None) => {
                let error = Error::user("`probability` is missing here: the chance that a feature is present");
                problems.push(error.at(node.span).hint("or give `sparsity`, which is 1 - probability"));
                return None;
            }
        };
        let SparseUniformSettings { importance, signed, correlated_pairs, anticorrelated_pairs, .. } = settings;
        Some(SparseUniform { probability, importance, signed, correlated_pairs, anticorrelated_pairs })
    }

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        match path {
            [] => *self = Self::decode(node, problems)?,
            ["probability"] => self.probability = f64::decode(node, problems)?,
            ["sparsity"] => self.probability = complement(f64::decode(node, problems)?),
            ["importance", rest @ ..] => self.importance.assign(rest, node, problems)?,
            ["signed"] => self.signed.assign(&[], node, problems)?,
            ["correlated-pairs"] => self.correlated_pairs.assign(&[], node, problems)?,
            ["anticorrelated-pairs"] => self.anticorrelated_pairs.assign(&[], node, problems)?,
            [first, ..] => {
                let known =
                    ["probability", "sparsity", "importance", "signed", "correlated-pairs", "anticorrelated-pairs"];
                repro_base::spec::report_unknown_field(first, &known.map(str::to_string), node, problems);
                return None;
            }
        }
        Some(())
    }

    fn manifest(&self) -> Json {
        let mut json = json!({"probability": self.probability, "importance": self.importance.manifest()});
        // Only what is set.
        if self.signed {
            json["signed"] = json!(true);
        }
        for (name, pairs) in
            [("correlated-pairs", self.correlated_pairs), ("anticorrelated-pairs", self.anticorrelated_pairs)]
        {
            if pairs > 0 {
                json[name] = pairs.manifest();
            }
        }
        json
    }

    fn schema(schemas: &mut Schemas) -> Json {
        SparseUniformSettings::schema(schemas)
    }

    fn expected() -> String {
        SparseUniformSettings::expected()
    }
}

/// 1 - x to 15 decimals, so that a sparsity of 0.9 is a probability of 0.1 and not of 0.09999999999999998.
fn complement(x: f64) -> f64 {
    ((1.0 - x) * 1e15).round() / 1e15
}

impl Decode for Importance {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let empty = ImportanceSettings { constant: None, ..Importance::default().0 };
        let settings = match &node.value {
            Yaml::List(_) => ImportanceSettings { values: Some(Vec::decode(node, problems)?), ..empty },
            Yaml::Map(_) => ImportanceSettings::decode(node, problems)?,
            _ => ImportanceSettings { constant: Some(f64::decode(node, problems)?), ..empty },
        };
        let given = [settings.constant.is_some(), settings.powers.is_some(), settings.values.is_some()];
        match given.iter().filter(|&&is| is).count() {
            1 => Some(Importance(settings)),
            0 => Some(Importance(ImportanceSettings { constant: Some(1.0), ..settings })),
            _ => {
                let error = Error::user("`constant`, `powers` and `values` exclude each other").at(node.span);
                problems.push(error.hint("keep one of them; `last` may be added to any"));
                None
            }
        }
    }

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        if path.is_empty() {
            *self = Self::decode(node, problems)?;
            return Some(());
        }
        self.0.assign(path, node, problems)
    }

    fn manifest(&self) -> Json {
        // Only what is set: the forms exclude each other.
        let mut json = self.0.manifest();
        if let Some(map) = json.as_object_mut() {
            map.retain(|key, value| !(value.is_null() || key == "first" && self.0.powers.is_none()));
        }
        json
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let mapping = ImportanceSettings::schema(schemas);
        json!({"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}, mapping]})
    }

    fn expected() -> String {
        "a number for all features, a list of numbers, or a mapping such as `{powers: 0.7}`".into()
    }
}
