//! An axis of a sweep: which field of the recipe or the program varies, and the values it takes.

use serde_json::{Value as Json, json};

use crate::error::{Error, Span};
use crate::spec::{Decode, Located, MapKey, Node, Problems, Schemas, Yaml};
use crate::train::Recipe;
use crate::value::{Axis, Coords};

/// The most values of one axis; more are considered a typo.
const MAX_VALUES: usize = 1_000_000;
/// No `f64` has nonzero decimals beyond this.
const MAX_DECIMALS: u32 = 340;

crate::record! {
    /// The values of one axis, each written as `field` and `values`, `from`/`to`/`step`, `from`/`to`/`count` or `count`, or as
    /// named `cases` that set several fields.
    pub struct SweepAxisSettings {
        /// The field that varies: of the recipe, such as `data.importance.last`, where kinds (`sparse-uniform`) may be left out; of the program,
        /// such as `params.lr`, which is the default for an axis `lr`.
        pub field: Option<Located<String>> = None,
        /// The values, one by one, or where they are when another stage has run: `{of: split, array: fold}`.
        pub values: Option<AxisValues> = None,
        /// The first value of a range; with `count` alone, the recipe's own value.
        pub from: Option<f64> = None,
        /// The last value of a range, included.
        pub to: Option<f64> = None,
        /// The distance between two values; with `count` and no `to`, 1.
        pub step: Option<f64> = None,
        /// How many values.
        pub count: Option<u32> = None,
        /// With `from`, `to` and `count`: equal steps of the value, or of its logarithm.
        pub scale: RangeScale = RangeScale::Linear,
        /// Round the values to this number of decimals.
        pub round: Option<u32> = None,
        /// Named cases, each a mapping from fields to values.
        pub cases: Option<Vec<(String, Vec<(String, Node)>)>> = None,
    }
}

crate::record! {
    /// Values that another stage makes: the distinct numbers of an array in its result, or the coordinates of an axis.
    pub struct ComputedValues {
        /// The stage.
        pub of: Located<String>,
        /// An array, or an axis of its arrays.
        pub array: Located<String>,
    }
}

/// The values of an axis, as written.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisValues {
    Listed(Vec<Node>),
    Computed(ComputedValues),
}

impl Decode for AxisValues {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.value {
            Yaml::Map(_) => ComputedValues::decode(node, problems).map(AxisValues::Computed),
            _ => Vec::decode(node, problems).map(AxisValues::Listed),
        }
    }
    fn manifest(&self) -> Json {
        match self {
            AxisValues::Listed(values) => values.manifest(),
            AxisValues::Computed(computed) => computed.manifest(),
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [Vec::<Node>::schema(schemas), ComputedValues::schema(schemas)]})
    }
    fn expected() -> String {
        "a list of values, or where they are computed: `{of: STAGE, array: NAME}`".into()
    }
}

crate::union! {
    /// How a range is divided.
    pub enum RangeScale {
        /// Equal differences.
        "linear" => Linear,
        /// Equal ratios.
        "log" => Log,
    }
}

/// Settings whose fields an axis can set.
pub trait Varied: Clone {
    /// What messages call them: `recipe`.
    const NAME: &'static str;

    /// Set the field at a path; reports an unknown field, and a value of the wrong type.
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()>;

    /// Their canonical manifest.
    fn manifest(&self) -> Json;

    /// The field that an axis varies if it names none.
    fn default_field(axis: &str) -> Option<String>;
}

impl Varied for Recipe {
    const NAME: &'static str = "recipe";

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        Decode::assign(self, path, node, problems)
    }

    fn manifest(&self) -> Json {
        Decode::manifest(self)
    }

    fn default_field(_axis: &str) -> Option<String> {
        None
    }
}

/// An axis as written.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisSpec {
    settings: SweepAxisSettings,
    span: Span,
    /// It has one value from the command line instead of its own.
    fixed: bool,
}

/// An axis with its coordinates, and the assignments for each.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedAxis {
    pub axis: Axis,
    /// For each coordinate the fields it sets.
    pub settings: Vec<Vec<Assignment>>,
}

/// The path of a field, and the value that it gets.
pub type Assignment = (Vec<String>, Node);

