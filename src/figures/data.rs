//! Selects the numbers that a mark reads by the names of arrays, axes and coordinates.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::theme::Theme;
use crate::error::{Error, Result, Span};
use crate::markup;
use crate::spec::{Coordinate, Decode, Located, Node, Problems, Schemas, Yaml, suggest, wrong_type};
use crate::value::{Array, Axis, Coords, Dataset, NanPolicy, NumbersIter};

/// Fixed coordinates: axis -> coordinate.
pub type Where = BTreeMap<String, Coordinate>;

crate::union! {
    /// A reduction along an axis.
    pub enum Reduce {
        /// The mean.
        "mean" => Mean(Located<String>),
        /// The median.
        "median" => Median(Located<String>),
        /// The smallest value.
        "min" => Min(Located<String>),
        /// The largest value.
        "max" => Max(Located<String>),
        /// The sum.
        "sum" => Sum(Located<String>),
        /// The sample standard deviation (n - 1).
        "std" => Std(Located<String>),
        /// The lower quartile.
        "lower-quartile" => LowerQuartile(Located<String>),
        /// The upper quartile.
        "upper-quartile" => UpperQuartile(Located<String>),
        /// The mean minus the standard deviation.
        "mean-minus-std" => MeanMinusStd(Located<String>),
        /// The mean plus the standard deviation.
        "mean-plus-std" => MeanPlusStd(Located<String>),
    }
}

crate::union! {
    /// A function applied to every value.
    pub enum Transform {
        /// 1/x
        "reciprocal" => Reciprocal,
        /// 1 - x
        "complement" => Complement,
        /// The natural logarithm.
        "ln" => Ln,
        /// -x
        "negative" => Negative,
        /// |x|
        "absolute" => Absolute,
        /// x^2
        "square" => Square,
    }
}

crate::record! {
    /// Numbers selected by name.
    pub struct ChannelSettings {
        /// The name of an array of the stage, or of an axis, whose coordinates are then the numbers.
        pub value: Located<String>,
        /// Reduce along an axis; applied first.
        pub reduce: Option<Reduce> = None,
        /// A function applied to every number, after the reduction.
        pub transform: Option<Transform> = None,
        /// How the reduction, or a mark that reduces the numbers itself, treats NaN: `propagate`, or `skip` to leave it out.
        pub nan: NanPolicy = NanPolicy::Propagate,
    }
}

/// The input of a mark: a name, a mapping that transforms the named numbers, or a single number.
#[derive(Clone, Debug, PartialEq)]
pub enum Channel {
    Number(f64),
    Named(ChannelSettings),
}

impl Decode for Channel {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Yaml::Int(_) | Yaml::Float(_) => f64::decode(node, problems).map(Channel::Number),
            Yaml::Text(name) => {
                let value = Located { value: name.clone(), span: node.span };
                let nan = NanPolicy::Propagate;
                Some(Channel::Named(ChannelSettings { value, reduce: None, transform: None, nan }))
            }
            Yaml::Map(_) => ChannelSettings::decode(node, problems).map(Channel::Named),
            _ => wrong_type(node, problems),
        }
    }
    fn manifest(&self) -> Json {
        match self {
            Channel::Number(number) => json!(number),
            Channel::Named(settings) => settings.manifest(),
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [{"type": ["string", "number"]}, ChannelSettings::schema(schemas)]})
    }
    fn expected() -> String {
        "the name of an array or an axis, a number, or `{value: NAME, ...}`".into()
    }
}

impl Channel {
    /// Returns the label of the numbers.
    pub fn describe(&self) -> String {
        let settings = match self {
            Channel::Number(number) => return number.to_string(),
            Channel::Named(settings) => settings,
        };
        let name = match &settings.reduce {
            Some(reduce) => format!("{} of {}", reduce.name(), settings.value.value),
            None => settings.value.value.clone(),
        };
        match &settings.transform {
            Some(transform) => transform.describe(&name),
            None => name,
        }
    }

    /// Whether a mark that reduces its numbers skips NaN.
    pub fn skips_nan(&self) -> bool {
        matches!(self, Channel::Named(settings) if settings.nan.skips())
    }

