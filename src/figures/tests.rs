//! Tests of drawing: scenes written as text, one item per line.

use super::*;
use crate::spec::{Decode, Problems, read};
use crate::value::{Array, Axis, FieldValues, decode_scene, encode_scene};

fn data() -> Arc<Dataset> {
    let models = || Axis::labels("model", vec!["dense".into(), "moe".into()]);
    let p = || Axis::numbers("p", vec![1.0, 0.5, 0.1]);
    let loss = Array::f64(vec![models(), p()], vec![1.0, 2.0, 4.0, 1.0, f64::NAN, 3.0]).unwrap();
    let cells = Array::f64(vec![Axis::index("row", 2), Axis::index("column", 2)], vec![0.0, 1.0, 2.0, f64::NAN]);
    let norm = Array::f64(vec![models(), Axis::index("feature", 2)], vec![1.0, 0.5, -0.25, 0.0]).unwrap();
    let share = Array::f64(vec![models()], vec![0.0, 1.0]).unwrap();
    let dataset = Dataset::default().with("loss", loss).with("cells", cells.unwrap());
    Arc::new(dataset.with("norm", norm).with("share", share))
}

fn figure(text: &str) -> Figure {
    let mut problems = Problems::default();
    let node = read(text, &mut problems).unwrap();
    let figure = Figure::decode(&node, &mut problems);
    let errors = problems.into_errors();
    assert!(errors.is_empty(), "{errors:?}");
    figure.unwrap()
}

fn draw(text: &str) -> Result<Scene> {
    figure(text).draw(&|_| Some(data()), &mut |_| ())
}

/// The items inside the plot areas and the labels, with positions rounded to a tenth of a point.
fn lines(items: &[Item]) -> Vec<String> {
    let place = |[x, y]: &[f64; 2]| format!("{x:.1},{y:.1}");
    let mut lines = Vec::new();
    for item in items {
        match item {
            Item::Path { points, fill, stroke, .. } => {
                let points: Vec<String> = points.iter().map(place).collect();
                let paint = fill.map_or(String::new(), |fill| format!(" fill {}", fill.hex()));
                let line = stroke.as_ref().map_or(String::new(), |stroke| format!(" line {}", stroke.color.hex()));
                lines.push(format!("path {}{paint}{line}", points.join(" ")));
            }
            Item::Circles { dots, radius, .. } => {
                lines.extend(dots.iter().map(|dot| format!("circle {} {radius:.1}", place(&dot.center))));
            }
            Item::Label(label) => lines.push(format!("label {} {}", place(&label.at), label.markup)),
            Item::Image { columns, cells, .. } => {
                let cells: Vec<String> = cells.iter().map(|cell| cell.map_or("none".into(), Color::hex)).collect();
                lines.push(format!("image of {columns} columns: {}", cells.join(" ")));
            }
            Item::Clip { items, .. } => {
                lines.extend(self::lines(items).into_iter().map(|line| format!("inside {line}")))
            }
            Item::Raster { items } => lines.extend(self::lines(items).into_iter().map(|line| format!("raster {line}"))),
        }
    }
    lines
}

use crate::value::Color;

fn inside(scene: &Scene) -> Vec<String> {
    lines(&scene.items).into_iter().filter_map(|line| line.strip_prefix("inside ").map(str::to_string)).collect()
}

fn labels(scene: &Scene) -> Vec<String> {
    let label = |line: &String| line.strip_prefix("label ").and_then(|rest| Some(rest.split_once(' ')?.1.to_string()));
    lines(&scene.items).iter().filter_map(label).collect()
}

#[test]
fn one_line_per_coordinate_broken_at_missing_numbers() {
    let text =
        "{of: s, panels: [{y: {from: 0, to: 4}, x: {from: 0, to: 1}, marks: [{line: {y: loss, color: {by: model}}}]}]}";
    let scene = draw(text).unwrap();
    let found = inside(&scene);
    assert_eq!(found.len(), 1, "the line with a missing number has no two points side by side: {found:?}");
    assert!(found[0].ends_with("line #1f77b4"));
    let names = labels(&scene);
    assert!(names.contains(&"dense".to_string()) && names.contains(&"moe".to_string()), "{names:?}");
}

