//! `repro accept`: take old results of programs for their new keys.

use serde_json::json;

use super::args::Accept;
use super::console::TerminalStyle;
use super::words::count;
use super::{Console, Project, Trouble};
use crate::audit;

pub fn run(args: &Accept, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets(&args.targets)?;
    let accepted = audit::accept(project.building(), &targets, &project.source.file)
        .map_err(|error| Trouble { errors: vec![error], source: Some(project.source.clone()) })?;
    for one in &accepted {
        let stage = &project.graph.stages[one.stage];
        if console.json {
            console.print_json(&json!({
                "event": "accepted", "stage": stage.name, "units": one.units, "because": one.because,
            }))?;
            continue;
        }
        let name = console.paint(TerminalStyle::Bold, &stage.name);
        let results = if one.units == 1 { "its result".into() } else { count(one.units, "result") };
        let mut text = format!("{name}  {results} accepted, although\n");
        one.because.iter().for_each(|reason| text += &format!("    {reason}\n"));
        console.print(&text)?;
    }
    if accepted.is_empty() && !console.json {
        console.print("nothing to accept: all of this is up to date\n")?;
    }
    Ok(0)
}
