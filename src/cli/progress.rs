//! What a build shows while it runs: bars on a terminal, lines elsewhere, objects for machines.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::console::Style;
use super::words::{about, count, duration, harmless, thousands};
use super::{Console, narrow};
use crate::exec::{Event, Observer};
use crate::program;
use crate::stages::{KindInfo, Report};

/// Stages quicker than this get no bar.
const QUICK: Duration = Duration::from_millis(200);
/// A line of progress at least this often, where there are no bars.
const LINE: Duration = Duration::from_secs(10);
/// No more lines of progress than one in this time.
const PAUSE: Duration = Duration::from_secs(1);
/// Rates over fewer seconds than this mean nothing.
const SOON: f64 = 0.5;
/// A stage that is usually done at once is worth a line if it took so many seconds.
const SLOW: f64 = 1.0;
/// Of what a program printed last, so many characters are shown.
const PRINTED: usize = 100;
/// A terminal of fewer columns is narrow.
const NARROW: u16 = 80;
/// More bars than this are not shown at once.
const BARS: usize = 12;

/// The display that fits the console. `names` are the stages that may appear; `jobs` units run at once; with `aside` what is done is not
/// the result that the user asked for, and goes to standard error.
pub fn display<'a>(console: &'a Console, names: &[&str], jobs: usize, aside: bool) -> Box<dyn Observer + 'a> {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(28);
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if console.json {
        Box::new(Machine { console, kinds: HashMap::new(), told: HashMap::new() })
    } else if terminal && !console.quiet {
        let bars = MultiProgress::with_draw_target(narrow::target());
        Box::new(Bars {
            people: People { console, width, jobs, aside, stages: HashMap::new() },
            bars,
            shown: HashMap::new(),
        })
    } else {
        Box::new(People { console, width, jobs, aside, stages: HashMap::new() })
    }
}

/// A stage under way.
struct Stage {
    kind: &'static KindInfo,
    units: usize,
    again: bool,
    /// Its start was told: of programs that are not done at once.
    told_start: bool,
    /// When the first of its work began; before, it waits for its turn.
    began: Option<Instant>,
    /// The share that was told last, and when.
    told: f64,
    told_at: Instant,
}

impl Stage {
    /// `12/30 points, 5 s left, 3.4 points/s`, as narrow terminals cut the end; of a program how long it runs, and what it printed last.
    /// Time left goes by the share of the estimated work: points of one sweep can differ much in theirs.
    fn words(&self, done: f64, share: f64, log: Option<&Path>) -> String {
        let noun = self.kind.unit;
        let elapsed = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        let mut parts = Vec::new();
        if self.kind.is_program {
            // Nobody knows how far a program is.
            let time = format!("running for {}", duration(elapsed));
            return match last_line(log) {
                Some(line) => format!("{time}: {line}"),
                None => time,
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

/// What a program printed last, as far as it fits beside other words.
fn last_line(log: Option<&Path>) -> Option<String> {
    let printed = program::tail(log?, 1).pop()?;
    let line = printed.trim_start();
    let short: String = line.chars().take(PRINTED).collect();
    let cut = if short.len() < line.len() { "..." } else { "" };
    (!short.is_empty()).then(|| harmless(&short) + cut)
}

/// Lines for people: start, every tenth or ten seconds, end.
struct People<'a> {
    console: &'a Console,
    width: usize,
    jobs: usize,
    aside: bool,
    stages: HashMap<String, Stage>,
}

/// Which event lines go around the bars.
enum Line {
    /// A result, for standard output.
    Done(String),
    /// A word on the side, for standard error.
    Note(String),
}

impl People<'_> {
    fn named(&self, stage: &str, words: &str) -> String {
        format!("{stage:width$}  {words}", width = self.width)
    }

    /// Work of a stage that has waited so far begins.
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
                // What it waited for its turn is not its time.
                (running.began, running.told_at) = (Some(now.checked_sub(before).unwrap_or(now)), now);
            }
        }
    }

    /// The lines that an event is worth, and the bookkeeping.
    fn lines(&mut self, event: &Event) -> Vec<Line> {
        let mut lines = Vec::new();
        match *event {
            Event::StageStarted { stage, kind, units, total, seconds, again } => {
                let now = Instant::now();
                let running = Stage { kind, units, again, told_start: false, began: None, told: 0.0, told_at: now };
                self.stages.insert(stage.into(), running);
                let of = if units < total { format!(" of {total}") } else { String::new() };
                let time = about(seconds / self.jobs.min(units).max(1) as f64);
                let again = if again { " again" } else { "" };
                // A program waits for its turn, perhaps behind thousands, and most are quick.
                if kind.report == Report::StartAndEnd {
                    let what = format!("{}{of} to {}{again}, {time}", count(units, kind.unit), kind.verb);
                    lines.push(Line::Note(self.named(stage, &what)));
                }
            }
            Event::UnitFinished { stage, unit, seconds, .. } if self.console.verbose => {
                let unit = if unit.is_empty() { "done" } else { unit };
                lines.push(Line::Note(self.named(stage, &format!("{} ({})", harmless(unit), duration(seconds)))));
            }
            Event::Progress { stage, done, share, ref log, .. } => {
                let Some(running) = self.stages.get_mut(stage) else { return lines };
                let program = running.kind.is_program;
                let pause = running.told_at.elapsed();
                let late = running.began.is_some_and(|began| began.elapsed() >= PAUSE);
                let words = if program && late && !std::mem::replace(&mut running.told_start, true) {
                    running.told_at = Instant::now();
                    if running.again { "started again".to_string() } else { "started".to_string() }
                } else if (done > 0.0 || program) && (pause >= LINE || pause >= PAUSE && share - running.told >= 0.1) {
                    (running.told, running.told_at) = (share, Instant::now());
                    running.words(done, share, log.as_deref())
                } else {
                    return lines;
                };
                lines.push(Line::Note(self.named(stage, &words)));
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
                        (_, 1) => self.console.paint(Style::Yellow, "another result"),
                        (n, _) => self.console.paint(Style::Yellow, &format!("{} of them other results", thousands(n))),
                    });
                }
                if !written.is_empty() {
                    parts.push(written.join(" "));
                }
                let time = self.console.paint(Style::Dim, &duration(seconds));
                lines.push(Line::Done(self.named(stage, &format!("{}  {time}", parts.join(", ")))));
            }
            Event::StageFailed { stage, .. } => {
                self.stages.remove(stage);
                lines.push(Line::Note(self.named(stage, &self.console.paint_err(Style::Red, "failed"))));
            }
            Event::UnitFinished { .. } => {}
        }
        lines
    }

    fn say(&self, lines: Vec<Line>) {
        for line in lines {
            match line {
                _ if self.console.quiet => {}
                Line::Done(text) if self.aside => self.console.note(&text),
                // Who closed standard output does not want to hear of it; the build goes on.
                Line::Done(text) => drop(self.console.print(&format!("{text}\n"))),
                Line::Note(text) => self.console.note(&text),
            }
        }
    }
}

