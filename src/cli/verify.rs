//! `repro verify`: run again elsewhere, compare bit for bit.

use serde_json::json;

use super::args::Verify;
use super::build::{exit_code, jobs, options, report_failures};
use super::console::Style;
use super::diagnostics::Source;
use super::words::{count, harmless};
use super::{Console, Project, Trouble, archive, interrupt, progress};
use crate::audit::{self, Artifact, Verdict, Verification};
use crate::error::Error;
use crate::graph::Graph;

/// Units of a stage that differ and are named without `-v`.
const NAMED: usize = 8;

/// An archive needs no paper file beside it, so that this opens the project itself.
pub fn run(args: &Verify, project: impl Fn() -> Result<Project, Trouble>, console: &Console) -> Result<u8, Trouble> {
    if let Some(path) = archive::meant(args) {
        return archive::run(path, args, console);
    }
    if args.rebuild {
        let error = Error::user("--rebuild is for archives; stages are always run again");
        return Err(error.hint("`repro verify paper.zip --rebuild`").into());
    }
    let project = &project()?;
    let targets = project.targets(&args.targets)?;
    let options = options(jobs(args.jobs), args.keep_going);
    let needed = project.graph.needed(&targets);
    let names: Vec<&str> = needed.iter().map(|&stage| project.graph.stages[stage].name.as_str()).collect();
    let verification = {
        let mut display = progress::display(console, &names, options.jobs, true);
        audit::verify(project.building(), &targets, args.only, &options, &mut *display)?
    };
    tell(&verification, &project.graph, &project.source, console)
}

/// Tell how it went; the exit code.
pub fn tell(verification: &Verification, graph: &Graph, source: &Source, console: &Console) -> Result<u8, Trouble> {
    let artifacts = &verification.artifacts;
    let mut code = exit_code(&verification.outcome);
    if code == 0 && artifacts.iter().any(|artifact| wrong(&artifact.verdict)) {
        code = 1;
    }
    let compared = artifacts.iter().filter(|artifact| artifact.verdict != Verdict::New).count();
    if code == 0 && compared == 0 {
        let error =
            Error::stage("there is nothing to compare with: neither results in the cache nor files in figures/");
        return Err(error.hint("`repro build` makes them").into());
    }
    if console.json {
        artifacts.iter().try_for_each(|artifact| console.print_json(&line(artifact, graph)))?;
        console.print_json(&json!({
            "event": "verify-finished", "same": number(artifacts, &Verdict::Same),
            "differs": artifacts.iter().filter(|artifact| matches!(artifact.verdict, Verdict::Differs(_))).count(),
            "missing": number(artifacts, &Verdict::Missing), "new": number(artifacts, &Verdict::New), "exit-code": code,
        }))?;
    } else {
        report_failures(&verification.outcome, source, console);
        console.print(&text(verification, code, graph, console))?;
    }
    Ok(code)
}

fn wrong(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Differs(_) | Verdict::Missing)
}

fn number(artifacts: &[Artifact], verdict: &Verdict) -> usize {
    artifacts.iter().filter(|artifact| artifact.verdict == *verdict).count()
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Differs(_) => "differs",
        Verdict::New => "new",
        Verdict::Missing => "missing",
    }
}

fn line(artifact: &Artifact, graph: &Graph) -> serde_json::Value {
    let mut json = json!({
        "event": "verdict", "stage": graph.stages[artifact.stage].name, "verdict": word(&artifact.verdict),
    });
    if artifact.parts_here {
        json["from-same-inputs"] = json!(true);
    }
    json[if artifact.unit.is_some() { "unit" } else { "file" }] = json!(artifact.name);
    if let Verdict::Differs(parts) = &artifact.verdict {
        json["differences"] = json!(parts);
    }
    json
}