    /// Returns the array or axis it names, if any.
    pub fn name(&self) -> Option<&Located<String>> {
        match self {
            Channel::Number(_) => None,
            Channel::Named(settings) => Some(&settings.value),
        }
    }
}

/// Where a mark looks up its numbers: a stage, and the coordinates fixed by `where` and by the panel.
#[derive(Clone)]
pub struct Scope<'a> {
    data: &'a dyn Fn(&str) -> Option<Arc<Dataset>>,
    of: Option<Located<String>>,
    /// Axis, coordinate, and the span in the file that fixed it.
    fixed: Vec<(String, String, Span)>,
    theme: Arc<Theme>,
    /// Whether names from data are markup.
    math: bool,
    warnings: Rc<RefCell<Vec<Error>>>,
}

impl<'a> Scope<'a> {
    pub fn new(data: &'a dyn Fn(&str) -> Option<Arc<Dataset>>) -> Self {
        Scope { data, of: None, fixed: Vec::new(), theme: Arc::default(), math: false, warnings: Rc::default() }
    }

    /// Returns the same scope with another theme.
    pub fn themed(self, theme: Theme) -> Self {
        Scope { theme: Arc::new(theme), ..self }
    }

    /// Returns the same scope with math in names from data enabled or disabled.
    pub fn with_math(self, math: bool) -> Self {
        Scope { math, ..self }
    }

    /// Returns the markup of a name from data.
    pub fn markup(&self, name: &str) -> String {
        if self.math { name.to_string() } else { markup::verbatim(name) }
    }

    /// Returns the theme, for settings that a mark leaves out.
    pub fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Reports a warning.
    pub fn warn(&self, warning: Error) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Returns all warnings so far.
    pub fn take_warnings(&self) -> Vec<Error> {
        self.warnings.take()
    }

    /// Describes the fixed coordinates, the last fix of each axis, plus `more`: ` at model=b p=0.1`, or an empty string.
    pub fn describe_fixed(&self, more: &str) -> String {
        let last = |(i, (axis, ..)): &(usize, &(String, String, Span))| {
            !self.fixed[i + 1..].iter().any(|(later, ..)| later == axis)
        };
        let fixed = self.fixed.iter().enumerate().filter(last).map(|(_, (axis, at, _))| format!("{axis}={at}"));
        let parts: Vec<String> = fixed.chain((!more.is_empty()).then(|| more.to_string())).collect();
        if parts.is_empty() { String::new() } else { format!(" at {}", parts.join(" ")) }
    }

