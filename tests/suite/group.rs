//! Groups: one name for several stages.

use crate::support::{GRID, Paper};

/// Two figures under one name, and that under another.
fn panels() -> Paper {
    let figure = |name: &str, width: u32| {
        format!(
            "  {name}:\n    figure: {{of: measures, width: {width}, height: 2, formats: [svg], panels: [{{where: {{run: 1}}, marks: [{{points: {{x: probability, y: loss}}}}]}}]}}\n"
        )
    };
    let groups = "  fig6: {group: [fig6a, fig6b]}\n  all-figures: {group: [fig6, fig6a]}\n";
    Paper::new().yaml(&format!("{GRID}{}{}{groups}", figure("fig6a", 2), figure("fig6b", 3)))
}

#[test]
fn a_group_builds_its_stages() {
    let paper = panels();
    paper.build("fig6").ok();
    assert!(paper.path("figures/fig6a.svg").exists() && paper.path("figures/fig6b.svg").exists());
    assert!(paper.build("all-figures").ok().built().is_empty());
    assert_eq!(paper.edit("width: 3", "width: 2.5").build("fig6").ok().built(), ["fig6b"]);
}

#[test]
fn a_group_is_not_listed_as_a_stage_of_its_own() {
    let paper = panels();
    assert!(!paper.run("status").ok().stdout.contains("group"));
    assert!(!paper.run("graph").ok().stdout.contains("group"));
    let plan = paper.plan("all-figures").ok();
    assert!(plan.stdout.contains("fig6b") && !plan.stdout.contains("all-figures"));
}

#[test]
fn a_group_that_contains_itself_is_refused() {
    let paper = Paper::new().yaml("repro: 1\nstages:\n  a: {group: [b]}\n  b: {group: [a]}\n");
    paper.build("").code(2).says("a -> b -> a");
}

#[test]
fn a_group_holds_no_arrays_and_no_files() {
    let text = format!(
        "{GRID}  both: {{group: [one, grid]}}\n  more: {{metric: {{of: both, compute: [loss]}}}}\n  run: {{exec: {{run: cat x, inputs: [both], outputs: [y]}}}}\n"
    );
    let run = Paper::new().yaml(&text).build("more");
    run.code(2).says("`both` is a group").says("`both` is a group, which has no files of its own");
}

#[test]
fn unknown_stages_and_empty_groups_are_refused() {
    let paper = Paper::new().yaml(&format!("{GRID}  few: {{group: [gird]}}\n  none: {{group: []}}\n"));
    paper.build("few").code(2).says("there is no stage `gird`").says("did you mean `grid`?");
    Paper::new().yaml(&format!("{GRID}  none: {{group: []}}\n")).build("none").code(2).says("this group is empty");
}
