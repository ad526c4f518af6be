//! Target selection: stages by name, file, glob or kind, and points of sweeps; by default every figure and table.

use std::collections::{BTreeMap, BTreeSet};

use super::Graph;
use crate::error::Error;
use crate::spec::{glob, nearest, suggest};
use crate::stages::{Definition, FIGURES, Holds, Kind, Outline, Published, select_units};

/// Of some stages only these units.
pub type Points = BTreeMap<usize, BTreeSet<usize>>;

/// What a user named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Stages, in the order of the file.
    pub stages: Vec<usize>,
    /// The stages of which only some points were named, unless another selected stage needs all of them.
    pub points: Points,
}

impl Graph {
    /// The stages that the patterns select, as [`Graph::select`] does. Errors: also for a pattern that selects points.
    pub fn targets(&self, patterns: &[String]) -> Result<Vec<usize>, Vec<Error>> {
        if let Some((pattern, name)) = patterns.iter().find_map(|pattern| Some((pattern, split_points(pattern)?.0))) {
            let error = Error::user(format!("`{pattern}` names points; this command takes whole stages"));
            return Err(vec![error.hint(format!("name the stage: `{name}`"))]);
        }
        self.select(patterns).map(|selection| selection.stages)
    }

    /// The stages and points that the patterns select; without patterns every figure and table. A pattern is a stage's name, one of its files
    /// (`fig5.svg`, `figures/fig5.pdf`), a glob (`fig*`), a kind (`figure`, `sweep`), or points of a stage: `train[lr=0.1,seed=2]`. Errors: one
    /// for each pattern that selects nothing.
    pub fn select(&self, patterns: &[String]) -> Result<Selection, Vec<Error>> {
        if patterns.is_empty() {
            let artifact = |&i: &usize| match self.stages[i].stage.publishes() {
                Published::Nothing => false,
                Published::Outputs(paths) => !paths.is_empty(),
                Published::Figure(_) | Published::Table(_) => true,
            };
            let artifacts: Vec<usize> = (0..self.stages.len()).filter(artifact).collect();
            let stages = if artifacts.is_empty() { self.all() } else { artifacts };
            return Ok(Selection { stages, points: Points::new() });
        }
        let mut points = Points::new();
        let mut chosen = vec![false; self.stages.len()];
        let mut unknown = Vec::new();
        for pattern in patterns {
            if let Some((name, conditions)) = split_points(pattern) {
                match self.points(name, conditions) {
                    Ok((stage, units)) => points.entry(stage).or_default().extend(units),
                    Err(error) => unknown.push(error),
                }
                continue;
            }
            let found = self.matching(pattern);
            if found.is_empty() {
                unknown.push(self.unknown(pattern));
            }
            found.into_iter().for_each(|stage| chosen[stage] = true);
        }
        // A group selects its members, some of which may be groups themselves.
        for &stage in self.order.iter().rev().filter(|&&stage| self.stages[stage].stage.holds() == Holds::Nothing) {
            if std::mem::take(&mut chosen[stage]) {
                self.inputs[stage].iter().for_each(|&member| chosen[member] = true);
            }
        }
        points.retain(|stage, _| !chosen[*stage]);
        points.keys().for_each(|stage| chosen[*stage] = true);
        let stages: Vec<usize> = (0..self.stages.len()).filter(|&stage| chosen[stage]).collect();
        for needed in self.needed(&stages) {
            self.inputs[needed].iter().for_each(|input| drop(points.remove(input)));
        }
        if unknown.is_empty() { Ok(Selection { stages, points }) } else { Err(unknown) }
    }

    /// The units of a stage at which axes have these values: `lr=0.1,seed=2`, or with spaces as messages write it.
    fn points(&self, name: &str, conditions: &str) -> Result<(usize, Vec<usize>), Error> {
        let stage = self.position(name).ok_or_else(|| self.unknown(name))?;
        let layout = &self.layouts[stage];
        let axes: Vec<&str> = layout.names().collect();
        if axes.is_empty() {
            return Err(Error::user(format!("`{name}` has no axes, so no points can be selected")));
        }
        let mut wanted = Vec::new();
        for (axis, value) in split_conditions(conditions, &axes) {
            let Some((_, coords)) = layout.coords(&axis) else {
                let error = Error::user(format!("`{name}` has no axis `{axis}`"));
                return Err(error.hint(suggest(&axis, &axes)));
            };
            if coords.position(&value).is_none() {
                let error = Error::user(format!("axis `{axis}` of `{name}` has no value `{value}`"));
                return Err(error.hint(coords.offer(&value)));
            }
            wanted.push((axis, vec![value]));
        }
        let wanted: Vec<(&str, Vec<String>)> =
            wanted.iter().map(|(axis, value)| (axis.as_str(), value.clone())).collect();
        let outline = Outline { name, stage: &*self.stages[stage].stage, layout };
        let units = select_units(0, &outline, &wanted).map(|(read, _)| read.units).unwrap_or_default();
        if units.is_empty() {
            let error = Error::user(format!("`{name}` has no point at `{conditions}`"));
            return Err(error.hint("these values do not occur together: see `zip`, `sample` and `except` of the sweep"));
        }
        Ok((stage, units))
    }

