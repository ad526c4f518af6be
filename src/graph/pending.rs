//! Stages that are not known yet: the values of an axis are the result of another stage, which has to run first. They, and the stages that
//! read them, are left out of the graph until these values are known.

use std::collections::{BTreeMap, HashSet};

use crate::error::Error;
use crate::spec::{Paper, Problems, suggest};
use crate::stages::{ComputedValues, Definition, Kind};
use crate::value::Coords;

/// Values that stages have made, by stage and array.
pub type KnownValues = BTreeMap<(String, String), Coords>;

/// A stage that is left out of the graph.
#[derive(Clone, Debug)]
pub struct PendingStage {
    pub name: String,
    pub kind: String,
    /// The stage that it waits for.
    pub waits_for: String,
    /// The values that this stage will make; `None` if the stage waits because it reads another pending one.
    pub values: Option<ComputedValues>,
}

/// Fill in what is known; the values that are not, if there are any. Reports a stage that does not exist.
pub fn fill(
    kind: &mut Kind,
    known: &KnownValues,
    names: &HashSet<&str>,
    problems: &mut Problems,
) -> Vec<ComputedValues> {
    kind.set_computed_values(&|values| known.get(&(values.of.value.clone(), values.array.value.clone())).cloned());
    let missing = kind.computed_values();
    for values in missing.iter().filter(|values| !names.contains(values.of.as_str())) {
        let names: Vec<&str> = names.iter().copied().collect();
        let error = Error::user(format!("there is no stage `{}`", values.of.value)).at(values.of.span);
        problems.push(error.hint(suggest(&values.of, &names)));
    }
    missing
}

/// Remove the stages that read pending stages, until there are none; they are pending too. Reports pending stages that wait for each other.
pub fn remove_readers(
    paper: &Paper,
    stages: &mut Vec<Definition>,
    pending: &mut Vec<PendingStage>,
    problems: &mut Problems,
) {
    if pending.is_empty() {
        return;
    }
    let kind = |name: &str| paper.entries.iter().find(|entry| entry.name == name).map(|entry| entry.kind.clone());
    loop {
        let waits = |stage: &Definition| {
            let inputs = stage.stage.inputs();
            inputs.into_iter().map(|input| input.value).find(|input| pending.iter().any(|stage| stage.name == *input))
        };
        let Some((at, waits_for)) = stages.iter().enumerate().find_map(|(at, stage)| Some((at, waits(stage)?))) else {
            break;
        };
        let name = stages.remove(at).name;
        pending.push(PendingStage { kind: kind(&name).unwrap_or_default(), name, waits_for, values: None });
    }
    let there = |name: &str| stages.iter().any(|stage| stage.name == name);
    let roots = || pending.iter().filter_map(|stage| Some((stage, stage.values.as_ref()?)));
    if roots().all(|(_, values)| !there(&values.of)) && problems.is_empty() {
        for (stage, values) in roots() {
            let message =
                format!("`{}` waits for values of `{}`, which waits for `{}`", stage.name, values.of.value, stage.name);
            problems.push(Error::user(message).at(values.of.span));
        }
    }
}
