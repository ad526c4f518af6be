//! `repro schema` accepts and refuses the same paper files as the program.

use std::path::Path;

use crate::support::{GRID, Paper};
use repro::spec::{Decode, Problems, read};
use serde_json::Value as Json;

fn validator() -> jsonschema::Validator {
    let schema: Json = serde_json::from_str(&Paper::new().run("schema").ok().stdout).expect("the schema is JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is a JSON Schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

/// A paper file as JSON, anchors and merge keys resolved.
fn json(yaml: &str) -> Json {
    let mut problems = Problems::default();
    let node = read(yaml, &mut problems).expect("yaml");
    assert!(problems.is_empty());
    node.manifest()
}

#[track_caller]
fn valid(yaml: &str) {
    let (validator, json) = (validator(), json(yaml));
    let errors: Vec<String> = validator.iter_errors(&json).map(|e| format!("{} at {}", e, e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{yaml}");
}

#[test]
fn the_paper_of_this_repository_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("paper.yaml");
    valid(&std::fs::read_to_string(path).expect("paper.yaml"));
}

#[test]
fn the_paper_of_init_is_valid_and_builds() {
    let paper = Paper::new();
    paper.run("init").ok();
    valid(&paper.read("paper.yaml"));
    paper.build("").ok();
}

#[test]
fn the_papers_of_these_tests_are_valid() {
    valid(GRID);
    valid("repro: 1\nx-anything: [1, {a: b}]\nstages: {}\n");
}

#[test]
fn schema_and_program_refuse_the_same_mistakes() {
    let validator = validator();
    let mistakes = [
        ("repro: 1\n", "repro: 2\n"),
        ("title: Test", "titel: Test"),
        ("  one:", "  o/ne:"),
        ("    train: &recipe", "    trian: &recipe"),
        ("moe-autoencoder:", "moe-autoencodr:"),
        ("features: 4", "features: -4"),
        ("features: 4", "features: four"),
        ("active: 1", "aktive: 1"),
        ("probability: 0.3", "probability: often"),
        ("{adamw:", "{adamv:"),
        ("batch: 16", "batch: [16]"),
        ("{field: seed, count: 2}", "{field: seed, cuont: 2}"),
        ("[loss, feature-geometry]", "[loss, feature-geometri]"),
        ("compute: [loss, feature-geometry]", "compute: loss"),
        ("{of: grid, compute", "{compute"),
    ];
    for (from, to) in mistakes {
        assert_eq!(GRID.matches(from).count(), 1, "{from}");
        let yaml = GRID.replace(from, to);
        assert!(!validator.is_valid(&json(&yaml)), "the schema accepts `{to}`");
        Paper::new().yaml(&yaml).run("plan").code(2);
    }
}

#[test]
fn the_schema_describes_every_setting() {
    let schema: Json = serde_json::from_str(&Paper::new().run("schema").ok().stdout).expect("JSON");
    let definitions = schema["$defs"].as_object().expect("definitions");
    for name in ["Kind", "Recipe", "MoeAutoencoder", "Metric", "Figure", "TableSettings"] {
        assert!(definitions.contains_key(name), "{name} is missing among {:?}", definitions.keys());
    }
    let described = |schema: &Json| schema["description"].as_str().is_some_and(|text| !text.is_empty());
    let recipe = definitions["Recipe"]["properties"].as_object().expect("properties");
    let silent: Vec<&String> = recipe.iter().filter(|(_, schema)| !described(schema)).map(|(name, _)| name).collect();
    assert_eq!(silent, [""; 0]);
}