fn text(verification: &Verification, code: u8, graph: &Graph, console: &Console) -> String {
    let artifacts = &verification.artifacts;
    let mut stages: Vec<usize> = artifacts.iter().map(|artifact| artifact.stage).collect();
    stages.dedup();
    let width = stages.iter().map(|&stage| graph.stages[stage].name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for stage in stages {
        let own: Vec<&Artifact> = artifacts.iter().filter(|artifact| artifact.stage == stage).collect();
        text += &stage_text(&own, width, graph, console);
    }
    let same = number(artifacts, &Verdict::Same);
    let differ = artifacts.iter().filter(|artifact| wrong(&artifact.verdict)).count();
    let new = number(artifacts, &Verdict::New);
    let mut parts = Vec::new();
    if differ > 0 {
        let verb = if differ == 1 { "differs or is missing" } else { "differ or are missing" };
        parts.push(format!("{} {verb}", count(differ, "result")));
    }
    if same > 0 {
        parts.push(format!("{} {} the same", count(same, "result"), if same == 1 { "is" } else { "are" }));
    }
    if new > 0 {
        parts.push(format!(
            "{} {} nothing to be compared with",
            count(new, "result"),
            if new == 1 { "has" } else { "have" }
        ));
    }
    if code == interrupt::EXIT_CODE {
        parts.push("interrupted".into());
    }
    let verdict =
        if code == 0 { console.paint(Style::Green, "verified") } else { console.paint(Style::Red, "not verified") };
    text += &format!("{verdict}: {}\n", parts.join(", "));
    let mut apart: Vec<&str> = artifacts
        .iter()
        .filter(|artifact| artifact.parts_here)
        .map(|it| graph.stages[it.stage].name.as_str())
        .collect();
    apart.dedup();
    if !apart.is_empty() {
        let comes = if apart.len() == 1 { "comes to another result" } else { "come to other results" };
        text += &format!("{} {comes} from the same inputs; whatever else differs reads it\n", listed(&apart));
    }
    text
}

/// `a, b and c`; of many the first few.
fn listed(names: &[&str]) -> String {
    let (named, more) = names.split_at(names.len().min(NAMED));
    let named: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
    match (named.as_slice(), more.len()) {
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// `fit   1 program  same   fit.pdf differs`, and below in what.
fn stage_text(own: &[&Artifact], width: usize, graph: &Graph, console: &Console) -> String {
    let Some(first) = own.first() else { return String::new() };
    let stage = &graph.stages[first.stage];
    let paint = |verdict: &Verdict, text: &str| match verdict {
        Verdict::Same => console.paint(Style::Green, text),
        Verdict::New => console.paint(Style::Yellow, text),
        _ => console.paint(Style::Red, text),
    };
    let units: Vec<&&Artifact> = own.iter().filter(|artifact| artifact.unit.is_some()).collect();
    let mut parts = Vec::new();
    for kind in [Verdict::Same, Verdict::Differs(Vec::new()), Verdict::New] {
        let n = units.iter().filter(|artifact| word(&artifact.verdict) == word(&kind)).count();
        if n > 0 && units.len() == 1 {
            parts.push(paint(&kind, word(&kind)));
        } else if n > 0 {
            let verb = if word(&kind) == "differs" && n > 1 { "differ" } else { word(&kind) };
            parts.push(format!("{} {}", count(n, stage.stage.kind().unit), paint(&kind, verb)));
        }
    }
    for file in own.iter().filter(|artifact| artifact.unit.is_none()) {
        parts.push(format!("{} {}", file.name, paint(&file.verdict, word(&file.verdict))));
    }
    let space = " ".repeat(width - stage.name.chars().count().min(width));
    let mut text = format!("{}{space}  {}\n", stage.name, parts.join(", "));
    let different: Vec<(&str, &Vec<String>)> = units
        .iter()
        .filter_map(|artifact| match &artifact.verdict {
            Verdict::Differs(parts) => Some((artifact.name.as_str(), parts)),
            _ => None,
        })
        .collect();
    let shown = if console.verbose { different.len() } else { different.len().min(NAMED) };
    for (label, parts) in &different[..shown] {
        let label = if label.is_empty() { String::new() } else { format!("{label}  ") };
        parts.iter().for_each(|part| text += &format!("    {}\n", harmless(&format!("{label}{part}"))));
    }
    if shown < different.len() {
        text += &format!("    and {} more (-v names all)\n", different.len() - shown);
    }
    text
}
