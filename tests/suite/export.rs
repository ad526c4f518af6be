//! `export` writes the whole paper to one archive, and `verify` checks it on another machine.

use std::io::{Cursor, Write};
use std::path::Path;

use crate::support::{GRID, Paper, Run};
use repro::exchange::{ArchiveReader, ArchiveWriter};
use serde_json::{Value as Json, json};

const STAGES: &str = "  raw: {data: data/*.csv}
  fetched: {data: {url: 'file://URL', digest: 'blake3:DIGEST'}}
  fit:
    exec:
      run: ./fit.sh > fit.csv; cp fit.csv figures/fit.txt
      inputs: [raw, fetched, fit.sh]
      outputs: [fit.csv, figures/fit.txt]
      tools: [sh -c 'echo 1']
      env: [COLOUR]
  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [csv]}}
  figure: {figure: {of: measures, panels: [{marks: [{points: {x: probability, y: loss}}], where: {run: 1}}], formats: [svg, png]}}
";

/// A paper with trained models, a program with a tool and a variable, input files and a fetched file.
pub fn paper() -> Paper {
    let paper = Paper::new().env("COLOUR", "blue").file("far/away.csv", "z\n7\n");
    let digest = blake3::hash(b"z\n7\n").to_hex().to_string();
    let stages = STAGES.replace("URL", &paper.path("far/away.csv").display().to_string()).replace("DIGEST", &digest);
    let paper = paper.yaml(&(GRID.to_string() + &stages).replace("sh -c 'echo 1'", "[sh, -c, echo 1]"));
    paper.write("data/a.csv", "x\n1\n").write("data/b b.csv", "x\n2\n");
    paper.write("fit.sh", "#!/bin/sh\necho y; cat data/*.csv fetched/away.csv | grep -c .\n");
    let chmod = std::process::Command::new("chmod").arg("+x").arg(paper.path("fit.sh")).status().unwrap();
    assert!(chmod.success());
    paper.build("").ok();
    paper
}

pub fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut reader = ArchiveReader::new(Cursor::new(std::fs::read(path).unwrap())).unwrap();
    let names: Vec<String> = reader.names().map(str::to_string).collect();
    names.into_iter().map(|name| (name.clone(), reader.read(&name).unwrap().unwrap())).collect()
}

/// Write the archive with some members changed or removed.
fn forge(from: &Path, to: &Path, change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) {
    let mut writer = ArchiveWriter::new(std::fs::File::create(to).unwrap());
    for (name, content) in members(from) {
        if let Some(content) = change(&name, content) {
            writer.add(&name, &content).unwrap();
        }
    }
    writer.finish().unwrap().flush().unwrap();
}

/// Verify in an empty folder, as on another machine.
pub fn verify_elsewhere(archive: &Path, arguments: &str) -> Run {
    let empty = Paper::new();
    empty.run(&format!("verify {} {arguments}", archive.display()))
}

/// The new content of a member of the archive; `None` removes it.
type Change<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>>;