#[test]
fn the_last_row_of_a_heatmap_is_on_top_unless_the_axis_is_reversed() {
    let heat = "marks: [{heatmap: {x: column, y: row, color: {value: cells, map: gray, bar: false}}}]";
    let plain = draw(&format!("{{of: s, panels: [{{{heat}}}]}}")).unwrap();
    assert_eq!(inside(&plain), ["image of 2 columns: #000000 none #ffffff #808080"]);
    let reversed = draw(&format!("{{of: s, panels: [{{y: {{reverse: true}}, {heat}}}]}}")).unwrap();
    assert_eq!(inside(&reversed), ["image of 2 columns: #ffffff #808080 #000000 none"]);
    let turned = heat.replace("x: column, y: row", "x: row, y: column");
    let turned = draw(&format!("{{of: s, panels: [{{y: {{reverse: true}}, {turned}}}]}}")).unwrap();
    assert_eq!(inside(&turned), ["image of 2 columns: #ffffff #000000 #808080 none"]);
}

#[test]
fn a_panel_repeats_for_each_coordinate_named_in_its_title() {
    let text = "{of: s, columns: 1, share-x: true, panels: [{for: model, title: 'Model {model}', x: {label: Features},
        marks: [{bars: {y: norm}}]}]}";
    let names = labels(&draw(text).unwrap());
    assert_eq!(
        names.iter().filter(|name| name.starts_with("Model ")).collect::<Vec<_>>(),
        ["Model dense", "Model moe"]
    );
    // The label of the shared axis is below the last panel only.
    assert_eq!(names.iter().filter(|name| *name == "Features").count(), 1);
}

#[test]
fn labels_of_a_column_are_aligned() {
    let text =
        "{of: s, columns: 1, panels: [{y: {label: A}, marks: [{bars: {y: norm, x: feature, color: {by: model}}}]},
        {y: {label: A, from: 0, to: 1000}, marks: [{rule: {y: 1}}]}]}";
    let scene = draw(text).unwrap();
    let label =
        |item: &Item| if let Item::Label(label) = item { (label.markup == "A").then_some(label.at) } else { None };
    let places: Vec<[f64; 2]> = scene.items.iter().filter_map(label).collect();
    assert_eq!(places.len(), 2);
    assert!(places[0][0] == places[1][0] && places[0][1] < places[1][1], "{places:?}");
}

#[test]
fn bars_start_at_zero_and_stack_away_from_it() {
    let bars = |more: &str| {
        let panel = "{x: {from: -1, to: 3}, y: {from: -1, to: 3}, marks: [{bars: {y: norm, width: 1";
        let scene = draw(&format!("{{of: s, panels: [{panel}, color: {{by: model}}{more}}}}}]}}]}}")).unwrap();
        inside(&scene)
    };
    let heights = |found: Vec<String>| -> Vec<(f64, f64)> {
        let y = |point: &str| point.split_once(',').unwrap().1.parse::<f64>().unwrap();
        let parts: Vec<Vec<String>> = found.iter().map(|l| l.split(' ').map(str::to_string).collect()).collect();
        parts.iter().map(|points| (y(&points[1]), y(&points[3]))).collect()
    };
    let beside = heights(bars(""));
    let zero = beside[0].0;
    assert!(beside.iter().all(|(base, _)| *base == zero), "{beside:?}");
    // y grows downwards on the page: the bar of -0.25 is below zero in both.
    let stacked = heights(bars(", stacked: true"));
    assert!(stacked[..3].iter().all(|(base, _)| *base == zero) && stacked[2].1 > zero, "{stacked:?}");
    assert_eq!(stacked[3].0, stacked[1].1, "the second model's bar begins where the first one's ends");
}

#[test]
fn segments_of_stacked_bars_are_coloured_by_an_array() {
    let bars = "{bars: {y: norm, stacked: true, color: {value: share, by: model, bar: false}}}";
    let scene = draw(&format!("{{of: s, panels: [{{marks: [{bars}]}}]}}")).unwrap();
    let fills: Vec<String> =
        inside(&scene).iter().filter_map(|line| Some(line.split_once("fill ")?.1.into())).collect();
    // Two positions for each model.
    assert_eq!(fills, ["#440154", "#440154", "#fde725", "#fde725"]);
    let wrong = "{of: s, panels: [{marks: [{bars: {y: norm, color: {value: loss, by: model}}}]}]}";
    let message = "colours need one value for each `model`; it has the axes `model` (2), `p` (3)";
    assert_eq!(draw(wrong).unwrap_err().message, message);
}

#[test]
fn one_number_is_a_bar_at_every_position() {
    let scene = draw("{of: s, panels: [{marks: [{bars: {x: feature, y: 2}}]}]}").unwrap();
    let bars = inside(&scene);
    let tops: Vec<&str> = bars.iter().filter_map(|bar| bar.split(' ').nth(3)?.split(',').nth(1)).collect();
    assert!(bars.len() == 2 && tops[0] == tops[1], "{bars:?}");
}

