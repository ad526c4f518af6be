//! Rebuilds an archive in an empty cache, and compares every result with its trace and every file with the one in the archive.

use std::collections::BTreeMap;

use super::super::verify::{Verdict, Verification, VerifiedResult};
use super::manifest::FileRole;
use super::traces::ResultTrace;
use super::verify::Archive;
use crate::error::Result;
use crate::exec::{self, Observer, Options};
use crate::plan::{self, UnitState};
use crate::stages::FIGURES;
use crate::store::{Digest, Store, hash_file};

impl Archive {
    /// Build everything from the paper file and the inputs in the archive, in an empty cache, and compare bit for bit. [`Archive::verify`] has to
    /// succeed before.
    pub fn rebuild(&self, options: &Options, observer: &mut dyn Observer) -> Result<Verification> {
        let store = Store::open(&self.temporary_folder("cache"))?.temporary();
        let writer = store.writer(serde_json::json!({"for": "verify"}));
        let home = self.project_folder();
        for file in self.manifest.files.iter().filter(|file| file.role == FileRole::Fetched) {
            writer.store_file(&home.join(&file.path))?;
        }
        let figures = self.temporary_folder("figures");
        let context = self.context(&store, &home, &figures);
        let targets = self.targets();
        let outcome = exec::build(context, targets, options, &writer, observer);
        let mut results = Vec::new();
        for plan in plan::plan(context, targets)? {
            let stage = &self.graph.stages[plan.stage];
            // Its files have been compared with the traces.
            if stage.stage.source().is_some() {
                continue;
            }
            let known: BTreeMap<&str, &ResultTrace> = self.recorded.results_of(&stage.name);
            let layout = &self.graph.layouts[plan.stage];
            for (unit, state) in plan.resolved.units.iter().enumerate() {
                let UnitState::Cached { key, digest } = *state else { continue };
                let name = layout.label(unit);
                let recorded = known.get(name.as_str());
                let size = store.trace(&key).map(|trace| trace.size);
                let verdict = verdict(recorded.copied(), digest, size);
                let same_key = recorded.is_some_and(|recorded| recorded.key == key);
                let nondeterministic = same_key && verdict != Verdict::Same;
                results.push(VerifiedResult { stage: plan.stage, unit: Some(unit), name, verdict, nondeterministic });
            }
            for (spec, state) in plan.resolved.specs.iter().zip(&plan.resolved.files) {
                let Some(rebuilt) = state.digest() else { continue };
                let verdict = match hash_file(&home.join(FIGURES).join(&spec.name)) {
                    Ok(archived) if archived == rebuilt => Verdict::Same,
                    Ok(_) => Verdict::Differs(Vec::new()),
                    Err(_) => Verdict::Missing,
                };
                let name = spec.name.clone();
                results.push(VerifiedResult { stage: plan.stage, unit: None, name, verdict, nondeterministic: false });
            }
        }
        Ok(Verification { outcome, results })
    }
}

fn verdict(recorded: Option<&ResultTrace>, digest: Digest, size: Option<u64>) -> Verdict {
    match recorded {
        None => Verdict::Missing,
        Some(recorded) if recorded.digest != digest => Verdict::Differs(Vec::new()),
        Some(recorded) if Some(recorded.size) != size => Verdict::Differs(vec!["wrong size in the traces".into()]),
        Some(_) => Verdict::Same,
    }
}
