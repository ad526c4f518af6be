//! NaN and other things that are no numbers: they are shown, named and warned of, and never left out without a word.

use crate::support::Paper;

/// A table and a figure of three seeds at two learning rates; the second rate has a run that diverged.
fn runs(column: &str, figure: &str) -> Paper {
    Paper::new()
        .yaml(&format!(
            "repro: 1\nstages:\n  runs: {{data: {{path: runs.csv, axes: [lr, seed]}}}}\n  \
             tab: {{table: {{of: runs, rows: {{lr: [0.1, 0.2]}}, columns: {{acc: {{{column}}}}}, formats: [markdown, csv]}}}}\n  \
             fig: {{figure: {{of: runs, width: 2, height: 2, formats: [svg], panels: [{{marks: [{figure}]}}]}}}}\n"
        ))
        .file("runs.csv", "lr,seed,acc\n0.1,0,1\n0.1,1,2\n0.1,2,3\n0.2,0,0.5\n0.2,1,NaN\n0.2,2,2.5\n")
}

const LINE: &str = "line: {y: {value: acc, reduce: {mean: seed}}, dots: 2}";
const CELLS: &str = "format: '{mean:.1f} ± {std:.1f}', best: lowest";

#[test]
fn a_mean_over_nan_is_nan_and_the_build_names_the_point() {
    let paper = runs(CELLS, LINE);
    let run = paper.run("build tab").ok();
    run.says(
        "warning: tab: `acc` at lr=0.2: 1 of 3 values is NaN (lr=0.2 seed=1), so the cell is NaN\n --> paper.yaml:4:",
    )
    .says("write `nan: skip`");
    let table = paper.read("figures/tab.md");
    assert!(table.contains("| 2.0 ± 1.0 |") && table.contains("| NaN ± NaN |"), "{table}");
    assert!(!table.contains("**"), "NaN has no rival and is none: {table}");
    // The next build has nothing to say, and what is shown stays NaN.
    paper.run("build tab").ok();
    paper.run("show tab").ok().says("NaN ± NaN");
    assert!(paper.read("figures/tab.csv").contains("0.2,NaN,NaN") || paper.read("figures/tab.csv").contains("0.2,,"));
}

#[test]
fn nan_that_is_skipped_is_counted_and_not_warned_of() {
    let paper = runs(&format!("{CELLS}, nan: skip"), LINE);
    let run = paper.run("build tab").ok();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let table = paper.read("figures/tab.md");
    assert!(table.contains("1.5 ± 1.4 (n=2)"), "{table}");
    // With the policy the numbers change, so the cell is computed anew and warned of.
    paper.edit(", nan: skip", "");
    paper.run("build tab").ok().says("so the cell is NaN");
    assert!(paper.read("figures/tab.md").contains("NaN ± NaN"));
}

#[test]
fn missing_is_the_text_of_empty_cells_and_not_a_policy() {
    let paper = runs(CELLS, LINE);
    paper.edit("rows: {lr: [0.1, 0.2]}", "missing: skip, rows: {lr: [0.1, 0.2]}");
    paper.run("build tab").code(2).says("write `nan: skip`");
}

#[test]
fn a_figure_warns_of_nan_in_what_it_reduces_unless_it_is_skipped() {
    let paper = runs(CELLS, LINE);
    paper
        .run("build fig")
        .ok()
        .says("warning: fig: `acc` is NaN at lr=0.2 seed=1, so its mean over `seed` is NaN there\n --> paper.yaml:5:");
    let circles = |paper: &Paper| paper.read("figures/fig.svg").matches("<circle").count();
    assert_eq!(circles(&paper), 1);
    paper.edit("reduce: {mean: seed}", "reduce: {mean: seed}, nan: skip");
    let run = paper.run("build fig").ok();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    assert_eq!(circles(&paper), 2);
}

#[test]
fn an_empty_mark_is_warned_of_and_an_empty_figure_fails() {
    let paper = runs(CELLS, "{line: {y: acc, where: {seed: 1}}}, {points: {y: acc, where: {seed: 0}}}");
    // One of two points is NaN: the line has no two that it could join.
    paper
        .run("build fig")
        .ok()
        .says("warning: fig: this `line` shows nothing: a line needs two neighbouring numbers\n --> paper.yaml:5:");
    paper.edit(", {points: {y: acc, where: {seed: 0}}}", "");
    paper.run("build fig").code(1).says(
        "error: fig: this figure would be empty: its `line` shows nothing: a line needs two neighbouring numbers\n --> paper.yaml:5:",
    );
    paper.edit("where: {seed: 1}", "where: {lr: 0.2, seed: 1}");
    paper.run("build fig").code(1).says("its only number is NaN or infinite");
}

