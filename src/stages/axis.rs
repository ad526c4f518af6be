//! An axis of a sweep: which field of the recipe varies, and the values it takes.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::error::{Error, Span};
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml};
use crate::train::Recipe;
use crate::value::{Axis, Coords};

/// More points than this on one axis is taken for a slip.
const MAX_VALUES: usize = 1_000_000;
/// Decimals beyond these are 0 in every number.
const MAX_DECIMALS: u32 = 340;

crate::record! {
    /// The values of one axis, each written as `field` and `values`, `from`/`to`/`step`, `from`/`to`/`count` or `count`, or as
    /// named `cases` that set several fields.
    pub struct AxisSettings {
        /// The field of the recipe that varies, such as `data.importance.last`. Kinds (`sparse-uniform`) may be left out.
        pub field: Option<Located<String>> = None,
        /// The values, one by one.
        pub values: Option<Vec<Node>> = None,
        /// The first value of a range; with `count` alone, the recipe's own value.
        pub from: Option<f64> = None,
        /// The last value of a range, included.
        pub to: Option<f64> = None,
        /// The distance of two values; with `count` and no `to`, 1.
        pub step: Option<f64> = None,
        /// How many values.
        pub count: Option<u32> = None,
        /// With `from`, `to` and `count`: equal steps of the value, or of its logarithm.
        pub scale: Scale = Scale::Linear,
        /// Values rounded to so many decimals.
        pub round: Option<u32> = None,
        /// Named cases, each a mapping from fields to values.
        pub cases: Option<Vec<(String, Vec<(String, Node)>)>> = None,
    }
}

crate::union! {
    /// How a range is divided.
    pub enum Scale {
        /// Equal differences.
        "linear" => Linear,
        /// Equal ratios.
        "log" => Log,
    }
}

/// An axis as written.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisSpec {
    settings: AxisSettings,
    span: Span,
}

/// An axis worked out: its coordinates, and for each what to assign.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub axis: Axis,
    /// For each coordinate the fields it sets: path, value.
    pub settings: Vec<Vec<(Vec<String>, Node)>>,
}

impl Decode for AxisSpec {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        Some(AxisSpec { settings: AxisSettings::decode(node, problems)?, span: node.span })
    }

    fn manifest(&self) -> Json {
        let mut json = self.settings.manifest();
        // Only what is written: an axis has many alternative keys.
        if let Some(map) = json.as_object_mut() {
            map.retain(|_, value| !value.is_null());
            if self.settings.scale == Scale::Linear {
                map.remove("scale");
            }
        }
        json
    }

    fn schema(schemas: &mut Schemas) -> Json {
        AxisSettings::schema(schemas)
    }

    fn expected() -> String {
        "an axis, such as `{field: seed, count: 10}`".into()
    }
}

impl AxisSpec {
    /// The coordinates and what each sets; problems (an empty axis, a field that the recipe lacks, a value of the wrong type) are
    /// reported.
    pub fn resolve(&self, name: &str, recipe: &Recipe, problems: &mut Problems) -> Option<Resolved> {
        let resolved = match (&self.settings.cases, &self.settings.field) {
            (Some(cases), None) => self.cases(name, cases, problems)?,
            (None, Some(field)) => self.values(name, field, recipe, problems)?,
            (Some(_), Some(field)) => {
                problems.push(Error::user("an axis has either `field` or `cases`, not both").at(field.span));
                return None;
            }
            (None, None) => {
                problems.push(
                    Error::user(format!("axis `{name}` needs `field` (the setting that varies) or `cases`"))
                        .at(self.span)
                        .hint("for example `{field: seed, count: 10}`"),
                );
                return None;
            }
        };
        if resolved.axis.is_empty() {
            problems.push(Error::user(format!("axis `{name}` is empty: it has no values")).at(self.span));
            return None;
        }
        self.probe(&resolved, recipe, problems)?;
        Some(resolved)
    }

