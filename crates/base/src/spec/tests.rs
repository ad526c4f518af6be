//! Tests of declared settings: decoding, errors, assignment, manifests, schema.

use super::*;

crate::record! {
    /// Some data.
    pub struct TestData {
        /// Chance of presence.
        pub probability: f64 = 0.1,
        pub importance: Vec<f64> = vec![1.0],
    }
}
crate::union! {
    /// What to train on.
    pub enum TestSource {
        /// Sparse.
        "sparse-uniform" => Sparse(TestData),
        /// Nothing.
        "zero" => Zero,
    }
}
crate::record! {
    pub struct TestRecipe {
        pub data: TestSource,
        pub batch: u32,
        pub label: Option<String> = None,
    }
}

fn decode<T: Decode>(text: &str) -> Result<T, Vec<String>> {
    let mut problems = Problems::default();
    let node = read(text, &mut problems).expect("yaml");
    let value = T::decode(&node, &mut problems);
    let lines = problems.into_errors().into_iter().map(|e| {
        let span = e.span.unwrap_or_default();
        format!("{}:{} {} [{}]", span.line, span.column, e.message, e.hints.join("; "))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { Ok(value.expect("value")) } else { Err(lines) }
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors =
        decode::<TestRecipe>("data: {sparse-uniform: {probabilty: 0.5, importance: [1, x]}}\nbatch: -1\nfoo: 1\n");
    assert_eq!(
        errors.unwrap_err(),
        [
            "1:25 unknown key `probabilty` [did you mean `probability`?]",
            "1:58 expected a number, found the text `x` []",
            "2:8 expected a whole number of at least 0, found `-1` []",
            "3:1 unknown key `foo` [known here: `data`, `batch` or `label`]",
        ]
    );
    assert_eq!(decode::<TestRecipe>("data: {sparse: {}}\n").unwrap_err().len(), 2);
}

#[test]
fn spelling_does_not_change_the_manifest() {
    let a: TestRecipe = decode("{data: {sparse-uniform: {probability: 1e-1, importance: [1]}}, batch: 1e3}").unwrap();
    let b: TestRecipe =
        decode("batch: 1000\ndata:\n  sparse-uniform:\n    importance: [1.0]\n    probability: 0.1\n").unwrap();
    let c: TestRecipe = decode("{data: sparse-uniform, batch: 1000}").unwrap();
    assert_eq!(a.manifest().to_string(), b.manifest().to_string());
    assert_eq!(a, c);
}

#[test]
fn a_field_is_assigned_by_its_path_with_or_without_the_kind() {
    let mut recipe: TestRecipe = decode("{data: sparse-uniform, batch: 10}").unwrap();
    let mut problems = Problems::default();
    let value = read("0.25", &mut problems).unwrap();
    recipe.assign(&["data", "probability"], &value, &mut problems).unwrap();
    recipe.assign(&["data", "sparse-uniform", "importance", "0"], &value, &mut problems).unwrap();
    assert!(problems.is_empty());
    assert_eq!(recipe.data, TestSource::Sparse(TestData { probability: 0.25, importance: vec![0.25] }));
    assert!(recipe.assign(&["data", "sparsty"], &value, &mut problems).is_none());
    assert!(recipe.assign(&["batch"], &value, &mut problems).is_none());
    assert_eq!(problems.len(), 2);
}

#[test]
fn the_schema_accepts_what_the_decoder_accepts() {
    let mut schemas = Schemas::new();
    let mut schema = TestRecipe::schema(&mut schemas);
    schema["$defs"] = serde_json::to_value(&schemas).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (text, valid) in [
        (r#"{"data": {"sparse-uniform": {"probability": 0.5}}, "batch": 1}"#, true),
        (r#"{"data": "zero", "batch": 1}"#, true),
        (r#"{"data": {"sparse": {}}, "batch": 1}"#, false),
        (r#"{"data": "zero", "batch": -1}"#, false),
        (r#"{"data": "zero", "batch": 1, "foo": 2}"#, false),
    ] {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(validator.is_valid(&json), valid, "{text}");
        assert_eq!(decode::<TestRecipe>(text).is_ok(), valid, "{text}");
    }
}