    /// Returns the same scope with another stage (if one is named) and more fixed coordinates.
    pub fn within(&self, of: &Option<Located<String>>, fixed: &Where) -> Scope<'a> {
        let mut scope = self.clone();
        scope.of = of.clone().or(scope.of);
        scope.fixed.extend(fixed.iter().map(|(axis, at)| (axis.clone(), at.text().to_string(), at.span())));
        scope
    }

    /// Returns the same scope with one more fixed coordinate.
    pub fn fix(&self, axis: &str, coordinate: &str, span: Span) -> Scope<'a> {
        let mut scope = self.clone();
        scope.fixed.push((axis.to_string(), coordinate.to_string(), span));
        scope
    }

    /// Returns the coordinate at which an axis is fixed.
    pub fn fixed(&self, axis: &str) -> Option<&str> {
        self.fixed.iter().rev().find(|(name, ..)| name == axis).map(|(_, at, _)| at.as_str())
    }

    fn dataset(&self, span: Span) -> Result<Arc<Dataset>> {
        let of = self.of.as_ref().ok_or_else(|| {
            Error::user("this mark does not say where its numbers come from").at(span).hint("add `of: STAGE`")
        })?;
        (self.data)(&of.value).ok_or_else(|| Error::internal(format!("the figure did not get `{}`", of.value)))
    }

    /// Returns all coordinates of an axis of the stage.
    pub fn axis(&self, name: &Located<String>) -> Result<Axis> {
        let dataset = self.dataset(name.span)?;
        dataset.arrays.values().find_map(|array| array.axis(&name.value).cloned()).ok_or_else(|| {
            Error::user(format!("there is no axis `{}`", name.value))
                .at(name.span)
                .hint(suggest(&name.value, &refs(&axes_of(&dataset))))
        })
    }

    /// Returns the array or axis of this name, indexed at all fixed coordinates.
    pub fn named(&self, name: &Located<String>) -> Result<Array> {
        let dataset = self.dataset(name.span)?;
        let mut array = match dataset.get(&name.value) {
            // A large array is copied once, and only the selected part.
            Some(array) => Cow::Borrowed(array),
            None => match dataset.arrays.values().find_map(|array| array.axis(&name.value)) {
                Some(axis) => Cow::Owned(coordinates(axis)?),
                None => {
                    let mut known: Vec<String> = dataset.arrays.keys().cloned().collect();
                    known.extend(axes_of(&dataset));
                    let error = match dataset.why_unread(&name.value) {
                        Some(why) => Error::user(format!("`{}` cannot be shown: {why}", name.value)),
                        None => Error::user(format!("there is no array or axis `{}`", name.value)),
                    };
                    return Err(
                        dataset.explain(&name.value, error.at(name.span).hint(suggest(&name.value, &refs(&known))))
                    );
                }
            },
        };
        for (axis, at, span) in &self.fixed {
            let Some(found) = array.axis(axis) else { continue };
            let Some(selected) = found.coords.position(at).and_then(|position| array.at(axis, position)) else {
                let known: Vec<String> = (0..found.len().min(30)).map(|i| found.coords.label(i)).collect();
                return Err(Error::user(format!("axis `{axis}` has no coordinate `{at}`"))
                    .at(*span)
                    .hint(suggest(at, &refs(&known))));
            };
            array = Cow::Owned(selected);
        }
        Ok(array.into_owned())
    }

    /// Returns the numbers of a channel.
    pub fn channel(&self, channel: &Channel) -> Result<Array> {
        let settings = match channel {
            Channel::Number(number) => return Ok(Array::scalar(*number)),
            Channel::Named(settings) => settings,
        };
        let mut array = self.named(&settings.value)?;
        if let Some(reduce) = &settings.reduce {
            array = self.reduced(settings, reduce, &array)?;
        }
        if let Some(transform) = &settings.transform {
            array.data = array.data.map(|v| transform.apply(v));
        }
        Ok(array)
    }

    /// Reduces along an axis; warns if NaN makes the result NaN.
    fn reduced(&self, settings: &ChannelSettings, reduce: &Reduce, array: &Array) -> Result<Array> {
        let mut found: Vec<String> = Vec::new();
        let reduced = reduce.apply(array, settings.nan.skips(), &mut |place| found.push(place))?;
        if let Some(first) = found.first() {
            let others = match found.len() - 1 {
                0 => String::new(),
                1 => " and at another place".to_string(),
                n => format!(" and at {n} other places"),
            };
            let (name, over) = (&settings.value, &reduce.axis().value);
            let message = format!("`{}` is NaN{}{others}", name.value, self.describe_fixed(first));
            let warning = Error::stage(format!("{message}, so its {} over `{over}` is NaN there", reduce.name()));
            self.warn(warning.at(name.span).hint(format!(
                "to leave NaN out, write `{{value: {}, reduce: {{{}: {over}}}, nan: skip}}`",
                name.value,
                reduce.name()
            )));
        }
        Ok(reduced)
    }

    /// Returns the single number of a channel.
    pub fn number(&self, channel: &Channel) -> Result<f64> {
        let array = self.channel(channel)?;
        let span = channel.name().map(|name| name.span).unwrap_or_default();
        array.single().ok_or_else(|| Error::user(format!("this is not one number: {}", left_over(&array))).at(span))
    }
}

