//! `repro graph`: prints the stage graph as Graphviz DOT, Mermaid or SVG.

mod svg;

use serde_json::json;

use super::args::{Graph as Args, GraphFormat};
use super::{Console, Project, Trouble};
use crate::graph::Graph;
use crate::stages::NodeShape;

pub fn run(args: &Args, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let targets = project.targets_or_all(&args.targets)?;
    let graph = &project.graph;
    let mut stages = graph.needed(&targets);
    stages.sort_unstable();
    let text = match (console.json, args.format) {
        (true, _) => lines(graph, &stages),
        (false, GraphFormat::Dot) => dot(graph, &stages),
        (false, GraphFormat::Mermaid) => mermaid(graph, &stages),
        (false, GraphFormat::Svg) => svg::draw(graph, &stages),
    };
    console.print(&text)?;
    Ok(0)
}

/// The edges between some stages, from input to dependent.
fn edges(graph: &Graph, stages: &[usize]) -> Vec<(usize, usize)> {
    stages.iter().flat_map(|&stage| graph.inputs[stage].iter().map(move |&input| (input, stage))).collect()
}

/// The caption of a stage: its kind and number of units.
fn caption(graph: &Graph, stage: usize) -> String {
    let kind = graph.stages[stage].stage.kind().name;
    match graph.layouts[stage].units {
        1 => kind.to_string(),
        n => format!("{kind}, {n}"),
    }
}

fn dot(graph: &Graph, stages: &[usize]) -> String {
    let mut text = String::from("digraph paper {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11];\n");
    for &stage in stages {
        let (name, shape) = (&graph.stages[stage].name, shape(graph.stages[stage].stage.kind().shape));
        text += &format!("  \"{name}\" [label=\"{name}\\n{}\", {shape}];\n", caption(graph, stage));
    }
    for (input, reader) in edges(graph, stages) {
        text += &format!("  \"{}\" -> \"{}\";\n", graph.stages[input].name, graph.stages[reader].name);
    }
    text + "}\n"
}

fn shape(shape: NodeShape) -> &'static str {
    match shape {
        NodeShape::Model => "shape=box",
        NodeShape::Program => "shape=box, style=rounded",
        NodeShape::Source => "shape=cylinder",
        NodeShape::Computation => "shape=ellipse",
        NodeShape::Artifact => "shape=note, style=bold",
    }
}

fn mermaid(graph: &Graph, stages: &[usize]) -> String {
    let mut text = String::from("flowchart LR\n");
    for &stage in stages {
        let label = format!("{}<br/><small>{}</small>", graph.stages[stage].name, caption(graph, stage));
        // Node ids are numbers: names may contain Mermaid syntax.
        text += &match graph.stages[stage].stage.kind().shape {
            NodeShape::Model => format!("  s{stage}[\"{label}\"]\n"),
            NodeShape::Computation => format!("  s{stage}([\"{label}\"])\n"),
            NodeShape::Program => format!("  s{stage}(\"{label}\")\n"),
            NodeShape::Source => format!("  s{stage}[(\"{label}\")]\n"),
            NodeShape::Artifact => format!("  s{stage}[[\"{label}\"]]\n"),
        };
    }
    for (input, reader) in edges(graph, stages) {
        text += &format!("  s{input} --> s{reader}\n");
    }
    text
}

fn lines(graph: &Graph, stages: &[usize]) -> String {
    let name = |stage: &usize| &graph.stages[*stage].name;
    let line = |stage: &usize| {
        let inputs: Vec<_> = graph.inputs[*stage].iter().map(name).collect();
        json!({"stage": name(stage), "kind": graph.stages[*stage].stage.kind().name, "units": graph.layouts[*stage].units,
            "inputs": inputs})
    };
    stages.iter().map(|stage| format!("{}\n", line(stage))).collect()
}
