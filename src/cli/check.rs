//! `repro check`: whether the committed figures are what the paper file, the code and the data lead to, by the lock file. No stage runs.

use serde_json::json;

use super::args::Check;
use super::console::TerminalStyle;
use super::lock_file;
use super::words::count;
use super::{Console, Project, Trouble, report};
use crate::error::Error;
use crate::graph::PendingStage;
use crate::plan::{self, Mismatch, StageCheck};

pub fn run(args: &Check, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets(&args.targets)?;
    let lock_name = &project.lock.name;
    let Some(disk) = lock_file::read(project)? else {
        let error = Error::stage(format!("there is no `{}`", project.lock.path.display()));
        return Err(error.hint("`repro build` writes it: commit it together with the figures").into());
    };
    let lock = &disk.read.lock;
    let unknown: Vec<&String> = lock.stages.keys().filter(|name| !project.has_stage(name)).collect();
    if !unknown.is_empty() && unknown.len() == lock.stages.len() {
        let message = format!(
            "`{}` is of another paper: it has no stage of {}",
            project.lock.path.display(),
            project.source.file
        );
        return Err(Error::stage(message).hint("`repro build` writes it anew").into());
    }
    let checks = plan::check(project.context(), lock, &targets, args.environment)?;
    // A selection of stages says nothing about others.
    let removed = if args.targets.is_empty() { unknown } else { Vec::new() };
    let mut text = String::new();
    for check in &checks {
        let stage = &project.graph.stages[check.stage];
        let words = |mismatch: &Mismatch| mismatch.describe(&project.source.file, lock_name);
        let reasons = check.mismatches.iter().map(|mismatch| (mismatch.code(), words(mismatch)));
        text += &entry(&stage.name, Some(stage.stage.kind().name), &reasons.collect::<Vec<_>>(), console);
    }
    for name in &removed {
        let words = format!("it is in {lock_name}, and not in {}", project.source.file);
        text += &entry(name, None, &[("removed", words)], console);
    }
    // Their points are the result of another stage: without it nothing is known about them.
    let pending: Vec<&PendingStage> = project.graph.pending.iter().filter(|_| args.targets.is_empty()).collect();
    for stage in &pending {
        let words = format!("its points are not known: the results of `{}` are not here", stage.waits_for);
        text += &entry(&stage.name, Some(&stage.kind), &[("pending", words)], console);
    }
    let wrong = checks.iter().filter(|check| !check.mismatches.is_empty()).count() + removed.len() + pending.len();
    let fine = wrong == 0 && disk.read.damage.is_empty();
    let silent = console.json || (fine && console.quiet);
    if !silent {
        text += &summary(&checks, pending.len(), wrong, project, args.environment);
    }
    console.print(&text)?;
    if !disk.read.damage.is_empty() {
        report(&Trouble { errors: disk.read.damage, source: Some(disk.source) }, console);
    }
    Ok(u8::from(!fine))
}

/// A stage that is out of date, with the reasons; as JSON also one that is up to date.
fn entry(name: &str, kind: Option<&str>, reasons: &[(&str, String)], console: &Console) -> String {
    if console.json {
        let state = if reasons.is_empty() { "current" } else { "stale" };
        let reasons: Vec<_> = reasons.iter().map(|(code, words)| json!({"code": code, "words": words})).collect();
        return format!("{}\n", json!({"stage": name, "kind": kind, "state": state, "reasons": reasons}));
    }
    if reasons.is_empty() {
        return String::new();
    }
    let words = reasons.iter().map(|(_, words)| format!("    {words}\n"));
    format!("{}  out of date\n{}", console.paint(TerminalStyle::Bold, name), words.collect::<String>())
}

fn summary(checks: &[StageCheck], pending: usize, wrong: usize, project: &Project, environment: bool) -> String {
    let stages = count(checks.len() + pending, "stage");
    if wrong > 0 {
        return format!(
            "{wrong} of {stages} out of date: run `repro build`, and commit {} with the figures\n",
            project.lock.name
        );
    }
    let files = count(checks.iter().map(|check| check.files).sum(), "file");
    let text = format!("up to date: {stages}, {files}\n");
    let needs = checks.iter().map(|check| project.graph.stages[check.stage].stage.needs());
    let mut names: Vec<String> = needs
        .flat_map(|needs| {
            let tools = needs.tools.iter().map(|tool| tool.command_line());
            let data = needs.reads.iter().map(|data| data.name());
            let all = needs.env.iter().map(|name| name.value.clone()).chain(tools).chain(data);
            all.collect::<Vec<_>>()
        })
        .collect();
    names.sort();
    names.dedup();
    if environment || names.is_empty() {
        return text;
    }
    text + &format!(
        "taken as recorded, not compared with this machine: {} (--environment compares)\n",
        names.join(", ")
    )
}
