//! `metric`: compute named arrays from another stage, unit by unit, so that a new point of a sweep computes only its own metrics.

use serde_json::{Value as Json, json};

use super::best::Best;
use super::{Inputs, KindInfo, Layout, Outline, Read, Stage, Unit, deduplicate};
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::spec::{Decode, Located, Node, Problems};
use crate::train::Control;
use crate::value::{Dataset, encode};

crate::record! {
    /// Arrays computed from another stage.
    pub struct MetricStage {
        /// The stage with the models: a `train`, a `sweep` or another metric.
        pub of: Located<String>,
        /// The metrics to compute; their arrays are merged.
        pub compute: Vec<Located<Metric>>,
        /// Select one point along an axis before computing.
        pub best: Option<Best> = None,
    }
}

impl MetricStage {
    /// The input units of one unit: one, or all along the axis that `best` selects from.
    fn sources(&self, unit: usize, layout: &Layout, input: &Layout) -> Vec<usize> {
        let Some(best) = &self.best else { return vec![unit] };
        let mut outer = layout.positions(unit).into_iter();
        let over = input.axes.iter().position(|axis| axis.name == *best.over);
        let choices = over.map_or(1, |dim| input.axes[dim].len());
        let fixed: Vec<Option<usize>> =
            (0..input.axes.len()).map(|dim| if Some(dim) == over { None } else { outer.next() }).collect();
        (0..choices)
            .filter_map(|choice| {
                input.unit(&fixed.iter().map(|position| position.unwrap_or(choice)).collect::<Vec<_>>())
            })
            .collect()
    }
}

static KIND: KindInfo = KindInfo { name: "metric", unit: "point", ..KindInfo::COMPUTED };

impl Stage for MetricStage {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn arrays(&self) -> Option<Vec<String>> {
        let computed = self.compute.iter().flat_map(|metric| metric.entry().outputs()).map(|name| name.to_string());
        Some(computed.chain(self.best.iter().flat_map(|best| best.outputs())).collect())
    }

    fn inputs(&self) -> Vec<Located<String>> {
        deduplicate([self.of.clone()])
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        if self.compute.is_empty() {
            problems
                .push(Error::user("`compute` is empty: name at least one metric").at(body.deepest(&["compute"]).span));
        }
        if let Some(best) = &self.best {
            best.check_settings(body, problems);
        }
        let mut made: Vec<&str> = Vec::new();
        for metric in &self.compute {
            for output in metric.entry().outputs() {
                if made.contains(output) {
                    let error = Error::user(format!("the array `{output}` is computed twice here")).at(metric.span);
                    problems.push(error.hint("put one of the two metrics into a stage of its own"));
                    break;
                }
                made.push(output);
            }
        }
    }

    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        let Some(input) = inputs.first() else { return Layout::new(Vec::new()) };
        if !input.stage.holds().has_arrays() {
            let error = Error::user(format!(
                "`{}` is a {}; a metric is computed from models",
                input.name,
                input.stage.kind().name
            ));
            problems.push(error.at(self.of.span));
        }
        let axes = &input.layout.axes;
        let Some(best) = &self.best else { return input.layout.clone() };
        best.check(axes, problems);
        let over = axes.iter().position(|axis| axis.name == *best.over);
        over.map_or_else(|| input.layout.clone(), |dim| input.layout.without(dim))
    }

    fn manifest(&self) -> Json {
        let versions: Vec<Json> = self.compute.iter().map(|metric| json!(metric.entry().version())).collect();
        json!({
            "kind": "metric", "compute": Decode::manifest(&self.compute), "versions": versions,
            "best": self.best.as_ref().map(Decode::manifest),
        })
    }

    fn unit(&self, unit: usize, layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        let input = inputs.first().ok_or_else(|| Error::internal("a metric without input"))?;
        let units = self.sources(unit, layout, input.layout);
        Ok(Unit { manifest: Stage::manifest(self), reads: vec![Read { input: 0, units, points: None }], seconds: 2e-3 })
    }

    fn run(
        &self,
        unit: usize,
        layout: &Layout,
        outlines: &[Outline],
        inputs: &dyn Inputs,
        _control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        let input = outlines.first().ok_or_else(|| Error::internal("a metric without input"))?;
        let sources = self.sources(unit, layout, input.layout);
        let candidates: Vec<_> = sources.iter().map(|&source| inputs.unit(0, source)).collect::<Result<_>>()?;
        let mut result = Dataset::default();
        let chosen = match &self.best {
            Some(best) => best.choose(&candidates, &mut result)?,
            None => candidates.first().cloned(),
        };
        let model = chosen.ok_or_else(|| Error::internal("a metric without a model"))?;
        for metric in &self.compute {
            result.arrays.extend(metric.entry().compute(&model)?.arrays);
        }
        Ok(Some(encode(&result)))
    }
}