    /// Every stage except groups, which have no result of their own.
    pub fn all(&self) -> Vec<usize> {
        (0..self.stages.len()).filter(|&stage| self.stages[stage].stage.holds() != Holds::Nothing).collect()
    }

    /// The error for a pattern that selects nothing.
    fn unknown(&self, pattern: &str) -> Error {
        if Kind::NAMES.contains(&pattern) {
            return Error::user(format!("this paper has no stage of the kind `{pattern}`"));
        }
        let names: Vec<&str> = self.stages.iter().map(|stage| stage.name.as_str()).collect();
        let error = Error::user(format!("no stage is called `{pattern}`"));
        let kinds = self.stages.iter().map(|stage| stage.stage.kind().name);
        match nearest(pattern, names.iter().copied().chain(kinds)) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error.hint("`repro status` lists all stages"),
        }
    }

    /// The stages that one pattern selects.
    fn matching(&self, pattern: &str) -> Vec<usize> {
        if let Some(stage) = self.position(pattern) {
            return vec![stage];
        }
        // A file that a program writes has any name.
        let name = pattern.strip_prefix(FIGURES).unwrap_or(pattern);
        let writes = |stage: &&Definition| name.contains('.') && stage.files().iter().any(|(file, _)| file == name);
        if let Some(stage) = self.stages.iter().find(writes).and_then(|stage| self.position(&stage.name)) {
            return vec![stage];
        }
        let file = std::path::Path::new(pattern);
        if let Some(stage) = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| self.position(stem)) {
            return vec![stage];
        }
        let all = 0..self.stages.len();
        if Kind::NAMES.contains(&pattern) {
            return all.filter(|&i| self.stages[i].stage.kind().name == pattern).collect();
        }
        if pattern.contains(['*', '?']) {
            return all.filter(|&i| glob(pattern, &self.stages[i].name)).collect();
        }
        Vec::new()
    }

    /// The targets and all their dependencies, inputs first.
    pub fn needed(&self, targets: &[usize]) -> Vec<usize> {
        let mut needed = vec![false; self.stages.len()];
        targets.iter().for_each(|&stage| needed[stage] = true);
        for &stage in self.order.iter().rev() {
            if needed[stage] {
                self.inputs[stage].iter().for_each(|&input| needed[input] = true);
            }
        }
        self.order.iter().copied().filter(|&stage| needed[stage]).collect()
    }
}

/// `train[lr=0.1]` as `train` and `lr=0.1`.
fn split_points(pattern: &str) -> Option<(&str, &str)> {
    pattern.strip_suffix(']')?.split_once('[')
}

/// The conditions in `lr=0.1,name=a b`: each axis and its value. A comma or a space separates two conditions if an axis follows.
fn split_conditions(text: &str, axes: &[&str]) -> Vec<(String, String)> {
    let begins = |at: usize| {
        let before = text[..at].chars().next_back().is_none_or(|c| c == ',' || c == ' ');
        let name = text[at..].split('=').next().unwrap_or_default();
        before && (axes.contains(&name) || text[..at].ends_with(',') || at == 0)
    };
    let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).filter(|at| begins(*at)).collect();
    starts.push(text.len());
    let part = |ends: &[usize]| {
        let (name, value) = text[ends[0]..ends[1]].split_once('=').unwrap_or((&text[ends[0]..ends[1]], ""));
        let clean = |text: &str| text.trim_matches([',', ' ']).to_string();
        (clean(name), clean(value))
    };
    starts.windows(2).map(part).filter(|(name, value)| !name.is_empty() || !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_separated_by_commas_or_by_spaces_before_an_axis() {
        let split = |text: &str| split_conditions(text, &["lr", "model"]);
        let pairs =
            |list: &[(&str, &str)]| list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
        assert_eq!(split("lr=0.1"), pairs(&[("lr", "0.1")]));
        assert_eq!(split("lr=0.1,model=a b"), pairs(&[("lr", "0.1"), ("model", "a b")]));
        assert_eq!(split("model=a b lr=0.1"), pairs(&[("model", "a b"), ("lr", "0.1")]));
        assert_eq!(split("model=a, lr=0.1"), pairs(&[("model", "a"), ("lr", "0.1")]));
        assert_eq!(split("lrr=1"), pairs(&[("lrr", "1")]));
        assert_eq!(split("lr=1,seed=2"), pairs(&[("lr", "1"), ("seed", "2")]));
        assert_eq!(split("lr"), pairs(&[("lr", "")]));
        assert_eq!(split(""), pairs(&[]));
    }
}
