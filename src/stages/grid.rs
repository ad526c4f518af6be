//! The grid of a sweep: its axes, axes that run together (`zip`), axes that are sampled, and points that are left out (`except`).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::Layout;
use super::axis::{Assignment, AxisSpec, ResolvedAxis, Varied, canonical_text};
use super::layout::Secondary;
use super::sample::{SOBOL_AXES, SOBOL_POINTS, SampleMethod, SampleSettings};
use crate::error::{Error, Span};
use crate::spec::{Decode, Located, Node, Problems, Schemas, decode_list, suggest};
use crate::tables::Conditions;
use crate::value::{Axis, Coords};

/// The most points of a sweep; more would not fit into memory.
const MAX_POINTS: usize = 10_000_000;
/// The axis that counts the points of a sample.
const SAMPLE: &str = "sample";

/// Groups of axes that run together: `[lr, hidden]`, or a list of such groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ZipGroups(pub Vec<Vec<Located<String>>>);

/// Axes by name, each with the values along it that are not its coordinates.
type AxesByName<'a> = BTreeMap<&'a str, (ResolvedAxis, Vec<(String, Coords)>)>;

/// What a sweep says about its points.
#[derive(Clone, Copy, Debug)]
pub struct GridSettings<'a> {
    pub axes: &'a BTreeMap<String, AxisSpec>,
    pub zip: &'a ZipGroups,
    pub except: &'a [Conditions],
    pub sample: Option<&'a SampleSettings>,
}

/// The points of a sweep, and what is set at each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    axes: Vec<ResolvedAxis>,
    pub layout: Layout,
}

/// Remove settings of the grid that are not used, so that the manifest of a plain grid is what it was before there were any.
pub fn leave_out_unused(map: &mut Map<String, Json>) {
    for name in ["zip", "except", "sample"] {
        let unused = map.get(name).is_some_and(|value| value.is_null() || value.as_array().is_some_and(Vec::is_empty));
        if unused {
            map.remove(name);
        }
    }
}

/// Where an axis varies this field, give it this value alone. Reports a field that the cases of an axis set.
pub fn fix_axes<T: Varied>(
    axes: &mut BTreeMap<String, AxisSpec>,
    path: &[&str],
    node: &Node,
    problems: &mut Problems,
) -> Option<()> {
    for (name, axis) in axes.iter_mut() {
        if axis.has_case_with(path) {
            let message = format!("the cases of the axis `{name}` set `{}`", path.join("."));
            problems.push(Error::user(message).at(node.span).hint("change the cases in the paper file"));
            return None;
        }
        if axis.varies::<T>(name, path) {
            axis.fix(node);
        }
    }
    Some(())
}

impl Decode for ZipGroups {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let nested = node.as_list().is_some_and(|items| items.iter().any(|item| item.as_list().is_some()));
        let groups: Vec<Vec<Located<String>>> =
            if nested { decode_list(node, problems)? } else { vec![decode_list(node, problems)?] };
        if let Some(group) = groups.iter().find(|group| group.len() < 2) {
            let span = group.first().map_or(node.span, |name| name.span);
            let error = Error::user("a group of axes that run together needs at least two").at(span);
            problems.push(error.hint("for example `zip: [lr, hidden]`"));
            return None;
        }
        Some(ZipGroups(groups))
    }

    fn manifest(&self) -> Json {
        self.0.manifest()
    }

    fn schema(_: &mut Schemas) -> Json {
        let group = json!({"type": "array", "items": {"type": "string"}, "minItems": 2});
        json!({"anyOf": [group, {"type": "array", "items": group}]})
    }

    fn expected() -> String {
        "the names of axes that run together, such as `[lr, hidden]`".into()
    }
}

impl Grid {
    pub fn axes(&self) -> &[ResolvedAxis] {
        &self.axes
    }

    /// The fields that are set at a point.
    pub fn assignments(&self, unit: usize) -> impl Iterator<Item = &Assignment> {
        let at = self.layout.positions(unit);
        self.axes.iter().zip(at).filter_map(|(axis, at)| axis.settings.get(at)).flatten()
    }
}

