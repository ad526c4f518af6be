//! The report of `repro verify`: a verdict for every stage, and the exit code.

use serde_json::json;

use super::build::{exit_code, report_failures};
use super::console::TerminalStyle;
use super::diagnostics::PaperSource;
use super::words::{count, harmless};
use super::{Console, Trouble, interrupt};
use crate::audit::{Verdict, Verification, VerifiedResult};
use crate::error::Error;
use crate::graph::Graph;

/// The differing units of a stage that are listed without `-v`.
const MAX_LISTED: usize = 8;

/// Print the results of a verification; returns the exit code.
pub fn print(
    verification: &Verification,
    graph: &Graph,
    source: &PaperSource,
    console: &Console,
) -> Result<u8, Trouble> {
    let results = &verification.results;
    let mut code = exit_code(&verification.outcome);
    if code == 0 && results.iter().any(|result| is_failure(&result.verdict)) {
        code = 1;
    }
    let compared = results.iter().filter(|result| result.verdict != Verdict::New).count();
    if code == 0 && compared == 0 {
        let error = Error::stage("nothing to compare with: there are no results in the cache and no files in figures/");
        return Err(error.hint("run `repro build` first").into());
    }
    if console.json {
        results.iter().try_for_each(|result| console.print_json(&result_json(result, graph)))?;
        console.print_json(&json!({
            "event": "verify-finished", "same": count_verdicts(results, &Verdict::Same),
            "differs": results.iter().filter(|result| matches!(result.verdict, Verdict::Differs(_))).count(),
            "missing": count_verdicts(results, &Verdict::Missing), "new": count_verdicts(results, &Verdict::New), "exit-code": code,
        }))?;
    } else {
        report_failures(&verification.outcome, source, console);
        console.print(&report_text(verification, code, graph, console))?;
    }
    Ok(code)
}

fn is_failure(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Differs(_) | Verdict::Missing)
}

fn count_verdicts(results: &[VerifiedResult], verdict: &Verdict) -> usize {
    results.iter().filter(|result| result.verdict == *verdict).count()
}

fn label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Differs(_) => "differs",
        Verdict::New => "new",
        Verdict::Missing => "missing",
    }
}

fn result_json(result: &VerifiedResult, graph: &Graph) -> serde_json::Value {
    let mut json = json!({
        "event": "verdict", "stage": graph.stages[result.stage].name, "verdict": label(&result.verdict),
    });
    if result.nondeterministic {
        json["from-same-inputs"] = json!(true);
    }
    json[if result.unit.is_some() { "unit" } else { "file" }] = json!(result.name);
    if let Verdict::Differs(parts) = &result.verdict {
        json["differences"] = json!(parts);
    }
    json
}

fn report_text(verification: &Verification, code: u8, graph: &Graph, console: &Console) -> String {
    let results = &verification.results;
    let mut stages: Vec<usize> = results.iter().map(|result| result.stage).collect();
    stages.dedup();
    let width = stages.iter().map(|&stage| graph.stages[stage].name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for stage in stages {
        let own: Vec<&VerifiedResult> = results.iter().filter(|result| result.stage == stage).collect();
        text += &stage_text(&own, width, graph, console);
    }
    let same = count_verdicts(results, &Verdict::Same);
    let differ = results.iter().filter(|result| is_failure(&result.verdict)).count();
    let new = count_verdicts(results, &Verdict::New);
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
            "{} {} nothing to compare with",
            count(new, "result"),
            if new == 1 { "has" } else { "have" }
        ));
    }
    if code == interrupt::EXIT_CODE {
        parts.push("interrupted".into());
    }
    let verdict = if code == 0 {
        console.paint(TerminalStyle::Green, "verified")
    } else {
        console.paint(TerminalStyle::Red, "not verified")
    };
    text += &format!("{verdict}: {}\n", parts.join(", "));
    let mut nondeterministic: Vec<&str> = results
        .iter()
        .filter(|result| result.nondeterministic)
        .map(|it| graph.stages[it.stage].name.as_str())
        .collect();
    nondeterministic.dedup();
    if !nondeterministic.is_empty() {
        let stages = if nondeterministic.len() == 1 { "stage" } else { "stages" };
        text += &format!(
            "first nondeterministic {stages}: {} (same inputs, different result); other differences follow from this\n",
            list(&nondeterministic)
        );
    }
    text
}

/// `a, b and c`; of many names the first few.
fn list(names: &[&str]) -> String {
    let (named, more) = names.split_at(names.len().min(MAX_LISTED));
    let named: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
    match (named.as_slice(), more.len()) {
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// The verdicts of one stage, `fit  same, fit.pdf differs`, with the differences below.
fn stage_text(own: &[&VerifiedResult], width: usize, graph: &Graph, console: &Console) -> String {
    let Some(first) = own.first() else { return String::new() };
    let stage = &graph.stages[first.stage];
    let paint = |verdict: &Verdict, text: &str| match verdict {
        Verdict::Same => console.paint(TerminalStyle::Green, text),
        Verdict::New => console.paint(TerminalStyle::Yellow, text),
        _ => console.paint(TerminalStyle::Red, text),
    };
    let units: Vec<&&VerifiedResult> = own.iter().filter(|result| result.unit.is_some()).collect();
    let mut parts = Vec::new();
    for kind in [Verdict::Same, Verdict::Differs(Vec::new()), Verdict::New] {
        let n = units.iter().filter(|result| label(&result.verdict) == label(&kind)).count();
        if n > 0 && units.len() == 1 {
            parts.push(paint(&kind, label(&kind)));
        } else if n > 0 {
            let verb = if label(&kind) == "differs" && n > 1 { "differ" } else { label(&kind) };
            parts.push(format!("{} {}", count(n, stage.stage.kind().unit), paint(&kind, verb)));
        }
    }
    for file in own.iter().filter(|result| result.unit.is_none()) {
        parts.push(format!("{} {}", file.name, paint(&file.verdict, label(&file.verdict))));
    }
    let space = " ".repeat(width - stage.name.chars().count().min(width));
    let mut text = format!("{}{space}  {}\n", stage.name, parts.join(", "));
    let different: Vec<(&str, &Vec<String>)> = units
        .iter()
        .filter_map(|result| match &result.verdict {
            Verdict::Differs(parts) => Some((result.name.as_str(), parts)),
            _ => None,
        })
        .collect();
    let shown = if console.verbose { different.len() } else { different.len().min(MAX_LISTED) };
    for (label, parts) in &different[..shown] {
        let label = if label.is_empty() { String::new() } else { format!("{label}  ") };
        parts.iter().for_each(|part| text += &format!("    {}\n", harmless(&format!("{label}{part}"))));
    }
    if shown < different.len() {
        text += &format!("    and {} more (-v names all)\n", different.len() - shown);
    }
    text
}
