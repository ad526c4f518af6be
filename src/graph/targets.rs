//! What the user asked for: stages by name, by glob, by kind, or every figure and table.

use super::Graph;
use crate::error::Error;
use crate::spec::{glob, nearest};
use crate::stages::{Holds, Kind, Published};

impl Graph {
    /// The stages that the words name, in the order of the file; without words every figure and table. A word is a stage's name, a
    /// file of it (`fig5.svg`, `figures/fig5.pdf`), a glob (`fig*`) or a kind (`figure`, `sweep`). Errors: one for each word that
    /// names nothing.
    pub fn targets(&self, words: &[String]) -> Result<Vec<usize>, Vec<Error>> {
        if words.is_empty() {
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
        for word in words {
            let found = self.matching(word);
            if found.is_empty() {
                unknown.push(self.unknown(word));
            }
            found.into_iter().for_each(|stage| chosen[stage] = true);
        }
        // A group stands for its stages, some of which may be groups.
        for &stage in self.order.iter().rev().filter(|&&stage| self.stages[stage].stage.holds() == Holds::Nothing) {
            if std::mem::take(&mut chosen[stage]) {
                self.inputs[stage].iter().for_each(|&member| chosen[member] = true);
            }
        }
        let chosen = (0..self.stages.len()).filter(|&stage| chosen[stage]).collect();
        if unknown.is_empty() { Ok(chosen) } else { Err(unknown) }
    }

    /// Every stage but groups, which stand for others.
    pub fn all(&self) -> Vec<usize> {
        (0..self.stages.len()).filter(|&stage| self.stages[stage].stage.holds() != Holds::Nothing).collect()
    }

    fn unknown(&self, word: &str) -> Error {
        if Kind::NAMES.contains(&word) {
            return Error::user(format!("this paper has no stage of the kind `{word}`"));
        }
        let names: Vec<&str> = self.stages.iter().map(|stage| stage.name.as_str()).collect();
        let error = Error::user(format!("no stage is called `{word}`"));
        let kinds = self.stages.iter().map(|stage| stage.stage.kind().name);
        match nearest(word, names.iter().copied().chain(kinds)) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error.hint("`repro status` lists all stages"),
        }
    }

    fn matching(&self, word: &str) -> Vec<usize> {
        if let Some(stage) = self.position(word) {
            return vec![stage];
        }
        let file = std::path::Path::new(word);
        if let Some(stage) = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| self.position(stem)) {
            return vec![stage];
        }
        let all = 0..self.stages.len();
        if Kind::NAMES.contains(&word) {
            return all.filter(|&i| self.stages[i].stage.kind().name == word).collect();
        }
        if word.contains(['*', '?']) {
            return all.filter(|&i| glob(word, &self.stages[i].name)).collect();
        }
        Vec::new()
    }

    /// The targets and everything they need, inputs first.
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
