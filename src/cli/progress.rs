//! Build progress: bars on a terminal, lines elsewhere, events with `--json`.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Map, Value as Json, json};

use super::console::TerminalStyle;
use super::words::{self, about, count, duration, harmless, thousands};
use super::{Console, narrow};
use crate::exec::{Event, Observer};
use crate::program;
use crate::stages::{self, KindInfo, Report};

/// Stages faster than this get no bar.
const QUICK: Duration = Duration::from_millis(200);
/// Without bars: maximum time between progress lines.
const LINE: Duration = Duration::from_secs(10);
/// Minimum time between progress lines.
const PAUSE: Duration = Duration::from_secs(1);
/// Without bars: time between lines with the totals of the build.
const TOTALS: Duration = Duration::from_secs(60);
/// Minimum elapsed seconds for rates and time left.
const SOON: f64 = 0.5;
/// Stages of fast kinds get a line only if they took at least this many seconds.
const SLOW: f64 = 1.0;
/// Characters of a program's last output line to show.
const PRINTED: usize = 100;
/// Terminals with fewer columns get a compact layout.
const NARROW: u16 = 80;
/// Maximum number of bars.
const BARS: usize = 12;

/// The progress display for this console. `names` are the stages that may appear; `jobs` is the number of parallel units. With
/// `to_stderr`, finished stages are reported on standard error, because the command prints its result on standard output.
pub fn display<'a>(console: &'a Console, names: &[&str], jobs: usize, to_stderr: bool) -> Box<dyn Observer + 'a> {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(28);
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if console.json {
        Box::new(JsonProgress { console, kinds: HashMap::new(), reported: HashMap::new(), totals_at: None })
    } else if terminal && !console.quiet {
        let bars = MultiProgress::with_draw_target(narrow::target());
        Box::new(ProgressBars {
            people: ProgressLines { console, width, jobs, to_stderr, stages: HashMap::new(), totals_at: None },
            bars,
            shown: HashMap::new(),
            totals: None,
        })
    } else {
        Box::new(ProgressLines { console, width, jobs, to_stderr, stages: HashMap::new(), totals_at: None })
    }
}

/// A running stage.
struct RunningStage {
    kind: &'static KindInfo,
    units: usize,
    again: bool,
    /// Whether its start was printed.
    start_printed: bool,
    /// When its first unit started; `None` while it is queued.
    began: Option<Instant>,
    /// The last reported share, and when it was reported.
    reported: f64,
    reported_at: Instant,
}

impl RunningStage {
    /// `12/30 points, 5 s left, 3.4 points/s`, most important first, as narrow terminals truncate it. For a program:
    /// run time and last output line.
    /// The time left is based on the share of estimated work, because the points of a sweep can differ in cost.
    fn describe(&self, done: f64, share: f64, log: Option<&Path>) -> String {
        let noun = self.kind.unit;
        let elapsed = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        let mut parts = Vec::new();
        if self.kind.is_program {
            // The progress inside a program is unknown.
            let mut state = format!("running for {}", duration(elapsed));
            if self.units > 1 {
                state = format!("{}/{}", thousands(done as usize), count(self.units, noun));
                if share > 0.0 && elapsed >= SOON {
                    state += &format!(", {} left", duration(elapsed * (1.0 - share).max(0.0) / share));
                }
            }
            return match last_line(log) {
                Some(line) => format!("{state}: {line}"),
                None => state,
            };
        }
        if self.units == 1 {
            parts.push(format!("{:.0} %", 100.0 * done));
        } else {
            parts.push(format!("{}/{}", thousands(done as usize), count(self.units, noun)));
        }
        if share > 0.0 && elapsed >= SOON {
            parts.push(format!("{} left", duration(elapsed * (1.0 - share).max(0.0) / share)));
        }
        if self.units > 1 && done > 0.0 && elapsed >= SOON {
            let rate = done / elapsed;
            let rate = if rate < 10.0 { format!("{rate:.1}") } else { thousands(rate as usize) };
            parts.push(format!("{rate} {noun}s/s"));
        }
        parts.join(", ")
    }
}

/// `12 of 27 stages done, 2 running, about 4 min left`.
fn totals(done: usize, stages: usize, running: usize, seconds: Option<f64>) -> String {
    let left = seconds.map(|seconds| format!(", {} left", about(seconds))).unwrap_or_default();
    format!("{} of {} done, {running} running{left}", thousands(done), count(stages, "stage"))
}