impl Observer for People<'_> {
    fn event(&mut self, event: &Event) {
        self.begin(event);
        let lines = self.lines(event);
        self.say(lines);
    }

    fn warning(&mut self, text: &str) {
        self.console.warning(text);
    }
}

/// Bars for stages under way, above them lines for what is done.
struct Bars<'a> {
    people: People<'a>,
    bars: MultiProgress,
    shown: HashMap<String, ProgressBar>,
}

impl Bars<'_> {
    fn bar(&mut self, stage: &str, done: f64, share: f64, log: Option<&Path>) {
        let Some(running) = self.people.stages.get(stage) else { return };
        let bar = match self.shown.get(stage) {
            Some(bar) => bar,
            None if running.began.is_some_and(|began| began.elapsed() >= QUICK)
                && self.shown.len() < BARS
                && (done > 0.0 || running.kind.is_program) =>
            {
                let bar = self.bars.add(ProgressBar::new(running.units as u64 * 1000));
                // Nobody knows how far a program is; and words need the room of a narrow terminal.
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
        bar.set_message(running.words(done, share, log));
        bar.set_position((done * 1000.0) as u64);
    }
}

impl Observer for Bars<'_> {
    fn event(&mut self, event: &Event) {
        self.people.begin(event);
        match event {
            Event::Progress { stage, done, share, log, .. } => self.bar(stage, *done, *share, log.as_deref()),
            Event::StageFinished { stage, .. } | Event::StageFailed { stage, .. } => {
                if let Some(bar) = self.shown.remove(*stage) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
            _ => {}
        }
        let mut lines = self.people.lines(event);
        // The bar says what the lines of start and progress say elsewhere.
        if matches!(event, Event::StageStarted { .. } | Event::Progress { .. }) {
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

impl Drop for Bars<'_> {
    fn drop(&mut self) {
        self.shown.drain().for_each(|(_, bar)| bar.finish_and_clear());
        let _ = self.bars.clear();
    }
}

/// One JSON object an event.
struct Machine<'a> {
    console: &'a Console,
    kinds: HashMap<String, &'static KindInfo>,
    /// When progress of a stage was told last.
    told: HashMap<String, Instant>,
}

impl Observer for Machine<'_> {
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
                if self.told.get(stage).is_some_and(|at| at.elapsed() < PAUSE) {
                    return;
                }
                self.told.insert(stage.into(), Instant::now());
                let mut json =
                    json!({"event": "progress", "stage": stage, "done": done, "units": units, "share": share});
                if let Some(line) = last_line(log.as_deref()) {
                    json["printed"] = line.into();
                }
                json
            }
            Event::StageFinished { stage, kind, ran, seconds, written, other } => {
                json!({"event": "stage-finished", "stage": stage, "kind": kind.name, "ran": ran, "seconds": seconds,
                    "written": written, "other": other})
            }
            Event::StageFailed { stage, unit, error } => {
                json!({"event": "stage-failed", "stage": stage, "unit": unit, "message": error.message,
                    "output": error.output, "hints": error.hints})
            }
        };
        let _ = self.console.print_json(&json);
    }

    fn warning(&mut self, text: &str) {
        self.console.warning(text);
    }
}
