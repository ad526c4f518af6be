//! Tables from the paper file to the files: which units a cell reads, what is in its manifest, what an edit recomputes, and what is told
//! when a table cannot be.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use repro::exec::{self, Event, Observer, Options};
use repro::graph::Graph;
use repro::plan::Context;
use repro::render::{Publisher, table_of, text};
use repro::spec::{Paper, Problems, read};
use repro::stages::{Publish, Unit};
use repro::store::Store;

const PAPER: &str = r#"
repro: 1
stages:
  models:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 6, hidden: 3, experts: 2}}
        data: {sparse-uniform: {probability: 0.3, importance: 1}}
        batch: 8
        steps: 3
      axes:
        scheme:
          cases:
            xavier: {init.gate: xavier-normal}
            k-hot: {init.gate: ordered-k-hot}
        run: {field: seed, count: 3}
  usage:
    metric: {of: models, compute: [expert-usage: {samples: 16, threshold: 0.9}]}
  table1:
    table:
      caption: Usage of experts
      of: usage
      rows:
        scheme: {xavier: Xavier, k-hot: $k$-hot}
        monosemantic: [0, 1, 2]
      columns:
        experts: {count: true, label: Experts}
        unchanged: {value: usage-unchanged, format: "{mean:.3f} ± {std:.3f}"}
        first: {value: usage-unchanged, where: {run: 0}, label: First run}
"#;

