//! What every command prints, as snapshots in `tests/suite/snapshots`; see CONTRIBUTING.md for how to accept another wording. Times, digests and
//! the names of the machine are replaced.

use crate::support::{Paper, Run, timeless};

/// A paper with all kinds of stages, small enough to build in a second.
const PAPER: &str = "\
repro: 1
title: A paper
stages:
  numbers: {data: numbers.csv}
  grid:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 4, hidden: 2}}
        data: {sparse-uniform: {probability: 0.3}}
        batch: 16
        steps: 20
      axes: {p: {field: data.probability, values: [0.1, 0.3]}, seed: {field: seed, count: 2}}
  measures: {metric: {of: grid, compute: [dimensionality]}}
  train:
    sweep:
      exec:
        run: 'echo training; echo \"{\\\"loss\\\": $REPRO_PARAM_LR}\" > result.json'
        inputs: [numbers]
        outputs: [result.json]
        params: {lr: 0.1}
      axes: {lr: [0.1, 0.2, 0.3]}
  fig1: {figure: {of: grid, formats: [svg], panels: [{marks: [{line: {x: p, y: {value: loss, reduce: {mean: seed}}}}]}]}}
  table1: {table: {of: train, rows: [lr], columns: {loss: {value: loss}}, formats: [csv]}}
";

fn paper() -> Paper {
    Paper::new().yaml(PAPER).file("numbers.csv", "x,y\n1,2\n3,4\n")
}

/// The output of a build: its lines in alphabetical order, as stages end in any order, without those about progress, which depend on time.
fn built(run: &Run) -> String {
    let text = printed(run);
    let progress = |line: &&str| line.ends_with(" left") || line.ends_with("  started") || line.contains("running for");
    let mut lines: Vec<&str> = text.lines().filter(|line| !progress(line)).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The name of a snapshot: the command with dashes.
fn named(when: &str, command: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("{when}-{}", command.chars().map(fine).collect::<String>())
}

/// Both streams, without what changes from run to run.
fn printed(run: &Run) -> String {
    let mut text = format!("{}{}", timeless(&run.stdout), timeless(&run.stderr));
    // Digests, dates and sizes.
    for (pattern, name) in [("digest", "DIGEST"), ("key", "KEY"), ("made", "MADE"), ("by", "BY")] {
        let lines = text.lines().map(|line| {
            let word = line.trim_start();
            let rest = word.strip_prefix(pattern).filter(|rest| rest.starts_with(' '));
            let indent = &line[..line.len() - word.len()];
            rest.map_or_else(|| line.to_string(), |_| format!("{indent}{pattern} {name}"))
        });
        text = lines.collect::<Vec<_>>().join("\n") + "\n";
    }
    // The size of the cache.
    let is_size = |words: &[&str]| words[1].starts_with("kB") && words[0].parse::<u32>().is_ok();
    let words: Vec<&str> = text.split(' ').collect();
    let sizes: Vec<usize> = (1..words.len()).filter(|&at| is_size(&words[at - 1..=at])).collect();
    words
        .iter()
        .enumerate()
        .map(|(at, word)| if sizes.contains(&(at + 1)) { "SIZE" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn commands_before_and_after_a_build() {
    let paper = paper();
    for command in ["status", "plan", "explain fig1", "graph --format mermaid"] {
        insta::assert_snapshot!(named("before", command), printed(&paper.run(command).ok()));
    }
    insta::assert_snapshot!("build", built(&paper.run("build -j 1").ok()));
    insta::assert_snapshot!("build-again", built(&paper.run("build").ok()));
    for command in ["status", "plan", "show table1", "show train", "show grid[p=0.3]", "gc -n", "verify table1 -j 1"] {
        insta::assert_snapshot!(named("after", command), printed(&paper.run(command).ok()));
    }
    paper.edit("lr: [0.1, 0.2, 0.3]", "lr: [0.1, 0.2, 0.4]");
    for command in ["plan", "explain table1", "status"] {
        insta::assert_snapshot!(named("changed", command), printed(&paper.run(command).ok()));
    }
}

#[test]
fn a_failed_program() {
    let paper = paper();
    paper.edit("echo training;", "echo training; test $REPRO_PARAM_LR != 0.2;");
    insta::assert_snapshot!("failed-build", built(&paper.run("build -j 1 -k").code(1)));
    insta::assert_snapshot!("failed-build-once-more", built(&paper.run("build -j 1 train").code(1)));
}

#[test]
fn help_texts() {
    let paper = Paper::new();
    insta::assert_snapshot!("help", paper.run("--help").ok().stdout);
    for command in [
        "accept",
        "build",
        "compare",
        "completions",
        "diff",
        "explain",
        "export",
        "gc",
        "graph",
        "init",
        "plan",
        "schema",
        "show",
        "status",
        "verify",
        "watch",
    ] {
        insta::assert_snapshot!(named("help", command), paper.run(&format!("{command} --help")).ok().stdout);
    }
}
