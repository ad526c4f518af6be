//! `repro gc`: delete unneeded results from the cache.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::args::Gc;
use super::console::TerminalStyle;
use super::words::{bytes, count};
use super::{Console, Project, Trouble};
use crate::audit::{self, Garbage, GcLimits};
use crate::plan::Context;

/// Unneeded results are kept this long by default: an edit may be undone.
const DEFAULT_AGE: Duration = Duration::from_secs(14 * 86_400);

pub fn run(args: &Gc, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let limits = GcLimits {
        age: args.older_than.or(if args.max_size.is_none() { Some(DEFAULT_AGE) } else { None }),
        size: args.max_size,
    };
    let revisions = project.revisions(&args.keep_rev)?;
    let mut papers: Vec<Context> = vec![project.context()];
    papers.extend(revisions.iter().map(|revision| revision.context(project.context())));
    let found = if args.dry_run { audit::garbage(&papers, limits)? } else { audit::collect(&papers, limits)? };
    if console.json {
        console.print_json(&json!({
            "event": "gc", "dry-run": args.dry_run, "results": found.unwanted.results.len(),
            "files": found.unwanted.files.len(), "bytes": found.bytes, "results-kept": found.results_kept + found.spared,
            "bytes-kept": found.bytes_kept, "spared": found.spared, "stale": found.stale,
            "other-papers": names(&found.others), "gone-papers": names(&found.gone),
        }))?;
    } else if !console.quiet {
        console.print(&summary(&found, args, console))?;
    }
    Ok(0)
}

fn summary(found: &Garbage, args: &Gc, console: &Console) -> String {
    let mut parts = vec![count(found.unwanted.results.len(), "result")];
    if !found.unwanted.files.is_empty() {
        parts.push(count(found.unwanted.files.len(), "other file"));
    }
    let did = if args.dry_run { "would delete" } else { "deleted" };
    let mut text = format!(
        "{did} {}, {}; kept {}, {}\n",
        parts.join(" and "),
        bytes(found.bytes),
        count(found.results_kept + found.spared, "result"),
        bytes(found.bytes_kept)
    );
    if found.spared > 0 {
        let why = match (args.max_size, args.older_than) {
            (Some(_), _) => "the size limit leaves room for them".to_string(),
            (None, None) => "they are younger than 14 days (`--older-than 0` deletes them too)".into(),
            (None, Some(_)) => "they are younger than --older-than".into(),
        };
        let one = found.spared == 1;
        let (needed, why) =
            if one { ("is", why.replace("they are", "it is").replace("them", "it")) } else { ("are", why) };
        text += &format!("{} of these {needed} not needed: {why}\n", found.spared);
    }
    if let Some(most) = args.max_size.filter(|most| found.bytes_kept > *most) {
        let warning = format!("the needed results do not fit into {}", bytes(most));
        text += &format!("{}\n", console.paint(TerminalStyle::Yellow, &warning));
    }
    if !found.stale.is_empty() {
        let names = found.stale.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let names = if found.stale.len() > 5 { format!("{names}, ...") } else { names };
        let verb = if found.stale.len() == 1 { "is" } else { "are" };
        text += &format!(
            "{} {verb} out of date ({names}): their earlier results do not count as needed\n",
            count(found.stale.len(), "stage")
        );
    }
    if !found.others.is_empty() {
        text += &format!(
            "kept the last results of {} with this cache: {}\n",
            count(found.others.len(), "other paper"),
            list(&found.others)
        );
    }
    if !found.gone.is_empty() {
        let verb = if found.gone.len() == 1 { "exists" } else { "exist" };
        text += &format!(
            "removed the registration of {} that no longer {verb}: {}\n",
            count(found.gone.len(), "paper"),
            list(&found.gone)
        );
    }
    text
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// The first few paths.
fn list(paths: &[PathBuf]) -> String {
    let shown = names(&paths[..paths.len().min(5)]).join(", ");
    if paths.len() > 5 { format!("{shown}, ...") } else { shown }
}