#[test]
fn marks_that_need_one_axis_name_those_that_remain() {
    let error = draw("{of: s, panels: [{marks: [{line: {y: loss}}]}]}").unwrap_err();
    assert_eq!(error.message, "this needs numbers along one axis; it has the axes `model` (2), `p` (3)");
    let error = draw("{of: s, panels: [{where: {model: dens}, marks: [{line: {y: loss}}]}]}").unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.hints[0].as_str()),
        ("axis `model` has no coordinate `dens`", "did you mean `dense`?")
    );
}

#[test]
fn invalid_settings_are_reported_together() {
    let text = "{of: s, width: 0, dpi: 1, panels: [{aspect: -1, title: 'Loss {loss', x: {from: 2, to: 1}, y: {scale: log, from: 0},
        marks: []}]}";
    let mut problems = Problems::default();
    let node = read(text, &mut problems).unwrap();
    Figure::decode(&node, &mut problems).unwrap().check(&node, &mut problems);
    let messages: Vec<String> = problems.into_errors().into_iter().map(|error| error.message).collect();
    assert_eq!(
        messages,
        [
            "`width` must be above 0 and at most 200 inches, this is 0",
            "`dpi` must be between 10 and 2400, this is 1",
            "`aspect` must be above 0",
            "`{` without `}`",
            "`from` (2) is not below `to` (1)",
            "a logarithmic axis has no 0 and nothing below it",
            "this panel has no marks",
        ]
    );
}

#[test]
fn too_many_decimals_are_reported() {
    let text = "{of: s, panels: [{x: {decimals: 70000}, marks: [{pie: {y: loss, percent: 4000000000}}]}]}";
    let mut problems = Problems::default();
    let node = read(text, &mut problems).unwrap();
    Figure::decode(&node, &mut problems).unwrap().check(&node, &mut problems);
    let messages: Vec<String> = problems.into_errors().into_iter().map(|error| error.message).collect();
    assert_eq!(messages, ["`decimals` is at most 15", "`percent` is at most 15: it is a number of decimals"]);
}

#[test]
fn a_tiny_tick_interval_is_ignored() {
    let text = "{of: s, panels: [{x: {from: 1e300, to: 2e300, every: 1e-9}, marks: [{points: {y: loss, where: {model: dense}}}]}]}";
    draw(text).unwrap();
}

#[test]
fn every_mark_draws_something() {
    let marks = [
        "points: {y: loss, where: {model: dense}}",
        "points: {y: norm, where: {model: dense}, color: {value: norm}}",
        "bars: {y: norm, where: {model: dense}, color: {value: norm}}",
        "histogram: {x: loss, bins: 3, weight: loss}",
        "box: {x: model, y: loss}",
        "rule: {x: 1, y: 2, style: dashed, label: rule}",
        "band: {x: [0, 1], label: band}",
        "text: {x: 1, y: 1, text: 'here'}",
    ];
    for mark in marks {
        let scene = draw(&format!(
            "{{of: s, panels: [{{x: {{from: -1, to: 9}}, y: {{from: -1, to: 9}}, marks: [{{{mark}}}]}}]}}"
        ));
        assert!(!inside(&scene.unwrap()).is_empty(), "{mark}");
    }
}

#[test]
fn a_cloud_of_points_is_one_item_and_its_tooltips_are_numbers() {
    let axis = || vec![Axis::index("i", 1_000)];
    let numbers = |turn: f64| Array::f64(axis(), (0..1_000).map(|i| (turn * f64::from(i)).fract()).collect()).unwrap();
    let cloud = Dataset::default().with("x", numbers(0.618)).with("y", numbers(0.755)).with("z", numbers(0.5));
    let cloud = Arc::new(cloud);
    for color in ["'#102030'", "{value: z, bar: false}"] {
        let text = format!("{{of: s, panels: [{{marks: [{{points: {{x: x, y: y, color: {color}}}}}]}}]}}");
        let scene = figure(&text).draw(&|_| Some(cloud.clone()), &mut |_| ()).unwrap();
        let marks = scene.items.iter().find_map(|item| match item {
            Item::Clip { items, .. } => Some(items),
            _ => None,
        });
        let Some([Item::Circles { dots, .. }]) = marks.map(Vec::as_slice) else { panic!("{marks:?}") };
        assert_eq!(dots.len(), 1_000);
        let fields = &scene.hints[0].fields;
        assert!(fields.iter().all(|field| matches!(field.values, FieldValues::Numbers(_))), "{fields:?}");
        // What the cache holds is read back in the same form.
        let again = decode_scene(&encode_scene(scene.clone())).unwrap();
        let kinds = |items: &[Item]| items.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        assert_eq!(kinds(&again.items), kinds(&scene.items));
    }
}
