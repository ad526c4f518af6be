//! Interactive pages, `build --open`, `compare`, and a theme for all figures.

use crate::support::{GRID, Paper, wait_for};

const FIGURES: &str = "  fig1:
    figure:
      of: measures
      width: 2
      height: 1.5
      reference: wanted.png
      panels: [{where: {run: 1}, title: Loss, marks: [{points: {x: probability, y: loss}}]}]
      formats: [html]
  fig2: {figure: {of: measures, width: {columns: 1}, height: {aspect: 0.5}, panels: [{where: {run: 1}, marks: [{line: {x: probability, y: loss}}]}], formats: [svg]}}
";

fn paper() -> Paper {
    Paper::new().yaml(&(GRID.to_string() + FIGURES))
}

#[test]
fn a_page_contains_the_values_of_its_marks_and_loads_nothing() {
    let paper = paper();
    paper.build("fig1").ok();
    let page = paper.read("figures/fig1.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg "), "{page}");
    let hints = page.split("const hints = ").nth(1).and_then(|rest| rest.split(";\n").next()).expect("values");
    let hints: serde_json::Value = serde_json::from_str(hints).expect("JSON");
    let hint = &hints[0];
    assert_eq!((hint["kind"].as_str(), hint["title"].as_str()), (Some("points"), Some("Loss")));
    assert_eq!(hint["fields"][0], serde_json::json!(["probability", ["0.1", "0.2", "0.5"]]));
    assert_eq!(hint["at"].as_array().map(Vec::len), Some(3));
    assert!(!page.contains("src=") && !page.contains("@import") && !page.contains("url(http"), "{page}");
}

#[test]
fn open_opens_the_built_figure() {
    use std::os::unix::fs::PermissionsExt;
    let paper = paper();
    let opened = paper.path("opened");
    paper.write("bin/xdg-open", &format!("#!/bin/sh\necho \"$1\" >> {}\n", opened.display()));
    std::fs::set_permissions(paper.path("bin/xdg-open"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", paper.path("bin").display(), std::env::var("PATH").expect("a path"));
    let paper = paper.env("PATH", &path);
    paper.run("build fig2 --open").ok().says("opening ");
    wait_for("the desktop's program", || opened.exists() && paper.read("opened").ends_with(".html\n"));
    assert!(paper.read("opened").trim_end().ends_with("cache/view/fig2.html"));
    assert!(paper.read("cache/view/fig2.html").contains("const hints = "));
    let bare = paper.env("PATH", "/nowhere");
    bare.run("build fig2 --open").code(2).says("this machine has no program that opens files");
}

#[test]
fn compare_shows_references_beside_figures() {
    let paper = paper();
    paper.run("compare").code(1).says("fig1 waits for its inputs").says("repro build fig1");
    paper.build("").ok();
    paper.run("compare").code(2).says("cannot read the reference `wanted.png`").says("reference: wanted.png");
    paper.write("wanted.png", "a picture");
    paper.run("compare").ok().stdout("1 figure side by side in figures/compare.html\n");
    let page = paper.read("figures/compare.html");
    assert!(page.contains("data:image/png;base64,YSBwaWN0dXJl") && page.contains("<svg "), "{page}");
    paper.run("compare").ok();
    paper.write("notes.html", "mine").run("compare -o notes.html").code(2).says("it is not a compare page of repro");
    paper.run("compare -o paper.yaml --force").code(2).says("`paper.yaml` belongs to the paper");
    assert_eq!(paper.read("notes.html"), "mine");
    paper.run("compare fig2").code(2).says("none of these figures has a reference picture");
}

#[test]
fn a_changed_theme_redraws_and_trains_nothing() {
    let paper = paper();
    paper.build("").ok().trained(6);
    let before = paper.read("figures/fig2.svg");
    paper.edit("title: Test\n", "title: Test\ntheme: {font-size: 7, column: 5, frame: axes}\n");
    assert_eq!(paper.build("").ok().trained(0).built_by_name(), ["fig1", "fig2"]);
    assert!(before.contains("width=\"234pt\"") && paper.read("figures/fig2.svg").contains("width=\"360pt\""));
    // Settings of a figure override the theme.
    paper.edit("fig2: {figure: {of: measures,", "fig2: {figure: {of: measures, theme: {column: 2},");
    assert_eq!(paper.build("").ok().built(), ["fig2"]);
    assert!(paper.read("figures/fig2.svg").contains("width=\"144pt\""));
    paper.edit("font-size: 7", "font-sice: 7");
    paper.build("").code(2).says("unknown key `font-sice`").says("did you mean `font-size`?");
    paper.edit("font-sice: 7", "font-size: 0");
    paper.build("").code(2).says("`font-size` must be above 0 and at most 100, this is 0");
}

#[test]
fn errors_in_figures_are_reported_before_anything_trains() {
    let figure = |body: &str| Paper::new().yaml(&format!("{GRID}  fig1: {{figure: {{of: measures, {body}}}}}\n"));
    let refused = |body: &str, why: &str| drop(figure(body).run("build").code(2).says(why));
    refused(
        "panels: [{where: {run: 1}, marks: [{heatmap: {x: feature, y: expert, color: {value: feature-norm, by: probability}}}]}]",
        "cells have one colour each",
    );
    refused("panels: [{marks: [{line: {y: loss, color: {by: rnu}}}]}]", "`measures` has no array or axis `rnu`");
    refused("panels: [{marks: [{band: {x: [1]}}]}]", "a band has two ends along `x`, there are 1");
    refused("panels: [{marks: [{band: {low: loss}}]}]", "a band needs the two ends of `x`");
    refused("panels: [{marks: [{network: {layers: [0]}}]}]", "layers have 1 to 60 units each");
    refused("panels: [{marks: [{pie: {y: loss, hole: 2}}]}]", "`hole` must be between 0 and 1, this is 2");
    let sketch = "{marks: [{network: {layers: [1]}}]}";
    refused(
        &format!("columns: 1, header: [{sketch}, {sketch}], panels: [{sketch}]"),
        "the header's panels span 2 columns, the figure has 1",
    );
}
