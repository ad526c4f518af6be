//! `repro show`: a result in the terminal. Figures are pictures, tables are text, everything else is named arrays.

mod arrays;

use std::sync::Arc;

use serde_json::json;

use super::args::Show;
use super::picture::Pixels;
use super::{Console, Project, Trouble};
use crate::error::{Error, Result};
use crate::exec;
use crate::plan::{self, StagePlan, State, UnitState};
use crate::stages::{self, FileSpec, Kind, Publish};

/// Points of a sweep that are stacked into whole arrays; of more, only names and shapes are shown.
const STACKED: usize = 4096;

pub fn run(args: &Show, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets(&args.targets)?;
    let plans = plan::plan(project.context(), &targets)?;
    let mut out = String::new();
    for (i, plan) in plans.iter().filter(|plan| targets.contains(&plan.stage)).enumerate() {
        if i > 0 && !console.json {
            out.push('\n');
        }
        out += &show(plan, args, project, console)?;
    }
    for warning in project.store.take_warnings() {
        console.warning(&warning);
    }
    console.print(&out)?;
    Ok(0)
}

fn show(plan: &StagePlan, args: &Show, project: &Project, console: &Console) -> Result<String> {
    let stage = &project.graph.stages[plan.stage];
    if plan.state != State::Current && plan.units > 0 {
        let what = match (plan.resolved.units.len(), plan.state) {
            (_, State::Waits) => "waits for its inputs".to_string(),
            (1, _) => "is not built".to_string(),
            (n, _) => format!("is not complete: {} of {n} units are missing", plan.units),
        };
        return Err(Error::stage(format!("{} {what}", stage.name)).hint(format!("run `repro build {}`", stage.name)));
    }
    let result = |unit: usize| match plan.resolved.units.get(unit) {
        Some(&UnitState::Current { key, digest }) => Ok((key, digest)),
        _ => Err(Error::internal("a unit that is there has no result")),
    };
    let dataset = |unit: usize| exec::dataset(project.context(), plan.stage, result(unit)?);
    let payload = |unit: usize| -> Result<Vec<u8>> {
        let (key, digest) = result(unit)?;
        project.store.load(&key, &digest).ok_or_else(|| {
            Error::stage(format!("a result of {} is damaged", stage.name))
                .hint(format!("run `repro build {}`: it is made again", stage.name))
        })
    };
    match &stage.kind {
        Kind::Figure(_) if !console.json => {
            let png = rendered(project, plan.stage, "png", &[payload(0)?])?;
            let pixels = Pixels::from_png(&png).ok_or_else(|| Error::internal("the renderer made no PNG"))?;
            Ok(pixels.half_blocks(args.width.map_or_else(terminal_width, usize::from)))
        }
        _ => {
            let units = plan.resolved.units.len();
            let layout = &project.graph.layouts[plan.stage];
            if units > STACKED && !console.json {
                return Ok(arrays::shapes(&stage.name, layout, &dataset(0)?));
            }
            let parts: Vec<_> = (0..units).map(|unit| dataset(unit).map(Arc::new)).collect::<Result<_>>()?;
            let dataset = stages::stack(layout, &parts);
            if console.json {
                Ok(arrays::to_json(&stage.name, &dataset))
            } else {
                Ok(arrays::text(&stage.name, &dataset))
            }
        }
    }
}

/// The bytes of a stage in a format, whether or not the paper saves it in that format.
fn rendered(project: &Project, stage: usize, format: &str, payloads: &[Vec<u8>]) -> Result<Vec<u8>> {
    let definition = &project.graph.stages[stage];
    let mut manifest = project.publisher.files(definition).into_iter().next().map_or(json!({}), |spec| spec.manifest);
    manifest["format"] = json!(format);
    let file = FileSpec { name: format!("{}.{format}", definition.name), manifest, output: None };
    project.publisher.render(definition, &file, payloads, "")
}

fn terminal_width() -> usize {
    console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns))
}
