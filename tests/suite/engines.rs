//! `engine: reference` in the paper file.

use crate::support::Paper;

/// Two models, each trained by both engines.
const BOTH: &str = "\
repro: 1
stages:
  both:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 6, hidden: 2, experts: 3, active: 2}}
        data: {sparse-uniform: {probability: 0.4}}
        optimizer: {adam: {lr: 0.01}}
        batch: 64
        steps: 60
      axes:
        engine: {field: engine, values: [fused, reference]}
        run: {field: seed, count: 2}
  losses:
    table:
      of: both
      rows: [engine, run]
      columns: {loss: {format: \"{mean:.4f}\"}}
";

#[test]
#[cfg(feature = "reference")]
fn the_engine_can_be_an_axis_and_both_compute_the_same_losses() {
    let paper = Paper::new().yaml(BOTH);
    paper.build("").ok().trained(4);
    let table = paper.run("show losses").ok().stdout;
    // Rows of the fused engine first, then of the other.
    let losses: Vec<&str> = table.split_whitespace().filter(|word| word.starts_with("0.")).collect();
    assert_eq!(losses.len(), 4, "{table}");
    assert_eq!(losses[..2], losses[2..], "{table}");
    assert_ne!(losses[0], losses[1]);
    paper.build("").ok().trained(0);
    paper.edit("[fused, reference]", "[reference]").build("").ok().trained(0);
}

#[test]
#[cfg(not(feature = "reference"))]
fn without_the_reference_engine_a_recipe_that_asks_for_it_is_an_error_that_names_the_feature() {
    let paper = Paper::new().yaml(&BOTH.replace("[fused, reference]", "[reference]"));
    paper
        .build("")
        .code(2)
        .says("this build of repro has no reference engine")
        .says("build it with `cargo build --release --features reference`");
}

#[test]
#[cfg(feature = "reference")]
fn a_run_with_another_engine_has_another_key() {
    let paper = Paper::new().yaml(BOTH);
    paper.edit("[fused, reference]", "[fused]").build("").ok().trained(2);
    paper.edit("[fused]", "[reference]").build("").ok().trained(2);
    paper.explain("both").ok().stdout("both (sweep) is up to date\n");
}
