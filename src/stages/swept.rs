//! The kind `sweep`: with `recipe` the built-in trainer runs at every point, with `exec` a program of the user.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::axis::AxisSpec;
use super::program_sweep::ProgramSweepSettings;
use super::sweep::Sweep;
use super::{Declaration, Stage};
use crate::error::Error;
use crate::spec::{Decode, Node, Problems, Schemas, Yaml};

/// A `sweep` stage as declared.
#[derive(Clone, Debug, PartialEq)]
pub enum SweepDeclaration {
    Recipe(Sweep),
    Program(ProgramSweepSettings),
}

impl SweepDeclaration {
    /// Its axes by name.
    pub fn axes(&self) -> &BTreeMap<String, AxisSpec> {
        match self {
            SweepDeclaration::Recipe(sweep) => sweep.axes(),
            SweepDeclaration::Program(sweep) => &sweep.axes,
        }
    }

    /// Its axes by name, to change their values.
    pub fn axes_mut(&mut self) -> &mut BTreeMap<String, AxisSpec> {
        match self {
            SweepDeclaration::Recipe(sweep) => sweep.axes_mut(),
            SweepDeclaration::Program(sweep) => &mut sweep.axes,
        }
    }
}

impl Decode for SweepDeclaration {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match (node.get("recipe"), node.get("exec")) {
            (None, Some(_)) => ProgramSweepSettings::decode(node, problems).map(SweepDeclaration::Program),
            (Some(_), Some(program)) => {
                let error = Error::user("a sweep has either `recipe` or `exec`, not both").at(program.span);
                problems
                    .push(error.hint("`recipe` is trained by the built-in trainer, `exec` runs a program of yours"));
                None
            }
            (None, None) if matches!(node.value, Yaml::Map(_)) && node.get("axes").is_some() => {
                let error = Error::user("this sweep does not say what it repeats").at(node.span);
                problems
                    .push(error.hint("`recipe: {...}` for the built-in trainer, `exec: {...}` for a program of yours"));
                None
            }
            _ => Sweep::decode(node, problems).map(SweepDeclaration::Recipe),
        }
    }

    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        match self {
            SweepDeclaration::Recipe(sweep) => sweep.assign(path, node, problems),
            SweepDeclaration::Program(sweep) => sweep.assign_field(path, node, problems),
        }
    }

    fn manifest(&self) -> Json {
        match self {
            SweepDeclaration::Recipe(sweep) => Decode::manifest(sweep),
            SweepDeclaration::Program(sweep) => sweep.manifest(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [Sweep::schema(schemas), ProgramSweepSettings::schema(schemas)]})
    }

    fn expected() -> String {
        Sweep::expected()
    }
}

impl Declaration for SweepDeclaration {
    fn resolve(&self, names: &HashSet<&str>, problems: &mut Problems) -> Arc<dyn Stage> {
        match self {
            SweepDeclaration::Recipe(sweep) => Arc::new(sweep.clone()),
            SweepDeclaration::Program(sweep) => Arc::new(sweep.resolve(names, problems)),
        }
    }
}