#[test]
fn an_archive_contains_everything_that_the_artifacts_are_made_from() {
    let paper = paper();
    let run = paper.run("export").ok();
    assert!(run.stdout.starts_with("paper.zip: 12 files with 4 artifacts and the traces of "), "{}", run.stdout);
    assert!(run.stderr.contains("the archive contains digests of the values of COLOUR"), "{}", run.stderr);
    let members = members(&paper.path("paper.zip"));
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "ro-crate-metadata.json",
            "data/a.csv",
            "data/b b.csv",
            "figures/figure.png",
            "figures/figure.svg",
            "figures/fit.txt",
            "figures/table.csv",
            "fit.sh",
            "paper.yaml",
            "repro-archive/fetched/fetched/away.csv",
            "repro-archive/traces.json",
            "repro-archive/manifest.json",
        ]
    );
    let json = |name: &str| -> Json {
        serde_json::from_slice(&members.iter().find(|(known, _)| known == name).unwrap().1).unwrap()
    };
    let traces = json("repro-archive/traces.json");
    let stage = |name: &str| traces["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name).unwrap();
    let fit = stage("fit");
    assert_eq!(fit["tools"], json!({"sh -c echo 1": "1"}));
    assert_eq!(fit["env"]["COLOUR"].as_str().map(str::len), Some(64), "a digest");
    assert_eq!(fit["inputs"].as_object().unwrap().keys().collect::<Vec<_>>(), ["fetched", "fit.sh", "raw"]);
    assert_eq!(stage("grid")["results"].as_array().unwrap().len(), 6);
    let result = &stage("grid")["results"][1];
    assert_eq!(result["name"], "probability=0.1 run=2");
    let maker = &traces["makers"][result["maker"].as_u64().unwrap() as usize];
    assert_eq!((&maker["repro"], &maker["engine"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("cpu")));
    assert!(traces["makers"].as_array().unwrap().iter().all(|maker| maker.get("host").is_none()));
    // The metadata describes every file by its percent-encoded path.
    let crates = json("ro-crate-metadata.json");
    let graph = crates["@graph"].as_array().unwrap();
    let entity = |id: &str| graph.iter().find(|entity| entity["@id"] == id).unwrap_or_else(|| panic!("{id}"));
    assert_eq!(entity("ro-crate-metadata.json")["about"], json!({"@id": "./"}));
    assert_eq!(entity("./")["hasPart"].as_array().unwrap().len(), names.len() - 2);
    assert_eq!(entity("data/b%20b.csv")["encodingFormat"], "text/csv");
    let made = entity("#make-fit");
    assert_eq!(made["result"], json!({"@id": "figures/fit.txt"}));
    let from: Vec<&str> =
        made["object"].as_array().unwrap().iter().filter_map(|object| object["@id"].as_str()).collect();
    assert_eq!(from, ["data/a.csv", "data/b%20b.csv", "fit.sh", "paper.yaml"]);
}

#[test]
fn the_same_cache_gives_the_same_archive() {
    let paper = paper();
    paper.run("export -o one.zip --license CC-BY-4.0 --author A").ok();
    paper.run("export -o two.zip --license CC-BY-4.0 --author A").ok();
    assert_eq!(paper.files("")["one.zip"], paper.files("")["two.zip"]);
    assert_eq!(paper.files("cache/scratch").len(), 0);
}

#[test]
fn out_of_date_stages_are_not_exported() {
    let paper = paper();
    paper.edit("steps: 20", "steps: 21");
    paper.run("export").code(1).says("are out of date").says("`repro build` first");
    assert!(!paper.path("paper.zip").exists());
    paper.run("export fit").ok();
    assert!(members(&paper.path("paper.zip")).iter().all(|(name, _)| name != "figures/figure.svg"));
    std::fs::write(paper.path("figures/fit.txt"), "edited").unwrap();
    paper.run("export fit").code(1).says("fit is out of date");
}

#[test]
fn an_archive_is_verified_and_rebuilt_on_another_machine() {
    let paper = paper();
    let digest = paper.run("export").ok().stdout.lines().last().unwrap().to_string();
    let archive = paper.path("paper.zip");
    // The original cache and the fetched file no longer exist.
    std::fs::remove_dir_all(paper.path("cache")).unwrap();
    std::fs::remove_dir_all(paper.path("far")).unwrap();
    let run = verify_elsewhere(&archive, "").ok();
    assert!(
        run.stdout.starts_with("verified: 12 files match the manifest; 4 artifacts match the paper file"),
        "{}",
        run.stdout
    );
    assert_eq!(run.stdout.lines().last().unwrap(), digest);
    let run = paper.run("verify paper.zip --rebuild --yes").ok();
    assert!(
        run.stdout.contains("grid      6 points same\n") && run.stdout.contains("fit       same, fit.txt same\n"),
        "{}",
        run.stdout
    );
    // Without the variable the result is the same, under another key.
    let verdicts = verify_elsewhere(&archive, "--rebuild --yes --json").ok().events_of("verify-finished");
    assert_eq!((&verdicts[0]["differs"], &verdicts[0]["new"]), (&json!(0), &json!(0)));
}

#[test]
fn a_forged_archive_is_rejected() {
    let paper = paper();
    paper.run("export").ok();
    let (good, bad) = (paper.path("paper.zip"), paper.path("bad.zip"));
    let rejected = |change: Change, why: &str| {
        forge(&good, &bad, change);
        verify_elsewhere(&bad, "").code(1).says(why).says("not verified: ");
    };
    let edit = |path: &'static str, from: &'static str, to: &'static str| {
        move |name: &str, content: Vec<u8>| {
            if name != path {
                return Some(content);
            }
            let text = String::from_utf8(content).unwrap();
            assert!(text.contains(from), "{text}");
            Some(text.replace(from, to).into_bytes())
        }
    };
    rejected(&edit("figures/fit.txt", "y", "Y"), "figures/fit.txt: content differs from the manifest");
    rejected(&|name, content| (name != "fit.sh").then_some(content), "fit.sh: missing");
    rejected(&edit("repro-archive/manifest.json", "fit.sh", "../x"), "../x: unsafe path");
    // An extra file.
    let mut writer = ArchiveWriter::new(std::fs::File::create(&bad).unwrap());
    members(&good).iter().for_each(|(name, content)| writer.add(name, content).unwrap());
    writer.add("more.txt", b"").unwrap();
    writer.finish().unwrap();
    verify_elsewhere(&bad, "").code(1).says("more.txt: not in the manifest");
    // All digests are right, but the paper file or an artifact does not match the traces.
    let swap = |path: &'static str, from: &'static str, to: &'static str, why: &str| {
        let changed = members(&good).into_iter().find(|(name, _)| name == path).unwrap().1;
        let changed = String::from_utf8(changed).unwrap().replace(from, to).into_bytes();
        forge(&good, &bad, |name, content| {
            if name == path {
                return Some(changed.clone());
            }
            if name != "repro-archive/manifest.json" {
                return Some(content);
            }
            let mut manifest: Json = serde_json::from_slice(&content).unwrap();
            let file = manifest["files"].as_array_mut().unwrap().iter_mut().find(|file| file["path"] == path).unwrap();
            file["size"] = json!(changed.len());
            file["blake3"] = json!(blake3::hash(&changed).to_hex().to_string());
            Some(manifest.to_string().into_bytes())
        });
        verify_elsewhere(&bad, "").code(1).says(why).says("do not match its paper file and inputs");
    };
    swap("paper.yaml", "steps: 20", "steps: 21", "grid: the traces lack 6 results");
    swap("data/a.csv", "1", "9", "raw: the traces lack 1 result");
    swap("figures/table.csv", "0", "1", "table: its files are not those of the traces");
    swap("repro-archive/fetched/fetched/away.csv", "7", "8", "fetched: `away.csv` does not match its `digest`");
    // A damaged file.
    let mut bytes = std::fs::read(&good).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&bad, bytes).unwrap();
    assert_eq!(verify_elsewhere(&bad, "").code, Some(1));
}

