//! `repro build`: build what is out of date.

use std::collections::BTreeMap;

use serde_json::json;

use super::args::{Build, Device};
use super::console::TerminalStyle;
use super::diagnostics::PaperSource;
use super::jobs::parallel_jobs;
use super::words::{count, duration, thousands};
use super::{Console, Project, Trouble, Unchecked, diagnostics, interrupt, open, plan, progress, provenance};
use super::{frozen, lock_file};
use crate::error::Error;
use crate::exec::{self, Failure, Gpus, Options, Outcome, StageWarning};
use crate::graph::{Points, Selection};
use crate::plan::NoopCheck;
use crate::program;
use crate::store::Store;
use crate::train::cuda::{self, GpuUnavailable};

pub fn run(args: &Build, unchecked: Unchecked, console: &Console) -> Result<u8, Trouble> {
    if args.dry_run {
        plan::print(&args.work.targets, args.rerun, args.work.jobs, &unchecked.check()?, console)?;
        return Ok(0);
    }
    if console.verbose {
        log();
    }
    let Unchecked { source, store, figures, home, overrides, .. } = &unchecked;
    // `--rerun`, `--open` and `--set` need the paper file parsed.
    let noop = NoopCheck::new(&source.text, home, figures, &args.work.targets)
        .filter(|_| !args.rerun && !args.open && overrides.is_empty() && store.is_undamaged());
    if args.reread {
        store.reread();
    }
    if let Some(current) = noop.as_ref().filter(|_| !args.reread).and_then(|noop| noop.up_to_date(store)) {
        store.sweep_scratch();
        return Ok(report(&Outcome { current, ..Outcome::default() }, source, console));
    }
    let changed = !unchecked.overrides.is_empty();
    let code = match build_awaited(args, unchecked.check()?, console)? {
        Ok(project) => build(args, &project, noop, console)?,
        Err(code) => code,
    };
    if changed && code == 0 && !console.json && !console.quiet {
        console.note("built with `--set`; a build without it restores the files of the paper file");
    }
    Ok(code)
}

/// Build the stages that make the points of others, if those are wanted: the project with these points, or the exit code of a failed build.
pub fn build_awaited(args: &Build, mut project: Project, console: &Console) -> Result<Result<Project, u8>, Trouble> {
    loop {
        let awaited = project.awaited(&args.work.targets);
        if awaited.is_empty() {
            return Ok(Ok(project));
        }
        if args.frozen {
            frozen::check(&Selection { stages: awaited.clone(), ..Selection::default() }, &project)?;
        }
        let options = Options { again: Vec::new(), points: Points::new(), ..options(args, &project)? };
        let outcome = run_build(&project, &awaited, &options, console);
        if !outcome.is_whole() {
            return Ok(Err(report(&outcome, &project.source, console)));
        }
        lock_file::update(&project, &outcome.finished, console);
        let before = project.graph.pending.len();
        project = project.with_computed_values()?;
        if project.graph.pending.len() == before {
            let error = Error::internal("a stage was built, and the points that it makes are still not known");
            return Err(error.into());
        }
    }
}

/// Build, and record what was read if the next build may be a no-op.
pub fn build(args: &Build, project: &Project, noop: Option<NoopCheck>, console: &Console) -> Result<u8, Trouble> {
    let selection = project.select(&args.work.targets)?;
    if args.frozen {
        frozen::check(&selection, project)?;
    }
    let Selection { stages: targets, points } = selection;
    let again = if args.rerun { targets.clone() } else { Vec::new() };
    let options = Options { again, points, ..options(args, project)? };
    let outcome = run_build(project, &targets, &options, console);
    if outcome.is_whole() {
        lock_file::update(project, &outcome.finished, console);
        if let Some(noop) = noop.filter(|_| project.graph.pending.is_empty()) {
            noop.record(&project.store, outcome.current + outcome.built.len());
        }
    }
    let code = report(&outcome, &project.source, console);
    if args.open && code == 0 {
        open::open(&targets, project, console)?;
    }
    Ok(code)
}

fn options(args: &Build, project: &Project) -> Result<Options, Error> {
    Ok(Options {
        gpus: gpus(args, &project.store)?,
        jobs: parallel_jobs(args.work.jobs),
        keep_going: args.work.keep_going,
        no_train: args.work.no_train,
        no_run: args.work.no_run,
        frozen: args.frozen,
        again: Vec::new(),
        points: Points::new(),
        interrupted: interrupt::watch(),
    })
}

