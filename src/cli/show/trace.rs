//! `repro show --trace`: prints the provenance of results: inputs, time, machine, version and revision.

use serde_json::json;

use super::super::Console;
use super::super::console::TerminalStyle;
use super::super::words::{bytes, count, duration};
use crate::audit::{Maker, ResultTrace, StageTrace, Traces, iso_date};
use crate::plan::LastBuild;

/// One block of lines per stage. `last` is what the last build of a stage recorded.
pub fn text(traces: &Traces, last: &dyn Fn(&str) -> Option<LastBuild>, console: &Console) -> String {
    let blocks: Vec<String> =
        traces.stages.iter().map(|stage| block(stage, &traces.makers, last(&stage.stage), console)).collect();
    blocks.join("\n")
}

/// One JSON line per stage, with its makers expanded.
pub fn to_json(traces: &Traces) -> String {
    let line = |stage: &StageTrace| format!("{}\n", json!({"event": "trace", "trace": stage, "makers": traces.makers}));
    traces.stages.iter().map(line).collect()
}

fn block(stage: &StageTrace, makers: &[Maker], last: Option<LastBuild>, console: &Console) -> String {
    let mut text = format!("{} ({})\n", console.paint(TerminalStyle::Bold, &stage.stage), stage.kind);
    let mut line = |name: &str, value: &str| text += &format!("  {name:8}{value}\n");
    let finished = || stage.results.iter().map(|result| result.finished);
    let seconds = stage.results.iter().map(|result| result.micros).sum::<u64>() as f64 / 1e6;
    match (stage.results.as_slice(), finished().min(), finished().max()) {
        ([result], ..) => {
            line("made", &format!("{}, in {}", iso_date(result.finished), duration(seconds)));
            line("digest", &result.digest.to_string());
            line("key", &result.key.to_string());
        }
        (results, Some(first), Some(last)) => {
            let many = count(results.len(), "result");
            line(
                "made",
                &format!("{many} from {} to {}, in {} of work", iso_date(first), iso_date(last), duration(seconds)),
            );
        }
        _ => {}
    }
    if let Some(LastBuild { peak_memory: Some(peak), cpu_seconds: Some(seconds), .. }) = last {
        line("used", &format!("{} of CPU, at most {} of memory when it last ran", duration(seconds), bytes(peak)));
    }
    let mut known: Vec<usize> = stage.results.iter().filter_map(|result| result.maker).collect();
    known.sort_unstable();
    known.dedup();
    known.iter().filter_map(|&maker| makers.get(maker)).for_each(|maker| line("by", &describe(maker)));
    let accepted = known.iter().filter_map(|&maker| makers.get(maker)?.accepted.as_ref());
    accepted.flatten().for_each(|reason| line("although", &format!(" {reason} (accepted)")));
    stage.inputs.iter().for_each(|(name, digest)| line("from", &format!("{name}  {}", short(&digest.to_string()))));
    stage
        .recorded
        .tools
        .iter()
        .for_each(|(tool, version)| line("tool", &format!("{tool}: {}", version.replace('\n', " "))));
    for (name, digest) in &stage.recorded.env {
        let value = digest.map_or_else(
            || "not set".to_string(),
            |digest| format!("value with the digest {}", short(&digest.to_string())),
        );
        line("env", &format!("{name}: {value}"));
    }
    let file = |file: &ResultTrace| format!("{}  {}", file.name, short(&file.digest.to_string()));
    stage.files.iter().for_each(|one| line("file", &file(one)));
    text
}

/// `repro 0.1.0, cpu, on host (linux x86_64), git 8c38152bf2 with changes`.
fn describe(maker: &Maker) -> String {
    let or = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".into());
    let Maker { repro, engine, os, arch, host, git, .. } = maker;
    let mut text = format!("repro {}, {}, on {} ({} {})", or(repro), or(engine), or(host), or(os), or(arch));
    if let Some(git) = git {
        let revision = git.revision.get(..10).unwrap_or(&git.revision);
        text += &format!(", git {revision}{}", if git.changed { " with changes" } else { "" });
    }
    text
}

fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}
