//! Target selection: stages by name, file, glob or kind; by default every figure and table.

use super::Graph;
use crate::error::Error;
use crate::spec::{glob, nearest};
use crate::stages::{Holds, Kind, Published};

impl Graph {
    /// The stages that the patterns select, in the order of the file; without patterns every figure and table. A pattern is a stage's name,
    /// one of its files (`fig5.svg`, `figures/fig5.pdf`), a glob (`fig*`) or a kind (`figure`, `sweep`). Errors: one for each pattern that
    /// selects nothing.
    pub fn targets(&self, patterns: &[String]) -> Result<Vec<usize>, Vec<Error>> {
        if patterns.is_empty() {
            let artifact = |&i: &usize| match self.stages[i].stage.publishes() {
                Published::Nothing => false,
                Published::Outputs(paths) => !paths.is_empty(),
                Published::Figure(_) | Published::Table(_) => true,
            };
            let artifacts: Vec<usize> = (0..self.stages.len()).filter(artifact).collect();
            return Ok(if artifacts.is_empty() { self.all() } else { artifacts });
        }
        let mut chosen = vec![false; self.stages.len()];
        let mut unknown = Vec::new();
        for pattern in patterns {
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
        let chosen = (0..self.stages.len()).filter(|&stage| chosen[stage]).collect();
        if unknown.is_empty() { Ok(chosen) } else { Err(unknown) }
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