impl GridSettings<'_> {
    /// Whether this path is one of these settings.
    pub fn has_field(path: &[&str]) -> bool {
        matches!(path.first(), Some(&("axes" | "zip" | "except" | "sample")))
    }

    /// The grid. Reports unknown names, axes that do not fit together, an empty or too large grid, and what the axes report. `at` is where the
    /// axes are written; `single` says what to use for one point.
    pub fn resolve<T: Varied>(&self, varied: &T, at: Span, single: &str, problems: &mut Problems) -> Option<Grid> {
        let before = problems.len();
        if self.axes.is_empty() {
            problems.push(Error::user("a sweep needs at least one axis").at(at).hint(single));
            return None;
        }
        let groups = self.groups(problems)?;
        let drawn = self.drawn(&groups, problems)?;
        let mut axes: AxesByName = BTreeMap::new();
        if let Some(sample) = self.sample {
            axes.extend(self.sampled(sample, &drawn, varied, problems).map(|axis| (SAMPLE, axis)));
        }
        for (name, axis) in self.axes {
            if !drawn.contains(&name.as_str())
                && let Some(resolved) = axis.resolve(name, varied, problems)
            {
                let first = groups.iter().find(|group| group.contains(&name.as_str())).map(|group| group[0]);
                if !axis.has_cases() && first.is_none_or(|first| first == name) {
                    check_distinct(&resolved, first.is_some(), problems);
                }
                axes.insert(name, (resolved, Vec::new()));
            }
        }
        if problems.len() > before {
            return None;
        }
        for group in &groups {
            self.zip(group, &mut axes, problems)?;
        }
        let points = axes.values().map(|(axis, _)| axis.axis.len()).fold(1, usize::saturating_mul);
        if points > MAX_POINTS {
            let lengths: Vec<String> =
                axes.values().map(|(axis, _)| format!("{} {}", axis.axis.len(), axis.axis.name)).collect();
            let message = format!("this grid of {} has more than {MAX_POINTS} points", lengths.join(" x "));
            problems.push(Error::user(message).at(at));
            return None;
        }
        self.check_fields(&axes, problems)?;
        let secondary = axes.values().enumerate().flat_map(|(dim, (_, along))| {
            along.iter().map(move |(name, coords)| Secondary { name: name.clone(), dim, coords: coords.clone() })
        });
        let layout =
            Layout::new(axes.values().map(|(axis, _)| axis.axis.clone()).collect()).with_secondary(secondary.collect());
        let layout = self.without_exceptions(layout, problems)?;
        Some(Grid { axes: axes.into_values().map(|(axis, _)| axis).collect(), layout })
    }

    /// The groups of `zip`. Reports unknown axes, and axes that are named twice.
    fn groups(&self, problems: &mut Problems) -> Option<Vec<Vec<&str>>> {
        let mut seen = HashSet::new();
        let before = problems.len();
        for name in self.zip.0.iter().flatten() {
            self.check_axis(name, problems);
            if !seen.insert(&name.value) {
                problems.push(Error::user(format!("`{}` is twice in `zip`", name.value)).at(name.span));
            }
        }
        let groups = self.zip.0.iter().map(|group| group.iter().map(|name| name.value.as_str()).collect());
        (problems.len() == before).then(|| groups.collect())
    }

    fn check_axis(&self, name: &Located<String>, problems: &mut Problems) {
        if !self.axes.contains_key(&name.value) {
            let known: Vec<&str> = self.axes.keys().map(String::as_str).collect();
            let error = Error::user(format!("there is no axis `{}`", name.value)).at(name.span);
            problems.push(error.hint(suggest(name, &known)));
        }
    }

    /// The axes that `sample` draws. Reports unknown axes, a sample without any, and axes that are zipped as well.
    fn drawn(&self, groups: &[Vec<&str>], problems: &mut Problems) -> Option<Vec<&str>> {
        let Some(sample) = self.sample else { return Some(Vec::new()) };
        let before = problems.len();
        let at = sample.count.span;
        sample.axes.iter().flatten().for_each(|name| self.check_axis(name, problems));
        let drawn: Vec<&str> = match &sample.axes {
            Some(names) => names.iter().map(|name| name.value.as_str()).collect(),
            None => self.axes.iter().filter(|(_, axis)| axis.is_open_range()).map(|(name, _)| name.as_str()).collect(),
        };
        if drawn.is_empty() {
            let error = Error::user("there is nothing to sample: no axis is a range").at(at);
            problems.push(error.hint("a range that is sampled has `from` and `to`, and no `count` or `step`"));
        }
        for name in groups.iter().flatten().filter(|name| drawn.contains(name)) {
            let error = Error::user(format!("`{name}` is both sampled and in `zip`")).at(at);
            problems.push(error.hint("all sampled axes run together; leave it out of `zip`"));
        }
        if let Some(axis) = self.axes.get(SAMPLE) {
            let error = Error::user(format!("no axis can be called `{SAMPLE}` beside a sample")).at(axis.span());
            problems.push(error.hint("the axis of this name counts the points of the sample; rename yours"));
        }
        let count = sample.count.value;
        if count == 0 {
            problems.push(Error::user("this sample is empty: `count` is 0").at(at));
        }
        if sample.method == SampleMethod::Sobol && (drawn.len() > SOBOL_AXES as usize || count > SOBOL_POINTS) {
            let message = format!("a Sobol sample has at most {SOBOL_AXES} axes and {SOBOL_POINTS} points");
            problems.push(Error::user(message).at(at).hint("use `method: random`"));
        }
        (problems.len() == before).then_some(drawn)
    }

    /// The axis `sample`, and what was drawn along it.
    fn sampled<T: Varied>(
        &self,
        sample: &SampleSettings,
        drawn: &[&str],
        varied: &T,
        problems: &mut Problems,
    ) -> Option<(ResolvedAxis, Vec<(String, Coords)>)> {
        let count = sample.count.value as usize;
        let mut settings = vec![Vec::new(); count];
        let mut along = Vec::new();
        let before = problems.len();
        for (dim, name) in drawn.iter().enumerate() {
            let draws = sample.draws(name, dim as u32);
            let Some(axis) = self.axes[*name].draw(name, varied, &draws, problems) else { continue };
            settings.iter_mut().zip(axis.settings).for_each(|(all, more)| all.extend(more));
            along.push((name.to_string(), axis.axis.coords));
        }
        let axis = Axis::index(SAMPLE, count);
        (problems.len() == before).then_some((ResolvedAxis { axis, settings }, along))
    }

    /// Make one axis of a group: the first, with the values of the others along it.
    fn zip(&self, group: &[&str], axes: &mut AxesByName<'_>, problems: &mut Problems) -> Option<()> {
        let lengths: Vec<usize> = group.iter().map(|name| axes[name].0.axis.len()).collect();
        if lengths.iter().any(|length| *length != lengths[0]) {
            let each: Vec<String> =
                group.iter().zip(&lengths).map(|(name, length)| format!("`{name}` has {length}")).collect();
            let message = format!("axes that run together need equally many values: {}", each.join(", "));
            problems.push(Error::user(message).at(self.axes[group[1]].span()));
            return None;
        }
        for name in &group[1..] {
            let (other, _) = axes.remove(*name)?;
            let (first, along) = axes.get_mut(group[0])?;
            first.settings.iter_mut().zip(other.settings).for_each(|(all, more)| all.extend(more));
            along.push((name.to_string(), other.axis.coords));
        }
        Some(())
    }

    /// Report two axes that set the same field: one of them would have no effect.
    fn check_fields(&self, axes: &AxesByName, problems: &mut Problems) -> Option<()> {
        let before = problems.len();
        let mut setters: HashMap<&[String], &str> = HashMap::new();
        for (name, (axis, _)) in axes {
            let fields: HashSet<&[String]> = axis.settings.iter().flatten().map(|(path, _)| path.as_slice()).collect();
            for field in fields {
                if let Some(other) = setters.insert(field, name) {
                    let message = format!("the axes `{other}` and `{name}` both set `{}`", field.join("."));
                    let span = self.axes.get(*name).map_or(Span::default(), AxisSpec::span);
                    problems.push(Error::user(message).at(span).hint("one of them would have no effect: remove it"));
                }
            }
        }
        (problems.len() == before).then_some(())
    }

    /// The layout without the points of `except`. Reports names and values that the axes do not have, and a grid of which nothing is left.
    fn without_exceptions(&self, layout: Layout, problems: &mut Problems) -> Option<Layout> {
        let before = problems.len();
        let mut excluded: Vec<Vec<(usize, Vec<bool>)>> = Vec::new();
        for conditions in self.except {
            let mut all = Vec::new();
            for (name, values) in &conditions.0 {
                let Some((dim, coords)) = layout.coords(name) else {
                    let known: Vec<&str> = layout.names().collect();
                    let error = Error::user(format!("there is no axis `{}`", name.value)).at(name.span);
                    problems.push(error.hint(suggest(name, &known)));
                    continue;
                };
                let fixed = self.axes.get(&name.value).is_some_and(AxisSpec::is_fixed);
                for value in values.iter().filter(|value| !fixed && coords.position(value.text()).is_none()) {
                    let message = format!("axis `{}` has no value `{}`", name.value, value.text());
                    problems.push(Error::user(message).at(value.span()).hint(coords.offer(value.text())));
                }
                let selects = |at: usize| values.iter().any(|value| coords.is_at(at, value.text()));
                all.push((dim, (0..coords.len()).map(selects).collect()));
            }
            excluded.push(all);
        }
        if problems.len() > before {
            return None;
        }
        let matches = |conditions: &[(usize, Vec<bool>)], at: &[usize]| conditions.iter().all(|(dim, is)| is[at[*dim]]);
        let layout = layout.only(|at| !excluded.iter().any(|conditions| matches(conditions, at)));
        if layout.units == 0 {
            let span = self.except.iter().flat_map(|conditions| &conditions.0).map(|(name, _)| name.span).next();
            problems.push(Error::user("`except` leaves no points").at(span.unwrap_or_default()));
            return None;
        }
        Some(layout)
    }
}

/// Report a value that is twice on an axis. `first`: the first of axes that run together.
fn check_distinct(resolved: &ResolvedAxis, first: bool, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for (_, node) in resolved.settings.iter().flatten() {
        if !seen.insert(canonical_text(&node.value)) {
            let message = format!("duplicate value on axis `{}`: {}", resolved.axis.name, node.describe());
            let error = Error::user(message).at(node.span);
            let hint = "of axes that run together, the first needs distinct values: it is the axis of the results";
            problems.push(if first { error.hint(hint) } else { error });
            return;
        }
    }
}