impl Decode for AxisSpec {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        // `lr: [0.1, 0.2]` is short for `lr: {values: [0.1, 0.2]}`.
        let list = node.as_list().map(|_| {
            let key = MapKey { name: "values".to_string(), span: node.span };
            Node::new(Yaml::Map(vec![(key, node.clone())]), node.span)
        });
        let settings = SweepAxisSettings::decode(list.as_ref().unwrap_or(node), problems)?;
        Some(AxisSpec { settings, span: node.span, fixed: false })
    }

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        if path.is_empty() {
            *self = Self::decode(node, problems)?;
            return Some(());
        }
        self.settings.assign(path, node, problems)
    }

    fn manifest(&self) -> Json {
        let mut json = self.settings.manifest();
        // Only what is written: an axis has many alternative keys.
        if let Some(map) = json.as_object_mut() {
            map.retain(|_, value| !value.is_null());
            if self.settings.scale == RangeScale::Linear {
                map.remove("scale");
            }
        }
        json
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let settings = SweepAxisSettings::schema(schemas);
        json!({"anyOf": [{"type": "array"}, settings]})
    }

    fn expected() -> String {
        "an axis, such as `{field: seed, count: 10}`".into()
    }
}

impl AxisSpec {
    /// Compute the coordinates and their assignments. Reports an empty axis, a field that the recipe lacks, and a value of the wrong type.
    pub fn resolve<T: Varied>(&self, name: &str, varied: &T, problems: &mut Problems) -> Option<ResolvedAxis> {
        let default = || T::default_field(name).map(|value| Located { value, span: self.span });
        let field = self.settings.field.clone().or_else(|| default().filter(|_| self.settings.cases.is_none()));
        let resolved = match (&self.settings.cases, &field) {
            (Some(cases), None) => self.cases(name, cases, problems)?,
            (None, Some(field)) => self.values(name, field, varied, problems)?,
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
        check_values(&resolved, varied, problems)?;
        Some(resolved)
    }

    /// The values that another stage makes, if it has any.
    pub fn computed(&self) -> Option<&ComputedValues> {
        match &self.settings.values {
            Some(AxisValues::Computed(computed)) => Some(computed),
            _ => None,
        }
    }

    /// Take these values, which another stage has made.
    pub fn set_values(&mut self, coords: &Coords) {
        let node = |at: usize| match coords {
            Coords::Numbers(values) => self.number(values[at]),
            _ => Node::new(Yaml::Text(coords.label(at)), self.span),
        };
        self.settings.values = Some(AxisValues::Listed((0..coords.len()).map(node).collect()));
    }

    /// Where the axis is written.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Whether it varies the field at this path.
    pub fn varies<T: Varied>(&self, name: &str, wanted: &[&str]) -> bool {
        let field = self.settings.field.as_ref().map(|field| field.value.clone());
        let field = field.or_else(|| T::default_field(name).filter(|_| !self.has_cases()));
        field.is_some_and(|field| same_field(&path(&field), wanted))
    }

    /// Whether one of its cases sets the field at this path.
    pub fn has_case_with(&self, wanted: &[&str]) -> bool {
        let fields = self.settings.cases.iter().flatten().flat_map(|(_, fields)| fields);
        fields.into_iter().any(|(field, _)| same_field(&path(field), wanted))
    }

    /// Whether it has one value from the command line instead of its own.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Give it one value instead of its own.
    pub fn fix(&mut self, value: &Node) {
        self.fixed = true;
        let field = self.settings.field.take();
        let values = Some(AxisValues::Listed(vec![value.clone()]));
        let (from, to, step, count) = (None, None, None, None);
        self.settings = SweepAxisSettings {
            field,
            values,
            from,
            to,
            step,
            count,
            scale: RangeScale::Linear,
            round: None,
            cases: None,
        };
    }

    /// Whether its values are named cases.
    pub fn has_cases(&self) -> bool {
        self.settings.cases.is_some()
    }

    /// Whether it is a range that does not say how it is divided: a sample can draw from it.
    pub fn is_open_range(&self) -> bool {
        let s = &self.settings;
        s.from.is_some() && s.to.is_some() && s.step.is_none() && s.count.is_none()
    }

    /// An axis of values drawn from this axis, one for each number in 0 to 1 (without 1). Reports an empty range, and what `resolve` does.
    pub fn draw<T: Varied>(
        &self,
        name: &str,
        varied: &T,
        draws: &[f64],
        problems: &mut Problems,
    ) -> Option<ResolvedAxis> {
        if !self.is_open_range() {
            // One of its values for each draw.
            let listed = self.resolve(name, varied, problems)?;
            let n = listed.axis.len();
            let at: Vec<usize> = draws.iter().map(|draw| ((draw * n as f64) as usize).min(n - 1)).collect();
            let settings = at.iter().map(|&at| listed.settings[at].clone()).collect();
            return Some(ResolvedAxis { axis: listed.axis.only(&at), settings });
        }
        let default = || T::default_field(name).map(|value| Located { value, span: self.span });
        let Some(field) = self.settings.field.clone().or_else(default) else {
            problems.push(Error::user(format!("axis `{name}` needs `field` (the setting that varies)")).at(self.span));
            return None;
        };
        if let Some(error) = unknown_field(varied, &path(&field), field.span) {
            problems.push(error);
            return None;
        }
        let numbers = self.drawn(name, draws, problems)?;
        let settings = numbers.iter().map(|&number| vec![(path(&field), self.number(number))]).collect();
        let resolved = ResolvedAxis { axis: Axis::numbers(name, numbers), settings };
        check_values(&resolved, varied, problems)?;
        Some(resolved)
    }

    /// The numbers at these places of the range, rounded to `round` decimals, by default to 6 significant digits.
    fn drawn(&self, name: &str, draws: &[f64], problems: &mut Problems) -> Option<Vec<f64>> {
        let s = &self.settings;
        let (from, to) = (s.from.unwrap_or(f64::NAN), s.to.unwrap_or(f64::NAN));
        let fail = |message: String, problems: &mut Problems| {
            problems.push(Error::user(message).at(self.span));
            None
        };
        if from.partial_cmp(&to) != Some(std::cmp::Ordering::Less) {
            return fail(format!("the range of `{name}` is empty: `from` must be less than `to`"), problems);
        }
        if s.scale == RangeScale::Log && from <= 0.0 {
            return fail("a logarithmic range needs `from` and `to` above 0".into(), problems);
        }
        let unit = s.round.map(|decimals| 10f64.powi(decimals.min(MAX_DECIMALS) as i32));
        let number = |draw: &f64| match (&s.scale, unit) {
            (RangeScale::Log, _) => from * (to / from).powf(*draw),
            // All multiples of the unit are equally likely, the first and the last too.
            (RangeScale::Linear, Some(unit)) => from + (draw * (((to - from) * unit).round() + 1.0)).floor() / unit,
            (RangeScale::Linear, None) => from + draw * (to - from),
        };
        let digits = |number: f64| match s.round {
            Some(decimals) => format!("{number:.*}", decimals.min(MAX_DECIMALS) as usize),
            None => format!("{number:.5e}"),
        };
        Some(draws.iter().map(|draw| digits(number(draw)).parse().unwrap_or(f64::NAN)).collect())
    }

    /// A number as if it were written in the paper file.
    fn number(&self, value: f64) -> Node {
        let whole = value.fract() == 0.0 && value.abs() < 9e15;
        Node::new(if whole { Yaml::Int(value as i64) } else { Yaml::Float(value) }, self.span)
    }

    fn cases(
        &self,
        name: &str,
        cases: &[(String, Vec<(String, Node)>)],
        problems: &mut Problems,
    ) -> Option<ResolvedAxis> {
        let s = &self.settings;
        if s.values.is_some() || s.from.is_some() || s.to.is_some() || s.step.is_some() || s.count.is_some() {
            problems.push(Error::user("an axis with `cases` cannot have values or a range").at(self.span));
            return None;
        }
        let labels = cases.iter().map(|(label, _)| label.clone()).collect();
        let settings = cases.iter().map(|(_, fields)| fields.iter().map(|(f, node)| (path(f), node.clone())).collect());
        Some(ResolvedAxis { axis: Axis::labels(name, labels), settings: settings.collect() })
    }

    fn values<T: Varied>(
        &self,
        name: &str,
        field: &Located<String>,
        varied: &T,
        problems: &mut Problems,
    ) -> Option<ResolvedAxis> {
        if let Some(error) = unknown_field(varied, &path(field), field.span) {
            problems.push(error);
            return None;
        }
        let nodes = match &self.settings.values {
            // Only known once the other stage has run.
            Some(AxisValues::Computed(_)) => return None,
            Some(AxisValues::Listed(values)) => {
                let s = &self.settings;
                if s.from.is_some() || s.to.is_some() || s.step.is_some() || s.count.is_some() {
                    problems.push(Error::user("an axis has either `values` or a range, not both").at(self.span));
                    return None;
                }
                values.clone()
            }
            None => self.range(field, varied, problems)?,
        };
        let numbers: Option<Vec<f64>> = nodes.iter().map(Node::as_number).collect();
        let coords = match numbers {
            Some(numbers) => Coords::Numbers(numbers),
            None => Coords::Labels(nodes.iter().map(label).collect()),
        };
        let settings = nodes.into_iter().map(|node| vec![(path(field), node)]).collect();
        Some(ResolvedAxis { axis: Axis { name: name.to_string(), coords }, settings })
    }

    /// The values of a range, as numbers rounded to 12 significant digits so that `0.075` is `0.075` however it was reached.
    fn range<T: Varied>(&self, field: &Located<String>, varied: &T, problems: &mut Problems) -> Option<Vec<Node>> {
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
                    RangeScale::Linear => (0..count).map(|i| from + (to - from) * f64::from(i) / last).collect(),
                    RangeScale::Log if from > 0.0 && to > 0.0 => {
                        (0..count).map(|i| from * (to / from).powf(f64::from(i) / last)).collect()
                    }
                    RangeScale::Log => return fail("a logarithmic range needs `from` and `to` above 0", problems),
                }
            }
            (from, None, step, Some(count)) => {
                let own = || number_at(&varied.manifest(), &path(field));
                let Some(first) = from.or_else(own) else {
                    return fail(
                        &format!(
                            "`count` without `from` starts at the {}'s value, and this field has no number",
                            T::NAME
                        ),
                        problems,
                    );
                };
                (0..count).map(|i| first + f64::from(i) * step.unwrap_or(1.0)).collect()
            }
            (None, None, None, None) => return fail("this axis has no values", problems),
            (Some(_), Some(_), None, None) => {
                let message = "this range does not say how it is divided";
                let error = Error::user(message).at(self.span).hint("add `step` or `count`");
                problems.push(error.hint("or draw points from it: `sample: {count: 50}` beside `axes`"));
                return None;
            }
            _ => return fail("this range is incomplete", problems),
        };
        let node = |value: f64| {
            let value = match s.round {
                Some(decimals) => format!("{value:.*}", decimals.min(MAX_DECIMALS) as usize),
                None => format!("{value:.11e}"),
            };
            self.number(value.parse::<f64>().unwrap_or(f64::NAN))
        };
        Some(numbers.into_iter().map(node).collect())
    }
}