fn run_build(project: &Project, targets: &[usize], options: &Options, console: &Console) -> Outcome {
    let needed = project.graph.needed(targets);
    let names: Vec<&str> = needed.iter().map(|&stage| project.graph.stages[stage].name.as_str()).collect();
    warn(project, &needed, console);
    let mut display = progress::display(console, &names, options.jobs, false);
    let writer = project.store.writer(provenance::of(project));
    let context = if options.no_run { project.context() } else { project.building() };
    exec::build(context, targets, options, &writer, &mut *display)
}

/// Settings of programs that are probably slips.
fn warn(project: &Project, stages: &[usize], console: &Console) {
    let cores = u32::try_from(parallel_jobs(None)).unwrap_or(u32::MAX);
    for stage in stages.iter().map(|&stage| &project.graph.stages[stage]) {
        for warning in stage.stage.warnings(&stage.body, cores, program::memory()) {
            let line = warning.span.map(|span| format!(" ({}:{})", project.source.file, span.line));
            console.warning(&format!("{}: {}{}", stage.name, warning.message, line.unwrap_or_default()));
        }
    }
}

/// The GPUs to train on. With `--device cuda` they must exist. With `auto` they are detected when there is something to train, and a warning is
/// printed only if there seems to be a GPU that cannot be used.
fn gpus(args: &Build, store: &Store) -> Result<Gpus, Error> {
    let (memory, kernels) = (args.gpu_memory, store.kernels());
    match args.device {
        Device::Cpu => Ok(Gpus::none()),
        Device::Cuda => {
            cuda::find_gpus(memory, &kernels).map(Gpus::given).map_err(|GpuUnavailable { why, hint, .. }| {
                Error::user(format!("`--device cuda`: {why}"))
                    .hint(hint)
                    .hint("without it, models train on the CPU, with the same results")
            })
        }
        Device::Auto => Ok(Gpus::automatic(move || match cuda::find_gpus(memory, &kernels) {
            Err(GpuUnavailable { why, hint, seems_present: true }) => {
                Err(Error::user(format!("no GPU is used, models train on the CPU: {why}; {hint}")))
            }
            found => Ok(found.unwrap_or_default()),
        })),
    }
}

/// The options of a rebuild for `repro verify`.
pub fn verify_options(jobs: Option<u16>, keep_going: bool) -> Options {
    let (jobs, gpus, again) = (parallel_jobs(jobs), Gpus::none(), Vec::new());
    Options {
        jobs,
        keep_going,
        no_train: false,
        no_run: false,
        frozen: false,
        gpus,
        again,
        points: Points::new(),
        interrupted: interrupt::watch(),
    }
}

/// Log to standard error.
fn log() {
    let level = tracing_subscriber::filter::LevelFilter::DEBUG;
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time();
    let _ = log.with_target(false).try_init();
}

/// The exit code of a build.
pub fn exit_code(outcome: &Outcome) -> u8 {
    let failures = outcome.failures.iter().map(|failure| &failure.error).chain(&outcome.broken);
    match failures.map(Error::exit_code).max() {
        Some(code) => code,
        None if outcome.interrupted => interrupt::EXIT_CODE,
        None => 0,
    }
}

/// Print the outcome; returns the exit code.
fn report(outcome: &Outcome, source: &PaperSource, console: &Console) -> u8 {
    let code = exit_code(outcome);
    report_warnings(outcome, source, console);
    if console.json {
        if let Some(error) = &outcome.broken {
            let _ = console.print_json(&diagnostics::to_json(error, Some(source)));
        }
        let _ = console.print_json(&json!({
            "event": "build-finished", "ran": outcome.ran, "trained": outcome.trained, "written": outcome.written(),
            "built": outcome.built.iter().map(|built| &built.stage).collect::<Vec<_>>(), "current": outcome.current,
            "failed": failed(outcome),
            "skipped": outcome.skipped,
            "unfinished": outcome.unfinished.iter().map(|u| json!({"stage": u.stage, "done": u.done, "units": u.units}))
                .collect::<Vec<_>>(),
            "interrupted": outcome.interrupted, "seconds": console.started.elapsed().as_secs_f64(), "exit-code": code,
        }));
        return code;
    }
    report_failures(outcome, source, console);
    match code {
        0 => {
            if !console.quiet {
                // A closed standard output is no reason to fail.
                let _ = console.print(&format!("{}\n", summary(outcome, console)));
            }
        }
        interrupt::EXIT_CODE => {
            console.note(&format!("{}: {}", console.paint_err(TerminalStyle::Yellow, "interrupted"), so_far(outcome)));
            console.note("finished work is kept; run the same command again to resume");
        }
        _ => {
            if !outcome.skipped.is_empty() {
                console.note(&format!("skipped: {}", outcome.skipped.join(", ")));
            }
            let failed = match failed(outcome).len() {
                0 => "the build failed".to_string(),
                n => format!("{} failed", count(n, "stage")),
            };
            let interrupted = if outcome.interrupted { ", interrupted" } else { "" };
            let failed = console.paint_err(TerminalStyle::Red, &format!("{failed}{interrupted}"));
            console.note(&format!("{failed}: {}", so_far(outcome)));
        }
    }
    code
}