/// The last values of a program's curve, `epoch 12, loss 0.31`, or else the last line that it printed, truncated.
fn last_line(log: Option<&Path>) -> Option<String> {
    if let Some(values) = last_values(log?) {
        let number = |value: &Json| match value.as_f64() {
            Some(number) => words::number(number),
            None => value.as_str().map_or_else(|| value.to_string(), str::to_string),
        };
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} {}", number(value))).collect();
        return Some(harmless(&values.join(", ")));
    }
    let printed = program::tail(log?, 1).pop()?;
    let line = printed.trim_start();
    let short: String = line.chars().take(PRINTED).collect();
    let cut = if short.len() < line.len() { "..." } else { "" };
    (!short.is_empty()).then(|| harmless(&short) + cut)
}

/// The last point of a program's curve, if it has one.
fn last_values(log: &Path) -> Option<Map<String, Json>> {
    let line = program::tail(&stages::curve_beside(log), 1).pop()?;
    serde_json::from_str(&line).ok()
}

/// Prints lines at the start, at intervals, and at the end.
struct ProgressLines<'a> {
    console: &'a Console,
    width: usize,
    jobs: usize,
    to_stderr: bool,
    stages: HashMap<String, RunningStage>,
    /// When the totals of the build were printed last, or could first have been.
    totals_at: Option<Instant>,
}

/// A line for an event, and its output stream.
enum EventLine {
    /// A result, for standard output.
    Done(String),
    /// A note, for standard error.
    Note(String),
}

impl ProgressLines<'_> {
    fn named(&self, stage: &str, words: &str) -> String {
        format!("{stage:width$}  {words}", width = self.width)
    }

    /// Record that the first unit of a queued stage has started.
    fn begin(&mut self, event: &Event) {
        let (stage, seconds) = match *event {
            Event::UnitFinished { stage, seconds, .. } => (stage, seconds),
            Event::Progress { stage, .. } => (stage, 0.0),
            _ => return,
        };
        if let Some(running) = self.stages.get_mut(stage) {
            let before = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            if running.began.is_none() {
                let now = Instant::now();
                // Exclude the time in the queue.
                (running.began, running.reported_at) = (Some(now.checked_sub(before).unwrap_or(now)), now);
            }
        }
    }

    /// Update the state for an event, and return the lines to print.
    fn lines(&mut self, event: &Event) -> Vec<EventLine> {
        let mut lines = Vec::new();
        match *event {
            Event::StageStarted { stage, kind, units, total, seconds, again } => {
                let now = Instant::now();
                let running = RunningStage {
                    kind,
                    units,
                    again,
                    start_printed: false,
                    began: None,
                    reported: 0.0,
                    reported_at: now,
                };
                self.stages.insert(stage.into(), running);
                let of = if units < total { format!(" of {total}") } else { String::new() };
                let time = seconds.map(|seconds| about(seconds / self.jobs.min(units).max(1) as f64));
                let time = time.map(|time| format!(", {time}")).unwrap_or_default();
                let again = if again { " again" } else { "" };
                // A program may be queued behind thousands, and most are fast: its start is printed later.
                if kind.report == Report::StartAndEnd {
                    let what = format!("{}{of} to {}{again}{time}", count(units, kind.unit), kind.verb);
                    lines.push(EventLine::Note(self.named(stage, &what)));
                }
            }
            Event::UnitFinished { stage, unit, seconds, .. } if self.console.verbose => {
                let unit = if unit.is_empty() { "done" } else { unit };
                lines.push(EventLine::Note(self.named(stage, &format!("{} ({})", harmless(unit), duration(seconds)))));
            }
            Event::Progress { stage, done, share, ref log, .. } => {
                let Some(running) = self.stages.get_mut(stage) else { return lines };
                let program = running.kind.is_program;
                let pause = running.reported_at.elapsed();
                let late = running.began.is_some_and(|began| began.elapsed() >= PAUSE);
                let words = if program && late && !std::mem::replace(&mut running.start_printed, true) {
                    running.reported_at = Instant::now();
                    if running.again { "started again".to_string() } else { "started".to_string() }
                } else if (done > 0.0 || program)
                    && (pause >= LINE || pause >= PAUSE && share - running.reported >= 0.1)
                {
                    (running.reported, running.reported_at) = (share, Instant::now());
                    running.describe(done, share, log.as_deref())
                } else {
                    return lines;
                };
                lines.push(EventLine::Note(self.named(stage, &words)));
            }
            Event::StageFinished { stage, kind, ran, seconds, written, other } => {
                self.stages.remove(stage);
                let mut parts = Vec::new();
                match ran {
                    0 => {}
                    _ if kind.report == Report::EndIfSlow && seconds < SLOW && other.is_none() => return lines,
                    _ if kind.single => parts.push(kind.past.to_string()),
                    _ => parts.push(format!("{} {}", count(ran, kind.unit), kind.past)),
                }
                if let (Some(other), Some(did)) = (other, parts.last_mut()) {
                    *did += " again";
                    parts.push(match (other, ran) {
                        (0, 1) => "the same result".into(),
                        (0, _) => "the same results".into(),
                        (_, 1) => self.console.paint(TerminalStyle::Yellow, "another result"),
                        (n, _) => self
                            .console
                            .paint(TerminalStyle::Yellow, &format!("{} of them other results", thousands(n))),
                    });
                }
                if !written.is_empty() {
                    parts.push(written.join(" "));
                }
                let time = self.console.paint(TerminalStyle::Dim, &duration(seconds));
                lines.push(EventLine::Done(self.named(stage, &format!("{}  {time}", parts.join(", ")))));
            }
            Event::EnvironmentStarted { environment, installer } => {
                lines.push(EventLine::Note(format!("environment {environment}: installing with {installer}")));
            }
            Event::EnvironmentFinished { environment, installer, seconds } => {
                let time = self.console.paint_err(TerminalStyle::Dim, &duration(seconds));
                lines.push(EventLine::Note(format!("environment {environment}: installed with {installer}  {time}")));
            }
            Event::UnitFailed { stage, unit, .. } => {
                let failed = self.console.paint_err(TerminalStyle::Red, "failed");
                lines.push(EventLine::Note(self.named(stage, &format!("{failed} at {}", harmless(unit)))));
            }
            Event::StageFailed { stage, .. } => {
                self.stages.remove(stage);
                lines.push(EventLine::Note(self.named(stage, &self.console.paint_err(TerminalStyle::Red, "failed"))));
            }
            Event::Totals { done, stages, running, seconds } => {
                let last = self.totals_at.get_or_insert_with(Instant::now);
                if last.elapsed() >= TOTALS {
                    *last = Instant::now();
                    lines.push(EventLine::Note(totals(done, stages, running, seconds)));
                }
            }
            Event::UnitFinished { .. } => {}
        }
        lines
    }

    fn say(&self, lines: Vec<EventLine>) {
        for line in lines {
            match line {
                _ if self.console.quiet => {}
                EventLine::Done(text) if self.to_stderr => self.console.note(&text),
                // If standard output is closed, the build continues.
                EventLine::Done(text) => drop(self.console.print(&format!("{text}\n"))),
                EventLine::Note(text) => self.console.note(&text),
            }
        }
    }
}