/// The checked paper, or its problems as `line:column message [hints]`.
fn graph(paper: &str) -> Result<Graph, Vec<String>> {
    let mut problems = Problems::default();
    let node = read(paper, &mut problems).expect("yaml");
    let paper = Paper::from_node(&node, &mut problems);
    let graph = Graph::from_paper(&paper, &mut problems);
    let told = problems.into_errors().into_iter().map(|error| {
        let span = error.span.unwrap_or_default();
        format!("{}:{} {} [{}]", span.line, span.column, error.message, error.hints.join("; "))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { Ok(graph.expect("a graph without problems")) } else { Err(told) }
}

/// All units of a stage by their names.
fn units(graph: &Graph, stage: &str) -> Vec<(String, Unit)> {
    let stage = graph.position(stage).unwrap();
    let (layout, outlines) = (&graph.layouts[stage], graph.outlines(stage));
    let entry = &*graph.stages[stage].stage;
    (0..layout.units).map(|unit| (layout.label(unit), entry.unit(unit, layout, &outlines).unwrap())).collect()
}

/// The unit of this name, and the names and manifests of what it reads.
fn cell(paper: &str, name: &str) -> (Unit, Vec<(String, String)>) {
    let graph = graph(paper).unwrap();
    let unit = units(&graph, "table1").into_iter().find(|(label, _)| label == name).unwrap().1;
    let sources = units(&graph, "models");
    let read = |&source: &usize| (sources[source].0.clone(), sources[source].1.manifest.to_string());
    let reads = unit.reads.iter().flat_map(|read| &read.units).map(read).collect();
    (unit, reads)
}

fn names(reads: &[(String, String)]) -> Vec<&str> {
    reads.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_cell_reads_the_units_that_it_selects_and_no_others() {
    let (_, reads) = cell(PAPER, "scheme=xavier monosemantic=1 column=unchanged");
    assert_eq!(names(&reads), ["run=0 scheme=xavier", "run=1 scheme=xavier", "run=2 scheme=xavier"]);
    let (unit, reads) = cell(PAPER, "scheme=k-hot monosemantic=2 column=first");
    assert_eq!(names(&reads), ["run=0 scheme=k-hot"]);
    assert_eq!(
        unit.manifest.to_string(),
        r#"{"kind":"cell","row":[["scheme","k-hot"],["monosemantic","2"]],"select":[{"conditions":[["monosemantic",["2"]]],"value":"usage-unchanged"}],"version":2}"#
    );
}

#[test]
fn a_changed_case_leaves_the_cells_of_other_cases_alone() {
    let changed = PAPER.replace("xavier: {init.gate: xavier-normal}", "xavier: {init.gate: zero}");
    let same = |name: &str| {
        let (before, after) = (cell(PAPER, name), cell(&changed, name));
        assert_eq!(before.0.manifest, after.0.manifest);
        before.1 == after.1
    };
    assert!(same("scheme=k-hot monosemantic=1 column=unchanged"));
    assert!(!same("scheme=xavier monosemantic=1 column=unchanged"));
}

#[test]
fn another_run_is_read_by_every_cell_over_all_runs() {
    let more = PAPER.replace("count: 3", "count: 4");
    for (name, _) in units(&graph(PAPER).unwrap(), "table1") {
        let (before, after) = (cell(PAPER, &name).1.len(), cell(&more, &name).1.len());
        assert_eq!(after, if name.ends_with("column=first") { before } else { before + 1 }, "{name}");
    }
}

#[test]
fn presentation_is_in_the_manifest_of_files_and_of_no_cell() {
    let table = |paper: &str| {
        let graph = graph(paper).unwrap();
        let cells: Vec<String> = units(&graph, "table1").iter().map(|(_, unit)| unit.manifest.to_string()).collect();
        let files = Publisher.files(&graph.stages[graph.position("table1").unwrap()]);
        let files: Vec<String> = files.iter().map(|file| format!("{} {}", file.name, file.manifest)).collect();
        (cells, files)
    };
    let (cells, files) = table(PAPER);
    assert_eq!(
        files.iter().map(|file| file.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["table1.tex", "table1.md", "table1.csv"]
    );
    // What is edited, and whether the files for people and the file for programs are made again.
    for (from, to, people, programs) in [
        ("Usage of experts", "How experts are used", true, false),
        ("xavier: Xavier", "xavier: Normal", true, false),
        ("label: Experts", "label: Count", true, false),
        ("{mean:.3f} ± {std:.3f}", "{mean:.2f} ± {std:.3f}", true, false),
        ("{mean:.3f} ± {std:.3f}", "{median:.3f}", true, true),
        ("of: usage", "of: usage\n      missing: none", true, false),
        ("of: usage", "of: usage\n      headers: {scheme: Gate}", true, false),
        ("of: usage", "of: usage\n      footnotes: [A note.]", true, false),
        ("unchanged: {", "unchanged: {best: highest, ", true, false),
        ("unchanged: {", "unchanged: {group: Share, ", true, false),
        ("monosemantic: [0, 1, 2]", "monosemantic: [0, 1.0, 2e0]", false, false),
    ] {
        assert!(PAPER.contains(from), "{from}");
        let (new_cells, new_files) = table(&PAPER.replacen(from, to, 1));
        assert_eq!(new_cells, cells, "{to}");
        let labels = from.starts_with("monosemantic");
        assert_eq!(new_files[0] != files[0] || labels, people || labels, "{to}");
        assert_eq!(new_files[2] != files[2], programs, "{to}");
    }
}

#[test]
fn what_a_table_cannot_show_is_told_before_anything_runs() {
    let errors = |from: &str, to: &str| {
        assert!(PAPER.contains(from), "{from}");
        graph(&PAPER.replacen(from, to, 1)).map(|_| ()).unwrap_err()
    };
    let rows = "scheme: {xavier: Xavier, k-hot: $k$-hot}";
    for (from, to, told) in [
        (rows, "shceme: [xavier]", "24:9 `usage` has no axis or array `shceme` [did you mean `scheme`?]"),
        (rows, "scheme: {xaver: X}", "24:18 axis `scheme` of `usage` has no `xaver` [did you mean `xavier`?]"),
        (rows, "run: [0, 7]", "24:18 axis `run` of `usage` has no `7` [its values are 0, 1, 2]"),
        (rows, "scheme: []", "24:17 `scheme` is empty: it selects nothing []"),
        (rows, "run: [0, 0.0]", "24:18 duplicate `0` in `run` []"),
        (
            rows,
            "expert:",
            "24:9 `expert` is not an axis of `usage`: list the values that get rows [for example `expert: [0, 1]`]",
        ),
        (
            "monosemantic: [0, 1, 2]",
            "expert: [0, 1]",
            "27:9 `experts` counts along the axis `expert`, but entries of which array? [name it: `{count: true, value: ARRAY}`]",
        ),
        ("[0, 1, 2]", "[one]", "25:24 `monosemantic` is an array of numbers, and `one` is not a number []"),
        ("run: 0}", "rnu: 0}", "29:49 `usage` has no axis or array `rnu` [did you mean `run`?]"),
        ("run: 0}", "run: 5}", "29:54 axis `run` of `usage` has no `5` [its values are 0, 1, 2]"),
        (
            "value: usage-unchanged, format",
            "value: usage-unchange, format",
            "28:28 `usage` has no array `usage-unchange` [did you mean `usage-unchanged`?]",
        ),
        ("{mean:.3f} ±", "{men:.3f} ±", "28:55 unknown aggregate `men` [did you mean `mean`?]"),
        ("of: usage\n", "of: usgae\n", "22:11 there is no stage `usgae` [did you mean `usage`?]"),
        ("of: usage\n", "of: [usage, usage]\n", "22:19 duplicate `usage` in `of` []"),
        (
            "of: usage\n",
            "missing: no\n",
            "27:9 column `experts` names no stage to take its entries from [add `of: STAGE` to the table or to the column]",
        ),
        (
            "of: usage\n",
            "of: usage\n      headers: {schem: Gate}\n",
            "23:24 `schem` in `headers` is no key of the rows [did you mean `scheme`?]",
        ),
        ("of: usage\n", "of: usage\n      formats: [csv, csv]\n", "23:22 duplicate `csv` in `formats` []"),
        (
            "label: Experts",
            "best: {lowest: {within: scheem}}",
            "27:56 `scheem` is no key of the rows [did you mean `scheme`?]",
        ),
    ] {
        assert_eq!(errors(from, to)[0], told, "{to}");
    }
    let columns = PAPER.find("      columns:").unwrap();
    assert_eq!(
        graph(&format!("{}      columns: {{}}\n", &PAPER[..columns])).map(|_| ()).unwrap_err(),
        ["26:16 `columns` is empty: a table needs at least one column [name an array: `columns: [loss]`]"]
    );
    assert_eq!(
        graph(&format!("{}      columns: [monosemantic, loss, loss]\n", &PAPER[..columns])).map(|_| ()).unwrap_err(),
        ["26:37 duplicate `loss` in `columns` [give both names of their own: `{a: {value: loss}, b: {value: loss}}`]"]
    );
}

struct Quiet;

impl Observer for Quiet {
    fn event(&mut self, _event: &Event) {}
    fn warning(&mut self, text: &str) {
        panic!("warning: {text}");
    }
}

/// Build the table; how many units ran, and which files were written.
fn build(paper: &str, dir: &Path) -> (usize, Vec<String>) {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let graph = graph(paper).unwrap();
    let store = Store::open(&dir.join("cache")).unwrap();
    let context = Context {
        graph: &graph,
        store: &store,
        publish: &Publisher,
        figures: &dir.join("figures"),
        home: dir,
        lock: "paper.lock",
        otherwise: None,
        outside: repro::plan::Outside::Machine,
    };
    let writer = store.writer(serde_json::json!({}));
    let options = Options {
        gpus: repro::exec::Gpus::none(),
        jobs: 2,
        keep_going: false,
        no_train: false,
        no_run: false,
        frozen: false,
        again: Vec::new(),
        points: Default::default(),
        interrupted: &NEVER,
    };
    let target = graph.position("table1").unwrap();
    let outcome = exec::build(context, &[target], &options, &writer, &mut Quiet);
    writer.finish().unwrap();
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    (outcome.ran, outcome.written().into_iter().map(str::to_string).collect())
}

#[test]
fn an_edit_recomputes_the_cells_that_it_touches() {
    let dir = tempfile::tempdir().unwrap();
    let files = |names: &[&str]| names.iter().map(|name| format!("table1.{name}")).collect::<Vec<_>>();
    // 6 models, 6 metrics, 18 cells.
    assert_eq!(build(PAPER, dir.path()), (30, files(&["tex", "md", "csv"])));
    assert_eq!(build(PAPER, dir.path()), (0, vec![]));
    let csv = std::fs::read_to_string(dir.path().join("figures/table1.csv")).unwrap();
    let counts = csv.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse::<u32>().unwrap());
    assert!(counts.sum::<u32>() <= 12 && csv.lines().count() == 7, "{csv}");
    // A label is no number: no cell, and not the file for programs.
    let relabelled = PAPER.replace("label: Experts", "label: Number of experts");
    assert_eq!(build(&relabelled, dir.path()), (0, files(&["tex", "md"])));
    // Another row costs its own cells.
    let taller = PAPER.replace("[0, 1, 2]", "[0, 1, 2, 3]");
    assert_eq!(build(&taller, dir.path()).0, 6);
    // Another gate of one scheme: 3 models, 3 metrics and at most the 9 cells of that scheme.
    let changed = PAPER.replace("xavier: {init.gate: xavier-normal}", "xavier: {init.gate: zero}");
    let (ran, _) = build(&changed, dir.path());
    assert_eq!(ran, 3 + 3 + 9);
}

#[test]
fn stages_are_taken_together_along_an_axis_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let train = |seed: u32| {
        format!(
            "train: {{model: {{moe-autoencoder: {{features: 2, hidden: 1}}}}, data: {{sparse-uniform: {{probability: 0.5, importance: 1}}}}, \
             batch: 4, steps: {seed}}}"
        )
    };
    let paper = format!(
        "repro: 1\nstages:\n  one: {{{}}}\n  two: {{{}}}\n  table1:\n    table: {{of: [one, two], rows: [stage], columns: [steps-run, loss], \
         format: '{{mean:.3g}}', headers: {{stage: Model}}}}\n",
        train(1),
        train(2)
    );
    build(&paper, dir.path());
    let csv = std::fs::read_to_string(dir.path().join("figures/table1.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').take(2).collect()).collect();
    assert_eq!(lines, [["stage", "steps-run_mean"], ["one", "1"], ["two", "2"]]);
}

#[test]
fn a_table_is_shown_from_its_cells() {
    let graph = graph(PAPER).unwrap();
    let stage = &graph.stages[graph.position("table1").unwrap()];
    let entries: [&[f64]; 6] = [&[0.25, 0.75], &[0.5], &[f64::NAN], &[1.0, 1.0, 1.0], &[], &[0.125]];
    let cells = (0..18).map(|cell| {
        let row = cell / 3;
        let at = [("scheme", ["xavier", "k-hot"][row / 3]), ("monosemantic", ["0", "1", "2"][row % 3])];
        let at = at.map(|(key, value)| (key.to_string(), value.to_string()));
        repro::value::encode(&repro::tables::Summary::from_entries(entries[row]).dataset(&at))
    });
    let shown = text::table(&table_of(stage, &cells.collect::<Vec<_>>()).unwrap());
    assert_eq!(
        shown,
        "\
Usage of experts

───────────────────────────────────────────────────────
scheme  monosemantic  Experts      unchanged  First run
───────────────────────────────────────────────────────
Xavier  0                   2  0.500 ± 0.354        0.5
        1                   1      0.500 ± –        0.5
        2                   0      NaN ± NaN        NaN

k-hot   0                   3  1.000 ± 0.000          1
        1                   0              –          –
        2                   1      0.125 ± –      0.125
───────────────────────────────────────────────────────
"
    );
}

#[test]
fn the_page_about_tables_shows_what_its_example_makes() {
    let page = include_str!("../../docs/tables.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let stages = &PAPER[..PAPER.find("  table1:").unwrap()];
    let dense = "  usage-p1: {metric: {of: models, compute: [expert-usage: {samples: 16, probability: 1}]}}\n";
    let graph = graph(&format!("{stages}{dense}{example}")).unwrap();
    let stage = &graph.stages[graph.position("table1").unwrap()];
    // For each row: number of experts; mean and standard deviation of `unchanged`; both means of `clamped`.
    let numbers = [
        [43.0, 0.107, 0.050, 0.255, 0.145],
        [32.0, 0.098, 0.041, 0.448, 0.111],
        [9.0, 0.072, 0.030, 0.621, 0.034],
        [42.0, 0.100, 0.009, 0.414, 0.182],
        [31.0, 0.099, 0.011, 0.824, 0.334],
        [16.0, 0.101, 0.009, 0.986, 0.549],
    ];
    let cells = numbers.iter().enumerate().flat_map(|(row, &[n, mean, std, clamped, dense])| {
        let at = [("scheme", ["xavier", "k-hot"][row / 3]), ("monosemantic", ["1", "2", "3"][row % 3])];
        let at = at.map(|(key, value)| (key.to_string(), value.to_string()));
        // Two entries have a standard deviation of half their distance times the root of two.
        let half = std / 2f64.sqrt();
        let entries = [vec![1.0; n as usize], vec![mean - half, mean + half], vec![clamped], vec![dense]];
        entries.map(|entries| repro::value::encode(&repro::tables::Summary::from_entries(&entries).dataset(&at)))
    });
    let file = Publisher.files(stage).into_iter().find(|file| file.name == "table1.md").unwrap();
    let made = Publisher.render(stage, &file, std::sync::Arc::new(cells.collect()), "abc", &|| false).unwrap().unwrap();
    let made = String::from_utf8(made).unwrap();
    let made = made.strip_prefix("<!-- repro: key abc -->\n\n").unwrap();
    assert!(page.contains(made), "{made}");
}