/// The most warnings of a build that are printed.
const WARNINGS: usize = 10;

/// Print the warnings of stages, with locations and hints.
fn report_warnings(outcome: &Outcome, source: &PaperSource, console: &Console) {
    let shown = if console.json { usize::MAX } else { WARNINGS };
    for StageWarning { stage, warning } in outcome.warnings.iter().take(shown) {
        let warning = Error { message: format!("{stage}: {}", warning.message), ..warning.clone() };
        if console.json {
            let mut json = diagnostics::to_json(&warning, Some(source));
            (json["event"], json["stage"]) = (json!("warning"), json!(stage));
            let _ = console.print_json(&json);
        } else {
            console.note(diagnostics::text("warning", &warning, Some(source), console).trim_end());
        }
    }
    let more = outcome.warnings.len().saturating_sub(shown);
    if more > 0 {
        console.note(&format!("{} more; `repro build --json --rerun` shows all", count(more, "warning")));
    }
}

/// The most failures of one stage that are printed in full.
const FAILURES: usize = 5;
/// The most others that are named.
const UNITS: usize = 20;

/// Print the failures, with locations and hints.
pub fn report_failures(outcome: &Outcome, source: &PaperSource, console: &Console) {
    let mut by_stage: BTreeMap<&str, Vec<&Failure>> = BTreeMap::new();
    for failure in &outcome.failures {
        let of_stage = by_stage.entry(&failure.stage).or_default();
        of_stage.push(failure);
        if of_stage.len() > FAILURES {
            continue;
        }
        let unit = if failure.unit.is_empty() { String::new() } else { format!(" at {}", failure.unit) };
        let error =
            Error { message: format!("{}{unit}: {}", failure.stage, failure.error.message), ..failure.error.clone() };
        console.note(diagnostics::text("error", &error, Some(source), console).trim_end());
    }
    for (stage, more) in by_stage.iter().filter_map(|(stage, all)| Some((stage, all.get(FAILURES..)?))) {
        let units: Vec<&str> = more.iter().take(UNITS).map(|failure| failure.unit.as_str()).collect();
        let dots = if more.len() > UNITS { "; ..." } else { "" };
        if !more.is_empty() {
            console.note(&format!("{stage}: {} more failed: {}{dots}", more.len(), units.join("; ")));
        }
    }
    let reported = |error: &Error| outcome.failures.iter().any(|failure| failure.error == *error);
    if let Some(error) = outcome.broken.as_ref().filter(|error| !reported(error)) {
        console.note(diagnostics::text("error", error, Some(source), console).trim_end());
    }
}

/// The failed stages, without repetitions: one may have several errors.
fn failed(outcome: &Outcome) -> Vec<&str> {
    let mut names: Vec<&str> = outcome.failures.iter().map(|failure| failure.stage.as_str()).collect();
    names.dedup();
    names
}

/// The last line of a successful build.
fn summary(outcome: &Outcome, console: &Console) -> String {
    let time = duration(console.started.elapsed().as_secs_f64());
    if outcome.built.is_empty() {
        let all = match outcome.current {
            1 => "1 stage is up to date".to_string(),
            n => format!("{} are up to date", count(n, "stage")),
        };
        return format!("nothing to do: {all} ({time})");
    }
    let done = console.paint(TerminalStyle::Green, "done");
    format!("{done}: {}", so_far(outcome)) + &format!(" in {time}")
}

/// `3 stages built, 124 models trained, 6 files written`.
fn so_far(outcome: &Outcome) -> String {
    let mut parts = vec![format!("{} built", count(outcome.built.len(), "stage"))];
    if outcome.trained > 0 {
        parts.push(format!("{} trained", count(outcome.trained, "model")));
    }
    let written = outcome.written().len();
    if written > 0 {
        parts.push(format!("{} written", count(written, "file")));
    }
    for unfinished in outcome.unfinished.iter().filter(|unfinished| unfinished.units > 1 && unfinished.done > 0) {
        parts.push(format!(
            "{} has {} of {}",
            unfinished.stage,
            thousands(unfinished.done),
            thousands(unfinished.units)
        ));
    }
    parts.join(", ")
}
