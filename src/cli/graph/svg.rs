//! Draws the stage graph as SVG, in layers: every stage is in a column to the right of its inputs.

use std::collections::HashMap;

use super::{caption, edges};
use crate::graph::Graph;
use crate::stages::NodeShape;

const HEIGHT: f64 = 34.0;
const ROW: f64 = 48.0;
const GAP: f64 = 60.0;
const MARGIN: f64 = 12.0;
/// Character width of the monospaced font at 12 pixels.
const CHARACTER: f64 = 7.25;
/// Iterations of crossing reduction.
const SWEEPS: usize = 8;

/// An entry of a column: a stage, or a dummy node of an edge that spans several columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ColumnSlot {
    Stage(usize),
    Bend { edge: usize, column: usize },
}

pub fn draw(graph: &Graph, stages: &[usize]) -> String {
    let edges = edges(graph, stages);
    let columns = columns(graph, stages, &edges);
    let name = |stage: usize| graph.stages[stage].name.as_str();
    let width_of = |place: &ColumnSlot| match *place {
        ColumnSlot::Stage(stage) => {
            CHARACTER * name(stage).chars().count().max(caption(graph, stage).chars().count()) as f64 + 20.0
        }
        ColumnSlot::Bend { .. } => 0.0,
    };
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let mut boxes: HashMap<ColumnSlot, (f64, f64, f64)> = HashMap::new();
    let mut x = MARGIN;
    for column in &columns {
        let width = column.iter().map(width_of).fold(0.0, f64::max);
        let top = MARGIN + 0.5 * (tallest - column.len() as f64) * ROW;
        for (row, place) in column.iter().enumerate() {
            boxes.insert(*place, (x, top + row as f64 * ROW, width));
        }
        x += width + GAP;
    }
    let (width, height) = ((x - GAP + MARGIN).max(2.0 * MARGIN), tallest * ROW - (ROW - HEIGHT) + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (i, &(input, reader)) in edges.iter().enumerate() {
        let bends =
            (0..columns.len()).map(|column| ColumnSlot::Bend { edge: i, column }).filter(|b| boxes.contains_key(b));
        let stops: Vec<ColumnSlot> =
            [ColumnSlot::Stage(input)].into_iter().chain(bends).chain([ColumnSlot::Stage(reader)]).collect();
        svg += &path(&stops, &boxes);
    }
    for &stage in stages {
        let Some(&(x, y, column)) = boxes.get(&ColumnSlot::Stage(stage)) else { continue };
        let width = width_of(&ColumnSlot::Stage(stage)).min(column);
        let (fill, round) = match graph.stages[stage].stage.kind().shape {
            NodeShape::Model => ("#e8eef7", 3.0),
            NodeShape::Computation => ("#f2f2f2", HEIGHT / 2.0),
            NodeShape::Source | NodeShape::Program | NodeShape::Artifact => ("#e6f4e6", 3.0),
        };
        svg += &format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"{round}\" fill=\"{fill}\" \
             stroke=\"#555\"/>\n"
        );
        let middle = x + 0.5 * width;
        svg += &format!(
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"12\" text-anchor=\"middle\">{}</text>\n",
            y + 15.0,
            name(stage)
        );
        svg += &format!(
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"9.5\" fill=\"#666\" text-anchor=\"middle\">{}</text>\n",
            y + 27.5,
            caption(graph, stage)
        );
    }
    svg + "</svg>\n"
}

/// A curve through the stops, from the right side of each to the left side of the next one.
fn path(stops: &[ColumnSlot], boxes: &HashMap<ColumnSlot, (f64, f64, f64)>) -> String {
    let mut d = String::new();
    for pair in stops.windows(2) {
        let (Some(&from), Some(&to)) = (boxes.get(&pair[0]), boxes.get(&pair[1])) else { return String::new() };
        let (x1, y1, x2, y2) = (from.0 + from.2, from.1 + HEIGHT / 2.0, to.0, to.1 + HEIGHT / 2.0);
        let middle = 0.5 * (x1 + x2);
        if d.is_empty() {
            d += &format!("M{:.1} {y1:.1}", from.0 + 1.0);
        }
        d += &format!("L{x1:.1} {y1:.1}C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}");
    }
    format!("<path d=\"{d}\" fill=\"none\" stroke=\"#999\"/>\n")
}

/// Stages and bends in columns, sorted to reduce edge crossings.
fn columns(graph: &Graph, stages: &[usize], edges: &[(usize, usize)]) -> Vec<Vec<ColumnSlot>> {
    let mut depth: HashMap<usize, usize> = HashMap::new();
    for &stage in graph.order.iter().filter(|stage| stages.contains(stage)) {
        let below = graph.inputs[stage].iter().filter_map(|input| depth.get(input)).max();
        depth.insert(stage, below.map_or(0, |d| d + 1));
    }
    // Sources go into the column before their first dependent.
    for &stage in graph.order.iter().rev().filter(|stage| stages.contains(stage)) {
        let readers = edges.iter().filter(|(input, _)| *input == stage).filter_map(|(_, reader)| depth.get(reader));
        if let Some(first) = readers.min().copied() {
            depth.insert(stage, first.saturating_sub(1));
        }
    }
    let mut columns: Vec<Vec<ColumnSlot>> = vec![Vec::new(); depth.values().max().map_or(0, |deepest| deepest + 1)];
    for &stage in stages {
        columns[depth[&stage]].push(ColumnSlot::Stage(stage));
    }
    // Split edges into links between adjacent columns, with bends in between.
    let mut links: Vec<(ColumnSlot, ColumnSlot)> = Vec::new();
    for (i, (input, reader)) in edges.iter().enumerate() {
        let mut from = ColumnSlot::Stage(*input);
        for (column, places) in columns.iter_mut().enumerate().take(depth[reader]).skip(depth[input] + 1) {
            let bend = ColumnSlot::Bend { edge: i, column };
            places.push(bend);
            links.push((from, bend));
            from = bend;
        }
        links.push((from, ColumnSlot::Stage(*reader)));
    }
    for sweep in 0..SWEEPS {
        let row: HashMap<ColumnSlot, f64> = columns.iter().flat_map(|c| centred(c)).collect();
        for column in &mut columns {
            let mean = |place: &ColumnSlot| {
                let forward = links.iter().filter(|(_, to)| to == place).map(|(from, _)| from);
                let backward = links.iter().filter(|(from, _)| from == place).map(|(_, to)| to);
                let all: Vec<f64> = if sweep % 2 == 0 {
                    forward.filter_map(|p| row.get(p).copied()).collect()
                } else {
                    backward.filter_map(|p| row.get(p).copied()).collect()
                };
                if all.is_empty() { row[place] } else { all.iter().sum::<f64>() / all.len() as f64 }
            };
            let mut keyed: Vec<(f64, ColumnSlot)> = column.iter().map(|place| (mean(place), *place)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *column = keyed.into_iter().map(|(_, place)| place).collect();
        }
    }
    columns
}

/// Each slot with its row, counted from the middle of the column.
fn centred(column: &[ColumnSlot]) -> Vec<(ColumnSlot, f64)> {
    let middle = 0.5 * (column.len() as f64 - 1.0);
    column.iter().enumerate().map(|(row, place)| (*place, row as f64 - middle)).collect()
}