#[test]
fn other_files_are_not_archives() {
    let paper = Paper::new().yaml(GRID).file("a.zip", "no zip");
    paper.run("verify a.zip").code(1).says("it is not a whole zip archive");
    paper.run("verify b.zip").code(1).says("cannot read `b.zip`");
    let mut writer = ArchiveWriter::new(std::fs::File::create(paper.path("a.zip")).unwrap());
    writer.add("x", b"").unwrap();
    writer.finish().unwrap();
    paper.run("verify a.zip").code(2).says("is not an archive of repro").says("hint: `repro export` makes one");
    paper.run("verify one --rebuild").code(2).says("--rebuild is for archives");
}

#[test]
fn show_prints_the_trace_of_a_result() {
    let paper = paper();
    let shown = paper.run("show fit grid --trace").ok().stdout;
    let begins: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    let fixed = |line: &str| !["made", "digest", "key", "by", "used"].iter().any(|word| line.starts_with(word));
    let lines: Vec<&str> = begins.iter().map(String::as_str).filter(|line| fixed(line)).collect();
    assert_eq!(
        lines,
        [
            "grid (sweep)",
            "",
            "fit (exec)",
            "from fetched",
            "from fit.sh",
            "from raw",
            "tool sh",
            "env COLOUR:",
            "file fit.txt"
        ]
    );
    assert!(begins.contains(&"made 6".to_string()) && begins.contains(&"by repro".to_string()), "{shown}");
    assert!(begins.iter().any(|line| line.starts_with("used ")), "{shown}");
    let trace = paper.run("show fit --trace --json").ok().events().remove(0);
    assert_eq!(trace["trace"]["results"].as_array().unwrap().len(), 1);
    paper.edit("steps: 20", "steps: 21").run("show grid --trace").code(1).says("grid is out of date");
}

