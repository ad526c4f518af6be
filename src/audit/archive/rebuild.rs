//! Building an archive again in an empty cache, and comparing every result with its traces and every file with its own.

use std::collections::BTreeMap;

use super::super::verify::{Artifact, Verdict, Verification, without_logs};
use super::check::Archive;
use super::{ResultTrace, Role};
use crate::error::Result;
use crate::exec::{self, Observer, Options};
use crate::plan::{self, UnitState};
use crate::stages::FIGURES;
use crate::store::{Digest, Store, hash_file};

impl Archive {
    /// Build everything from the paper file and the inputs in the archive, in an empty cache, and compare bit for bit. It has to follow first.
    pub fn rebuild(&self, options: &Options, observer: &mut dyn Observer) -> Result<Verification> {
        let store = Store::open(&self.beside("cache"))?;
        let writer = store.writer(serde_json::json!({"for": "verify"}));
        let home = self.home();
        for file in self.manifest.files.iter().filter(|file| file.role == Role::Fetched) {
            writer.store_file(&home.join(&file.path))?;
        }
        let figures = self.beside("figures");
        let context = self.context(&store, &home, &figures);
        let targets = self.targets();
        let outcome = without_logs(exec::build(context, &targets, options, &writer, observer), store.dir());
        let mut artifacts = Vec::new();
        for plan in plan::plan(context, &targets)? {
            let stage = &self.graph.stages[plan.stage];
            // Its files were compared with the traces already.
            if stage.stage.source().is_some() {
                continue;
            }
            let known: BTreeMap<&str, &ResultTrace> = self.stated.of(&stage.name);
            let layout = &self.graph.layouts[plan.stage];
            for (unit, state) in plan.resolved.units.iter().enumerate() {
                let UnitState::Cached { key, digest } = *state else { continue };
                let name = layout.label(unit);
                let was = known.get(name.as_str());
                let size = store.trace(&key).map(|trace| trace.size);
                let verdict = verdict(was.copied(), digest, size);
                let parts_here = verdict != Verdict::Same && was.is_some_and(|was| was.key == key);
                artifacts.push(Artifact { stage: plan.stage, unit: Some(unit), name, verdict, parts_here });
            }
            for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
                let Some(is) = state.digest() else { continue };
                let verdict = match hash_file(&home.join(FIGURES).join(&spec.name)) {
                    Ok(was) if was == is => Verdict::Same,
                    Ok(_) => Verdict::Differs(Vec::new()),
                    Err(_) => Verdict::Missing,
                };
                let name = spec.name.clone();
                artifacts.push(Artifact { stage: plan.stage, unit: None, name, verdict, parts_here: false });
            }
        }
        Ok(Verification { outcome, artifacts })
    }
}

fn verdict(was: Option<&ResultTrace>, is: Digest, size: Option<u64>) -> Verdict {
    match was {
        None => Verdict::Missing,
        Some(was) if was.digest != is => Verdict::Differs(Vec::new()),
        Some(was) if Some(was.size) != size => Verdict::Differs(vec!["another size in the traces".into()]),
        Some(_) => Verdict::Same,
    }
}
