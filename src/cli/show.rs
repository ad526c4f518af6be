//! `repro show`: prints results in the terminal: figures as pictures, tables as text, everything else as named arrays.

mod arrays;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::Show;
use super::picture::Pixels;
use super::words::bytes;
use super::{Console, Project, Trouble, replace};
use crate::audit;
use crate::error::{Error, Result};
use crate::exchange;
use crate::exec;
use crate::graph::Selection;
use crate::plan::{self, LastBuild, StagePlan, StageState, UnitState};
use crate::render;
use crate::stages::{self, Holds};
use crate::store::{self, Digest, Key};
use crate::value::{FileEntry, Scene, Table, Tree, decode_scene, decode_tree};

/// Sweeps with more points than this are not stacked into arrays; only names and shapes are printed.
const STACKED: usize = 4096;

pub fn run(args: &Show, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let Selection { stages: targets, points } = project.select(&args.targets)?;
    let mut plans = plan::plan(project.context(), &targets)?;
    plan::only_points(&mut plans, &points);
    if args.npz.is_some() && targets.len() != 1 {
        let error = Error::user(format!("--npz writes the arrays of one stage; this names {}", targets.len()));
        return Err(error.into());
    }
    if let Some(path) = &args.npz {
        let earlier = |path: &Path| std::fs::File::open(path).is_ok_and(exchange::is_own_npz);
        replace::check(path, "an .npz file", earlier, args.force, project)?;
    }
    if args.trace {
        let traces = audit::Traces::collect(
            project.context(),
            &plans,
            &targets,
            &audit::CacheFacts { store: &project.store, hosts: true },
        )?;
        console.print(&if console.json {
            trace::to_json(&traces)
        } else {
            trace::text(&traces, &|stage| LastBuild::read(&project.store, stage), console)
        })?;
        return Ok(0);
    }
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

/// Fail unless all units of a stage are in the cache.
fn complete(plan: &StagePlan, project: &Project) -> Result<()> {
    let stage = &project.graph.stages[plan.stage];
    if plan.state != StageState::UpToDate && plan.units > 0 {
        let what = match (plan.resolved.units.len(), plan.state) {
            (_, StageState::Waiting) => "waits for its inputs".to_string(),
            (1, _) => "is not built".to_string(),
            (n, _) => format!(
                "is not complete: {} of {} units are missing",
                plan.units,
                plan.only.as_ref().map_or(n, BTreeSet::len)
            ),
        };
        return Err(Error::stage(format!("{} {what}", stage.name)).hint(format!("run `repro build {}`", stage.name)));
    }
    Ok(())
}

/// Key and digest of a unit's result.
fn result(plan: &StagePlan, unit: usize) -> Result<(Key, Digest)> {
    match plan.resolved.units.get(unit) {
        Some(&UnitState::Cached { key, digest }) => Ok((key, digest)),
        _ => Err(Error::internal("a unit that is there has no result")),
    }
}

fn payload(plan: &StagePlan, project: &Project, unit: usize) -> Result<Vec<u8>> {
    let (key, digest) = result(plan, unit)?;
    let stage = &project.graph.stages[plan.stage];
    project.store.load(&key, &digest).ok_or_else(|| {
        Error::stage(format!("a result of {} is damaged", stage.name))
            .hint(format!("run `repro build {}`: it is made again", stage.name))
    })
}

/// The scene and key of a figure. Fails if it is not built.
pub(super) fn scene(plan: &StagePlan, project: &Project) -> Result<(Scene, String)> {
    complete(plan, project)?;
    let scene = decode_scene(&payload(plan, project, 0)?);
    let scene = scene.ok_or_else(|| Error::internal("a stored result is not a scene"))?;
    Ok((scene, result(plan, 0)?.0.to_string()))
}

fn show(plan: &StagePlan, args: &Show, project: &Project, console: &Console) -> Result<String> {
    let stage = &project.graph.stages[plan.stage];
    complete(plan, project)?;
    let dataset = |unit: usize| exec::dataset(project.context(), plan.stage, result(plan, unit)?);
    let units: Vec<usize> = match &plan.only {
        Some(only) => only.iter().copied().collect(),
        None => (0..plan.resolved.units.len()).collect(),
    };
    let payloads =
        || (0..plan.resolved.units.len()).map(|unit| payload(plan, project, unit)).collect::<Result<Vec<_>>>();
    match stage.stage.holds() {
        Holds::Scene | Holds::Cells if args.npz.is_some() => {
            let error = Error::user(format!("{} is a {}; --npz writes arrays", stage.name, stage.stage.kind().name));
            Err(error.hint(format!("`repro build {}` writes its files", stage.name)))
        }
        Holds::Scene => {
            let (scene, _) = scene(plan, project)?;
            if console.json {
                return Ok(format!("{}\n", json!({"stage": stage.name, "scene": scene})));
            }
            picture(&scene, args.width.map_or_else(terminal_width, usize::from), console.colors())
        }
        Holds::Cells => {
            let table = render::table_of(stage, &payloads()?)?;
            if console.json {
                return Ok(table_json(&stage.name, &table));
            }
            Ok(render::text::table(&table))
        }
        Holds::Nothing => Ok(String::new()),
        holds @ (Holds::Arrays | Holds::Files | Holds::ProjectFiles) => {
            if holds.is_files()
                && let Some(tree) = without_arrays(&payload(plan, project, units.first().copied().unwrap_or(0))?)
            {
                return match args.npz {
                    Some(_) => Err(Error::user(format!("{} has no arrays; --npz writes arrays", stage.name))),
                    None => Ok(files(&stage.name, &tree, console.json)),
                };
            }
            let layout = project.graph.layouts[plan.stage].subset(&units);
            if units.len() > STACKED && !console.json && args.npz.is_none() {
                return Ok(arrays::shapes(&stage.name, &layout, &dataset(units[0])?));
            }
            let parts: Result<Vec<_>> = units.iter().map(|&unit| dataset(unit).map(Arc::new)).collect();
            let dataset = stages::stack(&layout, &parts?);
            if let Some(path) = &args.npz {
                store::write_file(path, &exchange::npz(&dataset)?)?;
                return Ok(String::new());
            }
            Ok(if console.json { arrays::to_json(&stage.name, &dataset) } else { arrays::text(&stage.name, &dataset) })
        }
    }
}

/// The files of a result, if none of them contains arrays.
fn without_arrays(payload: &[u8]) -> Option<Tree> {
    decode_tree(payload).filter(|tree| !tree.files.iter().any(|file| exchange::holds_arrays(&file.path)))
}

fn files(stage: &str, tree: &Tree, as_json: bool) -> String {
    if as_json {
        let files = tree.files.iter().map(|file| json!({"path": file.path, "bytes": file.size}));
        return format!("{}\n", json!({"stage": stage, "files": files.collect::<Vec<_>>()}));
    }
    let line = |file: &FileEntry| format!("  {}  {}\n", file.path, bytes(file.size));
    format!("{stage}\n{}", tree.files.iter().map(line).collect::<String>())
}

/// Draw a figure `columns` characters wide.
fn picture(scene: &Scene, columns: usize, colors: bool) -> Result<String> {
    // Supersample by two, so that thin lines are shaded and not lost.
    let dpi = (2.0 * columns as f64 * 72.0 / scene.width.max(1.0)).ceil().clamp(10.0, 600.0);
    let png = render::png(scene, dpi as u32, "")?;
    let pixels = Pixels::from_png(&png).ok_or_else(|| Error::internal("the renderer made no PNG"))?;
    Ok(if colors { pixels.half_blocks(columns) } else { pixels.shades(columns) })
}

/// One JSON line per cell: row, column, text and numbers.
fn table_json(stage: &str, table: &Table) -> String {
    let mut text = String::new();
    for row in &table.rows {
        let keys = table.keys.iter().map(|key| key.name.as_str());
        let keys: BTreeMap<&str, &String> = keys.zip(&row.coordinates).collect();
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            let values: BTreeMap<&String, &f64> = column.statistics.iter().zip(&cell.values).collect();
            let cell = json!({"stage": stage, "row": keys, "column": column.name, "text": cell.text, "values": values});
            text += &format!("{cell}\n");
        }
    }
    text
}

fn terminal_width() -> usize {
    console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns))
}