#[test]
fn files_without_records_names_or_numbers_are_reported() {
    let paper = runs(CELLS, LINE);
    for (text, says) in [
        ("lr,seed,acc\n", "`runs.csv`: it has a line of names and no records below it"),
        ("0.1,0,1\n0.1,1,2\n", "the first line holds numbers only: is the line of names missing?"),
        (
            "lr,seed,acc\n0.1,0,0.5%\n0.2,0,1\n",
            "`acc` cannot be shown: the column holds text, such as `0.5%` in record 1",
        ),
    ] {
        paper.write("runs.csv", text);
        paper.run("build fig").code(if text.contains('%') { 2 } else { 1 }).says(says);
    }
    paper.run("build tab").code(1).says("`acc` of `runs` cannot be shown: the column holds text");
}

/// A `.npy` file of one element of a type.
fn npy(descr: &str, element: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(element);
    bytes
}

#[test]
fn arrays_of_complex_numbers_and_broken_files_are_named_and_hide_no_others() {
    let paper = Paper::new()
        .yaml(
            "repro: 1\nstages:\n  eval:\n    exec: {run: [cp, -r, src/., .], inputs: [src], outputs: [a.npy, b.npy, c.json, d.json]}\n  \
             fig: {figure: {of: eval, width: 2, height: 2, formats: [svg], panels: [{marks: [{points: {y: b}}]}]}}\n",
        )
        .file("src/c.json", "{\"threshold\": [Infinity, 0.5, -Infinity, NaN]}")
        .file("src/d.json", "{\"open\": ");
    std::fs::write(paper.path("src/a.npy"), npy("<c16", &[0; 16])).expect("write");
    std::fs::write(paper.path("src/b.npy"), npy("<f8", &1.5f64.to_le_bytes())).expect("write");
    let run = paper.run("build").ok();
    run.says("warning: eval: `a.npy` was not read: it holds complex numbers")
        .says("warning: eval: `d.json` was not read: it is not JSON");
    let shown = paper.run("show eval").ok();
    shown.says("threshold  f64  row 4  inf 0.5 -inf NaN").says("a.npy   it holds complex numbers");
    paper.edit("y: b", "y: a");
    paper.run("build").code(2).says("hint: `a.npy` was not read: it holds complex numbers");
}

#[test]
fn caps_of_intervals_have_their_length_in_points_on_any_axis() {
    let marks = "{interval: {low: {value: acc, reduce: {min: seed}, nan: skip}, high: {value: acc, reduce: {max: seed}, nan: skip}}}";
    let paper = runs(CELLS, marks);
    let caps = |paper: &Paper| paper.read("figures/fig.svg").matches("h5\"").count();
    paper.run("build fig").ok();
    assert_eq!(caps(&paper), 4);
    paper.edit("panels: [{marks:", "panels: [{x: {scale: log}, marks:");
    paper.run("build fig").ok();
    assert_eq!(caps(&paper), 4);
}

#[test]
fn extreme_numbers_are_drawn_in_every_format() {
    let paper = Paper::new().yaml(
        "repro: 1\nstages:\n  d: {data: d.csv}\n  \
         fig: {figure: {of: d, width: 2, height: 2, formats: [svg, pdf, png, html, pgf], panels: [{y: {}, marks: [{line: {x: x, y: y, dots: 1}}]}]}}\n",
    );
    let mut scale = "y: {}";
    for (next, data) in [
        ("y: {}", "1,1.7e18\n2,1.7e18\n"),
        ("y: {}", "1,1e22\n"),
        ("y: {}", "1,-1.7e308\n2,1.7e308\n"),
        ("y: {}", "1e300,1e16\n1e300,1e16\n"),
        ("y: {scale: log}", "1,1e-310\n2,1e-300\n"),
        ("y: {scale: log}", "1,1e-308\n2,1.7e308\n"),
        ("y: {scale: log}", "1,1.79e308\n2,1.79e308\n"),
        ("y: {from: 1e16}", "1,2\n2,3\n"),
    ] {
        if scale != next {
            paper.edit(scale, next);
            scale = next;
        }
        paper.write("d.csv", &format!("x,y\n{data}"));
        paper.run("build").ok();
        paper.run("show fig").ok();
    }
    paper.edit("{line: {x: x, y: y, dots: 1}}", "{rule: {y: 1e16}}");
    paper.run("build").ok();
}

#[test]
fn an_axis_declared_for_an_output_needs_its_values_listed_and_the_message_says_so() {
    let paper = Paper::new()
        .yaml(
            "repro: 1\nstages:\n  eval:\n    exec: {run: [cp, in.csv, results.csv], inputs: [in.csv], outputs: {results.csv: {axes: [lr]}}}\n  \
             tab: {table: {of: eval, rows: [lr], columns: [acc], formats: [csv]}}\n",
        )
        .file("in.csv", "lr,acc\n0.1,1\n0.2,2\n");
    paper
        .run("build")
        .code(2)
        .says("error: the values of `lr` of `eval` are known only after it has run: list the values that get rows\n")
        .says("hint: write `rows: {lr: [VALUE, VALUE]}`");
}