impl Observer for ProgressLines<'_> {
    fn event(&mut self, event: &Event) {
        self.begin(event);
        let lines = self.lines(event);
        self.say(lines);
    }

    fn warning(&mut self, text: &str) {
        self.console.warning(text);
    }
}

/// ProgressBars for running stages, and above them lines for finished ones.
struct ProgressBars<'a> {
    people: ProgressLines<'a>,
    bars: MultiProgress,
    shown: HashMap<String, ProgressBar>,
    /// The line below the bars.
    totals: Option<ProgressBar>,
}

impl ProgressBars<'_> {
    fn bar(&mut self, stage: &str, done: f64, share: f64, log: Option<&Path>) {
        let Some(running) = self.people.stages.get(stage) else { return };
        let bar = match self.shown.get(stage) {
            Some(bar) => bar,
            None if running.began.is_some_and(|began| began.elapsed() >= QUICK)
                && self.shown.len() < BARS
                && (done > 0.0 || running.kind.is_program) =>
            {
                let bar = ProgressBar::new(running.units as u64 * 1000);
                let bar = match &self.totals {
                    Some(totals) => self.bars.insert_before(totals, bar),
                    None => self.bars.add(bar),
                };
                // No bar for a program, whose progress is unknown, or in a narrow terminal.
                let narrow = console::Term::stderr().size().1 < NARROW;
                let template = match (running.kind.is_program, narrow) {
                    (true, _) => "{prefix}  {wide_msg}",
                    (false, true) => "{prefix}  {bar:8.cyan/dim} {wide_msg}",
                    (false, false) => "{prefix}  {bar:24.cyan/dim} {wide_msg}",
                };
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("━╸─"));
                }
                bar.set_prefix(format!("{stage:width$}", width = self.people.width));
                self.shown.entry(stage.to_string()).or_insert(bar)
            }
            None => return,
        };
        bar.set_message(running.describe(done, share, log));
        bar.set_position((done * 1000.0) as u64);
    }

    /// The line with the totals, once there is a bar above it.
    fn show_totals(&mut self, text: String) {
        if self.shown.is_empty() {
            return;
        }
        let totals = self.totals.get_or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new(1));
            if let Ok(style) = ProgressStyle::with_template("{wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar
        });
        totals.set_message(text);
    }
}

