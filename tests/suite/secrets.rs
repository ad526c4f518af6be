//! Secrets of programs: passed on, and in nothing that is kept.

use crate::support::Paper;

const LOGIN: &str = "\
repro: 1
stages:
  fetch: {exec: {run: 'echo using $API_TOKEN; echo \"{\\\"n\\\": ${#API_TOKEN}}\" > n.json; FAIL', outputs: [n.json], secrets: [API_TOKEN]}}
";

#[test]
fn a_secret_reaches_the_program_and_nothing_that_is_kept() {
    let paper = Paper::new().yaml(&LOGIN.replace("FAIL", "true")).env("API_TOKEN", "hunter2-and-more");
    paper.run("build -v").ok();
    assert!(paper.run("show fetch").ok().stdout.contains("16"));
    assert_eq!(paper.read("cache/logs/fetch.log"), "using ****************\n");
    paper.run("export fetch -o paper.zip").ok();
    for (name, bytes) in paper.files("").iter().chain(&paper.files("cache")) {
        let found = bytes.windows(8).any(|part| part == b"hunter2-");
        assert!(!found, "{name}");
    }
    // Another token is no other input, and without one nothing has to run.
    let other = paper.env("API_TOKEN", "another");
    assert_eq!(other.build("fetch").ok().events_of("build-finished")[0]["ran"], 0);
    let none = other.env("API_TOKEN", "");
    assert_eq!(none.build("fetch").ok().events_of("build-finished")[0]["ran"], 0);
    none.run("build --rerun fetch").code(2).says("the secret `API_TOKEN` is not set");
}

#[test]
fn the_output_of_a_failed_program_is_masked() {
    let paper = Paper::new().yaml(&LOGIN.replace("FAIL", "exit 3")).env("API_TOKEN", "hunter2-and-more");
    let run = paper.run("build").code(1);
    assert!(run.stderr.contains("using ****************"), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    let json = paper.build("").code(1).stdout;
    assert!(!json.contains("hunter2"), "{json}");
}

#[test]
fn a_name_that_looks_secret_does_not_belong_into_env() {
    let paper = Paper::new().yaml(&LOGIN.replace("secrets:", "env:"));
    paper.run("build").code(2).says("`API_TOKEN` looks like a secret").says("write `secrets: [API_TOKEN]` instead");
    let both = Paper::new().yaml(&LOGIN.replace("secrets:", "env: [API_TOKEN], secrets:"));
    both.run("build").code(2).says("`API_TOKEN` is both in `env` and in `secrets`");
}