/// Returns the numbers of a channel that a mark reduces itself: without NaN if NaN is skipped, else none at all and a warning if one is NaN.
/// `what` names the mark's result in the warning.
pub fn reducible(scope: &Scope, channel: &Channel, what: &str) -> Result<Vec<f64>> {
    let array = scope.channel(channel)?;
    let mut values = array.values();
    let nan = values.iter().filter(|value| value.is_nan()).count();
    if nan > 0 && channel.skips_nan() {
        values.retain(|value| !value.is_nan());
    } else if nan > 0 {
        let n = values.len();
        let first = array.data.indexed().find(|(_, value)| value.is_nan());
        let first = first.map(|(index, _)| array.place(&|dim| index[dim])).unwrap_or_default();
        let name = channel.describe();
        let message = format!("{nan} of {n} values of `{name}` are NaN, the first{}", scope.describe_fixed(&first));
        let warning = Error::stage(format!("{message}, so their {what} are not shown"));
        let span = channel.name().map(|name| name.span).unwrap_or_default();
        scope.warn(warning.at(span).hint(format!("to leave NaN out, write `{{value: {name}, nan: skip}}`")));
        values.clear();
    }
    Ok(values)
}

/// Describes the axes that an array still has, for messages.
pub fn left_over(array: &Array) -> String {
    let names: Vec<String> = array.axes.iter().map(|axis| format!("`{}` ({})", axis.name, axis.len())).collect();
    format!("it has the axes {}", names.join(", "))
}

fn coordinates(axis: &Axis) -> Result<Array> {
    let values = (0..axis.len()).map(|i| axis.coords.number(i)).collect();
    Array::f64(vec![axis.clone()], values)
}

