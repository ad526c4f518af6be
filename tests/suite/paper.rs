//! The paper of this repository, with few steps a model: what an edit touches, and that `explain` says so.

use std::sync::OnceLock;

use crate::support::Paper;

/// The paper file, trained for an instant.
fn yaml() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("paper.yaml");
    let text = std::fs::read_to_string(path).expect("paper.yaml");
    assert!(text.contains("steps: 10000"));
    text.replace("steps: 10000", "steps: 20")
}

const TARGETS: &str = "fig1 fig2 fig3 fig5";

/// A copy of the paper with these figures built. They are built once and copied.
fn built() -> Paper {
    static FIRST: OnceLock<Paper> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let paper = Paper::new().yaml(&yaml());
        paper.build(TARGETS).ok().trained(125);
        paper
    });
    let copy = Paper::new().yaml(&yaml());
    for (name, bytes) in first.files("") {
        std::fs::create_dir_all(copy.path(&name).parent().expect("a folder")).expect("make a folder");
        std::fs::write(copy.path(&name), bytes).expect("copy");
    }
    copy.build(TARGETS).ok().trained(0);
    copy
}

#[test]
fn another_importance_of_one_model_retrains_that_model_alone() {
    let paper = built();
    let data = "{<<: *single, seed: 119, data: {sparse-uniform: {probability: 0.1, importance: {powers: 0.8}}}}";
    paper.edit("train: {<<: *single, seed: 119}", &format!("train: {data}"));
    let line = paper.read("paper.yaml").lines().position(|line| line.contains(data)).expect("the edit") + 1;
    paper.explain("fig1").ok().says(&format!("data.sparse-uniform.importance.powers: 0.7 -> 0.8 (paper.yaml:{line})"));
    let run = paper.build(TARGETS).ok();
    assert_eq!(run.trained_models(), ["dense-20"]);
    assert_eq!(run.built(), ["dense-20", "dense-20-geometry", "fig1"]);
}

#[test]
fn another_density_in_figure_3_trains_four_points() {
    let paper = built();
    paper.edit("0.13, 0.1]", "0.13, 0.1, 0.07]");
    // The list begins in the line above.
    let line = paper.read("paper.yaml").lines().position(|line| line.contains("0.07]")).expect("the edit");
    paper.explain("fig3").ok().says("fig3 (figure) waits for its inputs").says(&format!(
        "densities (sweep) is out of date: 4 of 124 points are missing\n    \
         axes.density.values: added 0.07 (paper.yaml:{line})\n"
    ));
    let run = paper.build(TARGETS).ok();
    let points =
        ["10 experts", "20 experts", "4 experts", "dense"].map(|m| format!("densities density=0.07 model={m}"));
    assert_eq!(run.trained_models(), points);
    let metrics = run.events_of("unit-finished").iter().filter(|e| e["stage"] == "densities-features").count();
    assert_eq!(metrics, 4);
}

#[test]
fn another_colour_draws_one_figure_and_trains_nothing() {
    let paper = built();
    let run = paper.edit("y: 1, color: orange", "y: 1, color: black").build(TARGETS).ok().trained(0);
    assert_eq!(run.built(), ["fig3"]);
}

#[test]
fn a_comment_does_nothing_at_all() {
    let paper = built();
    let text = paper.read("paper.yaml");
    let run = paper.rewrite(&format!("# A comment.\n{text}")).build(TARGETS).ok().trained(0);
    let end = &run.events_of("build-finished")[0];
    assert_eq!((&end["ran"], &end["written"]), (&0.into(), &serde_json::json!([])));
}