    fn cases(&self, name: &str, cases: &[(String, Vec<(String, Node)>)], problems: &mut Problems) -> Option<Resolved> {
        let s = &self.settings;
        if s.values.is_some() || s.from.is_some() || s.to.is_some() || s.step.is_some() || s.count.is_some() {
            problems.push(Error::user("an axis with `cases` takes no values or range").at(self.span));
            return None;
        }
        let labels = cases.iter().map(|(label, _)| label.clone()).collect();
        let settings = cases.iter().map(|(_, fields)| fields.iter().map(|(f, node)| (path(f), node.clone())).collect());
        Some(Resolved { axis: Axis::labels(name, labels), settings: settings.collect() })
    }

    fn values(
        &self,
        name: &str,
        field: &Located<String>,
        recipe: &Recipe,
        problems: &mut Problems,
    ) -> Option<Resolved> {
        if let Some(error) = unknown_field(recipe, &path(field), field.span) {
            problems.push(error);
            return None;
        }
        let nodes = match &self.settings.values {
            Some(values) => {
                let s = &self.settings;
                if s.from.is_some() || s.to.is_some() || s.step.is_some() || s.count.is_some() {
                    problems.push(Error::user("an axis has either `values` or a range, not both").at(self.span));
                    return None;
                }
                values.clone()
            }
            None => self.range(field, recipe, problems)?,
        };
        let numbers: Option<Vec<f64>> = nodes.iter().map(Node::as_number).collect();
        let coords = match numbers {
            Some(numbers) => Coords::Numbers(numbers),
            None => Coords::Labels(nodes.iter().map(label).collect()),
        };
        let mut seen = HashSet::new();
        for node in &nodes {
            if !seen.insert(spelling(&node.value)) {
                problems.push(Error::user(format!("{} stands twice on axis `{name}`", node.describe())).at(node.span));
                return None;
            }
        }
        let settings = nodes.into_iter().map(|node| vec![(path(field), node)]).collect();
        Some(Resolved { axis: Axis { name: name.to_string(), coords }, settings })
    }

    /// The values of a range, as numbers rounded to 12 significant digits so that `0.075` is `0.075` however it was reached.
    fn range(&self, field: &Located<String>, recipe: &Recipe, problems: &mut Problems) -> Option<Vec<Node>> {
        let s = &self.settings;
        let fail = |message: &str, problems: &mut Problems| {
            let hint = "write `values: [..]`, `from`/`to`/`step`, `from`/`to`/`count`, or `count`";
            problems.push(Error::user(message.to_string()).at(self.span).hint(hint));
            None
        };
        if let Some(count) = s.count.filter(|count| *count as usize > MAX_VALUES) {
            return fail(&format!("this range has {count} values; one axis has at most {MAX_VALUES}"), problems);
        }
        let numbers: Vec<f64> = match (s.from, s.to, s.step, s.count) {
            (Some(from), Some(to), Some(step), None) => {
                if step == 0.0 || (to - from) / step < 0.0 {
                    return fail("this range is empty: `step` does not lead from `from` to `to`", problems);
                }
                let count = ((to - from) / step + 1e-9).floor() + 1.0;
                if count > MAX_VALUES as f64 {
                    return fail(&format!("this range has more than {MAX_VALUES} values"), problems);
                }
                (0..count as usize).map(|i| from + i as f64 * step).collect()
            }
            (Some(from), Some(to), None, Some(count)) => {
                let last = f64::from(count.max(2) - 1);
                match s.scale {
                    Scale::Linear => (0..count).map(|i| from + (to - from) * f64::from(i) / last).collect(),
                    Scale::Log if from > 0.0 && to > 0.0 => {
                        (0..count).map(|i| from * (to / from).powf(f64::from(i) / last)).collect()
                    }
                    Scale::Log => return fail("a logarithmic range needs `from` and `to` above 0", problems),
                }
            }
            (from, None, step, Some(count)) => {
                let own = || number_at(&recipe.manifest(), &path(field));
                let Some(first) = from.or_else(own) else {
                    return fail("`count` alone continues the recipe's own number, and this field has none", problems);
                };
                (0..count).map(|i| first + f64::from(i) * step.unwrap_or(1.0)).collect()
            }
            (None, None, None, None) => return fail("this axis has no values", problems),
            _ => return fail("this range is not complete", problems),
        };
        let node = |value: f64| {
            let value = match s.round {
                Some(decimals) => format!("{value:.*}", decimals.min(MAX_DECIMALS) as usize),
                None => format!("{value:.11e}"),
            };
            let value = value.parse::<f64>().unwrap_or(f64::NAN);
            let whole = value.fract() == 0.0 && value.abs() < 9e15;
            Node::new(if whole { Yaml::Int(value as i64) } else { Yaml::Float(value) }, self.span)
        };
        Some(numbers.into_iter().map(node).collect())
    }