impl Observer for ProgressBars<'_> {
    fn event(&mut self, event: &Event) {
        self.people.begin(event);
        match event {
            Event::Progress { stage, done, share, log, .. } => self.bar(stage, *done, *share, log.as_deref()),
            Event::Totals { done, stages, running, seconds } => {
                self.show_totals(totals(*done, *stages, *running, *seconds));
            }
            Event::StageFinished { stage, .. } | Event::StageFailed { stage, .. } => {
                if let Some(bar) = self.shown.remove(*stage) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
            _ => {}
        }
        let mut lines = self.people.lines(event);
        // The bar replaces the lines for start and progress.
        if matches!(event, Event::StageStarted { .. } | Event::Progress { .. } | Event::Totals { .. }) {
            lines.clear();
        }
        if !lines.is_empty() {
            self.bars.suspend(|| self.people.say(lines));
        }
    }

    fn warning(&mut self, text: &str) {
        self.bars.suspend(|| self.people.console.warning(text));
    }
}

impl Drop for ProgressBars<'_> {
    fn drop(&mut self) {
        self.shown.drain().for_each(|(_, bar)| bar.finish_and_clear());
        self.totals.take().into_iter().for_each(|totals| totals.finish_and_clear());
        let _ = self.bars.clear();
    }
}

/// Prints one JSON object per event.
struct JsonProgress<'a> {
    console: &'a Console,
    kinds: HashMap<String, &'static KindInfo>,
    /// When the progress of each stage was last reported.
    reported: HashMap<String, Instant>,
    /// The same for the totals.
    totals_at: Option<Instant>,
}

impl Observer for JsonProgress<'_> {
    fn event(&mut self, event: &Event) {
        let json = match *event {
            Event::StageStarted { stage, kind, units, total, seconds, again } => {
                self.kinds.insert(stage.into(), kind);
                json!({"event": "stage-started", "stage": stage, "kind": kind.name, "units": units, "total": total,
                    "seconds": seconds, "again": again})
            }
            Event::UnitFinished { stage, unit, seconds, found, done, units } => {
                let kind = self.kinds.get(stage);
                let trained = kind.is_some_and(|kind| kind.trains) && !found;
                json!({"event": "unit-finished", "stage": stage, "kind": kind.map(|kind| kind.name), "unit": unit, "seconds": seconds,
                    "found": found, "trained": trained, "done": done, "units": units})
            }
            Event::Progress { stage, done, units, share, ref log } => {
                if self.reported.get(stage).is_some_and(|at| at.elapsed() < PAUSE) {
                    return;
                }
                self.reported.insert(stage.into(), Instant::now());
                let mut json =
                    json!({"event": "progress", "stage": stage, "done": done, "units": units, "share": share});
                if let Some(values) = log.as_deref().and_then(last_values) {
                    json["values"] = values.into();
                } else if let Some(line) = last_line(log.as_deref()) {
                    json["printed"] = line.into();
                }
                json
            }
            Event::EnvironmentStarted { environment, installer } => {
                json!({"event": "environment-started", "environment": environment, "installer": installer})
            }
            Event::EnvironmentFinished { environment, installer, seconds } => {
                json!({"event": "environment-finished", "environment": environment, "installer": installer,
                    "seconds": seconds})
            }
            Event::Totals { done, stages, running, seconds } => {
                if self.totals_at.is_some_and(|at| at.elapsed() < PAUSE) {
                    return;
                }
                self.totals_at = Some(Instant::now());
                json!({"event": "totals", "done": done, "stages": stages, "running": running, "seconds": seconds})
            }
            Event::StageFinished { stage, kind, ran, seconds, written, other } => {
                json!({"event": "stage-finished", "stage": stage, "kind": kind.name, "ran": ran, "seconds": seconds,
                    "written": written, "other": other})
            }
            Event::UnitFailed { stage, unit, error } | Event::StageFailed { stage, unit, error } => {
                let event = if matches!(event, Event::UnitFailed { .. }) { "unit-failed" } else { "stage-failed" };
                json!({"event": event, "stage": stage, "unit": unit, "message": error.message,
                    "output": error.output, "hints": error.hints})
            }
        };
        let _ = self.console.print_json(&json);
    }

    fn warning(&mut self, text: &str) {
        self.console.warning(text);
    }
}