/// Assign every value to a copy of the settings, so that errors are reported before anything runs.
fn check_values<T: Varied>(resolved: &ResolvedAxis, varied: &T, problems: &mut Problems) -> Option<()> {
    let mut fine = true;
    for settings in &resolved.settings {
        let mut varied = varied.clone();
        for (path, node) in settings {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(error) = unknown_field(&varied, path, node.span) {
                problems.push(error);
                return None;
            }
            fine &= varied.assign(&names, node, problems).is_some();
        }
    }
    fine.then_some(())
}

fn path(field: &str) -> Vec<String> {
    field.split('.').map(str::to_string).collect()
}

/// Whether two paths are the same field: kinds (`sparse-uniform`) may be left out of either.
fn same_field(a: &[String], b: &[&str]) -> bool {
    let within = |short: &[&str], long: &[&str]| {
        let mut rest = long.iter();
        short.last() == long.last() && short.iter().all(|name| rest.any(|other| other == name))
    };
    let a: Vec<&str> = a.iter().map(String::as_str).collect();
    within(&a, b) || within(b, &a)
}

/// A text that is equal for equal values.
pub fn canonical_text(value: &Yaml) -> String {
    match value {
        // 0 and -0 are one number.
        Yaml::Float(number) => format!("{:?}", number + 0.0),
        // `1` and `1.0` are one number too, where the conversion is exact.
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

/// An error if the settings have no such field.
fn unknown_field<T: Varied>(varied: &T, path: &[String], span: Span) -> Option<Error> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut found = Problems::default();
    // No field accepts an empty mapping as its value; only the field's name matters here.
    let nothing = Node::new(Yaml::Map(Vec::new()), span);
    varied.clone().assign(&names, &nothing, &mut found);
    let mut error = found.unknown_field().cloned()?;
    error.message = format!("the {} has no field `{}` to vary", T::NAME, path.join("."));
    Some(error)
}

/// The number at a path of a manifest; the kinds of tagged values may be left out of the path.
fn number_at(manifest: &Json, path: &[String]) -> Option<f64> {
    let Some((first, rest)) = path.split_first() else { return manifest.as_f64() };
    let map = manifest.as_object()?;
    match map.get(first) {
        Some(inner) => number_at(inner, rest),
        None if map.len() == 1 => number_at(map.values().next()?, path),
        None => None,
    }
}