    /// Try every value on the recipe, so that a slip is told before anything trains.
    fn probe(&self, resolved: &Resolved, recipe: &Recipe, problems: &mut Problems) -> Option<()> {
        let mut fine = true;
        for settings in &resolved.settings {
            let mut recipe = recipe.clone();
            for (path, node) in settings {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                if let Some(error) = unknown_field(&recipe, path, node.span) {
                    problems.push(error);
                    return None;
                }
                fine &= recipe.assign(&names, node, problems).is_some();
            }
        }
        fine.then_some(())
    }
}

fn path(field: &str) -> Vec<String> {
    field.split('.').map(str::to_string).collect()
}

/// One text for each value.
fn spelling(value: &Yaml) -> String {
    match value {
        // 0 and -0 are one number.
        Yaml::Float(number) => format!("{:?}", number + 0.0),
        // `1` and `1.0` too, as long as both say the same.
        Yaml::Int(number) if number.unsigned_abs() < 1 << 53 => format!("{:?}", *number as f64),
        Yaml::Int(number) => number.to_string(),
        Yaml::Text(text) => format!("`{text}"),
        value => Node::new(value.clone(), Span::default()).manifest().to_string(),
    }
}

fn label(node: &Node) -> String {
    match &node.value {
        Yaml::Text(text) => text.clone(),
        _ => node.manifest().to_string(),
    }
}

/// A problem if a recipe cannot be given this field, whatever the value.
fn unknown_field(recipe: &Recipe, path: &[String], span: Span) -> Option<Error> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut found = Problems::default();
    // A value that no field takes: only the name is tried.
    let nothing = Node::new(Yaml::Map(Vec::new()), span);
    recipe.clone().assign(&names, &nothing, &mut found);
    let mut error = found.into_errors().into_iter().find(|error| error.message.starts_with("there is no field"))?;
    error.message = format!("the recipe has no field `{}` to vary", path.join("."));
    Some(error)
}

/// The number at a path of a manifest, stepping over the kinds of tagged values.
fn number_at(manifest: &Json, path: &[String]) -> Option<f64> {
    let Some((first, rest)) = path.split_first() else { return manifest.as_f64() };
    let map = manifest.as_object()?;
    match map.get(first) {
        Some(inner) => number_at(inner, rest),
        None if map.len() == 1 => number_at(map.values().next()?, path),
        None => None,
    }
}

/// Any YAML, kept as it is until an axis assigns it.
impl Decode for Node {
    fn decode(node: &Node, _problems: &mut Problems) -> Option<Self> {
        Some(node.clone())
    }

    fn manifest(&self) -> Json {
        match &self.value {
            Yaml::Null => Json::Null,
            Yaml::Bool(value) => json!(value),
            Yaml::Int(value) => json!(*value as f64),
            Yaml::Float(value) => json!(value),
            Yaml::Text(text) => json!(text),
            Yaml::List(items) => Json::Array(items.iter().map(Decode::manifest).collect()),
            Yaml::Map(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.name.clone(), node.manifest())).collect())
            }
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({})
    }

    fn expected() -> String {
        "a value".into()
    }
}