#[test]
fn values_of_variables_are_neither_written_nor_printed() {
    let paper = paper().env("COLOUR", "hunter2-and-more");
    let run = paper.run("explain fit").ok();
    assert!(run.stdout.contains("    env.COLOUR: changed (paper.yaml:"), "{}", run.stdout);
    paper.build("").ok();
    // A second, no-op build writes a memo.
    paper.build("").ok();
    paper.run("export").ok();
    let outputs = ["plan", "explain fit", "show fit --trace", "show fit --trace --json", "status --json", "build -n"];
    for command in outputs {
        let Run { stdout, stderr, .. } = paper.run(command).ok();
        assert!(!format!("{stdout}{stderr}").contains("hunter2"), "{command}: {stdout}{stderr}");
    }
    let holds = |bytes: &[u8]| bytes.windows(7).any(|part| part == b"hunter2");
    for (name, bytes) in paper.files("").into_iter().chain(members(&paper.path("paper.zip"))) {
        assert!(!holds(&bytes), "{name}");
    }
    // Records of older versions contain values: they are not printed either.
    let last = paper.files("cache").into_keys().find(|name| name.ends_with("/fit.json")).unwrap();
    let mut record: Json = serde_json::from_str(&paper.read(&last)).unwrap();
    record["manifest"]["env"]["COLOUR"] = json!("swordfish");
    paper.write(&last, &record.to_string());
    let paper = paper.env("COLOUR", "green");
    for command in ["plan", "explain fit", "explain fit --json"] {
        let Run { stdout, .. } = paper.run(command).ok().says("env.COLOUR: changed");
        assert!(!stdout.contains("swordfish") && !stdout.contains("green"), "{command}: {stdout}");
    }
}

#[test]
fn only_an_earlier_archive_is_replaced() {
    let paper = paper();
    paper.run("export -o fit.sh").code(2).says("`fit.sh` belongs to the paper");
    paper.run("export -o paper.yaml --force").code(2).says("`paper.yaml` belongs to the paper");
    paper.run("export -o data").code(2).says("it is not a plain file");
    paper.run("export -o /dev/null --force").code(2).says("it is not a plain file");
    paper.write("thesis.zip", "mine");
    paper.run("export -o thesis.zip").code(2).says("it is not an archive of repro").says("--force");
    assert_eq!(paper.read("thesis.zip"), "mine");
    paper.run("export -o thesis.zip --force").ok();
    paper.run("export -o thesis.zip").ok();
    paper.write("grid.npz", "mine");
    paper.run("show grid --npz grid.npz").code(2).says("it is not an .npz file of repro");
    paper.run("show grid --npz fit.sh --force").code(2).says("`fit.sh` belongs to the paper");
    assert_eq!(paper.read("grid.npz"), "mine");
    paper.run("show grid --npz grid.npz --force").ok();
    paper.run("show grid --npz grid.npz").ok();
}