fn axes_of(dataset: &Dataset) -> Vec<String> {
    let mut names: Vec<String> = dataset.arrays.values().flat_map(|a| a.axes.iter().map(|x| x.name.clone())).collect();
    names.sort();
    names.dedup();
    names
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Returns the names of an axis' coordinates as markup, if they are names and not numbers.
pub fn categories(scope: &Scope, axis: &Axis) -> Option<Vec<String>> {
    match &axis.coords {
        Coords::Labels(labels) => Some(labels.iter().map(|label| scope.markup(label)).collect()),
        _ => None,
    }
}

impl Transform {
    fn describe(&self, of: &str) -> String {
        match self {
            Transform::Reciprocal => format!("1/{of}"),
            Transform::Complement => format!("1 − {of}"),
            Transform::Ln => format!("ln {of}"),
            Transform::Negative => format!("−{of}"),
            Transform::Absolute => format!("|{of}|"),
            Transform::Square => format!("{of}²"),
        }
    }

    fn apply(&self, v: f64) -> f64 {
        match self {
            Transform::Reciprocal => 1.0 / v,
            Transform::Complement => 1.0 - v,
            Transform::Ln if v > 0.0 && v.is_normal() => crate::train::ln(v),
            Transform::Ln => f64::NAN,
            Transform::Negative => -v,
            Transform::Absolute => v.abs(),
            Transform::Square => v * v,
        }
    }
}

impl Reduce {
    fn axis(&self) -> &Located<String> {
        match self {
            Reduce::Mean(axis) | Reduce::Median(axis) | Reduce::Min(axis) => axis,
            Reduce::Max(axis) | Reduce::Sum(axis) | Reduce::Std(axis) => axis,
            Reduce::LowerQuartile(axis) | Reduce::UpperQuartile(axis) => axis,
            Reduce::MeanMinusStd(axis) | Reduce::MeanPlusStd(axis) => axis,
        }
    }

    /// Calls `nan` with the position of a NaN, if NaN is not skipped.
    fn apply(&self, array: &Array, skip: bool, nan: &mut dyn FnMut(String)) -> Result<Array> {
        let axis = self.axis();
        let dim = array.dim(&axis.value).ok_or_else(|| {
            let known: Vec<&str> = array.axes.iter().map(|axis| axis.name.as_str()).collect();
            Error::user(format!("there is no axis `{}` to take the {} over", axis.value, self.name()))
                .at(axis.span)
                .hint(suggest(&axis.value, &known))
        })?;
        if !skip {
            for (index, _) in array.data.indexed().filter(|(_, value)| value.is_nan()) {
                nan(array.place(&|dim| index[dim]));
            }
        }
        let mut axes = array.axes.clone();
        axes.remove(dim);
        Array::f64(axes, array.data.lanes(dim).map(|lane| self.number(lane, skip)).collect())
    }

    /// Returns NaN if one of the values is NaN, unless NaN is skipped.
    fn number(&self, all: NumbersIter<'_>, skip: bool) -> f64 {
        let values = || all.clone().filter(|v| !(skip && v.is_nan()));
        let (count, nan) = values().fold((0usize, false), |(count, nan), v| (count + 1, nan | v.is_nan()));
        if count == 0 || nan {
            return f64::NAN;
        }
        let n = count as f64;
        let mean = || values().sum::<f64>() / n;
        let std = || {
            let middle = mean();
            (values().map(|v| (v - middle) * (v - middle)).sum::<f64>() / (n - 1.0)).sqrt()
        };
        // Only quantiles need all numbers at once.
        let sorted = |q| quantile(&mut values().collect::<Vec<f64>>(), q);
        match self {
            Reduce::Mean(_) => mean(),
            Reduce::Sum(_) => values().sum(),
            Reduce::Min(_) => values().fold(f64::INFINITY, f64::min),
            Reduce::Max(_) => values().fold(f64::NEG_INFINITY, f64::max),
            Reduce::Std(_) => std(),
            Reduce::MeanMinusStd(_) => mean() - std(),
            Reduce::MeanPlusStd(_) => mean() + std(),
            Reduce::Median(_) => sorted(0.5),
            Reduce::LowerQuartile(_) => sorted(0.25),
            Reduce::UpperQuartile(_) => sorted(0.75),
        }
    }
}

/// Returns the q-quantile with linear interpolation; sorts the values.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = q.clamp(0.0, 1.0) * values.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    match (values.get(below), values.get(below + 1)) {
        (Some(a), Some(b)) => a + (b - a) * (place - below as f64),
        (Some(a), None) => *a,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Arc<Dataset> {
        let axes = vec![Axis::labels("model", vec!["a".into(), "b".into()]), Axis::numbers("p", vec![0.5, 0.1])];
        let loss = Array::f64(axes, vec![1.0, 2.0, 3.0, f64::NAN]).unwrap();
        Arc::new(Dataset::default().with("loss", loss))
    }

    fn channel(text: &str) -> Channel {
        let mut problems = Problems::default();
        let node = crate::spec::read(text, &mut problems).unwrap();
        Channel::decode(&node, &mut problems).unwrap()
    }

    fn stage() -> Option<Located<String>> {
        Some(Located { value: "s".into(), span: Span::default() })
    }

    #[test]
    fn numbers_are_found_by_name_and_coordinate() {
        let data = |_: &str| Some(dataset());
        let scope = Scope::new(&data).within(&stage(), &Where::new());
        let values = |scope: &Scope, text: &str| scope.channel(&channel(text)).map(|array| array.values());
        assert_eq!(values(&scope, "{value: p, transform: reciprocal}").unwrap(), [2.0, 10.0]);
        assert_eq!(values(&scope, "{value: loss, reduce: {mean: p}, nan: skip}").unwrap(), [1.5, 3.0]);
        assert!(scope.take_warnings().is_empty());
        for reduction in Reduce::NAMES {
            let found = values(&scope, &format!("{{value: loss, reduce: {{{reduction}: p}}}}")).unwrap();
            assert!(found[0].is_finite() && found[1].is_nan(), "{reduction}: {found:?}");
            let warnings = scope.take_warnings();
            assert_eq!(
                warnings[0].message,
                format!("`loss` is NaN at model=b p=0.1, so its {reduction} over `p` is NaN there")
            );
        }
        let fixed = scope.fix("model", "b", Span::default()).fix("p", "5e-1", Span::default());
        assert_eq!(values(&fixed, "loss").unwrap(), [3.0]);
        assert_eq!(fixed.number(&channel("loss")).unwrap(), 3.0);
        let error = values(&scope, "{value: loss, reduce: {mean: q}}").unwrap_err();
        assert_eq!(error.message, "there is no axis `q` to take the mean over");
        let error = scope.fix("model", "c", Span::default()).channel(&channel("loss")).unwrap_err();
        assert_eq!(error.message, "axis `model` has no coordinate `c`");
        assert_eq!(values(&scope, "los").unwrap_err().hints, ["did you mean `loss`?"]);
    }

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&mut [3.0], 0.25), 3.0);
    }
}
